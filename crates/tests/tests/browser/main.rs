//! Pages in a real Chromium: in both languages, at phone and desktop width, with an accessibility check.
//!
//! Screenshots are left in the build folder, under `screenshots/`.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod driver;
mod gateways;
mod journeys;
mod oidc;
mod pages;
mod world;
