//! Whaticket, community and SaaS forks: signed webhooks in, `/api/messages/send` out.
//!
//! The API names no message id and reports no delivery: what it accepted is all that is known.

mod parse;
mod send;
mod sign;

pub use parse::{Unreadable, parse};
pub use send::{Whaticket, base_of};
pub(crate) use sign::decode;
pub use sign::{Check, Forged, WINDOW};
