//! All documents of a tenant at once: cutting them anew, and removing them.

use kernel::{ChunkId, Moment, TenantId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::body::decode;
use crate::library::{KnowledgeError, Library, Prepared, cut, digest};
use crate::read::{Format, ReadError, Reading};
use crate::sources::{self, Source};
use crate::store;
use crate::{embed, sweep};

/// How far cutting all documents anew has got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    pub running: bool,
    pub documents: usize,
    pub documents_in_all: usize,
    pub chunks: usize,
}

impl Library {
    /// How far cutting the tenant's documents anew has got in this process.
    pub fn progress(&self, tenant: TenantId) -> Progress {
        self.reindexing.lock().get(&tenant).copied().unwrap_or_default()
    }

    /// Cuts every document of the tenant anew, one after the other, each in short transactions. With `reread`, the
    /// originals that are kept are read again as well. What a breakdown interrupts is whole: documents are cut as
    /// before or anew.
    ///
    /// # Errors
    /// When the database refuses, or this is under way already.
    pub async fn reindex(
        &self,
        tenant: TenantId,
        reread: bool,
        step: impl Fn(Progress) + Send,
    ) -> Result<Progress, KnowledgeError> {
        let mut tx = self.db.read(tenant).await?;
        let (documents, ..) = store::totals(&mut tx, None).await?;
        drop(tx);
        let mut progress = Progress {
            running: true,
            documents_in_all: usize::try_from(documents).unwrap_or(0),
            ..Progress::default()
        };
        {
            let mut all = self.reindexing.lock();
            if all.get(&tenant).is_some_and(|one| one.running) {
                return Err(KnowledgeError::Running);
            }
            all.insert(tenant, progress);
        }
        let outcome = self.reindex_all(tenant, reread, &mut progress, step).await;
        progress.running = false;
        self.reindexing.lock().insert(tenant, progress);
        outcome.map(|()| progress)
    }

    async fn reindex_all(
        &self,
        tenant: TenantId,
        reread: bool,
        progress: &mut Progress,
        step: impl Fn(Progress) + Send,
    ) -> Result<(), KnowledgeError> {
        let mut last = None;
        loop {
            let mut tx = self.db.read(tenant).await?;
            let Some(source) = sources::after(&mut tx, last, None).await? else { break };
            drop(tx);
            last = Some(source.id);
            progress.chunks += self.reindex_one(tenant, &source, reread).await?;
            progress.documents += 1;
            self.reindexing.lock().insert(tenant, *progress);
            step(*progress);
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(tenant).await?;
        sweep::schedule(&mut tx, Vec::new(), Vec::new(), now).await?;
        embed::schedule(&mut tx, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Cuts one document anew; how many pieces it has.
    pub(crate) async fn reindex_one(
        &self,
        tenant: TenantId,
        source: &Source,
        reread: bool,
    ) -> Result<usize, KnowledgeError> {
        if reread && let Some(path) = &source.original {
            match self.read_original(tenant, &source.name, path).await {
                Ok(reading) => {
                    let file = self.files.open(tenant, path).await;
                    let size = file.ok().and_then(|file| Some(file.metadata().ok()?.len()));
                    let prepared = Prepared {
                        name: source.name.clone(),
                        category: source.category.clone(),
                        sha256: digest(
                            format!("{path} {}", Moment::rfc3339(self.clock.now())).as_bytes(),
                        ),
                        size: usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX),
                        reading,
                        original: source.original.clone(),
                    };
                    let staged = self.stage(tenant, prepared).await?;
                    let mut tx = self.db.begin(tenant).await?;
                    // Removed, or sent anew, while its old file was read: that is what counts.
                    if !sources::is_at(&mut tx, source.id, &source.revision).await? {
                        let now = self.clock.now();
                        sweep::schedule(&mut tx, vec![staged.revision()], Vec::new(), now).await?;
                        tx.commit().await?;
                        return Ok(0);
                    }
                    let added = self.add(&mut tx, &staged).await?;
                    tx.commit().await?;
                    return Ok(added.chunks);
                }
                // What cannot be read now was read before: it stays as it is, and is cut from that.
                Err(cause) => {
                    tracing::warn!(event = "document_failed", tenant_id = %tenant, cause = %cause.kind());
                }
            }
        }
        let (body, category) = (source.body.clone(), source.category.clone());
        let chunks = tokio::task::spawn_blocking(move || cut(&decode(&body), category.as_deref()))
            .await
            .map_err(|cause| db::Error::Setup(format!("cutting a document: {cause}")))?;
        let count = chunks.len();
        let revision = ChunkId::generate().to_string();
        let left = self.write(tenant, (source.id, &revision), chunks).await?;
        let mut tx = self.db.begin(tenant).await?;
        store::write_chunks(&mut tx, (source.id, &revision), count - left.len(), &left).await?;
        // Changed meanwhile: it was cut by whoever changed it.
        if store::turn_to(&mut tx, (source.id, &source.revision), &revision, count).await? {
            tx.commit().await?;
        }
        Ok(count)
    }

    async fn read_original(
        &self,
        tenant: TenantId,
        name: &str,
        path: &str,
    ) -> Result<Reading, ReadError> {
        let gone = |cause: std::io::Error| ReadError::Broken {
            name: name.to_owned(),
            format: Format::of(name).unwrap_or(Format::Text),
            cause: cause.to_string(),
        };
        let file = self.files.open(tenant, path).await.map_err(gone)?;
        self.reader.read_open(tenant, name, file).await
    }

    /// Removes all knowledge of the tenant, a little at a time; how many of each.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn clear(&self, tenant: TenantId) -> Result<Vec<tenancy::Removed>, KnowledgeError> {
        let mut tx = self.db.read(tenant).await?;
        let (_, chunks, _) = store::totals(&mut tx, None).await?;
        let mut originals = store::originals(&mut tx).await?;
        drop(tx);
        let now = self.clock.now();
        let (mut documents, mut versions) = (0, 0);
        loop {
            let mut tx = self.db.begin(tenant).await?;
            let gone = store::remove_some(&mut tx).await?;
            let past = store::remove_versions(&mut tx).await?;
            if gone.is_empty() && past == 0 {
                sweep::schedule(&mut tx, Vec::new(), std::mem::take(&mut originals), now).await?;
                tx.commit().await?;
                break;
            }
            documents += gone.len() as u64;
            versions += past;
            if !gone.is_empty() {
                sweep::schedule(&mut tx, gone, Vec::new(), now).await?;
            }
            tx.commit().await?;
        }
        let removed = |what: &str, count| tenancy::Removed { what: what.to_owned(), count };
        Ok(vec![
            removed("documents", documents),
            removed("chunks", u64::try_from(chunks).unwrap_or(0)),
            removed("document_versions", versions),
        ])
    }
}
