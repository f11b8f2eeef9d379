//! SQL of documents that are cut or read anew.

use db::{Error, Row, TenantTx, args};
use kernel::DocumentId;

/// A document to be cut or read anew.
pub(crate) struct Source {
    pub(crate) id: DocumentId,
    pub(crate) name: String,
    pub(crate) category: Option<String>,
    pub(crate) revision: String,
    pub(crate) body: String,
    pub(crate) original: Option<String>,
}

/// The document after this one, in the order of ids.
pub(crate) async fn after(
    tx: &mut TenantTx,
    id: Option<DocumentId>,
) -> Result<Option<Source>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id, name, category, revision, body, original FROM documents \
             WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT 1",
            args![tenant, id.map_or(String::new(), |id| id.to_string())],
        )
        .await?;
    row.as_ref().map(source).transpose()
}

/// The document after this one, in the order of ids, that an earlier reader read and whose file was kept.
pub(crate) async fn read_before(
    tx: &mut TenantTx,
    reader: i64,
    id: Option<DocumentId>,
) -> Result<Option<Source>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id, name, category, revision, body, original FROM documents \
             WHERE tenant_id = $1 AND reader < $2 AND original IS NOT NULL AND id > $3 ORDER BY id LIMIT 1",
            args![tenant, reader, id.map_or(String::new(), |id| id.to_string())],
        )
        .await?;
    row.as_ref().map(source).transpose()
}

/// Has a document count as read by this reader.
pub(crate) async fn mark_read(
    tx: &mut TenantTx,
    id: DocumentId,
    reader: i64,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let count = tx
        .execute(
            "UPDATE documents SET reader = $1 WHERE tenant_id = $2 AND id = $3",
            args![reader, tenant, id],
        )
        .await?;
    Ok(count == 1)
}

fn source(row: &Row) -> Result<Source, Error> {
    Ok(Source {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        revision: row.get(3)?,
        body: row.get(4)?,
        original: row.get(5)?,
    })
}

/// Whether a document is there and has this revision still; it stays so until the transaction ends.
pub(crate) async fn is_at(
    tx: &mut TenantTx,
    id: DocumentId,
    revision: &str,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let lock = if tx.is_postgres() { "FOR UPDATE" } else { "" };
    let row = tx
        .fetch_opt(
            &format!(
                "SELECT 1 FROM documents WHERE tenant_id = $1 AND id = $2 AND revision = $3 {lock}"
            ),
            args![tenant, id, revision],
        )
        .await?;
    Ok(row.is_some())
}
