//! Connected senders: webhooks in, sends out, and whose number is whose.
//!
//! # Invariants
//! - A provider's name of a channel belongs to one channel of one tenant of the installation. The
//!   tenant is told by it, never by a contact's number.
//! - A webhook is acknowledged only after what it brought is durable.
//! - Authentic JSON that no parser knows is kept for replay, not lost; but Whaticket's door answers it
//!   with 400 and the reason, as its senders expect, and keeps nothing.
//! - A send is marked before the provider is called, and never repeated in doubt.

mod alarm;
mod api;
mod catch_up;
mod directory;
mod fetch;
mod intake;
mod kept;
mod keys;
mod limits;
mod locate;
mod manage;
mod media;
mod message_api;
mod past;
mod schema;
mod send;
mod skew;
mod store;
mod webhook;

pub use api::routes;
pub use catch_up::{CatchUp, CatchUpDue, Reconcile, ReconcileDue, schedule};
pub use directory::{Directory, Entry};
pub use fetch::{Fetch, MediaDue};
pub use intake::{Intake, Taken};
pub use kept::{HealthView, RawEvent, health, raw_events};
pub use keys::{OVERLAP, rotate, short_tokens};
pub use limits::{Limiter, Rates};
pub use locate::{alarms, every};
pub use manage::{Manage, Paired, Status};
pub use media::MediaRules;
pub use message_api::{
    AuthorIn, ListIn, MediaIn, MessageIn, Posted, Sender, Signature, TemplateIn,
    routes as message_routes,
};
pub use schema::MIGRATIONS;
pub use send::{ChannelTyping, Send};
pub use store::{
    Channel, ChannelError, NewChannel, NewLogin, Rotation, WEBHOOK_TOKEN, add, find, list, pairing,
    remove,
};
pub use webhook::{Limits, WEBHOOKS, webhooks};
