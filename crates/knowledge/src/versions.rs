//! Earlier versions of documents, and documents as text that people edit.

use std::time::Duration;

use db::{Error, Row, TenantTx, args};
use kernel::{DocumentId, Moment, TenantId, VersionId};

use crate::body::decode;
use crate::library::{KnowledgeError, Prepared, Staged};
use crate::{Format, Item, Library, Reading, store};

/// Versions of a document that are kept.
const KEPT: usize = 20;
/// How long removed documents can be restored.
const REMOVED_KEPT: Duration = Duration::from_secs(180 * 86_400);

/// An earlier version of a document.
#[derive(Debug, Clone)]
pub struct Version {
    pub id: VersionId,
    pub document: DocumentId,
    pub name: String,
    pub bytes: i64,
    pub chunks: i64,
    /// When it was replaced or removed.
    pub until: Moment,
}

/// Keeps the document of this name as a version, unless its content is the same as what comes.
pub(crate) async fn keep_by_name(
    tx: &mut TenantTx,
    name: &str,
    coming: &str,
    now: Moment,
) -> Result<(), Error> {
    keep(tx, "name = $4 AND sha256 <> $5", (name.to_owned(), coming.to_owned()), now).await
}

/// Keeps a document that is about to be removed. Gives originals that may be of no use any more.
pub(crate) async fn keep_removed(
    tx: &mut TenantTx,
    id_or_name: &str,
    now: Moment,
) -> Result<Vec<String>, Error> {
    let pair = (id_or_name.to_owned(), id_or_name.to_owned());
    keep(tx, "(id = $4 OR name = $5)", pair, now).await?;
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "DELETE FROM document_versions WHERE tenant_id = $1 AND until < $2 AND NOT EXISTS \
             (SELECT 1 FROM documents d WHERE d.tenant_id = document_versions.tenant_id \
             AND d.id = document_versions.document_id) RETURNING original",
            args![tenant, now - REMOVED_KEPT],
        )
        .await?;
    originals(&rows)
}

fn originals(rows: &[Row]) -> Result<Vec<String>, Error> {
    let all: Result<Vec<Option<String>>, Error> = rows.iter().map(|row| row.get(0)).collect();
    Ok(all?.into_iter().flatten().collect())
}

async fn keep(
    tx: &mut TenantTx,
    which: &str,
    (first, second): (String, String),
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        &format!(
            "INSERT INTO document_versions (id, tenant_id, document_id, name, format, category, sha256, bytes, \
             body, chunk_count, until, original) SELECT $1, tenant_id, id, name, format, category, sha256, \
             bytes, body, chunk_count, $2, original FROM documents WHERE tenant_id = $3 AND {which}"
        ),
        args![VersionId::generate(), now, tenant, first, second],
    )
    .await?;
    Ok(())
}

fn version(row: &Row) -> Result<Version, Error> {
    Ok(Version {
        id: row.get(0)?,
        document: row.get(1)?,
        name: row.get(2)?,
        bytes: row.get(3)?,
        chunks: row.get(4)?,
        until: row.get(5)?,
    })
}

const VERSION: &str =
    "SELECT id, document_id, name, bytes, chunk_count, until FROM document_versions";

/// Earlier versions of a document, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn versions(tx: &mut TenantTx, document: DocumentId) -> Result<Vec<Version>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!(
                "{VERSION} WHERE tenant_id = $1 AND document_id = $2 ORDER BY until DESC, id DESC LIMIT $3"
            ),
            args![tenant, document, KEPT],
        )
        .await?;
    rows.iter().map(version).collect()
}

/// Documents that were removed and can be restored, the latest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn removed(tx: &mut TenantTx) -> Result<Vec<Version>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!(
                "{VERSION} v WHERE v.tenant_id = $1 AND NOT EXISTS (SELECT 1 FROM documents d \
                 WHERE d.tenant_id = v.tenant_id AND (d.id = v.document_id OR d.name = v.name)) \
                 AND v.until = (SELECT MAX(w.until) FROM document_versions w WHERE w.tenant_id = v.tenant_id \
                 AND w.document_id = v.document_id) ORDER BY v.until DESC LIMIT 20"
            ),
            args![tenant],
        )
        .await?;
    rows.iter().map(version).collect()
}

/// How many versions are kept of a document at most; older ones go. Gives their originals.
pub(crate) async fn prune(tx: &mut TenantTx, document: DocumentId) -> Result<Vec<String>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "DELETE FROM document_versions WHERE tenant_id = $1 AND document_id = $2 AND id NOT IN \
             (SELECT id FROM document_versions WHERE tenant_id = $1 AND document_id = $2 \
             ORDER BY until DESC, id DESC LIMIT $3) RETURNING original",
            args![tenant, document, KEPT],
        )
        .await?;
    originals(&rows)
}

/// A document as people edit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Editable {
    /// One question with its answer.
    Pair { question: String, answer: String, category: String },
    /// Questions and answers as CSV.
    Table(String),
    /// Headings and text as Markdown.
    Text(String),
}

/// What was read of a document, to be edited.
///
/// # Errors
/// When the database cannot be read.
pub async fn editable(tx: &mut TenantTx, id: DocumentId) -> Result<Option<Editable>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT body, format FROM documents WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let items = decode(&row.get::<String>(0)?);
    if row.get::<String>(1)? == "pair"
        && let [Item::Pair { question, answer, category }] = items.as_slice()
    {
        return Ok(Some(Editable::Pair {
            question: question.clone(),
            answer: answer.clone(),
            category: category.clone().unwrap_or_default(),
        }));
    }
    if items.iter().all(|item| matches!(item, Item::Pair { .. })) && !items.is_empty() {
        return Ok(Some(Editable::Table(table(&items))));
    }
    Ok(Some(Editable::Text(text(&items))))
}

fn table(items: &[Item]) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    let _ = out.write_record(["pergunta", "resposta", "categoria"]);
    for item in items {
        if let Item::Pair { question, answer, category } = item {
            let _ = out.write_record([question, answer, category.as_deref().unwrap_or_default()]);
        }
    }
    String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn text(items: &[Item]) -> String {
    let mut out = String::new();
    for item in items {
        match item {
            Item::Section { heading, text } => {
                if let Some(heading) = heading {
                    out.push_str(&format!("## {heading}\n\n"));
                }
                out.push_str(text.trim());
            }
            Item::Pair { question, answer, .. } => {
                out.push_str(&format!("## {question}\n\n{}", answer.trim()));
            }
        }
        out.push_str("\n\n");
    }
    out.trim_end().to_owned()
}

impl Library {
    /// Makes an edited text of a document ready to be put in its place: read as Markdown, or as CSV where the document
    /// is a table of questions. `None` when there is no such document.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn edit(
        &self,
        tenant: TenantId,
        id: DocumentId,
        content: &str,
    ) -> Result<Option<Staged>, KnowledgeError> {
        let mut tx = self.db.read(tenant).await?;
        let Some(document) = store::find(&mut tx, id).await? else { return Ok(None) };
        let as_table = matches!(editable(&mut tx, id).await?, Some(Editable::Table(_)));
        drop(tx);
        let name = if as_table { "edited.csv" } else { "edited.md" };
        let content = content.as_bytes();
        let reading = self.reader.read(tenant, name, content).await?;
        let prepared = Prepared {
            name: document.name,
            category: document.category,
            sha256: crate::library::digest(content),
            size: content.len(),
            reading,
            original: None,
        };
        self.stage(tenant, prepared).await.map(Some)
    }

    /// Makes an earlier version ready to be brought back; what is there now becomes a version itself. `None` when there
    /// is no such version.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn restore(
        &self,
        tenant: TenantId,
        id: VersionId,
    ) -> Result<Option<Staged>, KnowledgeError> {
        let mut tx = self.db.read(tenant).await?;
        let row = tx
            .fetch_opt(
                "SELECT name, format, category, sha256, bytes, body, document_id, original \
                 FROM document_versions WHERE tenant_id = $1 AND id = $2",
                args![tenant, id],
            )
            .await?;
        drop(tx);
        let Some(row) = row else { return Ok(None) };
        let format: String = row.get(1)?;
        let bytes: i64 = row.get(4)?;
        let body: String = row.get(5)?;
        let prepared = Prepared {
            name: row.get(0)?,
            category: row.get(2)?,
            sha256: row.get(3)?,
            size: usize::try_from(bytes).unwrap_or(0),
            reading: Reading {
                format: Format::by_name(&format),
                items: decode(&body),
                half: 0,
                unread: Vec::new(),
            },
            original: row.get(7)?,
        };
        // A document that was removed comes back under another id; its past comes with it.
        let mut staged = self.stage(tenant, prepared).await?;
        staged.past_of = Some(row.get(6)?);
        Ok(Some(staged))
    }
}

/// Has versions of a document that comes back under another id follow it.
pub(crate) async fn follow(
    tx: &mut TenantTx,
    before: DocumentId,
    now: DocumentId,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE document_versions SET document_id = $1 WHERE tenant_id = $2 AND document_id = $3",
        args![now, tenant, before],
    )
    .await?;
    Ok(())
}
