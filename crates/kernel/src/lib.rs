//! Vocabulary shared by every room: ids, moments, phones, text. No I/O.

pub mod clock;
pub mod id;
pub mod line;
pub mod net;
mod personal;
pub mod phone;
pub mod slug;
pub mod text;

pub use clock::{Clock, Moment};
pub use id::{
    ApiKeyId, AuditId, CannedId, ChannelId, ChunkId, ContactId, ConversationId, DeliveryId,
    DocumentId, GrantId, HookId, Id, JobId, LabelId, LinkId, MachineTokenId, MailId, MergeId,
    MessageId, NoteId, PasskeyId, PersonId, RawEventId, SessionId, TenantId, VersionId,
};
pub use personal::without_personal;
pub use phone::Phone;
pub use slug::Slug;
