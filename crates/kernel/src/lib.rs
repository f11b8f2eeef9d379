//! Vocabulary shared by every room: ids, moments, phones, text. No I/O.

pub mod clock;
pub mod id;
pub mod phone;
pub mod slug;
pub mod text;

pub use clock::{Clock, Moment};
pub use id::{
    ApiKeyId, ChannelId, ChunkId, ContactId, ConversationId, DeliveryId, DocumentId, HookId, Id,
    JobId, MergeId, MessageId, RawEventId, TenantId,
};
pub use phone::Phone;
pub use slug::Slug;
