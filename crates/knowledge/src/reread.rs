//! Reading kept files again in the background, after an update that reads them better.

use async_trait::async_trait;
use db::{Db, Error, TenantTx};
use kernel::{DocumentId, Moment, TenantId};
use queue::{Done, Handler, JobCx, JobError, Lane, NewJob, Payload};
use serde::{Deserialize, Serialize};

use crate::{KnowledgeError, Library, embed, sources, sweep};

/// Raised by every change after which files are read otherwise: documents that an earlier one read are read again.
pub(crate) const READER: i64 = 1;

/// Documents of the tenant were read by an earlier version of the program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RereadDue {}

impl Payload for RereadDue {
    const KIND: &'static str = "knowledge.reread_due";
    const LANE: Lane = Lane::Bulk;
}

/// Runs [`RereadDue`].
pub struct Reread(pub Library);

/// Has the tenants' documents read again that an earlier reader read, as far as their files were kept.
///
/// # Errors
/// When the database refuses.
pub async fn schedule_rereading(db: &Db, tenants: &[TenantId], now: Moment) -> Result<(), Error> {
    for tenant in tenants {
        let mut tx = db.read(*tenant).await?;
        let due = sources::after(&mut tx, None, Some(READER)).await?.is_some();
        drop(tx);
        if due {
            let mut tx = db.begin(*tenant).await?;
            let job = NewJob {
                payload: &RereadDue {},
                run_at: now,
                order_key: Some("reread".to_owned()),
                dedupe_key: Some("reread".to_owned()),
                now,
            };
            queue::enqueue(&mut tx, job).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// The owner keeps a document as an earlier reader read it. Whether it is there.
///
/// # Errors
/// When the database refuses.
pub async fn keep_as_read(tx: &mut TenantTx, id: DocumentId) -> Result<bool, Error> {
    sources::mark_read(tx, id, READER).await
}

#[async_trait]
impl Handler<RereadDue> for Reread {
    async fn run(&self, _: RereadDue, cx: &JobCx) -> Result<Done, JobError> {
        let retry =
            |cause: KnowledgeError| JobError::Retry { after: None, cause: cause.to_string() };
        let library = &self.0;
        let mut last = None;
        loop {
            let mut tx = library.db.read(cx.tenant).await?;
            let Some(source) = sources::after(&mut tx, last, Some(READER)).await? else { break };
            drop(tx);
            last = Some(source.id);
            match library.reindex_one(cx.tenant, &source, true).await {
                Ok(_) => {}
                Err(cause @ KnowledgeError::Storage(_)) => return Err(retry(cause)),
                // More pieces than a document may have, say: one that cannot be put in place keeps no other waiting.
                Err(cause) => {
                    tracing::warn!(event = "document_failed", tenant_id = %cx.tenant, cause = %cause);
                }
            }
            // What cannot be read now stays as it was read before, and is not tried again at every start.
            let mut tx = library.db.begin(cx.tenant).await?;
            sources::mark_read(&mut tx, source.id, READER).await?;
            tx.commit().await?;
        }
        let now = cx.clock.now();
        let mut tx = library.db.begin(cx.tenant).await?;
        sweep::schedule(&mut tx, Vec::new(), Vec::new(), now).await?;
        embed::schedule(&mut tx, now).await?;
        tx.commit().await?;
        Ok(Done::Finish)
    }
}
