//! The tenants' indexes in memory, and the ways in and out of knowledge.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::{Db, TenantTx};
use kernel::{ChunkId, Clock, DocumentId, Moment, TenantId};
use models::{LanguageModel, ModelError};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tenancy::Vault;

use crate::read::{Format, Item, ReadError, Reading};
use crate::store::{self, NewChunk, NewDocument};
use crate::{Chunk, Index, embed, split};

/// Why knowledge refuses.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("`{name}` has {bytes} bytes; at most {limit} are accepted")]
    TooLarge { name: String, bytes: usize, limit: usize },
    #[error("a question has 3 to 500 characters, its answer 1 to 4000")]
    Pair,
    #[error("a document's name has 1 to 200 characters")]
    Name,
    #[error(transparent)]
    Storage(#[from] db::Error),
    #[error(transparent)]
    Vault(#[from] tenancy::VaultError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Bytes of one file, at most.
const FILE_LIMIT: usize = 20 * 1024 * 1024;

/// A file that was read and is ready to be added.
pub struct Prepared {
    name: String,
    sha256: String,
    size: usize,
    reading: Reading,
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
}

/// A piece of knowledge that a search found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// Name of the document.
    pub title: String,
    pub heading: Option<String>,
    pub text: String,
    pub score: f64,
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
    loaded: Arc<Mutex<HashMap<TenantId, Loaded>>>,
    /// One build of one tenant's index at a time.
    building: Arc<Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>>,
    /// Bytes of all indexes together, at most.
    limit: usize,
    /// An index that nobody asked for this long is dropped.
    idle: Duration,
}

impl Library {
    pub fn new(
        db: Db,
        clock: Clock,
        vault: Vault,
        models: Arc<dyn LanguageModel>,
        limit: usize,
        idle: Duration,
    ) -> Self {
        Self {
            db,
            clock,
            vault,
            models,
            loaded: Arc::default(),
            building: Arc::default(),
            limit,
            idle,
        }
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
        // Read again in the snapshot that the rows come from.
        let generation = tenancy::knowledge_generation(&mut tx).await?;
        let chunks = store::chunks(&mut tx).await?;
        drop(tx);
        let large = chunks.len() > 200;
        let index = if large {
            tokio::task::spawn_blocking(move || Index::build(chunks))
                .await
                .map_err(|cause| db::Error::Setup(format!("building the index: {cause}")))?
        } else {
            Index::build(chunks)
        };
        let index = Arc::new(index);
        let used = self.clock.now();
        self.loaded.lock().insert(tenant, Loaded { generation, index: index.clone(), used });
        self.building.lock().remove(&tenant);
        self.shrink();
        Ok(index)
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
        let now = self.clock.now();
        let mut loaded = self.loaded.lock();
        loaded.retain(|_, entry| now.since(entry.used) < self.idle);
        let mut bytes: usize = loaded.values().map(|entry| entry.index.bytes()).sum();
        while bytes > self.limit && loaded.len() > 1 {
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
    ///
    /// # Errors
    /// When the rows cannot be read. A failing embedding provider only means no vectors.
    pub async fn search(
        &self,
        tenant: TenantId,
        question: &str,
        limit: usize,
    ) -> Result<Vec<Hit>, db::Error> {
        let index = self.index(tenant).await?;
        let lexical = index.search(question, limit.max(20));
        let vector =
            if index.has_vectors() { embed::question(self, tenant, question).await } else { None };
        let order = match vector {
            Some(vector) => index.fuse(&lexical, &vector, limit),
            None => lexical.into_iter().take(limit).collect(),
        };
        Ok(order.into_iter().map(|(score, piece)| index.hit(piece, score)).collect())
    }

    /// Reads a file. No transaction may be open meanwhile: a PDF takes seconds.
    ///
    /// # Errors
    /// When it cannot be read or is too large.
    pub async fn read_file(name: &str, bytes: Vec<u8>) -> Result<Prepared, KnowledgeError> {
        if name.is_empty() || name.chars().count() > 200 {
            return Err(KnowledgeError::Name);
        }
        if bytes.len() > FILE_LIMIT {
            let name = name.to_owned();
            return Err(KnowledgeError::TooLarge { name, bytes: bytes.len(), limit: FILE_LIMIT });
        }
        let size = bytes.len();
        let sha256 = digest(&bytes);
        let owned = name.to_owned();
        let reading = tokio::task::spawn_blocking(move || crate::read(&owned, &bytes))
            .await
            .map_err(|cause| db::Error::Setup(format!("reading {name}: {cause}")))?
            .inspect_err(|cause| tracing::warn!(event = "document_failed", cause = %cause))?;
        Ok(Prepared { name: name.to_owned(), sha256, size, reading })
    }

    /// Adds a file that was read, in place of one of the same name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add(
        &self,
        tx: &mut TenantTx,
        file: &Prepared,
        category: Option<&str>,
    ) -> Result<Added, KnowledgeError> {
        self.put(tx, &file.name, category, &file.sha256, file.size, &file.reading).await
    }

    /// Adds a question with its answer, in place of the same question.
    ///
    /// # Errors
    /// When a part is empty or too long, or the database refuses.
    pub async fn add_pair(
        &self,
        tx: &mut TenantTx,
        question: &str,
        answer: &str,
        category: Option<&str>,
    ) -> Result<Added, KnowledgeError> {
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
        let reading = Reading { format: Format::Pair, items: vec![item], half: 0 };
        // A change of the category alone is a change, too.
        let kind = category.map_or(String::new(), |category| format!("\n{category}"));
        let sha256 = digest(format!("{question}\n{answer}{kind}").as_bytes());
        let name: String = question.chars().take(200).collect();
        self.put(tx, &name, category, &sha256, question.len() + answer.len(), &reading).await
    }

    pub(crate) async fn put(
        &self,
        tx: &mut TenantTx,
        name: &str,
        category: Option<&str>,
        sha256: &str,
        bytes: usize,
        reading: &Reading,
    ) -> Result<Added, KnowledgeError> {
        let chunks = cut(&reading.items, category);
        let body = encode(&reading.items);
        let format = reading.format.name();
        let document = NewDocument { name, format, category, sha256, bytes, body: &body };
        let id = store::put(tx, &document, &chunks, self.clock.now()).await?;
        embed::schedule(tx, self.clock.now()).await?;
        Ok(Added {
            id,
            name: name.to_owned(),
            format: format.to_owned(),
            chunks: chunks.len(),
            rows_left_out: reading.half,
        })
    }

    /// Cuts every document of the tenant anew. Returns how many documents and chunks.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn reindex(&self, tx: &mut TenantTx) -> Result<(usize, usize), KnowledgeError> {
        // A write first: two who do this take turns.
        tenancy::bump_knowledge(tx).await?;
        let all = store::bodies(tx).await?;
        let mut count = 0;
        for (id, body) in &all {
            let chunks = cut(&decode(body), None);
            count += chunks.len();
            store::replace_chunks(tx, *id, &chunks).await?;
        }
        embed::schedule(tx, self.clock.now()).await?;
        Ok((all.len(), count))
    }
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
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

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    text: String,
}

fn encode(items: &[Item]) -> String {
    let stored: Vec<Stored> = items
        .iter()
        .map(|item| match item.clone() {
            Item::Pair { question, answer, category } => {
                Stored { question: Some(question), heading: None, category, text: answer }
            }
            Item::Section { heading, text } => {
                Stored { question: None, heading, category: None, text }
            }
        })
        .collect();
    serde_json::to_string(&stored).expect("texts become JSON")
}

pub(crate) fn decode(body: &str) -> Vec<Item> {
    let stored: Vec<Stored> = serde_json::from_str(body).unwrap_or_default();
    stored
        .into_iter()
        .map(|s| match s.question {
            Some(question) => Item::Pair { question, answer: s.text, category: s.category },
            None => Item::Section { heading: s.heading, text: s.text },
        })
        .collect()
}

impl Index {
    /// Builds an index straight from files, without any database.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_files(files: &[(&str, &str)]) -> Result<Self, ReadError> {
        let mut chunks = Vec::new();
        for (name, content) in files {
            let document = DocumentId::generate();
            let reading = crate::read(name, content.as_bytes())?;
            chunks.extend(cut(&reading.items, None).into_iter().map(|chunk| Chunk {
                id: ChunkId::generate(),
                document,
                title: (*name).into(),
                heading: chunk.heading,
                question: chunk.question,
                body: chunk.body,
                vector: None,
            }));
        }
        Ok(Self::build(chunks))
    }
}

/// The dot product in eight lanes: the order of a plain sum would keep the processor from using them.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Reciprocal rank fusion's constant: how much the very first places count.
const RRF: f64 = 60.0;

impl Index {
    pub fn has_vectors(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.vector.is_some())
    }

    /// The pieces nearest to a vector of unit length, best first: exact.
    pub fn nearest(&self, vector: &[f32], limit: usize) -> Vec<(f64, usize)> {
        let mut all: Vec<(f64, usize)> = self
            .chunks
            .iter()
            .enumerate()
            .filter_map(|(at, chunk)| {
                let own = chunk.vector.as_ref().filter(|own| own.len() == vector.len())?;
                Some((f64::from(dot(own, vector)), at))
            })
            .collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if all.len() > limit && limit > 0 {
            all.select_nth_unstable_by(limit - 1, order);
            all.truncate(limit);
        }
        all.sort_by(order);
        all
    }

    fn fuse(&self, lexical: &[(f64, usize)], vector: &[f32], limit: usize) -> Vec<(f64, usize)> {
        let mut scores: HashMap<usize, f64> = HashMap::new();
        let near = self.nearest(vector, limit.max(20));
        for list in [lexical, &near] {
            for (rank, (_, piece)) in list.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "a rank")]
                let share = 1.0 / (RRF + rank as f64 + 1.0);
                *scores.entry(*piece).or_default() += share;
            }
        }
        let mut all: Vec<(f64, usize)> = scores.into_iter().map(|(p, s)| (s, p)).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.truncate(limit);
        all
    }

    /// A piece as people see it.
    pub fn hit(&self, piece: usize, score: f64) -> Hit {
        let chunk = &self.chunks[piece];
        let text = match &chunk.question {
            Some(question) => format!("{question} {}", chunk.body),
            None => chunk.body.clone(),
        };
        Hit { title: chunk.title.to_string(), heading: chunk.heading.clone(), text, score }
    }
}
