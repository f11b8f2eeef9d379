//! The tenants' indexes in memory, and the ways in and out of knowledge.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::{Db, TenantTx};
use files::Files;
use jiff::civil::Date;
use kernel::line::Line;
use kernel::{ChunkId, Clock, DocumentId, Moment, TenantId};
use models::{LanguageModel, ModelError};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tenancy::Vault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::encoding::Encoding;
use crate::facts::{self, Corrections};
use crate::nearest::Hit;
use crate::read::{Format, Item, ReadError, Reading};
use crate::reader::Reader;
use crate::rebuild::Progress;
use crate::store::{self, NewChunk, NewDocument};
use crate::{Index, body, embed, split, sweep, vectors, versions};

/// Why knowledge refuses.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("`{name}` has {bytes} bytes; at most {limit} are accepted")]
    TooLarge { name: String, bytes: usize, limit: usize },
    #[error("a question has 3 to 500 characters, its answer 1 to 4000")]
    Pair,
    #[error("a document's name has 1 to 200 characters, on one line; a category has 1 to 60")]
    Name,
    #[error("`{name}` makes {pieces} pieces; at most {limit} are taken of one document: divide it")]
    Pieces { name: String, pieces: usize, limit: usize },
    #[error(
        "with `{name}` this business would have more than {limit} {what}; remove what is not needed any more"
    )]
    TenantFull { name: String, what: &'static str, limit: usize },
    #[error("another upload of `{0}` was quicker; send it again")]
    Raced(String),
    #[error("the documents are being cut anew already; wait until that is done")]
    Running,
    #[error(transparent)]
    Storage(#[from] db::Error),
    #[error(transparent)]
    Vault(#[from] tenancy::VaultError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Bytes of one file, at most.
pub const FILE_LIMIT: usize = 20 * 1024 * 1024;

/// How much knowledge a business may have, so that its index stays within what the program may use.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Pieces of one document.
    pub document_pieces: usize,
    /// Pieces of all documents of a tenant.
    pub tenant_pieces: usize,
    /// Bytes of text of all documents of a tenant.
    pub tenant_text: usize,
    pub tenant_documents: usize,
    /// Bytes of all indexes in memory together.
    pub index: usize,
    /// An index that nobody asked for this long is dropped.
    pub idle: Duration,
    /// The program's own encoder is asked when words alone do not decide.
    pub encoder: bool,
}

/// What was read, before it is cut.
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) category: Option<String>,
    pub(crate) sha256: String,
    pub(crate) size: usize,
    pub(crate) reading: Reading,
    pub(crate) original: Option<String>,
}

/// A document that is ready to be put in its place: cut, and its pieces written as far as that takes long.
pub struct Staged {
    id: DocumentId,
    revision: String,
    prepared: Prepared,
    body: String,
    /// Pieces that are not written yet; few enough for one transaction.
    left: Vec<NewChunk>,
    pieces: usize,
    /// Some of its sentences have no vector yet.
    long: bool,
    /// A document of its name is there.
    replaces: bool,
    /// Whose versions it takes over.
    pub(crate) past_of: Option<DocumentId>,
}

impl Staged {
    /// Under what its pieces are written.
    pub(crate) fn revision(&self) -> store::Revision {
        (self.id, self.revision.clone())
    }
}

/// A document that was added.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Added {
    pub id: DocumentId,
    pub name: String,
    pub format: String,
    pub chunks: usize,
    /// Rows left out because they hold a question or an answer only.
    pub rows_left_out: usize,
    /// Pages that hold pictures of text only, which nobody read.
    pub pages_unread: Vec<usize>,
}

struct Loaded {
    generation: i64,
    index: Arc<Index>,
    used: Moment,
}

/// The knowledge of all tenants, as far as it is in memory.
#[derive(Clone)]
pub struct Library {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) vault: Vault,
    pub(crate) models: Arc<dyn LanguageModel>,
    pub(crate) reader: Reader,
    pub(crate) files: Files,
    pub(crate) encoder: Encoding,
    bounds: Bounds,
    loaded: Arc<Mutex<HashMap<TenantId, Loaded>>>,
    /// One build of one tenant's index at a time.
    building: Arc<Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>>,
    /// Bytes that builds may use at the same time, in units of [`UNIT`].
    room: Arc<Semaphore>,
    pub(crate) reindexing: Arc<Mutex<HashMap<TenantId, Progress>>>,
}

/// Builds share memory in units of this many bytes.
const UNIT: usize = 64 << 10;
/// About how many bytes of memory an index takes for each byte of text, while it is built.
const PER_BYTE: usize = 12;
/// Indexes with more pieces than this are asked beside the threads that serve everybody.
const LARGE: usize = 2000;

impl Library {
    pub fn new(
        db: Db,
        clock: Clock,
        vault: Vault,
        models: Arc<dyn LanguageModel>,
        (reader, files): (Reader, Files),
        bounds: Bounds,
    ) -> Self {
        let units = (bounds.index / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            db,
            clock,
            vault,
            models,
            reader,
            files,
            encoder: Encoding::new(bounds.encoder),
            bounds,
            loaded: Arc::default(),
            building: Arc::default(),
            room: Arc::new(Semaphore::new(units)),
            reindexing: Arc::default(),
        }
    }

    /// The reader of strangers' files.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The tenant's index as of now.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn index(&self, tenant: TenantId) -> Result<Arc<Index>, db::Error> {
        let mut tx = self.db.read(tenant).await?;
        let generation = tenancy::knowledge_generation(&mut tx).await?;
        drop(tx);
        if let Some(index) = self.cached(tenant, generation) {
            return Ok(index);
        }
        let turn = self.building.lock().entry(tenant).or_default().clone();
        let _turn = turn.lock().await;
        if let Some(index) = self.cached(tenant, generation) {
            return Ok(index);
        }
        let mut tx = self.db.read(tenant).await?;
        let (_, pieces, text) = store::totals(&mut tx, None).await?;
        drop(tx);
        let _room = self.make_room(usize::try_from(text).unwrap_or(usize::MAX)).await?;
        let mut tx = self.db.read(tenant).await?;
        // Read again in the snapshot that the rows come from.
        let generation = tenancy::knowledge_generation(&mut tx).await?;
        let index = if pieces > 200 {
            // Reading thousands of rows keeps a thread busy, too.
            let handle = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || {
                handle.block_on(async move { from_rows(&mut tx).await })
            })
            .await
            .map_err(|cause| db::Error::Setup(format!("building the index: {cause}")))??
        } else {
            from_rows(&mut tx).await?
        };
        let index = Arc::new(index);
        if self.encoder.is_on() && index.lacks_vectors() {
            // Of an earlier version, or of another model: made in the background.
            let mut tx = self.db.begin(tenant).await?;
            vectors::schedule(&mut tx, self.clock.now()).await?;
            tx.commit().await?;
        }
        let used = self.clock.now();
        self.loaded.lock().insert(tenant, Loaded { generation, index: index.clone(), used });
        self.building.lock().remove(&tenant);
        self.shrink();
        Ok(index)
    }

    /// Waits until an index of so much text can be built within what indexes may use, and drops others for it.
    async fn make_room(&self, text: usize) -> Result<OwnedSemaphorePermit, db::Error> {
        let needed = text.saturating_mul(PER_BYTE).min(self.bounds.index);
        self.shrink_to(self.bounds.index - needed);
        let all = self.bounds.index / UNIT;
        let units = (needed / UNIT).clamp(1, all.max(1));
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(units).await;
        room.map_err(|cause| db::Error::Setup(format!("building the index: {cause}")))
    }

    fn cached(&self, tenant: TenantId, generation: i64) -> Option<Arc<Index>> {
        let mut loaded = self.loaded.lock();
        let entry = loaded.get_mut(&tenant)?;
        // Another process's newer build is never replaced by an older one.
        if entry.generation < generation {
            return None;
        }
        entry.used = self.clock.now();
        Some(entry.index.clone())
    }

    /// Drops what nobody used lately, and the least recently used over the limit.
    pub fn shrink(&self) {
        self.shrink_to(self.bounds.index);
    }

    fn shrink_to(&self, most: usize) {
        let now = self.clock.now();
        let mut loaded = self.loaded.lock();
        loaded.retain(|_, entry| now.since(entry.used) < self.bounds.idle);
        let mut bytes: usize = loaded.values().map(|entry| entry.index.bytes()).sum();
        while bytes > most && loaded.len() > 1 {
            let oldest = loaded.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            if let Some(entry) = loaded.remove(&oldest) {
                bytes -= entry.index.bytes();
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("portaria_index_bytes").set(bytes as f64);
    }

    /// Forgets a tenant's index.
    pub fn forget(&self, tenant: TenantId) {
        self.loaded.lock().remove(&tenant);
    }

    /// How many indexes are in memory, and their bytes.
    pub fn in_memory(&self) -> (usize, usize) {
        let loaded = self.loaded.lock();
        (loaded.len(), loaded.values().map(|entry| entry.index.bytes()).sum())
    }

    /// The pieces that speak to a question: BM25, fused with vectors when the tenant has them.
    /// `today`: the day before which what ended is left out.
    ///
    /// # Errors
    /// When the rows cannot be read. A failing embedding provider only means no vectors.
    pub async fn search(
        &self,
        tenant: TenantId,
        question: &str,
        limit: usize,
        today: Option<Date>,
    ) -> Result<Vec<Hit>, db::Error> {
        let index = self.index(tenant).await?;
        let asked = question.to_owned();
        let lexical = ask(&index, move |index| index.search(&asked, limit.max(20))).await?;
        let vector =
            if index.has_vectors() { embed::question(self, tenant, question).await } else { None };
        let order: Vec<(f64, usize)> = match vector {
            Some(vector) => ask(&index, move |index| index.fuse(&lexical, &vector, limit)).await?,
            None => lexical.into_iter().take(limit).collect(),
        };
        let hits = order.into_iter().map(|(score, piece)| match today {
            Some(_) => index.hit_on(piece, score, today),
            None => index.hit(piece, score),
        });
        Ok(hits.filter(|hit| !hit.text.is_empty()).collect())
    }

    /// Reads a file and makes it ready to be added, in place of one of the same name. No transaction may be open
    /// meanwhile: a PDF takes seconds.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or the business has too much already.
    pub async fn prepare(
        &self,
        tenant: TenantId,
        name: &str,
        bytes: Vec<u8>,
        category: Option<&str>,
    ) -> Result<Staged, KnowledgeError> {
        check_name(name)?;
        if bytes.len() > FILE_LIMIT {
            let name = name.to_owned();
            return Err(KnowledgeError::TooLarge { name, bytes: bytes.len(), limit: FILE_LIMIT });
        }
        let reading = self.reader.read(tenant, name, &bytes).await.inspect_err(|cause| {
            tracing::warn!(event = "document_failed", tenant_id = %tenant, cause = %cause.kind());
        })?;
        let (sha256, size) = (digest(&bytes), bytes.len());
        // Kept, so that a better reader can read it again. Without room for it the document is there all the same.
        let kept = self.files.keep(tenant, files::Origin::Tenant, &original(&sha256), bytes).await;
        let original = match kept {
            Ok(path) => Some(path),
            Err(files::KeepError::Storage(cause)) => return Err(cause.into()),
            Err(cause) => {
                tracing::warn!(event = "original_not_kept", tenant_id = %tenant, cause = %cause);
                None
            }
        };
        let category = category.map(str::to_owned);
        let name = name.to_owned();
        self.stage(tenant, Prepared { name, category, sha256, size, reading, original }).await
    }

    /// Makes a question with its answer ready to be added, in place of the same question.
    ///
    /// # Errors
    /// When a part is empty or too long, or the business has too much already.
    pub async fn pair(
        &self,
        tenant: TenantId,
        question: &str,
        answer: &str,
        category: Option<&str>,
    ) -> Result<Staged, KnowledgeError> {
        let (question, answer) = (question.trim(), answer.trim());
        let length = |text: &str| text.chars().count();
        if !(3..=500).contains(&length(question)) || !(1..=4000).contains(&length(answer)) {
            return Err(KnowledgeError::Pair);
        }
        let item = Item::Pair {
            question: question.to_owned(),
            answer: answer.to_owned(),
            category: category.map(str::to_owned),
        };
        // A change of the category alone is a change, too.
        let kind = category.map_or(String::new(), |category| format!("\n{category}"));
        let prepared = Prepared {
            // What is asked over several lines is named on one.
            name: Line::<200>::shown(question).map(String::from).ok_or(KnowledgeError::Name)?,
            category: category.map(str::to_owned),
            sha256: digest(format!("{question}\n{answer}{kind}").as_bytes()),
            size: question.len() + answer.len(),
            reading: Reading {
                format: Format::Pair,
                items: vec![item],
                half: 0,
                unread: Vec::new(),
            },
            original: None,
        };
        self.stage(tenant, prepared).await
    }

    /// Cuts what was read, and writes all but a few of its pieces.
    pub(crate) async fn stage(
        &self,
        tenant: TenantId,
        prepared: Prepared,
    ) -> Result<Staged, KnowledgeError> {
        if prepared.category.as_ref().is_some_and(|name| name.parse::<Line<60>>().is_err()) {
            return Err(KnowledgeError::Name);
        }
        let (prepared, chunks, body, mut sentences) = tokio::task::spawn_blocking(move || {
            let chunks = cut(&prepared.reading.items, prepared.category.as_deref());
            let body = body::encode(&prepared.reading.items);
            let sentences = vectors::to_encode(&prepared.name, &chunks);
            (prepared, chunks, body, sentences)
        })
        .await
        .map_err(|cause| db::Error::Setup(format!("cutting a document: {cause}")))?;
        let mut tx = self.db.read(tenant).await?;
        let there = store::id_of(&mut tx, &prepared.name).await?;
        let totals = store::totals(&mut tx, there).await?;
        drop(tx);
        self.fits(&prepared.name, &chunks, there.is_some(), totals)?;
        let long = sentences.len() > vectors::AT_ONCE;
        sentences.truncate(vectors::AT_ONCE);
        self.encode(tenant, sentences).await?;
        let id = there.unwrap_or_else(DocumentId::generate);
        let revision = ChunkId::generate().to_string();
        let pieces = chunks.len();
        let left = self.write(tenant, (id, &revision), chunks).await?;
        let replaces = there.is_some();
        Ok(Staged { id, revision, prepared, body, left, pieces, long, replaces, past_of: None })
    }

    /// Writes pieces a batch at a time; the last ones are left for the transaction that puts them in place.
    pub(crate) async fn write(
        &self,
        tenant: TenantId,
        under: (DocumentId, &str),
        mut chunks: Vec<NewChunk>,
    ) -> Result<Vec<NewChunk>, db::Error> {
        let mut done = 0;
        while chunks.len() - done > store::BATCH {
            let mut tx = self.db.begin(tenant).await?;
            let batch = &chunks[done..done + store::BATCH];
            store::write_chunks(&mut tx, under, done, batch).await?;
            tx.commit().await?;
            done += store::BATCH;
        }
        Ok(chunks.split_off(done))
    }

    fn fits(
        &self,
        name: &str,
        chunks: &[NewChunk],
        replaces: bool,
        (documents, pieces, text): (i64, i64, i64),
    ) -> Result<(), KnowledgeError> {
        let bounds = &self.bounds;
        let number = |count: i64| usize::try_from(count).unwrap_or(usize::MAX);
        let name = || name.to_owned();
        if chunks.len() > bounds.document_pieces {
            let limit = bounds.document_pieces;
            return Err(KnowledgeError::Pieces { name: name(), pieces: chunks.len(), limit });
        }
        let full = |what, limit| Err(KnowledgeError::TenantFull { name: name(), what, limit });
        if !replaces && number(documents) >= bounds.tenant_documents {
            return full("documents", bounds.tenant_documents);
        }
        if number(pieces) + chunks.len() > bounds.tenant_pieces {
            return full("pieces", bounds.tenant_pieces);
        }
        let more: usize = chunks.iter().map(|chunk| chunk.body.len()).sum();
        if number(text) + more > bounds.tenant_text {
            return full("MiB of text", bounds.tenant_text >> 20);
        }
        Ok(())
    }

    /// Puts a document that is ready in its place.
    ///
    /// # Errors
    /// When the database refuses, or another upload of the same name was quicker.
    pub async fn add(&self, tx: &mut TenantTx, staged: &Staged) -> Result<Added, KnowledgeError> {
        let Staged { id, revision, prepared, body, left, pieces, long, replaces, past_of } = staged;
        let name = &prepared.name;
        let now = self.clock.now();
        store::write_chunks(tx, (*id, revision), pieces - left.len(), left).await?;
        if pieces > &left.len() {
            let there = store::count_chunks(tx, (*id, revision)).await?;
            if usize::try_from(there).ok() != Some(*pieces) {
                return Err(KnowledgeError::Raced(name.clone()));
            }
        }
        let document = NewDocument {
            id: *id,
            name,
            format: prepared.reading.format.name(),
            category: prepared.category.as_deref(),
            sha256: &prepared.sha256,
            bytes: prepared.size,
            body,
            original: prepared.original.as_deref(),
            revision,
            chunks: *pieces,
        };
        let originals = store::put(tx, &document, now).await?;
        let originals = originals.ok_or_else(|| KnowledgeError::Raced(name.clone()))?;
        if let Some(before) = past_of
            && before != id
        {
            versions::follow(tx, *before, *id).await?;
        }
        if *replaces || !originals.is_empty() {
            sweep::schedule(tx, Vec::new(), originals, now).await?;
        }
        if *long {
            vectors::schedule(tx, now).await?;
        }
        embed::schedule(tx, now).await?;
        Ok(Added {
            id: *id,
            name: name.clone(),
            format: document.format.to_owned(),
            chunks: *pieces,
            rows_left_out: prepared.reading.half,
            pages_unread: prepared.reading.unread.clone(),
        })
    }
}

/// The index of a tenant's rows.
async fn from_rows(tx: &mut TenantTx) -> Result<Index, db::Error> {
    let corrections = Corrections::new(facts::corrections(tx).await?);
    let mut index = Index::corrected(store::chunks(tx).await?, corrections);
    index.set_vectors(vectors::of(tx, &index.to_encode()).await?);
    Ok(index)
}

/// Asks an index; a large one beside the threads that serve everybody.
///
/// # Errors
/// When the thread that asks breaks down.
pub async fn ask<T: Send + 'static>(
    index: &Arc<Index>,
    question: impl FnOnce(&Index) -> T + Send + 'static,
) -> Result<T, db::Error> {
    if index.pieces.len() <= LARGE {
        return Ok(question(index));
    }
    let index = index.clone();
    tokio::task::spawn_blocking(move || question(&index))
        .await
        .map_err(|cause| db::Error::Setup(format!("asking an index: {cause}")))
}

fn check_name(name: &str) -> Result<(), KnowledgeError> {
    name.parse::<Line<200>>().map(drop).map_err(|_| KnowledgeError::Name)
}

/// Under which the original of a document is kept: the same content once.
fn original(sha256: &str) -> String {
    format!("original:{sha256}")
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pairs stay whole; text is cut under its heading.
pub(crate) fn cut(items: &[Item], category: Option<&str>) -> Vec<NewChunk> {
    let mut out = Vec::new();
    for item in items {
        match item {
            Item::Pair { question, answer, category: own } => out.push(NewChunk {
                heading: None,
                question: Some(question.clone()),
                body: answer.clone(),
                category: own.clone().or_else(|| category.map(str::to_owned)),
            }),
            Item::Section { heading, text } => {
                out.extend(split::pieces(text).into_iter().map(|body| NewChunk {
                    heading: heading.clone(),
                    question: None,
                    body,
                    category: category.map(str::to_owned),
                }));
            }
        }
    }
    out
}
