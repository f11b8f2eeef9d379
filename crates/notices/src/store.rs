//! SQL of who is told.

use db::{Error, TenantTx, args};

/// Addresses that are told when a contact waits for a person.
///
/// # Errors
/// When the database cannot be read.
pub async fn emails(tx: &mut TenantTx) -> Result<Vec<String>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt("SELECT emails FROM notice_settings WHERE tenant_id = $1", args![tenant])
        .await?;
    let text: String = row.map(|row| row.get(0)).transpose()?.unwrap_or_default();
    Ok(text.lines().map(str::to_owned).collect())
}

/// Replaces the addresses that are told.
///
/// # Errors
/// When the database refuses.
pub async fn set_emails(tx: &mut TenantTx, emails: &[String]) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO notice_settings (tenant_id, emails) VALUES ($1, $2) \
         ON CONFLICT (tenant_id) DO UPDATE SET emails = excluded.emails",
        args![tenant, emails.join("\n")],
    )
    .await?;
    Ok(())
}
