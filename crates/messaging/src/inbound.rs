//! What comes in from any provider, in our words.

use kernel::{Moment, Phone};

/// One webhook body, read.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The provider's name of the channel.
    pub instance: String,
    /// The provider's name of the event.
    pub event: String,
    pub items: Vec<Inbound>,
}

/// One thing a webhook says.
#[derive(Debug, Clone)]
pub enum Inbound {
    Message(Box<InboundMessage>),
    /// A message of ours moved on.
    Status {
        provider_id: String,
        state: SendState,
    },
    /// A message left through the provider's API: ours, or another program's.
    Sent(Box<InboundMessage>),
    Deleted {
        provider_id: String,
    },
    Edited {
        provider_id: String,
        text: String,
    },
    /// The channel's connection: `open`, `connecting`, `close` …
    Connection {
        state: String,
        reason: Option<i64>,
    },
    /// Known, and of no use here; the reason stands in the answer and the metrics.
    Ignored(&'static str),
    /// Authentic, but not of a shape this parser knows: kept for replay.
    Unknown(String),
}

/// States a provider reports for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendState {
    Sent,
    Delivered,
    Read,
    Failed,
}

/// A message on its way in, or typed by a person of the business on the phone.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundMessage {
    pub provider_id: String,
    pub chat: Chat,
    /// Written from the business's own number.
    pub from_me: bool,
    pub name: Option<String>,
    pub at: Option<Moment>,
    pub content: Content,
    pub text: Option<String>,
    pub media: Option<Media>,
    /// The provider's own form of whatever is not plain text, without the file itself.
    pub raw: Option<serde_json::Value>,
}

/// Who the other side is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    pub kind: ChatKind,
    /// Where a reply goes: digits, or a JID when no phone is known.
    pub address: String,
    pub phone: Option<Phone>,
    /// WhatsApp's own id of a person, without its domain.
    pub lid: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    Person,
    Group,
    Status,
    Newsletter,
    Broadcast,
}

/// What kind of thing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    Text,
    Image,
    Video,
    Audio,
    Document,
    Sticker,
    Location,
    Contact,
    Reaction,
    Unsupported,
}

impl Content {
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
            Self::Location => "location",
            Self::Contact => "contact",
            Self::Reaction => "reaction",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    pub mime: String,
    pub file_name: Option<String>,
    /// The file itself, base64, when the provider sends it along.
    pub base64: Option<String>,
}
