//! A channel's secrets: replacing them.

use db::{TenantTx, args};
use kernel::Moment;
use tenancy::{Vault, hash_token};

use crate::store::{
    COLUMNS, Channel, ChannelError, Rotation, api_key_name, channel, secret_name, token_name,
};
use messaging::Kind;

/// Replaces a channel's secrets at once.
///
/// # Errors
/// When there is no such channel, a secret is empty, or this kind has none of that name.
pub async fn rotate(
    tx: &mut TenantTx,
    vault: &Vault,
    name: &str,
    rotation: &Rotation,
    now: Moment,
) -> Result<Channel, ChannelError> {
    let tenant = tx.tenant();
    for (value, what) in [
        (&rotation.webhook_token, "the webhook token"),
        (&rotation.api_key, "the API key"),
        (&rotation.secret, "the secret"),
    ] {
        if value.as_deref().is_some_and(|text| text.trim().is_empty()) {
            return Err(ChannelError::EmptySecret(what));
        }
    }
    let hash = rotation.webhook_token.as_deref().map(hash_token);
    let rows = tx
        .fetch_all(
            &format!(
                "UPDATE channels SET token_hash = COALESCE($1, token_hash) \
                 WHERE tenant_id = $2 AND (id = $3 OR instance = $3) RETURNING {COLUMNS}"
            ),
            args![hash, tenant, name],
        )
        .await?;
    let found = channel(rows.first().ok_or(ChannelError::NoSuchChannel)?)?;
    if rotation.secret.is_some() && found.kind == Kind::Evolution.name() {
        return Err(ChannelError::NoSuchSecret("evolution", "secret; rotate its webhook token"));
    }
    for (value, name) in [
        (&rotation.api_key, api_key_name(found.id)),
        (&rotation.secret, secret_name(found.id)),
        (&rotation.webhook_token, token_name(found.id)),
    ] {
        if let Some(value) = value {
            vault.put(tx, &name, value, now).await?;
        }
    }
    tx.settings_changed();
    Ok(found)
}
