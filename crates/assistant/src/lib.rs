//! A turn: what the assistant says to a burst of messages, and how it knows.
//!
//! # Invariants
//! - It says only what the tenant's knowledge supports: a model's answer whose numbers, addresses
//!   or links stand in no evidence is replaced by the knowledge's own sentences, or by an honest
//!   "I do not know".
//! - No transaction is open while a model is asked.
//! - Storing the answer and finishing the job are one commit.

mod acts;
mod answer;
mod api;
mod budget;
mod chat;
mod confirmed_hours;
mod context;
mod evidence;
mod guard;
mod history;
mod hours;
mod model_turn;
mod parts;
mod phrases;
mod questions;
mod reply;
mod schema;
mod settings;
mod transcribe;
mod turn;

pub use answer::Answerer;
pub use api::routes;
pub use budget::{spent, spent_this_month};
pub use context::{Context, Contexts};
pub use reply::{Reply, Said, Source};
pub use schema::MIGRATIONS;
pub use settings::{ActRule, ModelSettings, Settings, SettingsError, Tone, load, save, seed};
pub use settings::{FALLBACK_KEY, MODEL_KEY};
pub use settings::{KeyError, KeyFate, keep_key};
pub use transcribe::Transcribe;
pub use turn::{Turn, Typing};
