//! SQL of how much room files take.

use db::{Db, Error, TenantTx, args};
use kernel::{Moment, TenantId};
use sha2::{Digest, Sha256};

use crate::{KeepError, Origin, Rules};

const DAY: i64 = 86_400_000_000;

/// What a tenant's files take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Charges a file to its tenant and its sender, or refuses it. `before` counts the tenant's folder, for files from
/// before there was an account.
pub(crate) async fn charge(
    db: &Db,
    tenant: TenantId,
    from: Origin<'_>,
    size: u64,
    rules: &Rules,
    now: Moment,
    before: impl FnOnce() -> u64 + Send + 'static,
) -> Result<(), KeepError> {
    let mut tx = db.read(tenant).await?;
    let known = row(&mut tx).await?;
    drop(tx);
    let start = match known {
        Some(_) => 0,
        None => tokio::task::spawn_blocking(before).await.unwrap_or(0),
    };
    let mut tx = db.begin(tenant).await?;
    tx.execute(
        "INSERT INTO file_usage (tenant_id, bytes) VALUES ($1, $2) ON CONFLICT (tenant_id) DO NOTHING",
        args![tenant, signed(start)],
    )
    .await?;
    let within = tx
        .execute(
            "UPDATE file_usage SET bytes = bytes + $1 WHERE tenant_id = $2 AND bytes + $1 <= $3",
            args![signed(size), tenant, signed(rules.tenant)],
        )
        .await?;
    if within == 0 {
        return Err(KeepError::TenantFull(rules.tenant >> 20));
    }
    if let Origin::Sender(address) = from {
        // Only a hash is kept: who sent what is told by the messages, not here.
        let digest =
            Sha256::new().chain_update(tenant.to_string()).chain_update(address).finalize();
        let sender: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let day = now.0.div_euclid(DAY);
        let most = signed(rules.sender_day);
        let within = tx
            .execute(
                "INSERT INTO file_senders (tenant_id, sender, day, bytes) SELECT $1, $2, $3, $4 \
                 WHERE $4 <= $5 ON CONFLICT (tenant_id, sender) DO UPDATE SET \
                 bytes = CASE WHEN file_senders.day = excluded.day \
                 THEN file_senders.bytes + excluded.bytes ELSE excluded.bytes END, day = excluded.day \
                 WHERE file_senders.day <> excluded.day OR file_senders.bytes + excluded.bytes <= $5",
                args![tenant, sender, day, signed(size), most],
            )
            .await?;
        if within == 0 {
            return Err(KeepError::SenderFull(rules.sender_day >> 20));
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Takes a charge back: the file is gone, or was never written.
pub(crate) async fn give_back(db: &Db, tenant: TenantId, size: u64) -> Result<(), Error> {
    let mut tx = db.begin(tenant).await?;
    tx.execute(
        "UPDATE file_usage SET bytes = CASE WHEN bytes > $1 THEN bytes - $1 ELSE 0 END \
         WHERE tenant_id = $2",
        args![signed(size), tenant],
    )
    .await?;
    tx.commit().await
}

async fn row(tx: &mut TenantTx) -> Result<Option<u64>, Error> {
    let tenant = tx.tenant();
    let row =
        tx.fetch_opt("SELECT bytes FROM file_usage WHERE tenant_id = $1", args![tenant]).await?;
    let bytes: Option<i64> = row.map(|row| row.get(0)).transpose()?;
    Ok(bytes.map(|bytes| u64::try_from(bytes).unwrap_or(0)))
}

/// What the tenant's files take.
///
/// # Errors
/// When the database cannot be read.
pub async fn usage(tx: &mut TenantTx) -> Result<Usage, Error> {
    Ok(Usage { bytes: row(tx).await?.unwrap_or(0) })
}
