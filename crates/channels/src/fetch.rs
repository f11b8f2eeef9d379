//! Getting the file of a message from its provider, as a job.

use async_trait::async_trait;
use files::{Files, Origin};
use inbox::Attachment;
use kernel::MessageId;
use messaging::{Messengers, SendError};
use queue::{Done, Handler, JobCx, JobError, Lane, Payload};
use serde::{Deserialize, Serialize};

use crate::Directory;
use crate::media::{MediaRules, plain};

/// A file waits to be fetched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MediaDue {
    pub message: MessageId,
}

impl Payload for MediaDue {
    const KIND: &'static str = "channels.media_due";
    // A voice message waits to be answered.
    const LANE: Lane = Lane::Reply;
    const MAX_ATTEMPTS: u32 = 5;
}

/// Runs [`MediaDue`].
pub struct Fetch {
    pub directory: Directory,
    pub messengers: Messengers,
    pub rules: MediaRules,
    pub(crate) files: Files,
}

impl Fetch {
    pub fn new(
        directory: Directory,
        messengers: Messengers,
        rules: MediaRules,
        files: Files,
    ) -> Self {
        Self { directory, messengers, rules, files }
    }

    async fn end(&self, due: &MediaDue, file: &Attachment, cx: &JobCx) -> Result<Done, JobError> {
        let mut tx = self.directory.db.begin(cx.tenant).await?;
        inbox::set_attachment(&mut tx, due.message, file, None, cx.clock.now()).await?;
        cx.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finished)
    }
}

#[async_trait]
impl Handler<MediaDue> for Fetch {
    async fn run(&self, due: MediaDue, cx: &JobCx) -> Result<Done, JobError> {
        let mut tx = self.directory.db.read(cx.tenant).await?;
        let found = inbox::attachment(&mut tx, due.message).await?;
        drop(tx);
        let Some(found) = found.filter(|found| found.file.state == "pending") else {
            return Ok(Done::Finish);
        };
        let mut file = found.file;
        let entry = self.directory.by_id(cx.tenant, found.channel).await;
        let entry =
            entry.map_err(|cause| JobError::Retry { after: None, cause: cause.to_string() })?;
        let (Some(entry), Some(reference)) = (entry, file.reference.clone()) else {
            "failed".clone_into(&mut file.state);
            file.reason = Some("the channel was removed".to_owned());
            return self.end(&due, &file, cx).await;
        };
        let messenger = self.messengers.of(entry.kind);
        match messenger.fetch_media(&entry.endpoint, &reference, self.rules.limit).await {
            Ok(fetched) => {
                let mime = plain(if fetched.mime.is_empty() { &file.mime } else { &fetched.mime });
                if let Some(reason) = self.rules.refuses(&mime) {
                    "refused".clone_into(&mut file.state);
                    file.reason = Some(reason);
                    return self.end(&due, &file, cx).await;
                }
                file.size = Some(fetched.bytes.len() as u64);
                let (from, name) = (Origin::Sender(&found.address), due.message.to_string());
                let path = match self.files.keep(cx.tenant, from, &name, fetched.bytes).await {
                    Ok(path) => path,
                    Err(full) if full.is_full() => {
                        "refused".clone_into(&mut file.state);
                        file.reason = Some(full.to_string());
                        return self.end(&due, &file, cx).await;
                    }
                    Err(cause) => {
                        let cause = format!("the file cannot be kept: {cause}");
                        return Err(JobError::Retry { after: None, cause });
                    }
                };
                file.mime = mime;
                file.path = Some(path);
                let voice = found.content == "audio";
                (if voice { "transcribing" } else { "stored" }).clone_into(&mut file.state);
                self.end(&due, &file, cx).await
            }
            Err(SendError::Refused { reason, .. }) => {
                "failed".clone_into(&mut file.state);
                file.reason = Some(reason);
                self.end(&due, &file, cx).await
            }
            Err(SendError::Throttled { retry_after, .. }) => Err(JobError::Retry {
                after: Some(retry_after),
                cause: "the provider asks to wait".to_owned(),
            }),
            // Fetching twice harms nobody.
            Err(
                SendError::Unreachable(cause)
                | SendError::Postponed(cause)
                | SendError::OutcomeUnknown(cause),
            ) => Err(JobError::Retry { after: None, cause }),
        }
    }

    async fn gave_up(&self, due: MediaDue, cx: &JobCx, cause: &str) {
        let fail = async {
            let mut tx = self.directory.db.begin(cx.tenant).await?;
            if let Some(found) = inbox::attachment(&mut tx, due.message).await? {
                let mut file = found.file;
                "failed".clone_into(&mut file.state);
                file.reason = Some(cause.to_owned());
                inbox::set_attachment(&mut tx, due.message, &file, None, cx.clock.now()).await?;
            }
            tx.commit().await
        };
        if let Err(error) = fail.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}
