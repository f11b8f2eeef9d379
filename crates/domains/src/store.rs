//! Rows of domains.

use db::{Db, Error, TenantTx, args};
use kernel::Moment;
use tenancy::State;

use crate::domain::{Domain, DomainError, NewDomain};

const COLUMNS: &str = "host, tenant_id, purpose, upstream, region, created_at";

fn domain(row: &db::Row) -> Result<Domain, Error> {
    Ok(Domain {
        host: row.get(0)?,
        tenant: row.get(1)?,
        purpose: row
            .get::<String>(2)?
            .parse()
            .map_err(|_| Error::Corrupt { column: 2, expected: "a purpose" })?,
        upstream: row.get(3)?,
        region: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// Adds a domain to the tenant. It is served within a second of the commit. `private`: whether its upstream may be
/// on a private network.
///
/// # Errors
/// When a field is not acceptable, or the host is somebody's already.
pub async fn add(
    tx: &mut TenantTx,
    new: &NewDomain,
    private: bool,
    now: Moment,
) -> Result<Domain, DomainError> {
    let new = new.normal(private)?;
    let tenant = tx.tenant();
    let made = tx
        .execute(
            "INSERT INTO domains (host, tenant_id, purpose, upstream, region, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            args![
                &new.host,
                tenant,
                new.purpose.name(),
                new.upstream.clone(),
                new.region.clone(),
                now
            ],
        )
        .await?;
    if made == 0 {
        return Err(DomainError::Taken(new.host));
    }
    tx.settings_changed();
    let NewDomain { host, purpose, upstream, region } = new;
    Ok(Domain { host, tenant, purpose, upstream, region, created_at: now })
}

/// Takes a domain away; `None` when the tenant has no such host.
///
/// # Errors
/// When the database refuses.
pub async fn remove(tx: &mut TenantTx, host: &str) -> Result<Option<Domain>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            &format!("DELETE FROM domains WHERE tenant_id = $1 AND host = $2 RETURNING {COLUMNS}"),
            args![tenant, host],
        )
        .await?;
    tx.settings_changed();
    row.as_ref().map(domain).transpose()
}

/// The tenant's domains, by name.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Domain>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!("SELECT {COLUMNS} FROM domains WHERE tenant_id = $1 ORDER BY host"),
            args![tenant],
        )
        .await?;
    rows.iter().map(domain).collect()
}

/// A domain that the gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub domain: Domain,
    /// The tenant's slug, for people and figures.
    pub slug: String,
}

/// The domains of all tenants that are not archived, by name.
///
/// # Errors
/// When the database cannot be read.
pub async fn served(db: &Db) -> Result<Vec<Served>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            "SELECT d.host, d.tenant_id, d.purpose, d.upstream, d.region, d.created_at, t.slug \
             FROM domains d JOIN tenants t ON t.id = d.tenant_id WHERE t.state <> $1 ORDER BY d.host",
            args![State::Archived.name()],
        )
        .await?;
    rows.iter().map(|row| Ok(Served { domain: domain(row)?, slug: row.get(6)? })).collect()
}
