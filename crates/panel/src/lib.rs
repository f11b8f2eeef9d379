//! The pages: people sign in, watch conversations, take over, and run their business's assistant.
//!
//! Pages stand above the capabilities because a page is where they meet: a conversation shows its
//! messages, its answers' sources and its channel's rules. What a page does it does by the public
//! functions of the capability; it has no SQL but for the brand.
//!
//! # Invariants
//! - Every page asks for what it needs by type: `At` for a permission in a tenant, `House`
//!   for the operator, `Me` for whoever is signed in. [`routes`] lists each with what it asks for.
//! - A change is written to the audit trail in its own transaction.
//! - A form proves that it came from our own page; a link changes nothing.

mod account;
mod acts_page;
mod address;
mod api;
mod app;
mod assistant_page;
mod audit_page;
mod banners;
mod brand;
mod causes;
mod channels_page;
mod components;
mod composer;
mod conversation;
mod desk;
mod device;
mod door;
mod facts_page;
mod failure;
mod form;
mod gateway_page;
mod home;
mod hours;
mod inbox_page;
mod keys;
mod knowledge_page;
mod knowledge_words;
mod letters;
mod links;
mod live;
mod machines;
mod message_page;
mod oidc_page;
mod operator;
mod operators;
mod passkey_page;
mod prove;
mod registry;
mod settings;
mod sign_in;
mod simulator;
mod team;
mod unanswered;
mod words;

pub use api::SignedIn;
pub use app::{App, Operations, Options, Work};
pub use brand::MIGRATIONS;
pub use letters::{invite, tell_password_changed};
pub use registry::{PageAccess, PageRoute};
pub use sign_in::sign_in_as;
pub use simulator::Customer;

use axum::Router;

/// The pages, and the list of them with what each asks for.
pub fn routes(app: App) -> (Router, Vec<PageRoute>) {
    let mut pages = registry::Pages::default();
    sign_in::pages(&mut pages);
    links::pages(&mut pages);
    oidc_page::pages(&mut pages);
    passkey_page::pages(&mut pages);
    account::pages(&mut pages);
    prove::pages(&mut pages);
    home::pages(&mut pages);
    inbox_page::pages(&mut pages);
    conversation::pages(&mut pages);
    desk::pages(&mut pages);
    message_page::pages(&mut pages);
    acts_page::pages(&mut pages);
    facts_page::pages(&mut pages);
    knowledge_page::pages(&mut pages);
    unanswered::pages(&mut pages);
    assistant_page::pages(&mut pages);
    hours::pages(&mut pages);
    channels_page::pages(&mut pages);
    simulator::pages(&mut pages);
    settings::pages(&mut pages);
    team::pages(&mut pages);
    keys::pages(&mut pages);
    brand::pages(&mut pages);
    audit_page::pages(&mut pages);
    operator::pages(&mut pages);
    operators::pages(&mut pages);
    machines::pages(&mut pages);
    gateway_page::pages(&mut pages);
    live::pages(&mut pages);
    components::pages(&mut pages);
    pages.build(app)
}
