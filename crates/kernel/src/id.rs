//! Typed identifiers: UUIDv7 underneath, so that they sort by creation time.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of one `K`. Ids of different things do not mix.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id<K> {
    value: Uuid,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// A new id, later than every id this process made before.
    pub fn generate() -> Self {
        Self { value: Uuid::now_v7(), kind: PhantomData }
    }

    pub fn uuid(&self) -> Uuid {
        self.value
    }

    /// When it was made, by the clock of the machine that made it, to the millisecond.
    pub fn made_at(&self) -> crate::Moment {
        let (seconds, nanos) = self.value.get_timestamp().map_or((0, 0), |at| at.to_unix());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        crate::Moment(seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanos / 1000)))
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
impl<K> FromStr for Id<K> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let value = Uuid::parse_str(text).map_err(|_| NotAnId)?;
        Ok(Self { value, kind: PhantomData })
    }
}

impl<K> schemars::JsonSchema for Id<K> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uuid" })
    }
}

/// The text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id (expected a UUID)")]
pub struct NotAnId;

macro_rules! kinds {
    ($($marker:ident => $alias:ident),* $(,)?) => {$(
        #[doc = concat!("Marks ids of kind `", stringify!($alias), "`.")]
        #[derive(Debug)]
        pub enum $marker {}
        pub type $alias = Id<$marker>;
    )*};
}

kinds! {
    ApiKeyKind => ApiKeyId,
    ChannelKind => ChannelId,
    ChunkKind => ChunkId,
    ContactKind => ContactId,
    ConversationKind => ConversationId,
    DeliveryKind => DeliveryId,
    DocumentKind => DocumentId,
    HookKind => HookId,
    JobKind => JobId,
    MergeKind => MergeId,
    MessageKind => MessageId,
    RawEventKind => RawEventId,
    AuditKind => AuditId,
    GrantKind => GrantId,
    LabelKind => LabelId,
    MachineTokenKind => MachineTokenId,
    LinkKind => LinkId,
    MailKind => MailId,
    NoteKind => NoteId,
    PersonKind => PersonId,
    SessionKind => SessionId,
    CannedKind => CannedId,
    PasskeyKind => PasskeyId,
    VersionKind => VersionId,
    TenantKind => TenantId,
}
