//! Support access: an operator enters a tenant for a reason and for a time, and the tenant sees it.

use std::time::Duration;

use db::{Error, Row, SystemTx, args};
use kernel::{GrantId, Moment, PersonId, TenantId};

/// How long one lasts at most.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// An operator's stay in a tenant.
#[derive(Debug, Clone)]
pub struct Grant {
    pub id: GrantId,
    pub tenant: TenantId,
    pub person: PersonId,
    pub reason: String,
    pub created_at: Moment,
    pub expires_at: Moment,
    pub ended_at: Option<Moment>,
}

const GRANT: &str =
    "SELECT id, tenant_id, person_id, reason, created_at, expires_at, ended_at FROM support_grants";

fn read(row: &Row) -> Result<Grant, Error> {
    Ok(Grant {
        id: row.get(0)?,
        tenant: row.get(1)?,
        person: row.get(2)?,
        reason: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        ended_at: row.get(6)?,
    })
}

/// Lets an operator in; never longer than four hours.
///
/// # Errors
/// When the database refuses.
pub async fn grant(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    reason: &str,
    lasts: (Duration, Moment),
) -> Result<GrantId, Error> {
    let (lasts, now) = lasts;
    let id = GrantId::generate();
    tx.execute(
        "INSERT INTO support_grants (id, tenant_id, person_id, reason, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![id, tenant, person, reason, now, now + lasts.min(LONGEST)],
    )
    .await?;
    Ok(id)
}

/// The stay that lets this operator into this tenant now.
///
/// # Errors
/// When the database cannot be read.
pub async fn grant_for(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    now: Moment,
) -> Result<Option<Grant>, Error> {
    let row = tx
        .fetch_opt(
            &format!(
                "{GRANT} WHERE tenant_id = $1 AND person_id = $2 AND ended_at IS NULL AND expires_at > $3 \
                 ORDER BY expires_at DESC LIMIT 1"
            ),
            args![tenant, person, now],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Stays in a tenant, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn grants(tx: &mut SystemTx, tenant: TenantId) -> Result<Vec<Grant>, Error> {
    let rows = tx
        .fetch_all(
            &format!("{GRANT} WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT 100"),
            args![tenant],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Ends the stays of an operator in a tenant.
///
/// # Errors
/// When the database refuses.
pub async fn end_grant(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: Option<PersonId>,
    now: Moment,
) -> Result<u64, Error> {
    tx.rights_changed();
    tx.execute(
        "UPDATE support_grants SET ended_at = $1 WHERE tenant_id = $2 AND ($3 = '' OR person_id = $3) \
         AND ended_at IS NULL AND expires_at > $1",
        args![now, tenant, person.map(|id| id.to_string()).unwrap_or_default()],
    )
    .await
}
