//! Telling people of a business that a contact waits: e-mail by setting, and a stream of events
//! that a page turns into a sound and a notification.

mod api;
mod mail;
mod schema;
mod store;

pub use api::routes;
pub use mail::{BadMailer, Mailer, NotSent, WaitingMail};
pub use schema::MIGRATIONS;
pub use store::{ActNotice, BadRecipients, Recipients, recipients, set_recipients};

/// Whether a text is an e-mail address.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}
