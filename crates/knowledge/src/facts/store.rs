//! Rows of corrections.

use db::{Error, TenantTx, args};
use kernel::Moment;

use super::Correction;

/// Characters of a corrected value, at most.
pub(crate) const LONGEST: usize = 500;

/// Why a correction is refused.
#[derive(Debug, thiserror::Error)]
pub enum CorrectionError {
    #[error("the right value has 1 to {LONGEST} characters, on one line")]
    Value,
    #[error("a price belongs here, such as R$ 45,00; for anything else, change the document")]
    Price,
    #[error("no document states this any more; list the facts again")]
    Unknown,
    #[error(transparent)]
    Storage(#[from] Error),
}

/// A correction about to be kept.
pub(crate) struct Row<'a> {
    pub(crate) document: &'a str,
    pub(crate) key: &'a str,
    pub(crate) original: &'a str,
    pub(crate) corrected: &'a str,
}

/// The tenant's corrections.
pub(crate) async fn all(tx: &mut TenantTx) -> Result<Vec<Correction>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT document, fact, original, corrected, updated_at FROM fact_corrections \
             WHERE tenant_id = $1 ORDER BY document, fact",
            args![tenant],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Correction {
                document: row.get(0)?,
                key: row.get(1)?,
                original: row.get(2)?,
                corrected: row.get(3)?,
                updated_at: row.get(4)?,
            })
        })
        .collect()
}

/// Keeps a correction in place of an earlier one of the same fact.
pub(crate) async fn keep(tx: &mut TenantTx, row: Row<'_>, now: Moment) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO fact_corrections (tenant_id, document, fact, original, corrected, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant_id, document, fact) DO UPDATE SET corrected = excluded.corrected, \
         updated_at = excluded.updated_at",
        args![tenant, row.document, row.key, row.original, row.corrected, now],
    )
    .await?;
    tenancy::bump_knowledge(tx).await
}

/// Removes a correction. `false` when there was none.
pub(crate) async fn remove(tx: &mut TenantTx, document: &str, key: &str) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let gone = tx
        .execute(
            "DELETE FROM fact_corrections WHERE tenant_id = $1 AND document = $2 AND fact = $3",
            args![tenant, document, key],
        )
        .await?;
    if gone > 0 {
        tenancy::bump_knowledge(tx).await?;
    }
    Ok(gone > 0)
}
