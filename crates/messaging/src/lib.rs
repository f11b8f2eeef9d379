//! Senders of messages: one contract, one adapter a folder. Provider JSON stays in its adapter.

mod attachment;
mod clocks;
pub mod cloud;
mod contract;
pub mod evolution;
pub mod http;
mod inbound;
pub mod json;
mod outgoing;
pub mod whaticket;

pub use clocks::ProviderClocks;
pub use contract::{
    Accepted, Capabilities, Connection, Endpoint, File, History, Kind, Known, Login, Messenger,
    Messengers, Next, SendError, Span, UnknownKind, Webhook,
};
pub use inbound::{
    Chat, ChatKind, Content, Health, Inbound, InboundMessage, Link, LinkState, Media, Parsed,
    Progress, SendState,
};
pub use outgoing::{BadBody, Body, Choice, ListRow, MediaKind, Outgoing, Source};
