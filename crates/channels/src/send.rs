//! Running a send as a job.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inbox::{Begin, Outcome, SendDue};
use kernel::{ChannelId, ConversationId, MessageId, TenantId};
use messaging::{Messenger, OutgoingText, SendError};
use queue::{Done, Handler, JobCx, JobError};

use crate::Directory;

/// How long a suspended tenant's sends are held before they are looked at again.
const HELD: Duration = Duration::from_secs(600);

/// Runs [`SendDue`].
pub struct Send {
    pub directory: Directory,
    pub messenger: Arc<dyn Messenger>,
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
        let (channel, conversation, address, body) = match begun {
            Begin::Go { channel, conversation, address, body } => {
                tx.commit().await?;
                (channel, conversation, address, body)
            }
            Begin::Skip => {
                cx.finish(&mut tx).await?;
                tx.commit().await?;
                return Ok(Done::Finished);
            }
            Begin::Interrupted { .. } => {
                cx.finish(&mut tx).await?;
                tx.commit().await?;
                tracing::warn!(
                    event = "send_unknown", tenant_id = %cx.tenant,
                    message_id = %due.message, reason = "interrupted",
                );
                count("unknown");
                return Ok(Done::Finished);
            }
        };
        let entry = self.directory.by_id(cx.tenant, channel).await;
        let result = match entry {
            Ok(Some(entry)) => {
                let text = OutgoingText { to: &address, body: &body };
                self.messenger.send_text(&entry.endpoint, &text).await
            }
            Ok(None) => Err(SendError::Refused {
                code: "no_channel".to_owned(),
                reason: "the channel was removed".to_owned(),
            }),
            Err(cause) => Err(SendError::Unreachable(cause.to_string())),
        };
        self.settle(&due, cx, conversation, result).await
    }

    async fn gave_up(&self, due: SendDue, cx: &JobCx, cause: &str) {
        let fail = async {
            let now = cx.clock.now();
            let mut tx = self.directory.db.begin(cx.tenant).await?;
            // From `queued` through `sending`, the one door to an end.
            if let Begin::Go { conversation, .. } =
                inbox::begin_send(&mut tx, due.message, now).await?
            {
                let outcome = Outcome::Failed { reason: format!("gave up: {cause}") };
                inbox::end_send(&mut tx, due.message, conversation, &outcome, now).await?;
            }
            tx.commit().await
        };
        if let Err(error) = fail.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("portaria_sends_total", "outcome" => outcome).increment(1);
}

impl Send {
    async fn settle(
        &self,
        due: &SendDue,
        cx: &JobCx,
        conversation: ConversationId,
        result: Result<messaging::Accepted, SendError>,
    ) -> Result<Done, JobError> {
        let (outcome, retry) = match result {
            Ok(accepted) => (Outcome::Sent { provider_id: accepted.provider_id }, None),
            Err(SendError::Refused { code, reason }) => {
                tracing::warn!(
                    event = "send_failed", tenant_id = %cx.tenant, message_id = %due.message, code
                );
                (Outcome::Failed { reason }, None)
            }
            Err(SendError::OutcomeUnknown(reason)) => {
                tracing::warn!(
                    event = "send_unknown", tenant_id = %cx.tenant,
                    message_id = %due.message, reason,
                );
                (Outcome::Unknown { reason }, None)
            }
            Err(SendError::Throttled { retry_after }) => {
                let cause = "the provider asks to wait".to_owned();
                (Outcome::Later, Some(JobError::Retry { after: Some(retry_after), cause }))
            }
            Err(SendError::Unreachable(cause)) => {
                (Outcome::Later, Some(JobError::Retry { after: None, cause }))
            }
        };
        count(match &outcome {
            Outcome::Sent { .. } => "sent",
            Outcome::Later => "later",
            Outcome::Failed { .. } => "failed",
            Outcome::Unknown { .. } => "unknown",
        });
        self.write(due.message, cx, conversation, &outcome, retry).await
    }

    async fn write(
        &self,
        message: MessageId,
        cx: &JobCx,
        conversation: ConversationId,
        outcome: &Outcome,
        retry: Option<JobError>,
    ) -> Result<Done, JobError> {
        let now = cx.clock.now();
        let mut tx = self.directory.db.begin(cx.tenant).await?;
        inbox::end_send(&mut tx, message, conversation, outcome, now).await?;
        if retry.is_none() {
            cx.finish(&mut tx).await?;
        }
        tx.commit().await?;
        match retry {
            Some(error) => Err(error),
            None => Ok(Done::Finished),
        }
    }
}

/// Shows "typing…" through the channel's provider.
pub struct ChannelTyping {
    pub directory: Directory,
    pub messenger: Arc<dyn Messenger>,
}

impl ChannelTyping {
    /// Failing is no harm: the answer comes all the same.
    pub async fn show(&self, tenant: TenantId, channel: ChannelId, address: &str) {
        let Ok(Some(entry)) = self.directory.by_id(tenant, channel).await else { return };
        if let Err(cause) = self.messenger.show_typing(&entry.endpoint, address).await {
            tracing::info!(event = "presence_failed", tenant_id = %tenant, cause = %cause);
        }
    }
}
