//! What comes in from any provider, in our words.

use kernel::{Moment, Phone};

/// One webhook body, read.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The provider's name of the channel.
    pub instance: String,
    /// The provider's name of the event.
    pub event: String,
    /// The channel's own number as the envelope names it: digits.
    pub owner: Option<String>,
    pub items: Vec<Inbound>,
}

/// One thing a webhook says.
#[derive(Debug, Clone)]
pub enum Inbound {
    Message(Box<InboundMessage>),
    /// A message of ours moved on.
    Status(Progress),
    /// A message left through the provider's API: ours, or another program's.
    Sent(Box<InboundMessage>),
    /// Somebody took a message back.
    Deleted {
        provider_id: String,
        /// Where it was said, as far as the provider tells.
        chat: Option<Box<Chat>>,
    },
    /// Somebody changed the words of a message.
    Edited {
        provider_id: String,
        chat: Option<Box<Chat>>,
        text: String,
    },
    /// The channel's connection changed.
    Connection(Link),
    /// A code to pair the phone with.
    Pairing {
        qr: Option<String>,
        text: Option<String>,
        code: Option<String>,
    },
    /// A person has another number from now on.
    Moved {
        from: Box<Chat>,
        to: Box<Chat>,
    },
    /// What the provider says of the sender's standing: quality, limits, restrictions, templates.
    Health(Box<Health>),
    /// Known, and of no use here; the reason stands in the answer and the metrics.
    Ignored(&'static str),
    /// Authentic, but not of a shape this parser knows: kept for replay.
    Unknown(String),
}

/// A provider's word on a sender's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The provider's name of the field, such as `phone_number_quality_update`.
    pub field: String,
    /// Its event, in lower case, such as `flagged`.
    pub event: String,
    /// The value that counts: a limit, a quality, a template's name.
    pub value: Option<String>,
    /// What a person must know, in plain words; `None` when nothing needs a look.
    pub alarm: Option<String>,
    /// The provider's own form.
    pub raw: serde_json::Value,
}

/// How far a message of ours is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub provider_id: String,
    pub state: SendState,
    pub at: Option<Moment>,
    /// The provider's code of a failure.
    pub code: Option<String>,
    /// The reason of a failure, for people.
    pub reason: Option<String>,
    /// Why the whole channel cannot send until somebody mends it, when the failure means that.
    pub stops: Option<String>,
    /// Our own id of the message, where the provider echoes it.
    pub key: Option<String>,
    /// Who it went to, where the report says more than a phone number.
    pub chat: Option<Chat>,
}

impl Progress {
    pub fn of(provider_id: String, state: SendState) -> Self {
        Self {
            provider_id,
            state,
            at: None,
            code: None,
            reason: None,
            stops: None,
            key: None,
            chat: None,
        }
    }
}

/// States a provider reports for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendState {
    Sent,
    Delivered,
    Read,
    Failed,
}

/// A channel's connection as its provider tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub state: LinkState,
    /// Why, in plain words.
    pub reason: Option<String>,
    /// The channel's own number: digits.
    pub owner: Option<String>,
}

/// States of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkState {
    /// Waits for its phone to be paired, or connects.
    Pending,
    Connected,
    Disconnected,
    /// Something that does not pass by itself.
    Error,
}

impl LinkState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Connected => "CONNECTED",
            Self::Disconnected => "DISCONNECTED",
            Self::Error => "ERROR",
        }
    }

    /// From what [`LinkState::name`] wrote.
    pub fn parse(text: &str) -> Self {
        match text {
            "CONNECTED" => Self::Connected,
            "DISCONNECTED" => Self::Disconnected,
            "ERROR" => Self::Error,
            _ => Self::Pending,
        }
    }
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
    /// Meta's id of a person within a business (BSUID).
    pub bsuid: Option<String>,
}

impl Chat {
    /// A person known by a phone number only.
    pub fn of_phone(phone: Phone) -> Self {
        Self {
            kind: ChatKind::Person,
            address: phone.digits().to_owned(),
            phone: Some(phone),
            lid: None,
            bsuid: None,
        }
    }
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
    Order,
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
            Self::Order => "order",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Media {
    pub mime: String,
    pub file_name: Option<String>,
    /// The file itself, base64, when the provider sends it along.
    pub base64: Option<String>,
    /// What to ask the provider with for the file.
    pub reference: Option<String>,
}
