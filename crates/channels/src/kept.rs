//! SQL of what is kept beside messages: webhooks that nobody could read, and what providers say of a
//! sender's standing.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, Moment, RawEventId};
use messaging::Health;
use schemars::JsonSchema;
use serde::Serialize;

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

/// What a provider said of a sender's standing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HealthView {
    pub id: RawEventId,
    pub at: Moment,
    /// The provider's name, such as `phone_number_quality_update`.
    pub field: String,
    pub event: String,
    /// The limit, the quality, or the template's name.
    pub value: Option<String>,
}

pub(crate) async fn keep_health(
    tx: &mut TenantTx,
    channel: ChannelId,
    health: &Health,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO sender_health (id, tenant_id, channel_id, at, field, event, value, raw) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            RawEventId::generate(),
            tenant,
            channel,
            now,
            &health.field,
            &health.event,
            health.value.clone(),
            health.raw.to_string()
        ],
    )
    .await?;
    Ok(())
}

/// What was said of a sender's standing, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn health(
    tx: &mut TenantTx,
    channel: ChannelId,
    limit: usize,
) -> Result<Vec<HealthView>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, at, field, event, value FROM sender_health \
             WHERE tenant_id = $1 AND channel_id = $2 ORDER BY at DESC, id DESC LIMIT $3",
            args![tenant, channel, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(HealthView {
                id: row.get(0)?,
                at: row.get(1)?,
                field: row.get(2)?,
                event: row.get(3)?,
                value: row.get(4)?,
            })
        })
        .collect()
}
