//! WhatsApp Cloud API: Meta's own.
//!
//! Contract read from Graph API v23. One Meta app may serve many numbers: each change of a webhook
//! names its number, and is believed only under the secret of that number's channel.

mod codes;
mod parse;
mod send;

pub use codes::{Advice, What, advice};
pub use parse::{Change, Check, changes};
pub use send::{BASE_URL, Cloud, base_of};
