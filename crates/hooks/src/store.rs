//! SQL of endpoints and deliveries.

use db::{Db, Error, Row, TenantTx, args};
use kernel::{DeliveryId, HookId, Moment};
use messaging::http::{BadAddress, Outbound};
use queue::{Lane, NewJob, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenancy::{Vault, VaultError};

use crate::{Event, sign};

/// A delivery waits to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryDue {
    pub delivery: DeliveryId,
}

impl Payload for DeliveryDue {
    const KIND: &'static str = "hooks.delivery_due";
    const LANE: Lane = Lane::Notify;
    const MAX_ATTEMPTS: u32 = 8;
}

/// An address that is told of events.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Endpoint {
    pub id: HookId,
    pub url: String,
    /// Names such as `message.received`; empty: all of them.
    pub events: Vec<String>,
    /// `active`, or `disabled` with the reason.
    pub state: String,
    pub reason: Option<String>,
    /// Failures in a row.
    pub failures: i64,
    /// It failed again and again: nothing is sent before this time.
    pub paused_until: Option<Moment>,
    pub created_at: Moment,
}

/// An address about to be added.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    pub url: String,
    pub events: Vec<String>,
}

/// One event on its way to one address.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Delivery {
    pub id: DeliveryId,
    pub endpoint: HookId,
    pub event: String,
    /// `waiting`, `delivered`, `failed`.
    pub state: String,
    pub attempts: i64,
    /// HTTP status of the last try.
    pub status: Option<i64>,
    pub error: Option<String>,
    pub created_at: Moment,
    pub tried_at: Option<Moment>,
}

/// Why an address is refused.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error(transparent)]
    Address(#[from] BadAddress),
    #[error("unknown event `{0}`; events are {list}", list = names())]
    Event(String),
    #[error("a tenant has at most {MOST} webhook endpoints")]
    TooMany,
    #[error("no such webhook endpoint")]
    NoSuchEndpoint,
    #[error("no such delivery")]
    NoSuchDelivery,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Storage(#[from] Error),
}

/// Endpoints of one tenant at most.
const MOST: i64 = 20;
/// Deliveries are readable for this long.
const KEPT: std::time::Duration = std::time::Duration::from_secs(14 * 86_400);

fn names() -> String {
    Event::ALL.map(Event::name).join(", ")
}

pub(crate) fn secret_name(endpoint: HookId) -> String {
    format!("hook/{endpoint}")
}

/// Adds an address. Returns it with its secret, which is shown this once.
///
/// # Errors
/// When the address is not allowed or an event is unknown.
pub async fn add(
    tx: &mut TenantTx,
    vault: &Vault,
    outbound: &Outbound,
    new: &NewEndpoint,
    now: Moment,
) -> Result<(Endpoint, String), HookError> {
    let url = outbound.check(&new.url)?;
    for event in &new.events {
        if !Event::ALL.iter().any(|known| known.name() == event) {
            return Err(HookError::Event(event.clone()));
        }
    }
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt("SELECT COUNT(*) FROM hook_endpoints WHERE tenant_id = $1", args![tenant])
        .await?;
    if row.is_some_and(|row| row.get::<i64>(0).is_ok_and(|count| count >= MOST)) {
        return Err(HookError::TooMany);
    }
    let id = HookId::generate();
    tx.execute(
        "INSERT INTO hook_endpoints (id, tenant_id, url, events, state, created_at) \
         VALUES ($1, $2, $3, $4, 'active', $5)",
        args![id, tenant, &url, new.events.join(","), now],
    )
    .await?;
    let secret = sign::new_secret();
    vault.put(tx, &secret_name(id), &secret, now).await?;
    tx.settings_changed();
    let endpoint = Endpoint {
        id,
        url,
        events: new.events.clone(),
        state: "active".to_owned(),
        reason: None,
        failures: 0,
        paused_until: None,
        created_at: now,
    };
    Ok((endpoint, secret))
}

const COLUMNS: &str = "id, url, events, state, reason, failures, open_until, created_at";

fn endpoint(row: &Row) -> Result<Endpoint, Error> {
    let events: String = row.get(2)?;
    let until: Moment = row.get(6)?;
    Ok(Endpoint {
        id: row.get(0)?,
        url: row.get(1)?,
        events: events.split(',').filter(|e| !e.is_empty()).map(str::to_owned).collect(),
        state: row.get(3)?,
        reason: row.get(4)?,
        failures: row.get(5)?,
        paused_until: (until.0 > 0).then_some(until),
        created_at: row.get(7)?,
    })
}

/// The tenant's addresses.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Endpoint>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!(
                "SELECT {COLUMNS} FROM hook_endpoints WHERE tenant_id = $1 ORDER BY created_at, id"
            ),
            args![tenant],
        )
        .await?;
    rows.iter().map(endpoint).collect()
}

/// Removes an address; what waited for it is dropped.
///
/// # Errors
/// [`HookError::NoSuchEndpoint`] when there is none.
pub async fn remove(tx: &mut TenantTx, vault: &Vault, id: HookId) -> Result<(), HookError> {
    let tenant = tx.tenant();
    let gone = tx
        .execute("DELETE FROM hook_endpoints WHERE tenant_id = $1 AND id = $2", args![tenant, id])
        .await?;
    if gone == 0 {
        return Err(HookError::NoSuchEndpoint);
    }
    tx.execute(
        "DELETE FROM hook_deliveries WHERE tenant_id = $1 AND endpoint_id = $2",
        args![tenant, id],
    )
    .await?;
    vault.remove(tx, &secret_name(id)).await?;
    tx.settings_changed();
    Ok(())
}

/// Tells every address that asked for this event, once the transaction is committed. Costs nothing
/// where no address is.
///
/// # Errors
/// When the database refuses.
pub async fn emit(tx: &mut TenantTx, event: Event, data: Value, now: Moment) -> Result<(), Error> {
    let any = "SELECT 1 FROM hook_endpoints WHERE tenant_id = $1 AND state = 'active' LIMIT 1";
    if !tx.fact("hooks", any).await? {
        return Ok(());
    }
    let body =
        json!({ "type": event.name(), "timestamp": now.rfc3339(), "data": data }).to_string();
    for endpoint in list(tx).await? {
        let wanted =
            endpoint.events.is_empty() || endpoint.events.iter().any(|e| e == event.name());
        if wanted && endpoint.state == "active" {
            enqueue(tx, endpoint.id, event.name(), &body, now).await?;
        }
    }
    Ok(())
}

pub(crate) async fn enqueue(
    tx: &mut TenantTx,
    endpoint: HookId,
    event: &str,
    body: &str,
    now: Moment,
) -> Result<DeliveryId, Error> {
    let tenant = tx.tenant();
    let delivery = DeliveryId::generate();
    tx.execute(
        "INSERT INTO hook_deliveries (id, tenant_id, endpoint_id, event, body, state, created_at) \
         VALUES ($1, $2, $3, $4, $5, 'waiting', $6)",
        args![delivery, tenant, endpoint, event, body, now],
    )
    .await?;
    due(tx, delivery, now).await?;
    Ok(delivery)
}

async fn due(tx: &mut TenantTx, delivery: DeliveryId, now: Moment) -> Result<(), Error> {
    let job = NewJob {
        payload: &DeliveryDue { delivery },
        run_at: now,
        order_key: None,
        dedupe_key: Some(format!("hook:{delivery}")),
        now,
    };
    queue::enqueue(tx, job).await
}

fn delivery(row: &Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        id: row.get(0)?,
        endpoint: row.get(1)?,
        event: row.get(2)?,
        state: row.get(3)?,
        attempts: row.get(4)?,
        status: row.get(5)?,
        error: row.get(6)?,
        created_at: row.get(7)?,
        tried_at: row.get(8)?,
    })
}

/// Deliveries, the newest first; a page of those before `before`.
///
/// # Errors
/// When the database cannot be read.
pub async fn deliveries(
    tx: &mut TenantTx,
    before: Option<(Moment, DeliveryId)>,
    limit: usize,
) -> Result<Vec<Delivery>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(before);
    let rows = tx
        .fetch_all(
            "SELECT id, endpoint_id, event, state, attempts, status, error, created_at, tried_at \
             FROM hook_deliveries WHERE tenant_id = $1 \
             AND (created_at < $2 OR (created_at = $2 AND id < $3)) \
             ORDER BY created_at DESC, id DESC LIMIT $4",
            args![tenant, at, id, limit],
        )
        .await?;
    rows.iter().map(delivery).collect()
}

/// Makes a delivery again, also one that was made.
///
/// # Errors
/// [`HookError::NoSuchDelivery`] when there is none.
pub async fn replay(tx: &mut TenantTx, id: DeliveryId, now: Moment) -> Result<(), HookError> {
    let tenant = tx.tenant();
    let moved = tx
        .execute(
            "UPDATE hook_deliveries SET state = 'waiting', attempts = 0, error = NULL \
             WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    if moved == 0 {
        return Err(HookError::NoSuchDelivery);
    }
    Ok(due(tx, id, now).await?)
}

/// What a try needs to know.
pub(crate) struct Open {
    pub(crate) endpoint: HookId,
    pub(crate) url: String,
    pub(crate) active: bool,
    pub(crate) event: String,
    pub(crate) body: String,
    pub(crate) paused_until: Moment,
    pub(crate) failures: i64,
    pub(crate) created_at: Moment,
}

/// A delivery that is still to be made.
pub(crate) async fn open(tx: &mut TenantTx, id: DeliveryId) -> Result<Option<Open>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT e.id, e.url, e.state, d.event, d.body, e.open_until, e.failures, d.created_at \
             FROM hook_deliveries d JOIN hook_endpoints e ON e.tenant_id = d.tenant_id \
             AND e.id = d.endpoint_id \
             WHERE d.tenant_id = $1 AND d.id = $2 AND d.state = 'waiting'",
            args![tenant, id],
        )
        .await?;
    row.map(|row| {
        Ok(Open {
            endpoint: row.get(0)?,
            url: row.get(1)?,
            active: row.get::<String>(2)? == "active",
            event: row.get(3)?,
            body: row.get(4)?,
            paused_until: row.get(5)?,
            failures: row.get(6)?,
            created_at: row.get(7)?,
        })
    })
    .transpose()
}

/// How a try ended.
pub(crate) struct Tried<'a> {
    pub(crate) state: &'a str,
    pub(crate) status: Option<i64>,
    pub(crate) error: Option<&'a str>,
}

pub(crate) async fn tried(
    tx: &mut TenantTx,
    id: DeliveryId,
    tried: &Tried<'_>,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE hook_deliveries SET state = $1, attempts = attempts + 1, status = $2, error = $3, \
         tried_at = $4 WHERE tenant_id = $5 AND id = $6",
        args![tried.state, tried.status, tried.error, now, tenant, id],
    )
    .await?;
    Ok(())
}

/// The endpoint answered well.
pub(crate) async fn well(tx: &mut TenantTx, id: HookId) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE hook_endpoints SET failures = 0, open_until = 0 \
         WHERE tenant_id = $1 AND id = $2 AND failures > 0",
        args![tenant, id],
    )
    .await?;
    Ok(())
}

/// The endpoint failed once more; nothing goes there before `open_until`.
pub(crate) async fn failing(
    tx: &mut TenantTx,
    id: HookId,
    open_until: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE hook_endpoints SET failures = failures + 1, open_until = $1 \
         WHERE tenant_id = $2 AND id = $3",
        args![open_until, tenant, id],
    )
    .await?;
    Ok(())
}

/// The endpoint is told of nothing any more.
pub(crate) async fn disable(tx: &mut TenantTx, id: HookId, reason: &str) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE hook_endpoints SET state = 'disabled', reason = $1 WHERE tenant_id = $2 AND id = $3",
        args![reason, tenant, id],
    )
    .await?;
    tx.settings_changed();
    Ok(())
}

/// Deletes deliveries older than two weeks. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &Db, now: Moment) -> Result<u64, Error> {
    let mut tx = db.begin_system().await?;
    let gone = tx
        .execute(
            "DELETE FROM hook_deliveries WHERE created_at < $1 AND state <> 'waiting'",
            args![now - KEPT],
        )
        .await?;
    tx.commit().await?;
    Ok(gone)
}
