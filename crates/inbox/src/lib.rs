//! Who wrote, what was said, and whose turn it is.
//!
//! # Invariants
//! - A provider's message is stored once, however often it is delivered.
//! - `inbound_seq` counts what waits for an answer, `answered_seq` what a turn has covered. A turn
//!   is stored only if nobody moved either since it looked.
//! - New text cancels a waiting answer at most once, then the answer stands.
//! - While a person owns the conversation nothing of the assistant leaves, except the one line
//!   that says that a person was called.
//! - A send whose outcome is not known is never repeated in doubt: only when the provider was asked,
//!   and nothing that it has can be it.

mod api;
mod desk;
mod figures;
mod handoff;
mod ids;
mod journey;
mod list;
mod media;
mod merge;
mod model;
mod outgoing;
mod people;
mod people_api;
mod phone;
mod receive;
mod resolution;
mod schema;
mod send;
mod settle;
mod store;
mod turn;
mod unasked;

pub use api::routes;
pub use desk::{
    Attended, Canned, DeskRefused, DeskView, Label, Note, add_label, add_note, assign, attend,
    canned, desk, give, labels, notes, release, remove_canned, remove_label, seen, sent_once,
    set_canned, sign, signatures, take, toggle_label,
};
pub use figures::{Day, Declined, Figures, channel_activity, days, declined, figures, seen_to};
pub use handoff::{
    Event, OwnerChange, WaitingDue, give_back, needs_person, owner_changes, take_over, wait_again,
};
pub use journey::{Journey, Step, journey, journeys_of_phone};
pub use list::{Last, Narrow, Row, Show, desk_list, desk_row};
pub use media::{Attachment, TranscribeDue, WithFile, attachment, set_attachment, transcribe};
pub use merge::{MergeView, merges};
pub use model::{
    ConversationView, LATE, MessageView, Owner, Reason, Rules, SendDue, TurnDue, WINDOW,
    handoff_words, words,
};
pub use outgoing::{Author, Enqueued, NewOutgoing, Refused, To, outgoing};
pub use people::{ContactView, Handle, Handles, contact, contacts, learn, moved};
pub use phone::{Echo, form, phone_echo};
pub use receive::{Incoming, Received, receive};
pub use resolution::{reopen, resolve};
pub use schema::MIGRATIONS;
pub use send::{
    Begin, Leaving, Outcome, Report, Status, apply_status, begin_send, edited, end_send,
    number_checked,
};
pub use settle::{
    Open, Unsettled, not_sent, own_ids, requeue, taken_over, unknown_sends, unsettled,
};
pub use store::{abandon, abandon_job, reactivate, waiting};
pub use store::{conversation, conversations, message, messages, rules, seed, set_rules};
pub use turn::{Answer, Gathered, Line, Stored, gather, store_answer};
pub use unasked::set_opted_out;
pub use understanding::Act;
