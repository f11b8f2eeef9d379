//! What a webhook brought becomes rows.

use std::path::Path;
use std::sync::Arc;

use db::Db;
use inbox::{Incoming, Received};
use kernel::Clock;
use messaging::{ChatKind, Content, Inbound, InboundMessage, Parsed, SendState};
use serde_json::Value;

use crate::media::Files;
use crate::{Directory, Entry, store};

/// What became of one thing in a webhook. The order is by importance for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    Ignored(&'static str),
    Duplicate,
    Status,
    Connection,
    Stored,
    /// Kept raw, for replay.
    Kept,
}

impl Taken {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ignored(_) => "ignored",
            Self::Duplicate => "duplicate",
            Self::Status => "status",
            Self::Connection => "connection",
            Self::Stored => "stored",
            Self::Kept => "kept",
        }
    }
}

/// Why something could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Storage(#[from] db::Error),
    #[error("a file of a message could not be kept")]
    File(#[from] std::io::Error),
}

/// Takes in what providers say.
#[derive(Clone)]
pub struct Intake {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub directory: Directory,
    files: Files,
}

impl Intake {
    pub fn new(db: Db, clock: Clock, directory: Directory, data: &Path) -> Self {
        Self { db, clock, directory, files: Files::new(data) }
    }

    /// Stores everything a body says, each thing durably, in order.
    pub(crate) async fn take(
        &self,
        entry: &Arc<Entry>,
        parsed: &Parsed,
        body: &Value,
    ) -> Result<Vec<Taken>, IntakeError> {
        let mut taken = Vec::new();
        for item in &parsed.items {
            taken.push(self.take_one(entry, &parsed.event, item, body).await?);
        }
        Ok(taken)
    }

    async fn take_one(
        &self,
        entry: &Arc<Entry>,
        event: &str,
        item: &Inbound,
        body: &Value,
    ) -> Result<Taken, IntakeError> {
        let now = self.clock.now();
        match item {
            Inbound::Message(message) => self.message(entry, message, false).await,
            Inbound::Sent(message) => self.message(entry, message, true).await,
            Inbound::Ignored(reason) => Ok(Taken::Ignored(reason)),
            Inbound::Status { provider_id, state } => {
                let mut tx = self.db.begin(entry.tenant).await?;
                let status = status_of(*state);
                let known =
                    inbox::apply_status(&mut tx, entry.id, provider_id, status, now).await?;
                tx.commit().await?;
                Ok(if known { Taken::Status } else { Taken::Ignored("no_news") })
            }
            Inbound::Deleted { provider_id } => self.edited(entry, provider_id, None).await,
            Inbound::Edited { provider_id, text } => {
                self.edited(entry, provider_id, Some(text)).await
            }
            Inbound::Connection { state, reason } => {
                let mut tx = self.db.begin(entry.tenant).await?;
                store::set_state(&mut tx, entry.id, state, *reason, now).await?;
                tx.commit().await?;
                if !matches!(state.as_str(), "open" | "connecting") {
                    tracing::warn!(
                        event = "channel_alarm", tenant_id = %entry.tenant,
                        channel_id = %entry.id, state,
                    );
                }
                Ok(Taken::Connection)
            }
            Inbound::Unknown(reason) => {
                self.keep(entry, event, reason, body).await?;
                Ok(Taken::Kept)
            }
        }
    }

    /// Keeps a body for replay.
    pub(crate) async fn keep(
        &self,
        entry: &Entry,
        event: &str,
        reason: &str,
        body: &Value,
    ) -> Result<(), IntakeError> {
        let mut body = body.clone();
        // The provider's own key: of no use to a replay, and a secret.
        if let Some(object) = body.as_object_mut() {
            object.remove("apikey");
        }
        let mut tx = self.db.begin(entry.tenant).await?;
        let now = self.clock.now();
        store::keep_raw(&mut tx, entry.id, event, reason, &body.to_string(), now).await?;
        tx.commit().await?;
        tracing::warn!(
            event = "raw_event_stored", tenant_id = %entry.tenant, channel_id = %entry.id, reason
        );
        Ok(())
    }

    async fn edited(
        &self,
        entry: &Entry,
        provider_id: &str,
        text: Option<&str>,
    ) -> Result<Taken, IntakeError> {
        let mut tx = self.db.begin(entry.tenant).await?;
        let now = self.clock.now();
        let known = inbox::edited(&mut tx, entry.id, provider_id, text, now).await?;
        tx.commit().await?;
        Ok(if known { Taken::Stored } else { Taken::Ignored("unknown_message") })
    }

    async fn message(
        &self,
        entry: &Arc<Entry>,
        message: &InboundMessage,
        by_api: bool,
    ) -> Result<Taken, IntakeError> {
        let ignored = match message.chat.kind {
            ChatKind::Person => None,
            ChatKind::Group if entry.rules.store_groups => None,
            ChatKind::Group => Some("group"),
            ChatKind::Status => Some("status_broadcast"),
            ChatKind::Newsletter => Some("newsletter"),
            ChatKind::Broadcast => Some("broadcast"),
        };
        if let Some(reason) = ignored {
            return Ok(Taken::Ignored(reason));
        }
        let person = message.chat.kind == ChatKind::Person;
        let media = self.media(entry, message).await?;
        let raw = message.raw.as_ref().map(ToString::to_string);
        let now = self.clock.now();
        let incoming = Incoming {
            channel: entry.id,
            provider_id: &message.provider_id,
            phone: message.chat.phone.as_ref().filter(|_| person),
            lid: if person {
                message.chat.lid.as_deref()
            } else {
                // A group is no person; its own id stands for it.
                Some(message.chat.address.as_str())
            },
            address: &message.chat.address,
            name: message.name.as_deref().filter(|_| !message.from_me),
            at: message.at,
            content: message.content.name(),
            body: message.text.as_deref(),
            answerable: person && !matches!(message.content, Content::Reaction | Content::Sticker),
            raw,
            media,
        };
        let mut tx = self.db.begin(entry.tenant).await?;
        if message.from_me {
            let echo = inbox::phone_echo(&mut tx, &incoming, by_api, now).await?;
            tx.commit().await?;
            if let inbox::Echo::Person(conversation) = echo {
                tracing::info!(
                    event = "handed_over", tenant_id = %entry.tenant,
                    conversation_id = %conversation, reason = inbox::Reason::PhoneEcho.name(),
                );
            }
            return Ok(if echo == inbox::Echo::Ours { Taken::Status } else { Taken::Stored });
        }
        match inbox::receive(&mut tx, &entry.rules, &incoming, now).await? {
            Received::Duplicate => {
                drop(tx);
                // What it repeats may not be durable yet, and is acknowledged with it.
                self.db.begin(entry.tenant).await?.commit().await?;
                Ok(Taken::Duplicate)
            }
            Received::Stored { .. } => {
                tx.commit().await?;
                Ok(Taken::Stored)
            }
        }
    }

    /// Where the file that came along is kept, and what it is, as JSON.
    async fn media(
        &self,
        entry: &Entry,
        message: &InboundMessage,
    ) -> Result<Option<String>, IntakeError> {
        let Some(media) = &message.media else { return Ok(None) };
        let path = match &media.base64 {
            Some(encoded) => self.files.keep(entry.tenant, &message.provider_id, encoded).await?,
            None => None,
        };
        let about = serde_json::json!({
            "mime": media.mime, "file_name": media.file_name, "path": path,
        });
        Ok(Some(about.to_string()))
    }
}

fn status_of(state: SendState) -> inbox::Status {
    match state {
        SendState::Sent => inbox::Status::Sent,
        SendState::Delivered => inbox::Status::Delivered,
        SendState::Read => inbox::Status::Read,
        SendState::Failed => inbox::Status::Failed,
    }
}
