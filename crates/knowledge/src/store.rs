//! SQL of documents and chunks.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use db::{Error, Row, TenantTx, args};
use kernel::{ChunkId, DocumentId, Moment};
use schemars::JsonSchema;
use serde::Serialize;

use crate::index::Chunk;
use crate::reread::READER;
use crate::{sweep, versions};

/// A document as lists show it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Document {
    pub id: DocumentId,
    pub name: String,
    /// `markdown`, `text`, `pdf`, `docx`, `html`, `csv` or `pair`.
    pub format: String,
    pub category: Option<String>,
    pub bytes: i64,
    pub chunks: i64,
    /// An earlier version of the program read it, and its file was not kept: sent again, it may be read better.
    pub send_again: bool,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// A chunk about to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewChunk {
    pub(crate) heading: Option<String>,
    pub(crate) question: Option<String>,
    pub(crate) body: String,
    pub(crate) category: Option<String>,
}

/// A document about to be written.
pub(crate) struct NewDocument<'a> {
    pub(crate) id: DocumentId,
    pub(crate) name: &'a str,
    pub(crate) format: &'a str,
    pub(crate) category: Option<&'a str>,
    pub(crate) sha256: &'a str,
    pub(crate) bytes: usize,
    /// JSON of what was read: indexing again needs no file.
    pub(crate) body: &'a str,
    /// The uploaded file, relative to the data folder.
    pub(crate) original: Option<&'a str>,
    /// Under which its pieces are written.
    pub(crate) revision: &'a str,
    pub(crate) chunks: usize,
}

/// Pieces that are written, or deleted, in one transaction: so few that nobody waits for the writer.
pub(crate) const BATCH: usize = 200;
/// Rows with the text of a whole document that are deleted in one transaction.
const WITH_TEXT: usize = 20;

/// The id of the document of this name.
pub(crate) async fn id_of(tx: &mut TenantTx, name: &str) -> Result<Option<DocumentId>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id FROM documents WHERE tenant_id = $1 AND name = $2",
            args![tenant, name],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

/// Documents and pieces of the tenant, and bytes of the pieces' texts; but for the pieces of one document.
pub(crate) async fn totals(
    tx: &mut TenantTx,
    but_for: Option<DocumentId>,
) -> Result<(i64, i64, i64), Error> {
    let but_for = but_for.map_or_else(String::new, |id| id.to_string());
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT (SELECT COUNT(*) FROM documents WHERE tenant_id = $1), COUNT(*), \
             CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM chunks \
             WHERE tenant_id = $1 AND document_id <> $2",
            args![tenant, but_for],
        )
        .await?
        .ok_or(Error::Corrupt { column: 0, expected: "totals" })?;
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// Writes some of a document's pieces; they count once the document names their revision.
pub(crate) async fn write_chunks(
    tx: &mut TenantTx,
    (document, revision): (DocumentId, &str),
    first: usize,
    chunks: &[NewChunk],
) -> Result<(), Error> {
    let tenant = tx.tenant();
    for (at, chunk) in chunks.iter().enumerate() {
        tx.execute(
            "INSERT INTO chunks (id, tenant_id, document_id, ordinal, heading, question, body, category, \
             revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![
                ChunkId::generate(),
                tenant,
                document,
                first + at,
                chunk.heading.clone(),
                chunk.question.clone(),
                &chunk.body,
                chunk.category.clone(),
                revision
            ],
        )
        .await?;
    }
    Ok(())
}

/// How many pieces stand under a revision.
pub(crate) async fn count_chunks(
    tx: &mut TenantTx,
    (document, revision): (DocumentId, &str),
) -> Result<i64, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT COUNT(*) FROM chunks WHERE tenant_id = $1 AND document_id = $2 AND revision = $3",
            args![tenant, document, revision],
        )
        .await?
        .ok_or(Error::Corrupt { column: 0, expected: "a count" })?;
    row.get(0)
}

/// Puts a document in place of the one of the same name, with the pieces of its revision. `None` when another one of
/// this name was made meanwhile. Gives originals that may be of no use any more.
pub(crate) async fn put(
    tx: &mut TenantTx,
    document: &NewDocument<'_>,
    now: Moment,
) -> Result<Option<Vec<String>>, Error> {
    let tenant = tx.tenant();
    versions::keep_by_name(tx, document.name, document.sha256, now).await?;
    let rows = tx
        .fetch_all(
            "INSERT INTO documents (id, tenant_id, name, format, category, sha256, bytes, body, \
             chunk_count, created_at, updated_at, original, revision, reader) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET format = excluded.format, \
             category = excluded.category, sha256 = excluded.sha256, bytes = excluded.bytes, \
             body = excluded.body, chunk_count = excluded.chunk_count, updated_at = excluded.updated_at, \
             original = excluded.original, revision = excluded.revision, reader = excluded.reader \
             WHERE documents.id = excluded.id RETURNING id",
            args![
                document.id,
                tenant,
                document.name,
                document.format,
                document.category,
                document.sha256,
                document.bytes,
                document.body,
                document.chunks,
                now,
                document.original,
                document.revision,
                READER
            ],
        )
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let pruned = versions::prune(tx, document.id).await?;
    tenancy::bump_knowledge(tx).await?;
    Ok(Some(pruned))
}

/// Has a document name another revision of its pieces. `false` when it changed since `body` was read.
pub(crate) async fn turn_to(
    tx: &mut TenantTx,
    (document, before): (DocumentId, &str),
    revision: &str,
    chunks: usize,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let count = tx
        .execute(
            "UPDATE documents SET revision = $1, chunk_count = $2 \
             WHERE tenant_id = $3 AND id = $4 AND revision = $5",
            args![revision, chunks, tenant, document, before],
        )
        .await?;
    tenancy::bump_knowledge(tx).await?;
    Ok(count == 1)
}

/// A revision of a document's pieces.
pub(crate) type Revision = (DocumentId, String);

/// How long writing the pieces of a document may take; what is unfinished after it never will be.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// Revisions of pieces that no document names: replaced ones, and those that were never finished.
pub(crate) async fn stale(tx: &mut TenantTx) -> Result<Vec<Revision>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT c.document_id, c.revision, d.revision FROM \
             (SELECT DISTINCT document_id, revision FROM chunks WHERE tenant_id = $1) c \
             LEFT JOIN documents d ON d.tenant_id = $1 AND d.id = c.document_id \
             WHERE d.id IS NULL OR d.revision <> c.revision",
            args![tenant],
        )
        .await?;
    let mut out = Vec::new();
    for row in &rows {
        let (document, revision): (DocumentId, String) = (row.get(0)?, row.get(1)?);
        let current: Option<String> = row.get(2)?;
        // Revisions are ids that sort by the time at which they were made.
        let replaced = current.is_some_and(|current| revision < current);
        if replaced || made_before(&revision, ChunkId::generate().made_at() - UNFINISHED) {
            out.push((document, revision));
        }
    }
    Ok(out)
}

/// Whether a revision was begun before then; one without a name is from before there were any.
fn made_before(revision: &str, then: Moment) -> bool {
    match revision.parse::<ChunkId>() {
        Ok(id) => id.made_at() < then,
        Err(_) => true,
    }
}

/// Deletes some pieces of a revision; how many.
pub(crate) async fn delete_chunks(
    tx: &mut TenantTx,
    (document, revision): (DocumentId, &str),
) -> Result<u64, Error> {
    let tenant = tx.tenant();
    tx.execute(
        "DELETE FROM chunks WHERE tenant_id = $1 AND id IN (SELECT id FROM chunks \
         WHERE tenant_id = $1 AND document_id = $2 AND revision = $3 LIMIT $4)",
        args![tenant, document, revision, BATCH],
    )
    .await
}

/// What a document is shown with. Of a question and its answer there is no file.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "id, name, format, category, bytes, chunk_count, created_at, updated_at, \
         CAST(CASE WHEN reader < {READER} AND original IS NULL AND format <> 'pair' \
         THEN 1 ELSE 0 END AS BIGINT)"
    )
});

fn document(row: &Row) -> Result<Document, Error> {
    Ok(Document {
        id: row.get(0)?,
        name: row.get(1)?,
        format: row.get(2)?,
        category: row.get(3)?,
        bytes: row.get(4)?,
        chunks: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        send_again: row.get::<i64>(8)? == 1,
    })
}

/// Documents by name; a page of those after `after`.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut TenantTx, after: &str, limit: usize) -> Result<Vec<Document>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!(
                "SELECT {} FROM documents WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3",
                *COLUMNS
            ),
            args![tenant, after, limit],
        )
        .await?;
    rows.iter().map(document).collect()
}

/// One document.
///
/// # Errors
/// When the database cannot be read.
pub async fn find(tx: &mut TenantTx, id: DocumentId) -> Result<Option<Document>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            &format!("SELECT {} FROM documents WHERE tenant_id = $1 AND id = $2", *COLUMNS),
            args![tenant, id],
        )
        .await?;
    row.as_ref().map(document).transpose()
}

/// Removes a document by id or name; a version of it is kept. Returns whether it was there. Its pieces are swept by a
/// job: `sweep`.
///
/// # Errors
/// When the database refuses.
pub async fn remove(tx: &mut TenantTx, id_or_name: &str, now: Moment) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let originals = versions::keep_removed(tx, id_or_name, now).await?;
    let rows = tx
        .fetch_all(
            "DELETE FROM documents WHERE tenant_id = $1 AND (id = $2 OR name = $2) \
             RETURNING id, revision",
            args![tenant, id_or_name],
        )
        .await?;
    tenancy::bump_knowledge(tx).await?;
    sweep::schedule(tx, revisions(&rows)?, originals, now).await?;
    Ok(!rows.is_empty())
}

/// Removes some of the tenant's documents and keeps no version of them; their revisions, to be swept.
pub(crate) async fn remove_some(tx: &mut TenantTx) -> Result<Vec<Revision>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "DELETE FROM documents WHERE tenant_id = $1 AND id IN \
             (SELECT id FROM documents WHERE tenant_id = $1 LIMIT $2) RETURNING id, revision",
            args![tenant, WITH_TEXT],
        )
        .await?;
    tenancy::bump_knowledge(tx).await?;
    revisions(&rows)
}

fn revisions(rows: &[Row]) -> Result<Vec<Revision>, Error> {
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Removes some of the earlier versions; how many.
pub(crate) async fn remove_versions(tx: &mut TenantTx) -> Result<u64, Error> {
    let tenant = tx.tenant();
    tx.execute(
        "DELETE FROM document_versions WHERE tenant_id = $1 AND id IN \
         (SELECT id FROM document_versions WHERE tenant_id = $1 LIMIT $2)",
        args![tenant, WITH_TEXT],
    )
    .await
}

/// Originals that documents or versions of the tenant name.
pub(crate) async fn originals(tx: &mut TenantTx) -> Result<Vec<String>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT original FROM documents WHERE tenant_id = $1 AND original IS NOT NULL \
             UNION SELECT original FROM document_versions WHERE tenant_id = $1 AND original IS NOT NULL",
            args![tenant],
        )
        .await?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Whether a document or a version of the tenant names this original.
pub(crate) async fn names_original(tx: &mut TenantTx, original: &str) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM documents WHERE tenant_id = $1 AND original = $2) \
             OR EXISTS (SELECT 1 FROM document_versions WHERE tenant_id = $1 AND original = $2)",
            args![tenant, original],
        )
        .await?;
    Ok(row.is_some())
}

/// Every chunk of the tenant, documents together and in order.
pub(crate) async fn chunks(tx: &mut TenantTx) -> Result<Vec<Chunk>, Error> {
    let tenant = tx.tenant();
    let epoch = vector_epoch(tx).await?;
    let rows = tx
        .fetch_all(
            "SELECT c.id, c.document_id, d.name, c.heading, c.question, c.body, \
             CASE WHEN c.vector_epoch = $2 THEN c.embedding END FROM chunks c \
             JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id \
             AND d.revision = c.revision \
             WHERE c.tenant_id = $1 ORDER BY c.document_id, c.ordinal",
            args![tenant, epoch],
        )
        .await?;
    let mut titles: HashMap<String, Arc<str>> = HashMap::new();
    rows.iter()
        .map(|row| {
            let title: String = row.get(2)?;
            let title = titles.entry(title).or_insert_with_key(|t| t.as_str().into()).clone();
            Ok(Chunk {
                id: row.get(0)?,
                document: row.get(1)?,
                title,
                heading: row.get(3)?,
                question: row.get(4)?,
                body: row.get(5)?,
                vector: row.get::<Option<Vec<u8>>>(6)?.map(|bytes| floats(&bytes)),
            })
        })
        .collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Which vectors count: those made since the model was set last.
pub(crate) async fn vector_epoch(tx: &mut TenantTx) -> Result<i64, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT vector_epoch FROM knowledge_settings WHERE tenant_id = $1",
            args![tenant],
        )
        .await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// Chunks without a vector that counts, some at a time.
pub(crate) async fn without_vector(
    tx: &mut TenantTx,
    limit: usize,
) -> Result<Vec<(ChunkId, String)>, Error> {
    let tenant = tx.tenant();
    let epoch = vector_epoch(tx).await?;
    let rows = tx
        .fetch_all(
            "SELECT c.id, COALESCE(c.question || ' ', c.heading || '. ', '') || c.body FROM chunks c \
             JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id \
             AND d.revision = c.revision WHERE c.tenant_id = $1 \
             AND (c.embedding IS NULL OR c.vector_epoch <> $2) ORDER BY c.id LIMIT $3",
            args![tenant, epoch, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

pub(crate) async fn set_vector(
    tx: &mut TenantTx,
    chunk: ChunkId,
    vector: &[f32],
    epoch: i64,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let bytes: Vec<u8> = vector.iter().flat_map(|f| f.to_le_bytes()).collect();
    tx.execute(
        "UPDATE chunks SET embedding = $1, vector_epoch = $2 WHERE tenant_id = $3 AND id = $4",
        args![bytes, epoch, tenant, chunk],
    )
    .await?;
    Ok(())
}

/// Which model makes the tenant's vectors, if any: provider, address, name.
pub(crate) async fn embedding(
    tx: &mut TenantTx,
) -> Result<Option<(String, String, String)>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT embedding_provider, embedding_base_url, embedding_model FROM knowledge_settings \
             WHERE tenant_id = $1 AND embedding_provider IS NOT NULL",
            args![tenant],
        )
        .await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).transpose()
}

pub(crate) async fn set_embedding(
    tx: &mut TenantTx,
    model: Option<(&str, &str, &str)>,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let (provider, url, name) = match model {
        Some((provider, url, name)) => (Some(provider), Some(url), Some(name)),
        None => (None, None, None),
    };
    tx.execute(
        "INSERT INTO knowledge_settings (tenant_id, embedding_provider, embedding_base_url, embedding_model) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id) DO UPDATE SET \
         embedding_provider = excluded.embedding_provider, \
         embedding_base_url = excluded.embedding_base_url, embedding_model = excluded.embedding_model, \
         vector_epoch = knowledge_settings.vector_epoch + 1",
        args![tenant, provider, url, name],
    )
    .await?;
    Ok(())
}

/// Vectors of sentences that a model made, by the digest of what was encoded.
pub(crate) async fn sentence_vectors(
    tx: &mut TenantTx,
    model: &str,
) -> Result<HashMap<String, Vec<u8>>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT digest, vector FROM sentence_vectors WHERE tenant_id = $1 AND model = $2",
            args![tenant, model],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

pub(crate) async fn put_sentence_vector(
    tx: &mut TenantTx,
    digest: &str,
    model: &str,
    vector: Vec<u8>,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO sentence_vectors (tenant_id, digest, model, vector) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, digest) DO UPDATE SET model = excluded.model, vector = excluded.vector",
        args![tenant, digest, model, vector],
    )
    .await?;
    Ok(())
}

/// The digests of all sentences that have a vector, each with the model that made it.
pub(crate) async fn sentence_digests(tx: &mut TenantTx) -> Result<Vec<(String, String)>, Error> {
    let tenant = tx.tenant();
    let sql = "SELECT digest, model FROM sentence_vectors WHERE tenant_id = $1";
    let rows = tx.fetch_all(sql, args![tenant]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

pub(crate) async fn remove_sentence_vector(tx: &mut TenantTx, digest: &str) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "DELETE FROM sentence_vectors WHERE tenant_id = $1 AND digest = $2",
        args![tenant, digest],
    )
    .await?;
    Ok(())
}
