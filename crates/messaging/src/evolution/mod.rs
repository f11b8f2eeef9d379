//! Evolution API v2, with what v1 and its minor versions do differently.
//!
//! Contract read from versions 1.8.2, 2.2.3 and 2.3.6: bodies of one event differ between them in
//! how numbers, bytes and phone numbers are written, and all forms are accepted.

mod manage;
mod parse;
mod send;

pub use manage::{Created, Instance};
pub use parse::parse;
pub(crate) use parse::{content, message, unwrap};
pub use send::Evolution;

/// Events that a channel subscribes to.
pub const EVENTS: &[&str] = &[
    "MESSAGES_UPSERT",
    "MESSAGES_UPDATE",
    "MESSAGES_EDITED",
    "MESSAGES_DELETE",
    "SEND_MESSAGE",
    "CONNECTION_UPDATE",
    "QRCODE_UPDATED",
    "LOGOUT_INSTANCE",
    "STATUS_INSTANCE",
];
