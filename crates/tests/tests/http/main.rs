//! Everything through the front door: the real router, both engines.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod api;
mod contract;
mod conversation;
mod everyday;
mod isolation;
mod names;
mod queue_fair;
mod webhook;
