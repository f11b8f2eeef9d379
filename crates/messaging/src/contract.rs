//! What every kind of sender promises, and how its failures are told apart.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use kernel::line::Line;
use kernel::{ChannelId, Moment};

use crate::{Inbound, Link, Outgoing};

/// A kind of sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Evolution,
    Whaticket,
    WhatsAppCloud,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Evolution, Self::Whaticket, Self::WhatsAppCloud];

    /// As the command line, the API and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evolution => "evolution",
            Self::Whaticket => "whaticket",
            Self::WhatsAppCloud => "whatsapp-cloud",
        }
    }
}

/// The text names no kind of channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of channel `{0}`; kinds are evolution, whaticket, whatsapp-cloud")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// What a kind of sender can do. What it cannot do is done another way, or refused with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Capabilities {
    /// Only approved templates leave later than a day after the contact's last message.
    pub templates_required: bool,
    /// Buttons and lists; elsewhere they become a numbered text.
    pub buttons: bool,
    pub media: bool,
    pub typing: bool,
    /// Whether a message can be shown to the contact as read.
    pub read_marks: bool,
    /// Whether the provider reports delivery and reading.
    pub statuses: bool,
    /// Whether the provider names an id for what it accepted.
    pub ids: bool,
    /// Whether messages can be looked up afterwards.
    pub look_up: bool,
    /// Whether numbers can be checked before they are written to.
    pub number_check: bool,
    /// Whether a phone is paired by QR or pairing code.
    pub pairing: bool,
}

/// Sign-in of servers that want a login before a call.
#[derive(Clone)]
pub struct Login {
    pub email: String,
    pub password: String,
}

/// Where a channel's provider is and how to speak to it. Not printable: it holds keys.
#[derive(Clone)]
pub struct Endpoint {
    pub channel: ChannelId,
    pub base_url: String,
    /// The provider's name of the channel: Evolution's instance, Whaticket's company domain, Meta's
    /// phone number id.
    pub instance: String,
    /// Evolution's `apikey`, Whaticket's static bearer, Meta's access token.
    pub api_key: String,
    pub login: Option<Login>,
    /// Whaticket's `whatsappId`, Meta's business account; not every channel has one.
    pub account: Option<String>,
}

/// What a provider says of an accepted message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// The id by which it will speak of the message; some name none.
    pub provider_id: Option<String>,
    /// Where the message really went, if that differs from what was asked.
    pub address: Option<String>,
}

/// What follows from a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This person cannot be reached here.
    Recipient,
    /// The contact has been silent for a day: only a template may leave.
    Template,
    /// The contact wants no marketing.
    OptedOut,
    /// The key or the permission is gone: nothing leaves until somebody connects the channel again.
    Reconnect,
    /// The provider restricts the business: sending stops until it is settled there.
    Restricted,
    /// The template must be mended at the provider.
    FixTemplate,
    /// The message itself is not acceptable.
    Message,
}

/// Split by what the caller does next, not by what the provider said.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Permanent: trying again changes nothing. The reason is for people.
    #[error("the provider refused: {reason}")]
    Refused { code: String, reason: String, next: Next },
    #[error("the provider asks to wait {retry_after:?}")]
    Throttled { code: String, retry_after: Duration },
    /// Nothing left this machine, or the provider said that it did nothing.
    #[error("the provider was not reached: {0}; see that its address is right and that it runs")]
    Unreachable(String),
    /// The provider was not asked, for a reason of our own. Later it may be.
    #[error("not tried yet: {0}")]
    Postponed(String),
    /// The request left and no clear answer came: it may have been delivered.
    #[error("the provider did not say whether it was sent: {0}")]
    OutcomeUnknown(String),
}

impl SendError {
    /// The provider's own code, or what happened in a word.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } | Self::Throttled { code, .. } => code,
            Self::Unreachable(_) => "not_reached",
            Self::Postponed(_) => "postponed",
            Self::OutcomeUnknown(_) => "unknown",
        }
    }

    /// The provider answered as if all were well, and named no message: nobody knows what it did.
    pub(crate) fn no_id(said: &str) -> Self {
        let said = Line::<200>::shown(said);
        let said = said.map(|said| format!("; it said “{}”", &*said)).unwrap_or_default();
        Self::OutcomeUnknown(format!("an answer without a message id{said}"))
    }

    pub(crate) fn unsupported(what: &str) -> Self {
        Self::Refused {
            code: "unsupported".to_owned(),
            reason: format!("this kind of channel has no {what}"),
            next: Next::Message,
        }
    }
}

/// How a channel stands when it is asked to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    Open,
    /// The phone reads this picture, or its owner types the code.
    Pairing {
        /// A picture as a `data:` address.
        qr: Option<String>,
        /// The text of the picture, for terminals.
        text: Option<String>,
        code: Option<String>,
    },
}

/// Where events go, and the header that proves them.
#[derive(Debug, Clone)]
pub struct Webhook<'a> {
    pub url: &'a str,
    pub header: (&'a str, &'a str),
    /// Names such as `MESSAGES_UPSERT`; none would subscribe to all.
    pub events: &'a [&'a str],
}

/// A number as WhatsApp knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub number: String,
    pub exists: bool,
    /// Where to send: may differ from the number in Brazil's ninth digit.
    pub jid: String,
    pub lid: Option<String>,
}

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub mime: String,
    pub bytes: Vec<u8>,
}

/// A stretch of a channel's past.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: Moment,
    pub to: Moment,
    /// From 1.
    pub page: u32,
    /// Only what left from the channel's own number. To whomever: a person is written down now under
    /// the number, now under WhatsApp's own id.
    pub sent_only: bool,
}

/// What a provider remembers of a stretch, newest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub items: Vec<Inbound>,
    pub more: bool,
}

/// One kind of sender. Nothing is repeated here: retries belong to the queue.
#[async_trait]
pub trait Messenger: Send + Sync {
    fn kind(&self) -> Kind;

    fn capabilities(&self) -> Capabilities;

    /// Sends one message.
    async fn send(
        &self,
        endpoint: &Endpoint,
        outgoing: &Outgoing<'_>,
    ) -> Result<Accepted, SendError>;

    /// The provider's word on the channel's connection, and its own number if it says so.
    async fn link(&self, endpoint: &Endpoint) -> Result<Link, SendError>;

    /// Shows "typing…" for a moment. `last` is the message it would answer.
    async fn show_typing(
        &self,
        _endpoint: &Endpoint,
        _to: &str,
        _last: Option<&str>,
    ) -> Result<(), SendError> {
        Ok(())
    }

    /// Shows a message of the contact as read.
    async fn mark_read(
        &self,
        _endpoint: &Endpoint,
        _to: &str,
        _provider_id: &str,
    ) -> Result<(), SendError> {
        Ok(())
    }

    /// Makes what must exist at the provider and asks for a pairing.
    async fn connect(
        &self,
        _endpoint: &Endpoint,
        _number: Option<&str>,
        _webhook: Option<&Webhook<'_>>,
    ) -> Result<Connection, SendError> {
        Err(SendError::unsupported("pairing"))
    }

    /// Ends the pairing with the phone.
    async fn logout(&self, _endpoint: &Endpoint) -> Result<(), SendError> {
        Err(SendError::unsupported("pairing"))
    }

    /// The file behind a reference that came with a message, up to `limit` bytes.
    async fn fetch_media(
        &self,
        _endpoint: &Endpoint,
        _reference: &str,
        _limit: usize,
    ) -> Result<File, SendError> {
        Err(SendError::unsupported("media by reference"))
    }

    /// What WhatsApp knows of a number. `None`: this provider cannot tell.
    async fn check_number(
        &self,
        _endpoint: &Endpoint,
        _digits: &str,
    ) -> Result<Option<Known>, SendError> {
        Ok(None)
    }

    /// A page of what the provider remembers.
    async fn history(&self, _endpoint: &Endpoint, _span: &Span) -> Result<History, SendError> {
        Err(SendError::unsupported("history"))
    }
}

/// All kinds of senders.
#[derive(Clone)]
pub struct Messengers {
    evolution: crate::evolution::Evolution,
    whaticket: crate::whaticket::Whaticket,
    cloud: crate::cloud::Cloud,
}

impl Messengers {
    pub fn new(outbound: &crate::http::Outbound) -> Self {
        Self {
            evolution: crate::evolution::Evolution::new(outbound.clone()),
            whaticket: crate::whaticket::Whaticket::new(outbound.clone()),
            cloud: crate::cloud::Cloud::new(outbound.clone()),
        }
    }

    pub fn of(&self, kind: Kind) -> &dyn Messenger {
        match kind {
            Kind::Evolution => &self.evolution,
            Kind::Whaticket => &self.whaticket,
            Kind::WhatsAppCloud => &self.cloud,
        }
    }

    /// The adapter that can probe which tokens a Whaticket server takes.
    pub fn whaticket(&self) -> &crate::whaticket::Whaticket {
        &self.whaticket
    }
}
