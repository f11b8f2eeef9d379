//! Types of the inbox: no I/O.

use std::time::Duration;

use kernel::{ChannelId, ContactId, ConversationId, MessageId, Moment, text};
use queue::{Lane, Payload};
use serde::{Deserialize, Serialize};
use understanding::Act;

/// Words as they are compared: providers change the space between them.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A burst is over: the assistant may answer it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TurnDue {
    pub conversation: ConversationId,
}

impl Payload for TurnDue {
    const KIND: &'static str = "inbox.turn_due";
    const LANE: Lane = Lane::Reply;
}

/// A message waits to leave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendDue {
    pub message: MessageId,
}

impl Payload for SendDue {
    const KIND: &'static str = "inbox.send_due";
    const LANE: Lane = Lane::Reply;
}

/// Who answers in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Bot,
    Human,
    /// A person was called and has not come yet.
    Nobody,
}

impl Owner {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Human => "human",
            Self::Nobody => "nobody",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "bot" => Self::Bot,
            "human" => Self::Human,
            _ => Self::Nobody,
        }
    }
}

/// Why a conversation went to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    AskedForPerson,
    TwoDeclines,
    ModelHandOff,
    /// More than ten automatic answers in ten minutes: two programs may be talking.
    TooManyAnswers,
    UnreadableMedia,
    LateMessage,
    SendUnknown,
    /// A message did not reach its person.
    SendFailed,
    /// The assistant failed to answer, again and again.
    TurnFailed,
    /// It waited while the tenant was suspended.
    Backlog,
    /// What the contact wrote is a person's to answer: a complaint, an emergency, a booking …
    Act(Act),
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::AskedForPerson => "asked_for_person",
            Self::TwoDeclines => "two_declines",
            Self::ModelHandOff => "model_hand_off",
            Self::TooManyAnswers => "too_many_answers",
            Self::UnreadableMedia => "unreadable_media",
            Self::LateMessage => "late_message",
            Self::SendUnknown => "send_unknown",
            Self::SendFailed => "send_failed",
            Self::TurnFailed => "turn_failed",
            Self::Backlog => "backlog",
            Self::Act(Act::Person) => Self::AskedForPerson.name(),
            Self::Act(act) => act.name(),
        }
    }
}

/// How a tenant's bursts and hand-offs work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// A burst is over after this much silence.
    pub quiet: Duration,
    /// A burst is answered after this long, silence or not.
    pub longest_wait: Duration,
    /// Phrases that ask for a person, as folded words.
    pub handoff_words: Vec<String>,
    /// Keep messages of groups. They are never answered.
    pub store_groups: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(4),
            longest_wait: Duration::from_secs(20),
            handoff_words: handoff_words(),
            store_groups: false,
        }
    }
}

impl Rules {
    /// Whether the text asks for a person.
    pub fn asks_for_person(&self, body: &str) -> bool {
        let folded = text::fold_words(body);
        // A single word asks for a person only when nothing else is said.
        self.handoff_words.iter().any(|phrase| {
            if phrase.contains(' ') { text::has_phrase(&folded, phrase) } else { folded == *phrase }
        })
    }
}

/// A text from the own number fits a send without an id that is not older than this.
pub(crate) const ECHO_FIT: Duration = Duration::from_secs(2 * 86_400);
/// How far back what a person answered is marked as answered.
pub(crate) const RECENT: Duration = Duration::from_secs(7 * 86_400);
/// A voice message is waited for this long.
pub(crate) const MEDIA_WAIT: Duration = Duration::from_secs(60);
/// How long after a contact's message free text may be sent where templates are required.
pub const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Older than this on arrival, a message is for a person: an answer would come out of the blue.
pub const LATE: Duration = Duration::from_secs(15 * 60);
/// After this long without a word of the person, the assistant takes over again.
pub(crate) const HUMAN_HOLDS: Duration = Duration::from_secs(24 * 3600);
/// More automatic answers than this in [`LOOP_WINDOW`] look like two programs talking.
pub(crate) const LOOP_LIMIT: i64 = 10;
pub(crate) const LOOP_WINDOW: Duration = Duration::from_secs(10 * 60);

/// What people write in Portuguese and English when they want a person.
pub fn handoff_words() -> Vec<String> {
    [
        "falar com atendente",
        "falar com um atendente",
        "falar com uma atendente",
        "falar com o atendente",
        "falar com a atendente",
        "falar com alguem",
        "falar com uma pessoa",
        "falar com pessoa",
        "falar com humano",
        "falar com um humano",
        "falar com gente",
        "falar com o dono",
        "falar com a dona",
        "falar com o gerente",
        "falar com a gerente",
        "falar com responsavel",
        "falar com o responsavel",
        "falar com a responsavel",
        "quero atendente",
        "quero um atendente",
        "quero uma atendente",
        "quero uma pessoa",
        "quero um humano",
        "chama atendente",
        "chamar atendente",
        "chama o atendente",
        "chama a atendente",
        "chama um atendente",
        "chama alguem",
        "me passa para um atendente",
        "me transfere",
        "transferir para atendente",
        "transfere para um atendente",
        "atendente humano",
        "atendimento humano",
        "atendente por favor",
        "atendente de verdade",
        "pessoa de verdade",
        "pessoa real",
        "humano por favor",
        "nao quero robo",
        "nao quero falar com robo",
        "nao quero falar com um robo",
        "voce e um robo quero",
        "suporte humano",
        "atendente",
        "humano",
        "pessoa",
        "talk to a human",
        "talk to a person",
        "speak to a human",
        "speak to a person",
        "speak with someone",
        "human agent",
        "real person",
    ]
    .iter()
    .map(|phrase| (*phrase).to_owned())
    .collect()
}

/// A conversation as lists and the API show it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct ConversationView {
    pub id: ConversationId,
    pub channel: ChannelId,
    pub contact: ContactId,
    pub contact_name: Option<String>,
    pub owner: Owner,
    pub handoff_reason: Option<String>,
    pub needs_person: bool,
    /// Messages that no turn has covered yet.
    pub unanswered: i64,
    /// When the contact wrote last.
    pub last_inbound_at: Option<Moment>,
    /// Since when it has had this owner.
    pub owner_since: Moment,
    pub last_message_at: Moment,
}

/// A message as the API shows it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct MessageView {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub direction: String,
    pub author: String,
    pub content: String,
    pub body: Option<String>,
    /// `stored`, `queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `unknown`, `cancelled`.
    pub state: String,
    pub reason: Option<String>,
    pub at: Moment,
    pub provider_id: Option<String>,
    /// Of a message with a file: its type, name, size and state; `/v1/messages/{id}/media` has the file.
    pub media: Option<serde_json::Value>,
    /// Of an answer: its sources, confidence, model, tokens and times.
    pub trace: Option<serde_json::Value>,
}
