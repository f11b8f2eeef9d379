//! Telling people of a business that a contact waits: e-mail by setting, and a stream of events
//! that a page turns into a sound and a notification.

mod api;
mod mail;
mod schema;
mod store;

pub use api::routes;
pub use mail::{BadMailer, Mailer, WaitingMail};
pub use schema::MIGRATIONS;
pub use store::{remove_tenant, set_emails};
