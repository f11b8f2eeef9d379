//! A channel's secrets: replacing them.

use std::time::Duration;

use db::{Db, TenantTx, args};
use kernel::Moment;
use tenancy::{Vault, VaultError, hash_token};

use crate::store::{
    COLUMNS, Channel, ChannelError, Rotation, WEBHOOK_TOKEN, api_key_name, channel, find,
    secret_name, token_name,
};
use messaging::Kind;

/// How long the webhook token before goes on beside a new one: so long may whoever sends take to be told.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Replaces a channel's secrets. A webhook token that is replaced holds for [`OVERLAP`] more, unless it is to
/// end at once.
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
                "UPDATE channels SET \
                 before_hash = CASE WHEN $1 <> '' AND token_hash <> '' THEN token_hash ELSE before_hash END, \
                 before_until = CASE WHEN $1 <> '' AND token_hash <> '' THEN $4 ELSE before_until END, \
                 token_hash = CASE WHEN $1 <> '' THEN $1 ELSE token_hash END \
                 WHERE tenant_id = $2 AND (id = $3 OR instance = $3) RETURNING {COLUMNS}"
            ),
            args![hash.unwrap_or_default(), tenant, name, if rotation.at_once { now } else { now + OVERLAP }],
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

/// Channels whose webhook token is short enough to be guessed: the tenant's slug and the instance.
///
/// # Errors
/// When rows cannot be read or a key does not open.
pub async fn short_tokens(db: &Db, vault: &Vault) -> Result<Vec<(String, String)>, VaultError> {
    let mut found = Vec::new();
    for (tenant, id) in crate::every(db).await? {
        let mut tx = db.read(tenant).await?;
        let token = vault.get(&mut tx, &token_name(id)).await?;
        if token.is_some_and(|token| token.chars().count() < WEBHOOK_TOKEN) {
            let channel = find(&mut tx, &id.to_string()).await.ok();
            let tenant = tenancy::by_id(db, tenant).await?;
            found.extend(tenant.zip(channel).map(|(t, c)| (t.slug.to_string(), c.instance)));
        }
    }
    Ok(found)
}
