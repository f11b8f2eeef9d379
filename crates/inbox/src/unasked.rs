//! Messages that a contact did not ask for: whether they may leave at all.

use db::{Error, TenantTx, args};
use kernel::{ContactId, ConversationId, Moment};

use crate::people;

/// Writes down that the contact of a conversation wants no unasked messages any more, or wants them again (`None`).
/// `false` when it was so already.
///
/// # Errors
/// When the database refuses.
pub async fn set_opted_out(
    tx: &mut TenantTx,
    conversation: ConversationId,
    since: Option<Moment>,
) -> Result<bool, Error> {
    let Some(contact) = people::of_conversation(tx, conversation).await? else {
        return Ok(false);
    };
    let tenant = tx.tenant();
    let changed = tx
        .execute(
            "UPDATE contacts SET opted_out_at = $1 WHERE tenant_id = $2 AND (id = $3 OR merged_into = $3) \
             AND (CASE WHEN opted_out_at IS NULL THEN 0 ELSE 1 END) <> $4",
            args![since, tenant, contact, i64::from(since.is_some())],
        )
        .await?;
    Ok(changed > 0)
}

/// Whether a contact, or whoever was joined with it, wants no unasked messages.
pub(crate) async fn is_opted_out(tx: &mut TenantTx, contact: ContactId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let contact = people::root(tx, contact).await?;
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM contacts WHERE tenant_id = $1 AND (id = $2 OR merged_into = $2) \
             AND opted_out_at IS NOT NULL LIMIT 1",
            args![tenant, contact],
        )
        .await?;
    Ok(row.is_some())
}
