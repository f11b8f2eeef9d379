//! SQL of documents that are cut or read anew.

use db::{Error, TenantTx, args};
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

/// The document after this one, in the order of ids. `unread_by`: only those that an earlier reader than this one read and
/// whose file was kept.
pub(crate) async fn after(
    tx: &mut TenantTx,
    id: Option<DocumentId>,
    unread_by: Option<i64>,
) -> Result<Option<Source>, Error> {
    let tenant = tx.tenant();
    let which = if unread_by.is_some() { "reader < $3 AND original IS NOT NULL" } else { "$3 = 0" };
    let sql = format!(
        "SELECT id, name, category, revision, body, original FROM documents \
         WHERE tenant_id = $1 AND id > $2 AND {which} ORDER BY id LIMIT 1"
    );
    let after = id.map_or(String::new(), |id| id.to_string());
    let row = tx.fetch_opt(&sql, args![tenant, after, unread_by.unwrap_or(0)]).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Source {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        revision: row.get(3)?,
        body: row.get(4)?,
        original: row.get(5)?,
    }))
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
