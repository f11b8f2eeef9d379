//! What the nodes of a house share through a Redis: how much clients used of their limits, who is there, who leads, and
//! the calls that all nodes follow. It knows Redis, and nothing of what the numbers are for.
//!
//! # Invariants
//! - Nothing waits for Redis but the task that talks to it: every command has a deadline, and after a failure the
//!   connection is made anew.
//! - Every key begins with the prefix and the house; two houses on one Redis never meet.
//! - A term of leadership has a number, and what a leader writes is refused once there was a later term.

mod counts;
mod keys;
mod link;
mod members;
mod told;
mod used;

pub use link::{Error, Kind, Link, Settings};
pub use members::{Lead, Meeting};
pub use told::Told;
pub use used::Use;
