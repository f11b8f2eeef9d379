//! Reads strangers' bytes in a child process with hard limits: memory, processor time, output, no files, no
//! network.
//!
//! A parser of a stranger's format may loop, recurse without end, or ask for all memory; some would abort the
//! process. Here it takes a child with it, and its owner is told why. The child is this same program, started
//! with another command; what it may do is set by the child itself before it reads its first byte.
//!
//! # Invariants
//! - The child can open nothing and connect to nothing once it has its input.
//! - What it says is bounded before it is read: a child that was taken over is one more stranger.
//! - No child outlives the future that waits for it.

mod child;
mod frame;
mod parent;

pub use child::{Allowance, Reporter, SetUpError, probe, serve};
pub use frame::{Decoder, Frame, FrameError};
pub use parent::{ChildError, Limits, Runner};
