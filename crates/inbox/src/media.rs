//! Files of messages: what is known of them, and what became of fetching and writing them down.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ConversationId, MessageId, Moment};
use queue::{Lane, NewJob, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Owner;
use crate::receive::schedule_turn;

/// A voice message is to be written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TranscribeDue {
    pub message: MessageId,
}

impl Payload for TranscribeDue {
    const KIND: &'static str = "inbox.transcribe_due";
    const LANE: Lane = Lane::Reply;
    const MAX_ATTEMPTS: u32 = 2;
}

/// What is known of a message's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub mime: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Relative to the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// An address outside, of files that we were told to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What the provider is asked with for the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `stored`, `pending` (to be fetched), `transcribing`, `absent` (the provider has no file),
    /// `refused` (type or size not allowed), `failed`.
    #[serde(default)]
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The body is what a model heard, not what was typed.
    #[serde(default)]
    pub transcribed: bool,
}

/// Whether the file is still on its way or being written down.
pub(crate) fn is_open(media: Option<&str>) -> bool {
    let read = media.and_then(|text| serde_json::from_str::<Attachment>(text).ok());
    read.is_some_and(|file| matches!(file.state.as_str(), "pending" | "transcribing"))
}

/// What the API shows of a file: not where it lies.
pub(crate) fn shown(media: Option<&str>) -> Option<Value> {
    let file: Attachment = serde_json::from_str(media?).ok()?;
    Some(json!({
        "mime": file.mime, "file_name": file.file_name, "size": file.size, "state": file.state,
        "reason": file.reason, "transcribed": file.transcribed, "available": file.path.is_some(),
    }))
}

/// A message with its file.
#[derive(Debug, Clone)]
pub struct WithFile {
    pub channel: ChannelId,
    pub conversation: ConversationId,
    pub content: String,
    /// By which the conversation's person is written to.
    pub address: String,
    pub file: Attachment,
}

/// The file of a message. `None` when there is no such message, or it has none.
///
/// # Errors
/// When the database cannot be read.
pub async fn attachment(tx: &mut TenantTx, message: MessageId) -> Result<Option<WithFile>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT m.channel_id, m.conversation_id, m.content, m.media, c.address FROM messages m \
             JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id \
             WHERE m.tenant_id = $1 AND m.id = $2 AND m.media IS NOT NULL",
            args![tenant, message],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let file = serde_json::from_str(&row.get::<String>(3)?)
        .map_err(|_| Error::Corrupt { column: 3, expected: "a file of a message" })?;
    Ok(Some(WithFile {
        channel: row.get(0)?,
        conversation: row.get(1)?,
        content: row.get(2)?,
        address: row.get(4)?,
        file,
    }))
}

/// Writes down what became of a message's file, and goes on with whoever waited for it.
///
/// # Errors
/// When the database refuses.
pub async fn set_attachment(
    tx: &mut TenantTx,
    message: MessageId,
    file: &Attachment,
    transcript: Option<&str>,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let text = serde_json::to_string(file)
        .map_err(|cause| Error::Setup(format!("file of a message: {cause}")))?;
    let rows = tx
        .fetch_all(
            "UPDATE messages SET media = $1, body = COALESCE($2, body) \
             WHERE tenant_id = $3 AND id = $4 RETURNING conversation_id, content",
            args![&text, transcript, tenant, message],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(()) };
    if row.get::<String>(1)? != "audio" {
        return Ok(());
    }
    if file.state == "transcribing" {
        return transcribe(tx, message, now).await;
    }
    if is_open(Some(&text)) {
        return Ok(());
    }
    let conversation: ConversationId = row.get(0)?;
    let row = tx
        .fetch_opt(
            "SELECT owner, inbound_seq - answered_seq, last_message_at FROM conversations \
             WHERE tenant_id = $1 AND id = $2",
            args![tenant, conversation],
        )
        .await?;
    let Some(row) = row else { return Ok(()) };
    if Owner::parse(&row.get::<String>(0)?) == Owner::Bot && row.get::<i64>(1)? > 0 {
        let rules = crate::store::rules(tx).await?;
        // The burst ends as if nothing had been waited for.
        let end = row.get::<Moment>(2)? + rules.quiet;
        schedule_turn(tx, conversation, end.max(now), now).await?;
    }
    Ok(())
}

/// Enqueues the writing down of a voice message.
///
/// # Errors
/// When the database refuses.
pub async fn transcribe(tx: &mut TenantTx, message: MessageId, now: Moment) -> Result<(), Error> {
    let job = NewJob {
        payload: &TranscribeDue { message },
        run_at: now,
        order_key: None,
        dedupe_key: Some(format!("transcribe:{message}")),
        now,
    };
    queue::enqueue(tx, job).await
}
