//! Connected senders: webhooks in, sends out, and whose number is whose.
//!
//! # Invariants
//! - An instance name belongs to one channel of one tenant of the installation. The tenant is told
//!   by it, never by a sender's number.
//! - A webhook is acknowledged only after what it brought is durable.
//! - Authentic JSON that no parser knows is kept for replay, not lost.
//! - A send is marked before the provider is called, and never repeated in doubt.

mod api;
mod directory;
mod intake;
mod media;
mod schema;
mod send;
mod store;
mod webhook;

pub use api::routes;
pub use directory::{Directory, Entry};
pub use intake::{Intake, Taken};
pub use media::remove_all as remove_files;
pub use schema::MIGRATIONS;
pub use send::{ChannelTyping, Send};
pub use store::{
    Channel, ChannelError, NewChannel, RawEvent, Rotation, add, alarms, list, raw_events, remove,
    remove_tenant, rotate,
};
pub use webhook::{Limits, webhooks};
