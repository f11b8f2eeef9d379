//! Removing what no document names any more, a little at a time, so that nobody waits for the writer.

use async_trait::async_trait;
use db::{Error, TenantTx};
use kernel::{DocumentId, Moment};
use queue::{Done, Handler, JobCx, JobError, Lane, NewJob, Payload};
use serde::{Deserialize, Serialize};

use crate::store::Revision;
use crate::{Library, store, vectors};

/// Pieces of documents that are gone, and files that may be of no use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepDue {
    /// Revisions of pieces that are gone for sure.
    revisions: Vec<(DocumentId, String)>,
    /// Originals that go unless a document or version names them.
    originals: Vec<String>,
}

impl Payload for SweepDue {
    const KIND: &'static str = "knowledge.sweep_due";
    const LANE: Lane = Lane::Bulk;
}

/// Runs [`SweepDue`].
pub struct Sweep(pub Library);

pub(crate) async fn schedule(
    tx: &mut TenantTx,
    revisions: Vec<Revision>,
    originals: Vec<String>,
    now: Moment,
) -> Result<(), Error> {
    let job = NewJob {
        payload: &SweepDue { revisions, originals },
        run_at: now,
        order_key: Some("sweep".to_owned()),
        dedupe_key: None,
        now,
    };
    queue::enqueue(tx, job).await
}

#[async_trait]
impl Handler<SweepDue> for Sweep {
    async fn run(&self, due: SweepDue, cx: &JobCx) -> Result<Done, JobError> {
        let library = &self.0;
        let mut tx = library.db.read(cx.tenant).await?;
        let mut gone = due.revisions;
        gone.extend(store::stale(&mut tx).await?);
        drop(tx);
        for (document, revision) in &gone {
            loop {
                let mut tx = library.db.begin(cx.tenant).await?;
                let count = store::delete_chunks(&mut tx, (*document, revision)).await?;
                tx.commit().await?;
                if count == 0 {
                    break;
                }
            }
        }
        vectors::sweep(library, cx.tenant).await?;
        for original in &due.originals {
            let mut tx = library.db.read(cx.tenant).await?;
            let named = store::names_original(&mut tx, original).await?;
            drop(tx);
            if !named {
                let removed = library.files.remove(cx.tenant, original).await;
                removed.map_err(|e| JobError::Retry { after: None, cause: e.to_string() })?;
            }
        }
        Ok(Done::Finish)
    }
}
