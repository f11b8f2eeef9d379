//! Outgoing webhooks: integrators are told what happened, signed, until they have it.
//!
//! Signatures follow the Standard Webhooks specification: `webhook-id`, `webhook-timestamp` and
//! `webhook-signature` over id, time and body.
//!
//! # Invariants
//! - An event exists exactly when the transaction that caused it was committed.
//! - A delivery is tried eight times over a day. An endpoint that fails again and again is left
//!   alone for a while; that counts as no try.

mod api;
mod deliver;
mod schema;
mod sign;
mod store;

pub use api::routes;
pub use deliver::Deliver;
pub use schema::MIGRATIONS;
pub use store::{
    Delivery, DeliveryDue, Endpoint, HookError, NewEndpoint, add, deliveries, emit, list, prune,
    remove, replay,
};

/// What integrators can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    MessageReceived,
    MessageAnswered,
    MessageFailed,
    HandedOff,
    ContactChanged,
    /// Sent on request, to see whether an endpoint works.
    Test,
}

impl Event {
    pub const ALL: [Self; 6] = [
        Self::MessageReceived,
        Self::MessageAnswered,
        Self::MessageFailed,
        Self::HandedOff,
        Self::ContactChanged,
        Self::Test,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::MessageReceived => "message.received",
            Self::MessageAnswered => "message.answered",
            Self::MessageFailed => "message.failed",
            Self::HandedOff => "conversation.handed_off",
            Self::ContactChanged => "contact.changed",
            Self::Test => "webhook.test",
        }
    }
}
