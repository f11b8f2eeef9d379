//! SQL of documents and chunks.

use std::collections::HashMap;
use std::sync::Arc;

use db::{Error, Row, TenantTx, args};
use kernel::{ChunkId, DocumentId, Moment};
use schemars::JsonSchema;
use serde::Serialize;

use crate::index::Chunk;
use crate::versions;

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
    pub(crate) name: &'a str,
    pub(crate) format: &'a str,
    pub(crate) category: Option<&'a str>,
    pub(crate) sha256: &'a str,
    pub(crate) bytes: usize,
    /// JSON of what was read: indexing again needs no file.
    pub(crate) body: &'a str,
}

/// Writes a document in place of the one of the same name. Returns its id.
pub(crate) async fn put(
    tx: &mut TenantTx,
    document: &NewDocument<'_>,
    chunks: &[NewChunk],
    now: Moment,
) -> Result<DocumentId, Error> {
    let tenant = tx.tenant();
    versions::keep_by_name(tx, document.name, document.sha256, now).await?;
    let rows = tx
        .fetch_all(
            "INSERT INTO documents (id, tenant_id, name, format, category, sha256, bytes, body, \
             chunk_count, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET format = excluded.format, \
             category = excluded.category, sha256 = excluded.sha256, bytes = excluded.bytes, \
             body = excluded.body, chunk_count = excluded.chunk_count, updated_at = excluded.updated_at \
             RETURNING id",
            args![
                DocumentId::generate(),
                tenant,
                document.name,
                document.format,
                document.category,
                document.sha256,
                document.bytes,
                document.body,
                chunks.len(),
                now
            ],
        )
        .await?;
    let id: DocumentId =
        rows.first().ok_or(Error::Corrupt { column: 0, expected: "a document" })?.get(0)?;
    versions::prune(tx, id).await?;
    replace_chunks(tx, id, chunks).await?;
    Ok(id)
}

pub(crate) async fn replace_chunks(
    tx: &mut TenantTx,
    document: DocumentId,
    chunks: &[NewChunk],
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "DELETE FROM chunks WHERE tenant_id = $1 AND document_id = $2",
        args![tenant, document],
    )
    .await?;
    for (ordinal, chunk) in chunks.iter().enumerate() {
        tx.execute(
            "INSERT INTO chunks (id, tenant_id, document_id, ordinal, heading, question, body, category) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                ChunkId::generate(),
                tenant,
                document,
                ordinal,
                chunk.heading.clone(),
                chunk.question.clone(),
                &chunk.body,
                chunk.category.clone()
            ],
        )
        .await?;
    }
    tx.execute(
        "UPDATE documents SET chunk_count = $1 WHERE tenant_id = $2 AND id = $3",
        args![chunks.len(), tenant, document],
    )
    .await?;
    tenancy::bump_knowledge(tx).await
}

const COLUMNS: &str = "id, name, format, category, bytes, chunk_count, created_at, updated_at";

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
                "SELECT {COLUMNS} FROM documents WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3"
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
            &format!("SELECT {COLUMNS} FROM documents WHERE tenant_id = $1 AND id = $2"),
            args![tenant, id],
        )
        .await?;
    row.as_ref().map(document).transpose()
}

/// What was read of every document, to cut it anew.
pub(crate) async fn bodies(tx: &mut TenantTx) -> Result<Vec<(DocumentId, String)>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all("SELECT id, body FROM documents WHERE tenant_id = $1 ORDER BY id", args![tenant])
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Removes a document by id or name; a version of it is kept. Returns whether it was there.
///
/// # Errors
/// When the database refuses.
pub async fn remove(tx: &mut TenantTx, id_or_name: &str, now: Moment) -> Result<bool, Error> {
    let tenant = tx.tenant();
    versions::keep_removed(tx, id_or_name, now).await?;
    let rows = tx
        .fetch_all(
            "DELETE FROM documents WHERE tenant_id = $1 AND (id = $2 OR name = $2) RETURNING id",
            args![tenant, id_or_name],
        )
        .await?;
    for row in &rows {
        let id: DocumentId = row.get(0)?;
        tx.execute(
            "DELETE FROM chunks WHERE tenant_id = $1 AND document_id = $2",
            args![tenant, id],
        )
        .await?;
    }
    tenancy::bump_knowledge(tx).await?;
    Ok(!rows.is_empty())
}

/// Removes all knowledge of the tenant; how many documents and chunks.
///
/// # Errors
/// When the database refuses.
pub async fn clear(tx: &mut TenantTx) -> Result<Vec<tenancy::Removed>, Error> {
    let tenant = tx.tenant();
    let mut removed = Vec::new();
    for (what, sql) in [
        ("documents", "DELETE FROM documents WHERE tenant_id = $1"),
        ("chunks", "DELETE FROM chunks WHERE tenant_id = $1"),
        ("document_versions", "DELETE FROM document_versions WHERE tenant_id = $1"),
    ] {
        let count = tx.execute(sql, args![tenant]).await?;
        removed.push(tenancy::Removed { what: what.to_owned(), count });
    }
    tenancy::bump_knowledge(tx).await?;
    Ok(removed)
}

/// Removes the tenant's rows of this room.
///
/// # Errors
/// When the database refuses.
pub async fn remove_tenant(tx: &mut TenantTx) -> Result<Vec<tenancy::Removed>, Error> {
    let mut removed = clear(tx).await?;
    let tenant = tx.tenant();
    let count =
        tx.execute("DELETE FROM knowledge_settings WHERE tenant_id = $1", args![tenant]).await?;
    removed.push(tenancy::Removed { what: "knowledge_settings".to_owned(), count });
    Ok(removed)
}

/// Every chunk of the tenant, documents together and in order.
pub(crate) async fn chunks(tx: &mut TenantTx) -> Result<Vec<Chunk>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT c.id, c.document_id, d.name, c.heading, c.question, c.body, c.embedding FROM chunks c \
             JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id \
             WHERE c.tenant_id = $1 ORDER BY c.document_id, c.ordinal",
            args![tenant],
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

/// Chunks without a vector, some at a time.
pub(crate) async fn without_vector(
    tx: &mut TenantTx,
    limit: usize,
) -> Result<Vec<(ChunkId, String)>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, COALESCE(question || ' ', heading || '. ', '') || body FROM chunks \
             WHERE tenant_id = $1 AND embedding IS NULL ORDER BY id LIMIT $2",
            args![tenant, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

pub(crate) async fn set_vector(
    tx: &mut TenantTx,
    chunk: ChunkId,
    vector: &[f32],
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let bytes: Vec<u8> = vector.iter().flat_map(|f| f.to_le_bytes()).collect();
    tx.execute(
        "UPDATE chunks SET embedding = $1 WHERE tenant_id = $2 AND id = $3",
        args![bytes, tenant, chunk],
    )
    .await?;
    Ok(())
}

/// Forgets all vectors: another model's do not compare.
pub(crate) async fn drop_vectors(tx: &mut TenantTx) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute("UPDATE chunks SET embedding = NULL WHERE tenant_id = $1", args![tenant]).await?;
    tenancy::bump_knowledge(tx).await
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
         embedding_base_url = excluded.embedding_base_url, embedding_model = excluded.embedding_model",
        args![tenant, provider, url, name],
    )
    .await?;
    Ok(())
}
