//! Messages that a contact did not ask for: whether they may leave at all.

use db::{Error, TenantTx};
use kernel::{ContactId, ConversationId, Moment};

use crate::{people, store};

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
    let changed = store::set_opted_out(tx, contact, since).await?;
    Ok(changed > 0)
}

/// Whether a contact, or whoever was joined with it, wants no unasked messages.
pub(crate) async fn is_opted_out(tx: &mut TenantTx, contact: ContactId) -> Result<bool, Error> {
    let contact = people::root(tx, contact).await?;
    store::is_opted_out(tx, contact).await
}
