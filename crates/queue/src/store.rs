//! All SQL of the running queue. States: 0 scheduled, 1 ready, 2 leased, 3 done, 4 dead.

use std::collections::HashSet;
use std::time::Duration;

use db::{Db, Error, TenantTx, args};
use kernel::{JobId, Moment, TenantId};

use crate::{Lane, NewJob, Payload};

/// Enqueues a job in the caller's transaction; the workers wake when it commits.
///
/// # Errors
/// When the database refuses the row.
pub async fn enqueue<P: Payload>(tx: &mut TenantTx, job: NewJob<'_, P>) -> Result<(), Error> {
    let payload = serde_json::to_string(job.payload)
        .map_err(|cause| Error::Setup(format!("job payload of {}: {cause}", P::KIND)))?;
    let state: i64 = if job.run_at > job.now { 0 } else { 1 };
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO jobs (id, tenant_id, kind, lane, state, order_key, dedupe_key, payload, run_at, \
         max_attempts, enqueued_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (tenant_id, dedupe_key) WHERE state < 2 AND dedupe_key IS NOT NULL \
         DO UPDATE SET run_at = excluded.run_at, state = excluded.state",
        args![
            JobId::generate(),
            tenant,
            P::KIND,
            P::LANE.code(),
            state,
            job.order_key,
            job.dedupe_key,
            payload,
            job.run_at,
            P::MAX_ATTEMPTS,
            job.now,
        ],
    )
    .await?;
    tx.job_enqueued_for(job.run_at);
    Ok(())
}

/// Ends a leased job; `false` when the lease is not `owner`'s any more.
pub(crate) async fn finish(
    tx: &mut TenantTx,
    job: JobId,
    owner: &str,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let done = tx
        .execute(
            "UPDATE jobs SET state = 3, finished_at = $1, lease_until = NULL \
             WHERE tenant_id = $2 AND id = $3 AND state = 2 AND lease_owner = $4",
            args![now, tenant, job, owner],
        )
        .await?;
    // Whatever waited for this job's order may go now.
    tx.jobs_enqueued();
    Ok(done == 1)
}

/// A job handed to this worker.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) id: JobId,
    pub(crate) tenant: TenantId,
    pub(crate) kind: String,
    pub(crate) payload: String,
    pub(crate) attempts: u32,
    pub(crate) max_attempts: u32,
    pub(crate) enqueued_at: Moment,
    pub(crate) lane: Lane,
}

/// Who claims, and how much.
pub(crate) struct Claim<'a> {
    pub(crate) lane: Lane,
    pub(crate) owner: &'a str,
    pub(crate) limit: usize,
    pub(crate) now: Moment,
    pub(crate) lease: Duration,
}

/// What a look at the queue showed.
pub(crate) struct Look {
    /// When the next job is due that is not ready now.
    pub(crate) next: Option<Moment>,
    /// Lanes in which something may be ready.
    pub(crate) ready: Vec<Lane>,
}

/// Moves jobs whose time has come, and those whose worker went silent, to ready.
pub(crate) async fn look(db: &Db, now: Moment) -> Result<Look, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            "SELECT (SELECT MIN(run_at) FROM jobs WHERE state = 0), \
             (SELECT MIN(lease_until) FROM jobs WHERE state = 2), \
             (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 1 AND lane = $1 LIMIT 1) a), \
             (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 1 AND lane = $2 LIMIT 1) b), \
             (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 1 AND lane = $3 LIMIT 1) c)",
            Lane::ALL.map(|lane| lane.code().into()).to_vec(),
        )
        .await?;
    drop(tx);
    let row = row.ok_or(Error::Corrupt { column: 0, expected: "a row" })?;
    let (scheduled, leased): (Option<Moment>, Option<Moment>) = (row.get(0)?, row.get(1)?);
    let due = |at: Option<Moment>| at.is_some_and(|at| at <= now);
    if !due(scheduled) && !due(leased) {
        let mut ready = Vec::new();
        for (at, lane) in Lane::ALL.into_iter().enumerate() {
            if row.get(at + 2)? {
                ready.push(lane);
            }
        }
        return Ok(Look { next: [scheduled, leased].into_iter().flatten().min(), ready });
    }
    let mut tx = db.begin_system().await?;
    tx.execute("UPDATE jobs SET state = 1 WHERE state = 0 AND run_at <= $1", args![now]).await?;
    // A job whose twin is waiting already need not run twice: the twin does its work. Nor need two
    // whose workers are both gone: of them the younger goes on.
    tx.execute(
        "UPDATE jobs SET state = 3, finished_at = $1 WHERE state = 2 AND lease_until <= $1 \
         AND dedupe_key IS NOT NULL AND EXISTS (SELECT 1 FROM jobs twin WHERE \
         twin.tenant_id = jobs.tenant_id AND twin.dedupe_key = jobs.dedupe_key AND (twin.state < 2 \
         OR (twin.state = 2 AND twin.lease_until <= $1 AND twin.id > jobs.id)))",
        args![now],
    )
    .await?;
    tx.execute(
        "UPDATE jobs SET state = 1, lease_owner = NULL WHERE state = 2 AND lease_until <= $1",
        args![now],
    )
    .await?;
    tx.commit().await?;
    Ok(Look { next: Some(now), ready: Lane::ALL.to_vec() })
}

/// Where a lane's rotation stands: the tenant examined last, and how many more jobs in a row its
/// weight still grants it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    pub(crate) tenant: String,
    pub(crate) left: usize,
}

/// Leases up to `limit` jobs of one lane, tenants taking turns by their weights. Tenants whose
/// ready jobs all wait for an order are passed over, however many there are.
pub(crate) async fn claim(
    db: &Db,
    claim: &Claim<'_>,
    turn: &mut Turn,
) -> Result<Vec<Claimed>, Error> {
    let mut jobs: Vec<Claimed> = Vec::new();
    let mut after = turn.tenant.clone();
    // Tenants that had their turn in this round.
    let mut seen: HashSet<String> = HashSet::new();
    if turn.left > 0 {
        let want = turn.left.min(claim.limit);
        let resumed = take(db, claim, &[(after.clone(), want)]).await?;
        turn.left = if resumed.len() == want { turn.left - want } else { 0 };
        jobs.extend(resumed);
    }
    let mut taken_in_round = 0;
    while jobs.len() < claim.limit {
        let room = claim.limit - jobs.len();
        let mut tenants = ready_tenants(db, claim.lane, &after, room).await?;
        if tenants.is_empty() {
            break;
        }
        // Not by where the round began: that tenant may have nothing left.
        if let Some(round) = tenants.iter().position(|(tenant, _)| seen.contains(tenant)) {
            tenants.truncate(round);
            if tenants.is_empty() {
                // All had their turn. Another round only if this one brought something.
                if taken_in_round == 0 {
                    break;
                }
                seen.clear();
                taken_in_round = 0;
                continue;
            }
        }
        // Few tenants get several shares at once.
        let all: usize = tenants.iter().map(|(_, weight)| weight).sum();
        let shares = room.div_ceil(all.max(1));
        let mut wanted: Vec<(String, usize)> = Vec::new();
        let mut open = room;
        for (tenant, weight) in &tenants {
            let want = (weight * shares).min(open);
            open -= want;
            if want > 0 {
                wanted.push((tenant.clone(), want));
            }
        }
        let Some((last, granted)) = wanted.last().cloned() else { break };
        let taken = take(db, claim, &wanted).await?;
        let of_last = taken.iter().filter(|job| job.tenant.to_string() == last).count();
        let weight = weight_of(&tenants, &last);
        turn.left = if of_last == granted { weight.saturating_sub(granted) } else { 0 };
        seen.extend(wanted.into_iter().map(|(tenant, _)| tenant));
        after.clone_from(&last);
        turn.tenant = last;
        taken_in_round += taken.len();
        jobs.extend(taken);
    }
    Ok(jobs)
}

fn weight_of(tenants: &[(String, usize)], tenant: &str) -> usize {
    tenants.iter().find(|(id, _)| id == tenant).map_or(1, |(_, weight)| *weight)
}

/// Leases up to so many jobs of each of these tenants, oldest first.
async fn take(
    db: &Db,
    claim: &Claim<'_>,
    wanted: &[(String, usize)],
) -> Result<Vec<Claimed>, Error> {
    let mut tx = db.begin_system().await?;
    let skip = if tx.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" };
    // Materialized: PostgreSQL may run a plain subselect again for each row, past its LIMIT.
    let sql = format!(
        "WITH picked AS MATERIALIZED (SELECT j.id FROM jobs j WHERE j.state = 1 AND j.lane = $3 \
         AND j.tenant_id = $4 AND NOT EXISTS (SELECT 1 FROM jobs b WHERE b.state < 3 \
         AND b.order_key IS NOT NULL AND b.tenant_id = j.tenant_id AND b.order_key = j.order_key \
         AND (b.id < j.id OR b.state = 2)) ORDER BY j.id LIMIT $5 {skip}) \
         UPDATE jobs SET state = 2, attempts = attempts + 1, lease_owner = $1, lease_until = $2 \
         WHERE state = 1 AND id IN (SELECT id FROM picked) \
         RETURNING id, tenant_id, kind, payload, attempts, max_attempts, enqueued_at"
    );
    let mut jobs = Vec::new();
    for (tenant, want) in wanted {
        let lease = claim.now + claim.lease;
        let rows =
            tx.fetch_all(&sql, args![claim.owner, lease, claim.lane.code(), tenant, *want]).await?;
        for row in rows {
            jobs.push(Claimed {
                id: row.get(0)?,
                tenant: row.get(1)?,
                kind: row.get(2)?,
                payload: row.get(3)?,
                attempts: u32::try_from(row.get::<i64>(4)?).unwrap_or(u32::MAX),
                max_attempts: u32::try_from(row.get::<i64>(5)?).unwrap_or(u32::MAX),
                enqueued_at: row.get(6)?,
                lane: claim.lane,
            });
        }
    }
    tx.commit().await?;
    Ok(jobs)
}

/// Tenants with ready jobs and their weights, from the one after `after` round to it: an index
/// skip scan.
async fn ready_tenants(
    db: &Db,
    lane: Lane,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, usize)>, Error> {
    let mut tx = db.read_system().await?;
    let mut found: Vec<(String, usize)> = Vec::new();
    for (from, until) in [(after, "~"), ("", after)] {
        let room = limit - found.len();
        if room == 0 || from == until {
            continue;
        }
        let rows = tx
            .fetch_all(
                "WITH RECURSIVE t (id, n) AS (\
                 SELECT (SELECT MIN(tenant_id) FROM jobs WHERE state = 1 AND lane = $1 AND tenant_id > $2), CAST(1 AS BIGINT) \
                 UNION ALL \
                 SELECT (SELECT MIN(tenant_id) FROM jobs WHERE state = 1 AND lane = $1 AND tenant_id > t.id), n + 1 \
                 FROM t WHERE t.id IS NOT NULL AND n <= $3) \
                 SELECT id, COALESCE((SELECT weight FROM queue_weights w WHERE w.tenant_id = t.id), 1) \
                 FROM t WHERE id IS NOT NULL AND id <= $4 ORDER BY id LIMIT $3",
                args![lane.code(), from, room, until],
            )
            .await?;
        for row in rows {
            let weight = usize::try_from(row.get::<i64>(1)?).unwrap_or(1).max(1);
            found.push((row.get(0)?, weight));
        }
    }
    Ok(found)
}

/// Shows that the worker lives and keeps the leases of the jobs it really runs.
pub(crate) async fn heartbeat(
    db: &Db,
    owner: &str,
    lanes: &str,
    running: &[JobId],
    now: Moment,
    lease: Duration,
) -> Result<(), Error> {
    let mut tx = db.begin_system().await?;
    tx.execute(
        "INSERT INTO heartbeats (worker, role, lanes, started_at, seen_at) VALUES ($1, 'worker', $2, $3, $3) \
         ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at",
        args![owner, lanes, now],
    )
    .await?;
    for job in running {
        tx.execute(
            "UPDATE jobs SET lease_until = $1 WHERE id = $2 AND state = 2 AND lease_owner = $3",
            args![now + lease, *job, owner],
        )
        .await?;
    }
    tx.execute(
        "DELETE FROM heartbeats WHERE seen_at < $1",
        args![now - Duration::from_secs(86_400)],
    )
    .await?;
    tx.commit().await
}

/// Takes a worker that stopped off the list.
pub(crate) async fn leave(db: &Db, owner: &str) -> Result<(), Error> {
    let mut tx = db.begin_system().await?;
    tx.execute("DELETE FROM heartbeats WHERE worker = $1", args![owner]).await?;
    tx.commit().await
}

/// What becomes of a job that did not end well.
pub(crate) enum Fate<'a> {
    Retry { at: Moment, cause: &'a str },
    Hold { until: Moment },
    Dead { cause: &'a str },
}

pub(crate) async fn settle(
    db: &Db,
    job: &Claimed,
    owner: &str,
    fate: Fate<'_>,
    now: Moment,
) -> Result<(), Error> {
    let mut tx = db.begin(job.tenant).await?;
    let twin = "NOT EXISTS (SELECT 1 FROM jobs twin WHERE twin.tenant_id = jobs.tenant_id \
                AND twin.dedupe_key = jobs.dedupe_key AND twin.dedupe_key IS NOT NULL AND twin.state < 2)";
    let moved = match fate {
        Fate::Retry { at, cause } => {
            tx.execute(
                &format!(
                    "UPDATE jobs SET state = 0, run_at = $1, last_error = $2, lease_owner = NULL \
                     WHERE tenant_id = $3 AND id = $4 AND state = 2 AND lease_owner = $5 AND {twin}"
                ),
                args![at, cause, job.tenant, job.id, owner],
            )
            .await?
        }
        Fate::Hold { until } => {
            tx.execute(
                &format!(
                    "UPDATE jobs SET state = 0, run_at = $1, attempts = attempts - 1, lease_owner = NULL \
                     WHERE tenant_id = $2 AND id = $3 AND state = 2 AND lease_owner = $4 AND {twin}"
                ),
                args![until, job.tenant, job.id, owner],
            )
            .await?
        }
        Fate::Dead { cause } => {
            tx.execute(
                "UPDATE jobs SET state = 4, finished_at = $1, last_error = $2, lease_owner = NULL \
                 WHERE tenant_id = $3 AND id = $4 AND state = 2 AND lease_owner = $5",
                args![now, cause, job.tenant, job.id, owner],
            )
            .await?
        }
    };
    if moved == 0 {
        // Its twin is waiting, or the lease went to another worker: this one is over.
        finish(&mut tx, job.id, owner, now).await?;
    }
    tx.jobs_enqueued();
    tx.commit().await
}

/// Deletes finished jobs older than `before`, some at a time. Returns how many.
pub(crate) async fn prune(db: &Db, before: Moment) -> Result<u64, Error> {
    let mut tx = db.begin_system().await?;
    let gone = tx
        .execute(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 3 AND finished_at < $1 \
             ORDER BY finished_at LIMIT 1000)",
            args![before],
        )
        .await?;
    tx.commit().await?;
    Ok(gone)
}

/// Makes every held or waiting job of a kind ready at once: a suspended tenant is back.
///
/// # Errors
/// When the database refuses the statement.
pub async fn release_tenant(tx: &mut TenantTx, now: Moment) -> Result<u64, Error> {
    let tenant = tx.tenant();
    let released = tx
        .execute(
            "UPDATE jobs SET run_at = $1 WHERE tenant_id = $2 AND state = 0 AND attempts = 0",
            args![now, tenant],
        )
        .await?;
    tx.jobs_enqueued();
    Ok(released)
}

/// Sets how many jobs in a row the tenant gets when its turn comes: 1 to 100.
///
/// # Errors
/// When the database refuses.
pub async fn set_weight(tx: &mut TenantTx, weight: u32) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO queue_weights (tenant_id, weight) VALUES ($1, $2) \
         ON CONFLICT (tenant_id) DO UPDATE SET weight = excluded.weight",
        args![tenant, weight.clamp(1, 100)],
    )
    .await?;
    Ok(())
}

/// Removes a tenant's jobs, `batch` in one transaction. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn remove_tenant(db: &Db, tenant: TenantId, batch: usize) -> Result<u64, Error> {
    let mut removed = 0;
    loop {
        let mut tx = db.begin(tenant).await?;
        let some = remove_open(&mut tx, Some(batch)).await?;
        tx.commit().await?;
        removed += some;
        if some < batch as u64 {
            break;
        }
    }
    // No index finds a tenant's finished jobs: they are looked for where nobody waits for the reader.
    loop {
        let mut tx = db.read(tenant).await?;
        let sql = "SELECT id FROM jobs WHERE tenant_id = $1 AND state = 3 LIMIT 10000";
        let rows = tx.fetch_all(sql, args![tenant]).await?;
        drop(tx);
        if rows.is_empty() {
            return Ok(removed);
        }
        for some in rows.chunks(batch) {
            let mut tx = db.begin(tenant).await?;
            for row in some {
                let id: JobId = row.get(0)?;
                removed += tx.execute("DELETE FROM jobs WHERE id = $1", args![id]).await?;
            }
            tx.commit().await?;
        }
    }
}

/// Removes what came in, or ended, after [`remove_tenant`]; `since` is a time before that. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn remove_rest(tx: &mut TenantTx, since: Moment) -> Result<u64, Error> {
    let tenant = tx.tenant();
    let open = remove_open(tx, None).await?;
    let sql = "DELETE FROM jobs WHERE tenant_id = $1 AND state = 3 AND finished_at >= $2";
    Ok(open + tx.execute(sql, args![tenant, since]).await?)
}

/// Removes jobs that are not finished. Their index begins with the lane.
async fn remove_open(tx: &mut TenantTx, most: Option<usize>) -> Result<u64, Error> {
    let tenant = tx.tenant();
    let lanes = Lane::ALL.map(|lane| lane.code().to_string()).join(", ");
    let most = most.and_then(|most| i64::try_from(most).ok()).unwrap_or(i64::MAX);
    tx.execute(
        &format!(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs \
             WHERE lane IN ({lanes}) AND tenant_id = $1 AND state <> 3 LIMIT $2)"
        ),
        args![tenant, most],
    )
    .await
}
