//! SQL of channels and kept webhooks.

use db::{Db, Error, Row, TenantTx, args};
use kernel::{ChannelId, Moment, RawEventId, TenantId};
use messaging::http::{BadAddress, Outbound};
use schemars::JsonSchema;
use serde::Serialize;
use tenancy::{Vault, VaultError, hash_token};

/// The one kind of sender so far.
pub(crate) const EVOLUTION: &str = "evolution";

/// A channel as lists show it; never its keys.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Channel {
    pub id: ChannelId,
    pub kind: String,
    pub instance: String,
    pub base_url: String,
    /// `pending`, `open`, `connecting`, `close`, `refused`, `logged_out`.
    pub state: String,
    pub state_reason: Option<String>,
    /// What needs a look, in plain words.
    pub alarm: Option<String>,
    pub alarm_at: Option<Moment>,
    pub created_at: Moment,
}

/// A channel about to be added.
#[derive(Debug, Clone)]
pub struct NewChannel {
    pub instance: String,
    pub base_url: String,
    pub api_key: String,
    pub webhook_token: String,
}

/// What changes when a channel's secrets are rotated.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    pub api_key: Option<String>,
    pub webhook_token: Option<String>,
}

/// Why a channel is refused.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error(
        "instance `{0}` is connected already: an instance name belongs to one channel of the whole \
         installation. Rename the instance on the Evolution server, or remove the other channel first"
    )]
    InstanceTaken(String),
    #[error("an instance name has 1 to 100 characters and no slash")]
    Instance,
    #[error("{0} must not be empty")]
    EmptySecret(&'static str),
    #[error(transparent)]
    Address(#[from] BadAddress),
    #[error("no such channel")]
    NoSuchChannel,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Storage(#[from] Error),
}

pub(crate) fn api_key_name(channel: ChannelId) -> String {
    format!("channel/{channel}/api_key")
}

/// Adds an Evolution channel.
///
/// # Errors
/// When the instance is taken, a secret is empty, or the address is not allowed.
pub async fn add(
    tx: &mut TenantTx,
    vault: &Vault,
    outbound: &Outbound,
    new: &NewChannel,
    now: Moment,
) -> Result<Channel, ChannelError> {
    let instance = new.instance.trim();
    if instance.is_empty() || instance.chars().count() > 100 || instance.contains('/') {
        return Err(ChannelError::Instance);
    }
    if new.api_key.is_empty() {
        return Err(ChannelError::EmptySecret("the API key"));
    }
    if new.webhook_token.is_empty() {
        return Err(ChannelError::EmptySecret("the webhook token"));
    }
    let base_url = outbound.check(&new.base_url)?;
    let channel = Channel {
        id: ChannelId::generate(),
        kind: EVOLUTION.to_owned(),
        instance: instance.to_owned(),
        base_url,
        state: "pending".to_owned(),
        state_reason: None,
        alarm: None,
        alarm_at: None,
        created_at: now,
    };
    let tenant = tx.tenant();
    let made = tx
        .execute(
            "INSERT INTO channels (id, tenant_id, kind, instance, base_url, token_hash, state, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7) ON CONFLICT (kind, instance) DO NOTHING",
            args![
                channel.id,
                tenant,
                EVOLUTION,
                instance,
                &channel.base_url,
                hash_token(&new.webhook_token),
                now
            ],
        )
        .await?;
    if made == 0 {
        return Err(ChannelError::InstanceTaken(instance.to_owned()));
    }
    vault.put(tx, &api_key_name(channel.id), &new.api_key, now).await?;
    tx.settings_changed();
    Ok(channel)
}

const COLUMNS: &str =
    "id, kind, instance, base_url, state, state_reason, alarm, alarm_at, created_at";

fn channel(row: &Row) -> Result<Channel, Error> {
    Ok(Channel {
        id: row.get(0)?,
        kind: row.get(1)?,
        instance: row.get(2)?,
        base_url: row.get(3)?,
        state: row.get(4)?,
        state_reason: row.get(5)?,
        alarm: row.get(6)?,
        alarm_at: row.get(7)?,
        created_at: row.get(8)?,
    })
}

/// The tenant's channels.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Channel>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!("SELECT {COLUMNS} FROM channels WHERE tenant_id = $1 ORDER BY created_at, id"),
            args![tenant],
        )
        .await?;
    rows.iter().map(channel).collect()
}

/// Every channel that needs a look: tenant's slug, instance and what is wrong.
///
/// # Errors
/// When the database cannot be read.
pub async fn alarms(db: &Db) -> Result<Vec<(String, String, String)>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            "SELECT t.slug, c.instance, c.alarm FROM channels c JOIN tenants t ON t.id = c.tenant_id \
             WHERE c.alarm IS NOT NULL ORDER BY t.slug, c.instance",
            args![],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Removes a channel by id or instance name, with its key and what was kept of it. Conversations
/// stay readable.
///
/// # Errors
/// [`ChannelError::NoSuchChannel`] when there is none.
pub async fn remove(
    tx: &mut TenantTx,
    vault: &Vault,
    name: &str,
) -> Result<Vec<tenancy::Removed>, ChannelError> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "DELETE FROM channels WHERE tenant_id = $1 AND (id = $2 OR instance = $2) RETURNING id",
            args![tenant, name],
        )
        .await?;
    let id: ChannelId = rows.first().ok_or(ChannelError::NoSuchChannel)?.get(0)?;
    vault.remove(tx, &api_key_name(id)).await?;
    let kept = tx
        .execute(
            "DELETE FROM raw_events WHERE tenant_id = $1 AND channel_id = $2",
            args![tenant, id],
        )
        .await?;
    tx.settings_changed();
    Ok(vec![
        tenancy::Removed { what: "channels".to_owned(), count: 1 },
        tenancy::Removed { what: "raw_events".to_owned(), count: kept },
    ])
}

/// Replaces a channel's secrets at once.
///
/// # Errors
/// When there is no such channel or a secret is empty.
pub async fn rotate(
    tx: &mut TenantTx,
    vault: &Vault,
    name: &str,
    rotation: &Rotation,
    now: Moment,
) -> Result<Channel, ChannelError> {
    let tenant = tx.tenant();
    if rotation.webhook_token.as_deref() == Some("") {
        return Err(ChannelError::EmptySecret("the webhook token"));
    }
    if rotation.api_key.as_deref() == Some("") {
        return Err(ChannelError::EmptySecret("the API key"));
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
    if let Some(key) = &rotation.api_key {
        vault.put(tx, &api_key_name(found.id), key, now).await?;
    }
    tx.settings_changed();
    Ok(found)
}

/// Notes how the provider says a channel is connected.
pub(crate) async fn set_state(
    tx: &mut TenantTx,
    id: ChannelId,
    state: &str,
    reason: Option<i64>,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let alarm = match state {
        "open" | "connecting" => None,
        "logged_out" => Some("the phone was logged out: read the QR code again"),
        "refused" => Some("the QR code ran out: ask for a new one"),
        _ => Some("the connection to WhatsApp is closed: see the Evolution server"),
    };
    tx.execute(
        "UPDATE channels SET state = $1, state_reason = $2, alarm = $3, alarm_at = $4 \
         WHERE tenant_id = $5 AND id = $6",
        args![state, reason.map(|r| r.to_string()), alarm, alarm.map(|_| now), tenant, id],
    )
    .await?;
    Ok(())
}

pub(crate) async fn set_alarm(
    tx: &mut TenantTx,
    id: ChannelId,
    alarm: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET alarm = $1, alarm_at = $2 WHERE tenant_id = $3 AND id = $4",
        args![alarm, now, tenant, id],
    )
    .await?;
    Ok(())
}

/// A channel with what authenticates it.
pub(crate) struct Located {
    pub(crate) id: ChannelId,
    pub(crate) tenant: TenantId,
    pub(crate) base_url: String,
    pub(crate) instance: String,
    pub(crate) token_hash: String,
}

fn located(row: &Row) -> Result<Located, Error> {
    Ok(Located {
        id: row.get(0)?,
        tenant: row.get(1)?,
        base_url: row.get(2)?,
        instance: row.get(3)?,
        token_hash: row.get(4)?,
    })
}

/// Which channel of the house has this instance name.
pub(crate) async fn by_instance(db: &Db, instance: &str) -> Result<Option<Located>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            "SELECT id, tenant_id, base_url, instance, token_hash FROM channels \
             WHERE kind = $1 AND instance = $2",
            args![EVOLUTION, instance],
        )
        .await?;
    row.as_ref().map(located).transpose()
}

/// Whether any channel of the house has a token with this hash.
pub(crate) async fn is_token(db: &Db, hash: &str) -> Result<bool, Error> {
    let mut tx = db.read_system().await?;
    let row =
        tx.fetch_opt("SELECT 1 FROM channels WHERE token_hash = $1 LIMIT 1", args![hash]).await?;
    Ok(row.is_some())
}

/// The one channel with this token; `None` when there is none, or more than one.
pub(crate) async fn by_token(db: &Db, token: &str) -> Result<Option<Located>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            "SELECT id, tenant_id, base_url, instance, token_hash FROM channels \
             WHERE token_hash = $1 LIMIT 2",
            args![hash_token(token)],
        )
        .await?;
    match rows.as_slice() {
        [one] => Ok(Some(located(one)?)),
        _ => Ok(None),
    }
}

pub(crate) async fn by_id(tx: &mut TenantTx, id: ChannelId) -> Result<Option<Located>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id, tenant_id, base_url, instance, token_hash FROM channels \
             WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    row.as_ref().map(located).transpose()
}

/// A webhook that was kept because nobody could read it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RawEvent {
    pub id: RawEventId,
    pub channel: ChannelId,
    pub event: String,
    pub reason: String,
    /// `kept` or `replayed`.
    pub state: String,
    pub received_at: Moment,
}

pub(crate) async fn keep_raw(
    tx: &mut TenantTx,
    channel: ChannelId,
    event: &str,
    reason: &str,
    body: &str,
    now: Moment,
) -> Result<RawEventId, Error> {
    let id = RawEventId::generate();
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO raw_events (id, tenant_id, channel_id, event, reason, body, state, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'kept', $7)",
        args![id, tenant, channel, event, reason, body, now],
    )
    .await?;
    Ok(id)
}

/// Kept webhooks, the newest first; a page of those before `before`.
///
/// # Errors
/// When the database cannot be read.
pub async fn raw_events(
    tx: &mut TenantTx,
    before: Option<(Moment, RawEventId)>,
    limit: usize,
) -> Result<Vec<RawEvent>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(before);
    let rows = tx
        .fetch_all(
            "SELECT id, channel_id, event, reason, state, received_at FROM raw_events \
             WHERE tenant_id = $1 AND (received_at < $2 OR (received_at = $2 AND id < $3)) \
             ORDER BY received_at DESC, id DESC LIMIT $4",
            args![tenant, at, id, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RawEvent {
                id: row.get(0)?,
                channel: row.get(1)?,
                event: row.get(2)?,
                reason: row.get(3)?,
                state: row.get(4)?,
                received_at: row.get(5)?,
            })
        })
        .collect()
}

/// The channel and body of a kept webhook.
pub(crate) async fn raw_body(
    tx: &mut TenantTx,
    id: RawEventId,
) -> Result<Option<(ChannelId, String)>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT channel_id, body FROM raw_events WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

pub(crate) async fn mark_replayed(tx: &mut TenantTx, id: RawEventId) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE raw_events SET state = 'replayed' WHERE tenant_id = $1 AND id = $2",
        args![tenant, id],
    )
    .await?;
    Ok(())
}

/// Deletes the tenant's rows of this room.
///
/// # Errors
/// When the database refuses.
pub async fn remove_tenant(tx: &mut TenantTx) -> Result<Vec<tenancy::Removed>, Error> {
    let tenant = tx.tenant();
    let mut removed = Vec::new();
    for (what, sql) in [
        ("channels", "DELETE FROM channels WHERE tenant_id = $1"),
        ("raw_events", "DELETE FROM raw_events WHERE tenant_id = $1"),
    ] {
        let count = tx.execute(sql, args![tenant]).await?;
        removed.push(tenancy::Removed { what: what.to_owned(), count });
    }
    tx.settings_changed();
    Ok(removed)
}
