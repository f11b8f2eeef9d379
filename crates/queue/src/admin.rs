//! What operators ask of the queue: depth, dead letters, requeue, removal.

use db::{Db, Error, TenantTx, args};
use kernel::{JobId, Moment, TenantId};
use serde::Serialize;

use crate::Lane;

/// One lane of one tenant.
#[derive(Debug, Clone, Serialize)]
pub struct LaneStats {
    pub tenant: TenantId,
    pub lane: Lane,
    pub scheduled: i64,
    pub ready: i64,
    pub leased: i64,
    pub dead: i64,
    /// When the oldest ready job should have run.
    pub oldest_ready: Option<Moment>,
}

fn lane_of(code: i64) -> Lane {
    Lane::ALL.into_iter().find(|lane| lane.code() == code).unwrap_or(Lane::Bulk)
}

/// What waits, per tenant and lane.
///
/// # Errors
/// When the database cannot be read.
pub async fn depth(db: &Db) -> Result<Vec<LaneStats>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            "SELECT tenant_id, lane, \
             CAST(SUM(CASE WHEN state = 0 THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN state = 1 THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN state = 4 THEN 1 ELSE 0 END) AS BIGINT), \
             MIN(CASE WHEN state = 1 THEN run_at END) \
             FROM jobs WHERE state <> 3 GROUP BY tenant_id, lane ORDER BY lane, tenant_id",
            args![],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(LaneStats {
                tenant: row.get(0)?,
                lane: lane_of(row.get(1)?),
                scheduled: row.get(2)?,
                ready: row.get(3)?,
                leased: row.get(4)?,
                dead: row.get(5)?,
                oldest_ready: row.get(6)?,
            })
        })
        .collect()
}

/// A job that was given up.
#[derive(Debug, Clone, Serialize)]
pub struct DeadJob {
    pub id: JobId,
    pub tenant: TenantId,
    pub kind: String,
    pub lane: Lane,
    pub attempts: i64,
    pub died_at: Option<Moment>,
    pub cause: Option<String>,
}

/// The dead letters, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn dead(db: &Db, tenant: Option<TenantId>, limit: usize) -> Result<Vec<DeadJob>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            "SELECT id, tenant_id, kind, lane, attempts, finished_at, last_error FROM jobs \
             WHERE state = 4 AND ($1 = '' OR tenant_id = $1) ORDER BY finished_at DESC LIMIT $2",
            args![tenant.map(|t| t.to_string()).unwrap_or_default(), limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(DeadJob {
                id: row.get(0)?,
                tenant: row.get(1)?,
                kind: row.get(2)?,
                lane: lane_of(row.get(3)?),
                attempts: row.get(4)?,
                died_at: row.get(5)?,
                cause: row.get(6)?,
            })
        })
        .collect()
}

/// Jobs that failed and wait for their next try: how many, and why the latest of them failed.
///
/// # Errors
/// When the database cannot be read.
pub async fn retrying(db: &Db) -> Result<Option<(i64, String)>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            "SELECT (SELECT COUNT(*) FROM jobs WHERE state = 0 AND last_error IS NOT NULL), last_error \
             FROM jobs WHERE state = 0 AND last_error IS NOT NULL ORDER BY run_at DESC LIMIT 1",
            args![],
        )
        .await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// Gives dead letters another life: one job, or all of a tenant, or all. Returns how many.
///
/// # Errors
/// When the database refuses the statement.
pub async fn requeue(
    db: &Db,
    tenant: Option<TenantId>,
    job: Option<JobId>,
    now: Moment,
) -> Result<u64, Error> {
    let mut tx = db.begin_system().await?;
    let count = tx
        .execute(
            "UPDATE jobs SET state = 1, attempts = 0, run_at = $1, finished_at = NULL, dedupe_key = NULL \
             WHERE state = 4 AND ($2 = '' OR tenant_id = $2) AND ($3 = '' OR id = $3)",
            args![
                now,
                tenant.map(|t| t.to_string()).unwrap_or_default(),
                job.map(|j| j.to_string()).unwrap_or_default()
            ],
        )
        .await?;
    tx.jobs_enqueued();
    tx.commit().await?;
    Ok(count)
}

/// A job that was taken out of the queue.
#[derive(Debug, Clone)]
pub struct Taken {
    pub kind: String,
    pub payload: String,
    /// It still waited to run.
    pub waited: bool,
}

/// Whose job this is.
///
/// # Errors
/// When the database cannot be read.
pub async fn tenant_of(db: &Db, job: JobId) -> Result<Option<TenantId>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx.fetch_opt("SELECT tenant_id FROM jobs WHERE id = $1", args![job]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Removes one job, whatever its state, unless a worker has it. Returns what it was.
///
/// # Errors
/// When the database refuses the statement.
pub async fn remove(tx: &mut TenantTx, job: JobId) -> Result<Option<Taken>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "DELETE FROM jobs WHERE tenant_id = $1 AND id = $2 AND state <> 2 \
             RETURNING kind, payload, state",
            args![tenant, job],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let waited = row.get::<i64>(2)? < 2;
    Ok(Some(Taken { kind: row.get(0)?, payload: row.get(1)?, waited }))
}

/// Removes the waiting jobs and dead letters of a tenant's lane. Returns how many.
///
/// # Errors
/// When the database refuses the statement.
pub async fn clear(db: &Db, tenant: TenantId, lane: Lane) -> Result<u64, Error> {
    let mut tx = db.begin_system().await?;
    let gone = tx
        .execute(
            "DELETE FROM jobs WHERE tenant_id = $1 AND lane = $2 AND state NOT IN (2, 3)",
            args![tenant, lane.code()],
        )
        .await?;
    tx.commit().await?;
    Ok(gone)
}

/// When a worker last showed itself, and how many have in the last minute.
///
/// # Errors
/// When the database cannot be read.
pub async fn heartbeat_age(db: &Db, now: Moment) -> Result<Option<std::time::Duration>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx.fetch_opt("SELECT MAX(seen_at) FROM heartbeats", args![]).await?;
    let seen: Option<Moment> = row.map(|row| row.get(0)).transpose()?.flatten();
    Ok(seen.map(|seen| now.since(seen)))
}
