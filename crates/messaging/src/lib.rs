//! Senders of messages: one trait, one adapter a file. Provider JSON stays in its adapter.

pub mod evolution;
pub mod http;
mod inbound;

pub use inbound::{Chat, ChatKind, Content, Inbound, InboundMessage, Media, Parsed, SendState};

use std::time::Duration;

use async_trait::async_trait;

/// Where a channel's provider is and how to speak to it. Not printable: it holds the key.
#[derive(Clone)]
pub struct Endpoint {
    pub base_url: String,
    pub instance: String,
    pub api_key: String,
}

/// A text that is to leave.
#[derive(Debug, Clone)]
pub struct OutgoingText<'a> {
    /// What the provider calls the recipient: digits or a JID.
    pub to: &'a str,
    pub body: &'a str,
}

/// What a provider says of an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub provider_id: String,
}

/// A provider that sends messages.
#[async_trait]
pub trait Messenger: Send + Sync {
    /// Sends one text. Not repeated here: retries belong to the queue.
    async fn send_text(
        &self,
        endpoint: &Endpoint,
        text: &OutgoingText<'_>,
    ) -> Result<Accepted, SendError>;

    /// Shows "typing…" to the contact for a moment.
    async fn show_typing(&self, endpoint: &Endpoint, to: &str) -> Result<(), SendError>;

    /// The provider's word on whether the channel is connected, such as `open`.
    async fn state(&self, endpoint: &Endpoint) -> Result<String, SendError>;
}

/// Split by what the caller does next, not by what the provider said.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Permanent: trying again changes nothing.
    #[error("the provider refused: {reason}")]
    Refused { code: String, reason: String },
    #[error("the provider asks to wait {retry_after:?}")]
    Throttled { retry_after: Duration },
    /// Nothing left this machine, or the provider said that it did nothing.
    #[error("the provider was not reached: {0}")]
    Unreachable(String),
    /// The request left and no clear answer came: it may have been delivered.
    #[error("the provider did not say whether it was sent: {0}")]
    OutcomeUnknown(String),
}
