//! Running a send as a job.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use files::Files;
use inbox::{Attachment, Begin, Leaving, Outcome, SendDue, WINDOW};
use kernel::{ChannelId, Moment, TenantId};
use messaging::{
    Accepted, Body, Known, LinkState, MediaKind, Messenger, Messengers, Next, Outgoing, SendError,
    Source,
};
use queue::{Done, Handler, JobCx, JobError};

use crate::alarm::{self, AlarmKind, LastChecks};
use crate::past::{Verdict, Wanted};
use crate::{Directory, Entry, catch_up, past, store};

/// How long a suspended tenant's sends are held before they are looked at again.
const HELD: Duration = Duration::from_secs(600);
/// An unknown outcome is looked up after this long: the provider has it written down by then.
const LOOK_UP: Duration = Duration::from_secs(60);

/// Runs [`SendDue`].
pub struct Send {
    pub directory: Directory,
    pub messengers: Messengers,
    files: Files,
    checks: LastChecks,
}

/// A try with what is written down of it.
struct Tried {
    result: Result<Accepted, SendError>,
    entry: Option<std::sync::Arc<Entry>>,
    took: Duration,
}

#[async_trait]
impl Handler<SendDue> for Send {
    async fn run(&self, due: SendDue, cx: &JobCx) -> Result<Done, JobError> {
        let now = cx.clock.now();
        let db = &self.directory.db;
        let mut tx = db.begin(cx.tenant).await?;
        let Some(tenant) = tenancy::own(&mut tx).await? else { return Ok(Done::Finish) };
        if !tenant.state.rule().sends {
            return Err(JobError::Hold { until: now + HELD });
        }
        let begun = inbox::begin_send(&mut tx, due.message, now).await?;
        let leaving = match begun {
            Begin::Go(leaving) => {
                tx.commit().await?;
                leaving
            }
            Begin::Skip => {
                cx.finish(&mut tx).await?;
                tx.commit().await?;
                return Ok(Done::Finished);
            }
            Begin::Interrupted { channel, .. } => {
                catch_up::soon(&mut tx, channel, now + LOOK_UP, now).await?;
                cx.finish(&mut tx).await?;
                tx.commit().await?;
                tracing::warn!(
                    event = "send_unknown", tenant_id = %cx.tenant,
                    message_id = %due.message, reason = "interrupted",
                );
                let entry = self.directory.by_id(cx.tenant, channel).await.ok().flatten();
                count(entry.as_deref(), "unknown");
                return Ok(Done::Finished);
            }
        };
        let started = Instant::now();
        let (result, entry) = match self.directory.by_id(cx.tenant, leaving.channel).await {
            Ok(Some(entry)) => (self.call(&entry, &due, &leaving, cx).await, Some(entry)),
            Ok(None) => (Err(refused("no_channel", "o canal foi removido", Next::Reconnect)), None),
            Err(cause) => (Err(SendError::Postponed(cause.to_string())), None),
        };
        let tried = Tried { result, entry, took: started.elapsed() };
        self.settle(&due, cx, &leaving, tried).await
    }

    async fn gave_up(&self, due: SendDue, cx: &JobCx, cause: &str) {
        let fail = async {
            let now = cx.clock.now();
            let mut tx = self.directory.db.begin(cx.tenant).await?;
            // From `queued` through `sending`, the one door to an end.
            if let Begin::Go(leaving) = inbox::begin_send(&mut tx, due.message, now).await? {
                let outcome = Outcome::Failed {
                    code: "gave_up".to_owned(),
                    reason: format!("gave up: {cause}"),
                };
                inbox::end_send(&mut tx, due.message, leaving.conversation, &outcome, now).await?;
            }
            tx.commit().await
        };
        if let Err(error) = fail.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}

fn not_read(error: db::Error) -> SendError {
    SendError::Postponed(error.to_string())
}

fn refused(code: &str, reason: &str, next: Next) -> SendError {
    SendError::Refused { code: code.to_owned(), reason: reason.to_owned(), next }
}

fn count(entry: Option<&Entry>, outcome: &'static str) {
    let kind = entry.map_or("none", |entry| entry.kind.name());
    metrics::counter!("portaria_sends_total", "outcome" => outcome).increment(1);
    metrics::counter!("portaria_channel_sends_total", "kind" => kind, "outcome" => outcome)
        .increment(1);
}

impl Send {
    pub fn new(directory: Directory, messengers: Messengers, files: Files) -> Self {
        Self { directory, messengers, files, checks: LastChecks::default() }
    }

    async fn call(
        &self,
        entry: &Entry,
        due: &SendDue,
        leaving: &Leaving,
        cx: &JobCx,
    ) -> Result<Accepted, SendError> {
        let messenger = self.messengers.of(entry.kind);
        let can = messenger.capabilities();
        let body = self.body(cx.tenant, leaving).await?;
        let template = matches!(body, Body::Template { .. });
        if can.templates_required
            && !template
            && cx.clock.now().since(leaving.last_inbound_at) >= WINDOW
        {
            let reason = "passaram mais de 24 horas desde a última mensagem da pessoa: só um modelo aprovado pode sair";
            return Err(refused("window_shut", reason, Next::Template));
        }
        // An earlier try was answered with an error after which it may have left all the same.
        if cx.attempt > 1
            && can.look_up
            && let Some(accepted) = self.look_up(messenger, entry, leaving, cx.clock.now()).await?
        {
            return Ok(accepted);
        }
        let mut to = leaving.address.clone();
        if can.number_check
            && leaving.first_contact
            && to.bytes().all(|b| b.is_ascii_digit())
            && let Some(known) = self.check(messenger, entry, &to).await?
        {
            if !known.exists {
                let reason = "este número não está no WhatsApp";
                return Err(refused("not_on_whatsapp", reason, Next::Recipient));
            }
            to = known.jid.split('@').next().unwrap_or(&known.jid).to_owned();
            let lid = known.lid.as_deref();
            let now = cx.clock.now();
            let write = async {
                let mut tx = self.directory.db.begin(cx.tenant).await?;
                inbox::number_checked(&mut tx, leaving.conversation, &to, lid, now).await?;
                tx.commit().await
            };
            write.await.map_err(not_read)?;
        }
        // Asking took its time: who took over meanwhile has the word. The next look cancels it.
        let mut tx = self.directory.db.read(cx.tenant).await.map_err(not_read)?;
        if inbox::taken_over(&mut tx, due.message).await.map_err(not_read)? {
            return Err(SendError::Postponed("a person took over".to_owned()));
        }
        drop(tx);
        let key = due.message.to_string();
        let outgoing =
            Outgoing { to: &to, key: &key, reply_to: leaving.reply_to.as_deref(), body: &body };
        messenger.send(&entry.endpoint, &outgoing).await
    }

    /// What is to leave, with its file.
    async fn body(&self, tenant: TenantId, leaving: &Leaving) -> Result<Body, SendError> {
        if let Some(payload) = &leaving.payload {
            return serde_json::from_str(payload)
                .map_err(|_| refused("payload", "the message is unreadable", Next::Message));
        }
        let Some(media) = &leaving.media else {
            return Ok(Body::Text { text: leaving.body.clone() });
        };
        let unreadable =
            || refused("media", "o arquivo da mensagem não pode ser lido", Next::Message);
        let file: Attachment = serde_json::from_str(media).map_err(|_| unreadable())?;
        let source = match (&file.path, &file.link) {
            (Some(path), _) => {
                Source::Bytes(self.files.read(tenant, path).await.map_err(|_| unreadable())?)
            }
            (None, Some(link)) => Source::Link(link.clone()),
            (None, None) => return Err(unreadable()),
        };
        let kind = match leaving.content.as_str() {
            "voice" => MediaKind::Voice,
            "image" => MediaKind::Image,
            "video" => MediaKind::Video,
            "audio" => MediaKind::Audio,
            _ => MediaKind::Document,
        };
        Ok(Body::Media {
            kind,
            mime: file.mime,
            file_name: file.file_name,
            caption: Some(leaving.body.clone()).filter(|caption| !caption.is_empty()),
            source,
        })
    }

    /// Whether a number is on WhatsApp; `None` when the server cannot say. Nothing was sent yet,
    /// whatever becomes of the question.
    async fn check(
        &self,
        messenger: &dyn Messenger,
        entry: &Entry,
        digits: &str,
    ) -> Result<Option<Known>, SendError> {
        match messenger.check_number(&entry.endpoint, digits).await {
            Err(SendError::OutcomeUnknown(cause)) => Err(SendError::Unreachable(cause)),
            // Its own trouble; the send itself finds out.
            Err(SendError::Refused { next, .. })
                if !matches!(next, Next::Reconnect | Next::Restricted) =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    /// Whether the provider has this very message to this person since it was queued, under an id
    /// that is not of another message of ours.
    async fn look_up(
        &self,
        messenger: &dyn Messenger,
        entry: &Entry,
        leaving: &Leaving,
        now: Moment,
    ) -> Result<Option<Accepted>, SendError> {
        let from = leaving.queued_at - Duration::from_secs(2);
        let past = match past::stretch(messenger, entry, (from, now), true).await {
            Ok(past) => past,
            // It keeps no past that could be asked.
            Err(SendError::Refused { .. }) => return Ok(None),
            Err(SendError::OutcomeUnknown(cause)) => return Err(SendError::Unreachable(cause)),
            Err(other) => return Err(other),
        };
        let strange = past.strange(&self.directory.db, entry).await.map_err(not_read)?;
        let wanted = Wanted {
            address: &leaving.address,
            content: &leaving.content,
            body: &leaving.body,
            since: leaving.queued_at,
        };
        match past.verdict(&wanted, &strange) {
            Verdict::Left(id) => Ok(Some(Accepted { provider_id: Some(id), address: None })),
            Verdict::Absent => Ok(None),
            Verdict::Doubt => Err(SendError::OutcomeUnknown(
                "an earlier try may have left: the provider has the same words to somebody"
                    .to_owned(),
            )),
        }
    }

    async fn settle(
        &self,
        due: &SendDue,
        cx: &JobCx,
        leaving: &Leaving,
        tried: Tried,
    ) -> Result<Done, JobError> {
        let entry = tried.entry.as_deref();
        let mut trouble = None;
        let mut away = None;
        let (outcome, retry) = match tried.result {
            Ok(accepted) => {
                if let Some(entry) = entry {
                    metrics::histogram!("portaria_channel_send_seconds", "kind" => entry.kind.name())
                        .record(tried.took.as_secs_f64());
                }
                let Accepted { provider_id, address } = accepted;
                (Outcome::Sent { provider_id, address }, None)
            }
            Err(SendError::Refused { code, reason, next }) => {
                tracing::warn!(
                    event = "send_failed", tenant_id = %cx.tenant, message_id = %due.message, code
                );
                if matches!(next, Next::Reconnect | Next::Restricted) {
                    trouble = Some(reason.clone());
                }
                (Outcome::Failed { code, reason }, None)
            }
            Err(SendError::OutcomeUnknown(reason)) => {
                tracing::warn!(
                    event = "send_unknown", tenant_id = %cx.tenant,
                    message_id = %due.message, reason,
                );
                (Outcome::Unknown { reason }, None)
            }
            Err(SendError::Throttled { code, retry_after }) => {
                let cause = "the provider asks to wait".to_owned();
                // Meta's limit per pair of numbers grows with each try: 4, 16, 64 … seconds.
                let after = if code == "131056" {
                    Duration::from_secs(4u64.saturating_pow(cx.attempt).min(3600))
                } else {
                    // A limit may last longer than the provider says at first.
                    let doubled = 1u32 << cx.attempt.saturating_sub(1).min(12);
                    let longest = retry_after.max(Duration::from_secs(3600));
                    (retry_after.max(Duration::from_secs(1)) * doubled).min(longest)
                };
                let detail = Some(cause.clone());
                let error = JobError::Retry { after: Some(after), cause };
                (Outcome::Later { code, detail }, Some(error))
            }
            Err(SendError::Unreachable(cause)) => {
                // One failed try says little; it may be gone with the next.
                if cx.attempt >= 2 {
                    away = Some(format!("the provider was not reached: {cause}"));
                }
                let (code, detail) = ("not_reached".to_owned(), Some(cause.clone()));
                let error = JobError::Retry { after: None, cause };
                (Outcome::Later { code, detail }, Some(error))
            }
            Err(SendError::Postponed(cause)) => {
                let (code, detail) = ("postponed".to_owned(), Some(cause.clone()));
                let error = JobError::Retry { after: None, cause };
                (Outcome::Later { code, detail }, Some(error))
            }
        };
        count(
            entry,
            match &outcome {
                Outcome::Sent { .. } => "sent",
                Outcome::Later { .. } => "later",
                Outcome::Failed { .. } => "failed",
                Outcome::Unknown { .. } => "unknown",
            },
        );
        let now = cx.clock.now();
        let mut tx = self.directory.db.begin(cx.tenant).await?;
        inbox::end_send(&mut tx, due.message, leaving.conversation, &outcome, now).await?;
        if let (Outcome::Unknown { .. }, Some(entry)) = (&outcome, entry) {
            catch_up::soon(&mut tx, entry.id, now + LOOK_UP, now).await?;
        }
        if let (Some(reason), Some(entry)) = (&trouble, entry) {
            let link = messaging::Link {
                state: LinkState::Error,
                reason: Some(reason.clone()),
                owner: None,
            };
            store::set_link(&mut tx, entry.id, &link, now).await?;
        }
        if let Some(entry) = entry {
            if let Some(away) = &away {
                self.checks.raised(entry.id, AlarmKind::Reach);
                alarm::raise(&mut tx, entry.id, AlarmKind::Reach, (away, true), now).await?;
            } else if matches!(outcome, Outcome::Sent { .. })
                && self.checks.due(entry.id, AlarmKind::Reach, cx.clock.steady())
            {
                alarm::end(&mut tx, entry.id, AlarmKind::Reach).await?;
            }
        }
        if retry.is_none() {
            cx.finish(&mut tx).await?;
        }
        tx.commit().await?;
        if trouble.is_some() {
            tracing::warn!(event = "channel_alarm", tenant_id = %cx.tenant, state = "ERROR");
        }
        match retry {
            Some(error) => Err(error),
            None => Ok(Done::Finished),
        }
    }
}

/// Shows "typing…" through the channel's provider.
pub struct ChannelTyping {
    pub directory: Directory,
    pub messengers: Messengers,
}

impl ChannelTyping {
    /// Failing is no harm: the answer comes all the same.
    pub async fn show(&self, tenant: TenantId, channel: ChannelId, to: &str, last: Option<&str>) {
        let Ok(Some(entry)) = self.directory.by_id(tenant, channel).await else { return };
        let messenger = self.messengers.of(entry.kind);
        if !messenger.capabilities().typing {
            return;
        }
        if let Err(cause) = messenger.show_typing(&entry.endpoint, to, last).await {
            tracing::info!(event = "presence_failed", tenant_id = %tenant, cause = %cause);
        }
    }
}
