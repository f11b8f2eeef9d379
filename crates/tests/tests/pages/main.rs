//! The panel through the front door: the real router, both engines, no screen.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod desk;
mod gateways;
mod home;
mod look;
mod manage;
mod programs;
mod provider;
mod signing;
mod walk;
