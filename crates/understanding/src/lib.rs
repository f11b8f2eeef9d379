//! What a customer's message is, before anything is looked up: its spelling made plain, and the acts it performs
//! (a question, a complaint, a cry for help, "stop writing to me" …). Pure: no I/O, no tenant, no clock.
//!
//! Acts are found by a small classifier over letters and words, and over the sentence's vector where the caller has one.
//! Under it, for danger and for "stop", lie patterns of what people say then.

mod act;
mod classifier;
mod detect;
mod fit;
mod patterns;
mod spelling;

pub use act::Act;
pub use classifier::{CLASSES, Classifier, classifier};
pub use detect::{Found, Strength, acts, is_clear, is_statement, small_talk};
pub use fit::{Example, fit};
pub use spelling::{Plain, plain_word};
