//! What a webhook brought becomes rows.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, TenantTx};
use files::{Files, KeepError, Origin};
use inbox::{Attachment, Handles, Incoming, Received, Report};
use kernel::line::Line;
use kernel::{Clock, Moment, Phone};
use messaging::{
    Chat, ChatKind, Content, Inbound, InboundMessage, Link, LinkState, Parsed, Progress,
    ProviderClocks, SendState,
};
use queue::NewJob;
use serde_json::{Value, json};

use crate::alarm::{self, AlarmKind, LastChecks};
use crate::fetch::MediaDue;
use crate::media::{self, MediaRules, plain};
use crate::skew::{Arrival, Clocks, Reading};
use crate::{Directory, Entry, Limiter, catch_up, kept, store};

/// What became of one thing in a webhook. The order is by importance for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    Ignored(&'static str),
    Duplicate,
    Status,
    Connection,
    /// What the provider says of the sender's standing.
    Health,
    Stored,
    /// Kept raw, for replay.
    Kept,
    /// Too many of one sender: the provider is to send it again later.
    Limited(Duration),
}

impl Taken {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ignored(_) => "ignored",
            Self::Duplicate => "duplicate",
            Self::Status => "status",
            Self::Connection => "connection",
            Self::Health => "health",
            Self::Stored => "stored",
            Self::Kept => "kept",
            Self::Limited(_) => "limited",
        }
    }
}

/// Why something could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Storage(#[from] db::Error),
    #[error("a file of a message could not be kept: {0}")]
    File(std::io::Error),
}

/// How a message came.
#[derive(Debug, Clone, Copy)]
enum Came {
    /// By a webhook, as it happened.
    Live { by_api: bool },
    /// Because we asked for what was missed.
    AskedFor { by_api: bool },
}

impl Came {
    fn by_api(self) -> bool {
        match self {
            Self::Live { by_api } | Self::AskedFor { by_api } => by_api,
        }
    }
}

/// Takes in what providers say.
#[derive(Clone)]
pub struct Intake {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub directory: Directory,
    pub limiter: Limiter,
    media: MediaRules,
    files: Files,
    clocks: Clocks,
    checks: Arc<LastChecks>,
}

impl Intake {
    pub fn new(
        db: Db,
        clock: Clock,
        directory: Directory,
        limiter: Limiter,
        media: MediaRules,
        (files, providers): (Files, ProviderClocks),
    ) -> Self {
        let (clocks, checks) = (Clocks::new(providers), Arc::default());
        Self { db, clock, directory, limiter, media, files, clocks, checks }
    }

    /// Stores everything a body says, each thing durably, in order.
    pub(crate) async fn take(
        &self,
        entry: &Arc<Entry>,
        parsed: &Parsed,
        body: &Value,
    ) -> Result<Vec<Taken>, IntakeError> {
        if let Some(owner) = &parsed.owner
            && entry.own_number.as_ref() != Some(owner)
        {
            let mut tx = self.db.begin(entry.tenant).await?;
            store::set_own_number(&mut tx, entry.id, owner, self.clock.now()).await?;
            tx.commit().await?;
        }
        let mut taken = Vec::new();
        for item in &parsed.items {
            taken.push(self.take_one(entry, &parsed.event, item, body).await?);
        }
        Ok(taken)
    }

    pub(crate) async fn take_one(
        &self,
        entry: &Arc<Entry>,
        event: &str,
        item: &Inbound,
        body: &Value,
    ) -> Result<Taken, IntakeError> {
        let now = self.clock.now();
        match item {
            Inbound::Message(message) => {
                if !message.from_me
                    && passed_over(entry, message).is_none()
                    && let Err(wait) = self.limiter.sender(entry.tenant, &message.chat.address, now)
                {
                    return Ok(Taken::Limited(wait));
                }
                self.message(entry, message, Came::Live { by_api: false }).await
            }
            Inbound::Sent(message) => {
                self.message(entry, message, Came::Live { by_api: true }).await
            }
            Inbound::Ignored(reason) => Ok(Taken::Ignored(reason)),
            Inbound::Status(progress) => self.status(entry, progress, now).await,
            Inbound::Deleted { provider_id, chat } => {
                self.edited(entry, (provider_id, chat.as_deref()), None).await
            }
            Inbound::Edited { provider_id, chat, text } => {
                self.edited(entry, (provider_id, chat.as_deref()), Some(text)).await
            }
            Inbound::Connection(link) => self.connection(entry, link, now).await,
            Inbound::Pairing { qr, text, code } => {
                let mut tx = self.db.begin(entry.tenant).await?;
                let pairing = json!({ "qr": qr, "text": text, "code": code });
                store::set_pairing(&mut tx, entry.id, &pairing, now).await?;
                tx.commit().await?;
                Ok(Taken::Connection)
            }
            Inbound::Moved { from, to } => {
                let (Some(from), Some(to)) = (&from.phone, &to.phone) else {
                    return Ok(Taken::Ignored("system"));
                };
                let mut tx = self.db.begin(entry.tenant).await?;
                let known = inbox::moved(&mut tx, from, to, now).await?;
                tx.commit().await?;
                Ok(if known { Taken::Status } else { Taken::Ignored("unknown_contact") })
            }
            Inbound::Health(health) => {
                let mut tx = self.db.begin(entry.tenant).await?;
                kept::keep_health(&mut tx, entry.id, health, now).await?;
                if let Some(alarm) = &health.alarm {
                    store::set_alarm(&mut tx, entry.id, alarm, now).await?;
                    tracing::warn!(
                        event = "channel_alarm", tenant_id = %entry.tenant, channel_id = %entry.id,
                        state = health.event,
                    );
                }
                tx.commit().await?;
                Ok(Taken::Health)
            }
            Inbound::Unknown(reason) => {
                self.keep(entry, event, reason, body).await?;
                Ok(Taken::Kept)
            }
        }
    }

    /// As [`Self::take_one`], for what was asked for: our own asking is no reason for a limit.
    pub(crate) async fn take_found(
        &self,
        entry: &Arc<Entry>,
        item: &Inbound,
    ) -> Result<Taken, IntakeError> {
        match item {
            Inbound::Message(message) => {
                self.message(entry, message, Came::AskedFor { by_api: false }).await
            }
            Inbound::Sent(message) => {
                self.message(entry, message, Came::AskedFor { by_api: true }).await
            }
            _ => Ok(Taken::Ignored("not_a_message")),
        }
    }

    async fn status(
        &self,
        entry: &Entry,
        progress: &Progress,
        now: Moment,
    ) -> Result<Taken, IntakeError> {
        let status = match progress.state {
            SendState::Sent => inbox::Status::Sent,
            SendState::Delivered => inbox::Status::Delivered,
            SendState::Read => inbox::Status::Read,
            SendState::Failed => inbox::Status::Failed,
        };
        let report = Report {
            channel: entry.id,
            provider_id: &progress.provider_id,
            status,
            at: progress.at,
            code: progress.code.as_deref(),
            reason: progress.reason.as_deref(),
            key: progress.key.as_deref().and_then(|key| key.parse().ok()),
            handles: progress.chat.as_ref().map(handles).unwrap_or_default(),
        };
        let mut tx = self.db.begin(entry.tenant).await?;
        let known = inbox::apply_status(&mut tx, &report, now).await?;
        // What stops every send is said on the channel, also when it is told afterwards.
        if known
            && progress.state == SendState::Failed
            && let Some(reason) = progress.stops.clone()
        {
            let link = Link { state: LinkState::Error, reason: Some(reason), owner: None };
            store::set_link(&mut tx, entry.id, &link, now).await?;
        }
        tx.commit().await?;
        if known {
            let state = match progress.state {
                SendState::Sent => "sent",
                SendState::Delivered => "delivered",
                SendState::Read => "read",
                SendState::Failed => "failed",
            };
            metrics::counter!(
                "portaria_channel_statuses_total", "kind" => entry.kind.name(), "state" => state
            )
            .increment(1);
        }
        Ok(if known { Taken::Status } else { Taken::Ignored("no_news") })
    }

    async fn connection(
        &self,
        entry: &Entry,
        link: &Link,
        now: Moment,
    ) -> Result<Taken, IntakeError> {
        let mut tx = self.db.begin(entry.tenant).await?;
        let back = store::set_link(&mut tx, entry.id, link, now).await?;
        if back {
            // What came while it was away is looked for.
            catch_up::soon(&mut tx, entry.id, now, now).await?;
        }
        tx.commit().await?;
        if matches!(link.state, LinkState::Disconnected | LinkState::Error) {
            tracing::warn!(
                event = "channel_alarm", tenant_id = %entry.tenant,
                channel_id = %entry.id, state = link.state.name(),
            );
        }
        Ok(Taken::Connection)
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
        kept::take_secrets(&mut body, &[&entry.endpoint.api_key, &entry.secret]);
        let mut tx = self.db.begin(entry.tenant).await?;
        let now = self.clock.now();
        let kept =
            kept::keep_raw(&mut tx, entry.id, (event, reason), &body.to_string(), now).await?;
        tx.commit().await?;
        if !kept {
            metrics::counter!("portaria_channel_raw_dropped_total", "kind" => entry.kind.name())
                .increment(1);
            return Ok(());
        }
        tracing::warn!(
            event = "raw_event_stored", tenant_id = %entry.tenant, channel_id = %entry.id, reason
        );
        Ok(())
    }

    async fn edited(
        &self,
        entry: &Entry,
        (provider_id, chat): (&str, Option<&Chat>),
        text: Option<&str>,
    ) -> Result<Taken, IntakeError> {
        // Of what a contact changes, some providers name the chat as the contact's phone sees it:
        // under the business's own number.
        let own = |phone: &Phone| Some(phone.digits()) == entry.own_number.as_deref();
        let of = chat.filter(|chat| !chat.phone.as_ref().is_some_and(own));
        let of = of.map(any_handles).unwrap_or_default();
        let mut tx = self.db.begin(entry.tenant).await?;
        let now = self.clock.now();
        let known = inbox::edited(&mut tx, entry.id, (provider_id, of), text, now).await?;
        tx.commit().await?;
        Ok(if known { Taken::Stored } else { Taken::Ignored("unknown_message") })
    }

    async fn message(
        &self,
        entry: &Arc<Entry>,
        message: &InboundMessage,
        came: Came,
    ) -> Result<Taken, IntakeError> {
        if let Some(reason) = passed_over(entry, message) {
            return Ok(Taken::Ignored(reason));
        }
        let person = message.chat.kind == ChatKind::Person;
        let now = self.clock.now();
        let arrival = Arrival { now, steady: self.clock.steady() };
        let reading = match (message.at, came) {
            (Some(at), Came::Live { .. }) if person && !message.from_me => {
                Some(self.clocks.read(entry.id, arrival, at, entry.clock_offset))
            }
            _ => None,
        };
        let offset = match reading {
            Some(Reading::Offset(seconds)) => seconds,
            _ => entry.clock_offset,
        };
        let file = self.file(entry, message).await?;
        // What somebody calls themselves may be anything; it is shown on one line.
        let name = message.name.as_deref().filter(|_| !message.from_me).and_then(Line::<80>::shown);
        let media = file.as_ref().map(|file| json!(file).to_string());
        let incoming = Incoming {
            channel: entry.id,
            provider_id: &message.provider_id,
            handles: any_handles(&message.chat),
            address: &message.chat.address,
            name: name.as_deref(),
            at: message.at.map(|at| Moment(at.0.saturating_add(offset.saturating_mul(1_000_000)))),
            content: message.content.name(),
            body: message.text.as_deref(),
            answerable: person && !matches!(message.content, Content::Reaction | Content::Sticker),
            raw: message.raw.as_ref().map(ToString::to_string),
            media,
        };
        let mut tx = self.db.begin(entry.tenant).await?;
        if message.from_me {
            let echo = inbox::phone_echo(&mut tx, &incoming, came.by_api(), now).await?;
            let pending = file.as_ref().is_some_and(|file| file.state == "pending");
            let taken = match echo {
                inbox::Echo::Ours => Taken::Status,
                inbox::Echo::Person(id) | inbox::Echo::Integration(id) => {
                    if pending {
                        fetch_file(&mut tx, id, now).await?;
                    }
                    Taken::Stored
                }
            };
            tx.commit().await?;
            return Ok(taken);
        }
        match inbox::receive(&mut tx, &entry.rules, &incoming, now).await? {
            Received::Duplicate => {
                drop(tx);
                // What it repeats may not be durable yet, and is acknowledged with it.
                self.db.begin(entry.tenant).await?.commit().await?;
                Ok(Taken::Duplicate)
            }
            Received::Stored { message, .. } => {
                match file.as_ref().map(|file| file.state.as_str()) {
                    Some("pending") => fetch_file(&mut tx, message, now).await?,
                    Some("transcribing") => inbox::transcribe(&mut tx, message, now).await?,
                    _ => {}
                }
                if let Some(reading) = reading {
                    self.tell_of_clock(&mut tx, entry, reading, arrival).await?;
                }
                tx.commit().await?;
                if let Some(reading) = reading {
                    self.clocks.keep(entry.id, arrival, reading);
                }
                metrics::counter!("portaria_channel_received_total", "kind" => entry.kind.name())
                    .increment(1);
                Ok(Taken::Stored)
            }
        }
    }

    /// Raises or ends the alarm that the clocks disagree, and notes by how much.
    async fn tell_of_clock(
        &self,
        tx: &mut TenantTx,
        entry: &Entry,
        reading: Reading,
        came: Arrival,
    ) -> Result<(), db::Error> {
        let (id, kind) = (entry.id, AlarmKind::Clock);
        if let Reading::Offset(seconds) = reading {
            alarm::set_clock_offset(tx, id, seconds).await?;
        }
        if let Some(text) = reading.alarm(came.now) {
            self.checks.raised(id, kind);
            // How old grows by the minute; once said is enough.
            let news = matches!(reading, Reading::Offset(_));
            let raised = alarm::raise(tx, id, kind, (&text, news), came.now).await?;
            if raised && !news {
                // Where its past can be looked up, the provider's answer shows its clock.
                catch_up::soon(tx, id, came.now, came.now).await?;
            }
            return Ok(());
        }
        let right = match reading {
            Reading::OnTime => entry.clock_offset == 0 && self.checks.due(id, kind, came.steady),
            Reading::Offset(_) => true,
            Reading::Old(_) => false,
        };
        if right {
            alarm::end(tx, id, kind).await?;
        }
        Ok(())
    }

    /// The file that came along: kept, to be fetched, or refused.
    async fn file(
        &self,
        entry: &Entry,
        message: &InboundMessage,
    ) -> Result<Option<Attachment>, IntakeError> {
        let Some(media) = &message.media else { return Ok(None) };
        let mut file = Attachment {
            mime: plain(&media.mime),
            file_name: media.file_name.as_deref().and_then(Line::<200>::shown).map(String::from),
            reference: media.reference.clone(),
            ..Attachment::default()
        };
        let state = |text: &str| text.to_owned();
        if let Some(reason) = self.media.refuses(&media.mime) {
            (file.state, file.reason) = (state("refused"), Some(reason));
            return Ok(Some(file));
        }
        let Some(encoded) = &media.base64 else {
            file.state = state(if media.reference.is_some() { "pending" } else { "absent" });
            return Ok(Some(file));
        };
        let most = self.media.limit;
        // Told by its length before it is decoded: what is refused takes no memory.
        if media::decoded_size(encoded) > most.saturating_add(4) {
            file.size = Some(media::decoded_size(encoded) as u64);
            file.state = state("refused");
            file.reason = Some(too_large(most));
            return Ok(Some(file));
        }
        match media::decode(encoded) {
            None => {
                file.state = state("failed");
                file.reason = Some("the file that came along is unreadable".to_owned());
            }
            Some(bytes) if bytes.len() > most => {
                file.size = Some(bytes.len() as u64);
                file.state = state("refused");
                file.reason = Some(too_large(most));
            }
            Some(bytes) => {
                file.size = Some(bytes.len() as u64);
                let from = match message.from_me {
                    true => Origin::Tenant,
                    false => Origin::Sender(&message.chat.address),
                };
                match self.files.keep(entry.tenant, from, &message.provider_id, bytes).await {
                    Ok(path) => {
                        file.path = Some(path);
                        let heard = message.content == Content::Audio && !message.from_me;
                        file.state = state(if heard { "transcribing" } else { "stored" });
                    }
                    // The message is stored all the same, and says why its file is not.
                    Err(full) if full.is_full() => {
                        self.refused_for_room(entry, &full).await?;
                        file.state = state("refused");
                        file.reason = Some(full.to_string());
                    }
                    Err(KeepError::Storage(cause)) => return Err(cause.into()),
                    Err(KeepError::Io(cause)) => return Err(IntakeError::File(cause)),
                    Err(other) => return Err(IntakeError::File(std::io::Error::other(other))),
                }
            }
        }
        Ok(Some(file))
    }

    /// Tells people on the channel that files are refused for want of room.
    async fn refused_for_room(&self, entry: &Entry, full: &KeepError) -> Result<(), IntakeError> {
        metrics::counter!("portaria_files_refused_total", "tenant" => entry.slug.to_string())
            .increment(1);
        if matches!(full, KeepError::SenderFull(_)) {
            return Ok(());
        }
        let mut tx = self.db.begin(entry.tenant).await?;
        store::set_alarm(&mut tx, entry.id, &full.to_string(), self.clock.now()).await?;
        tx.commit().await?;
        tracing::warn!(
            event = "channel_alarm", tenant_id = %entry.tenant, channel_id = %entry.id,
            state = "no_room",
        );
        Ok(())
    }
}

fn too_large(limit: usize) -> String {
    format!("the file is over the limit of {limit} bytes (media.limit)")
}

/// Why a message of such a chat is not taken.
fn passed_over(entry: &Entry, message: &InboundMessage) -> Option<&'static str> {
    match message.chat.kind {
        ChatKind::Person => None,
        ChatKind::Group if entry.rules.store_groups => None,
        ChatKind::Group => Some("group"),
        ChatKind::Status => Some("status_broadcast"),
        ChatKind::Newsletter => Some("newsletter"),
        ChatKind::Broadcast => Some("broadcast"),
    }
}

async fn fetch_file(
    tx: &mut TenantTx,
    message: kernel::MessageId,
    now: Moment,
) -> Result<(), db::Error> {
    let job = NewJob {
        payload: &MediaDue { message },
        run_at: now,
        order_key: None,
        dedupe_key: Some(format!("media:{message}")),
        now,
    };
    queue::enqueue(tx, job).await
}

/// All by which a chat is known. A group is no person; its own id stands for it.
fn any_handles(chat: &Chat) -> Handles<'_> {
    match chat.kind {
        ChatKind::Person => handles(chat),
        _ => Handles { lid: Some(chat.address.as_str()), ..Handles::default() },
    }
}

/// All by which a chat's person is known.
fn handles(chat: &Chat) -> Handles<'_> {
    Handles { phone: chat.phone.as_ref(), lid: chat.lid.as_deref(), bsuid: chat.bsuid.as_deref() }
}
