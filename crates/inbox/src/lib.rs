//! Who wrote, what was said, and whose turn it is.
//!
//! # Invariants
//! - A provider's message is stored once, however often it is delivered.
//! - `inbound_seq` counts what waits for an answer, `answered_seq` what a turn has covered. A turn
//!   is stored only if nobody moved either since it looked.
//! - New text cancels a waiting answer at most once, then the answer stands.
//! - While a person owns the conversation nothing of the assistant leaves, except the one line
//!   that says that a person was called.
//! - A send whose outcome is not known is never repeated.

mod api;
mod model;
mod phone;
mod receive;
mod schema;
mod send;
mod store;
mod turn;

pub use api::routes;
pub use model::{
    ConversationView, MessageView, Owner, Reason, Rules, SendDue, TurnDue, handoff_words,
};
pub use phone::{Echo, phone_echo};
pub use receive::{Incoming, Received, receive};
pub use schema::MIGRATIONS;
pub use send::{
    Begin, Outcome, PersonReply, Status, apply_status, begin_send, edited, end_send, needs_person,
    reply,
};
pub use store::{abandon, abandon_job, reactivate, remove_tenant};
pub use store::{
    conversation, conversations, give_back, message, messages, rules, seed, set_rules, take_over,
};
pub use turn::{Answer, Gathered, Line, Stored, gather, store_answer};
