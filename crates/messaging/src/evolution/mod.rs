//! Evolution API v2, with what v1 and its minor versions do differently.
//!
//! Contract read from versions 1.8.2, 2.2.3 and 2.3.6: bodies of one event differ between them in
//! how numbers, bytes and phone numbers are written, and all forms are accepted.

mod manage;
mod parse;
mod send;

pub use manage::{Connection, Created, Instance, Known, OutgoingMedia, Webhook};
pub use parse::parse;
pub use send::Evolution;
