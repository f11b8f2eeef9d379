//! Everything through the front door: the real router, both engines.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod api;
mod contract;
mod conversation;
mod disorder;
mod everyday;
mod facts;
mod file_cases;
mod files;
mod fixtures;
mod forged;
mod isolation;
mod model_answers;
mod names;
mod pairing;
mod people;
mod provider_faults;
mod queue_fair;
mod told;
mod webhook;
