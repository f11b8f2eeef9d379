//! Durable jobs: enqueued in the caller's transaction, fair across tenants, in order per key.
//!
//! # Invariants
//! - A job exists exactly when the transaction that enqueued it was committed.
//! - Jobs of one tenant and order key run one after the other, oldest first. A job that waits for
//!   its retry holds its order; a dead or finished one frees it.
//! - Tenants take turns by weight (1 unless set): a lane's next claim goes to the tenant after the one
//!   served last, however many jobs any of them has waiting.
//! - A lane is served before the ones after it: `reply`, `notify`, `bulk`.
//! - A lease that is not renewed runs out, and the job runs again: handlers are idempotent.

mod admin;
mod lane;
mod schema;
mod steps;
mod store;
mod worker;

pub use admin::{
    DeadJob, LaneStats, Taken, clear, dead, depth, heartbeat_age, remove, requeue, retrying,
    tenant_of,
};
pub use lane::{Lane, UnknownLane};
pub use schema::MIGRATIONS;
pub use store::{enqueue, release_tenant, remove_rest, remove_tenant, set_weight};
pub use worker::{Handlers, Queue, Settings};

use std::time::Duration;

use async_trait::async_trait;
use db::TenantTx;
use kernel::{Clock, JobId, Moment, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a job carries: ids, not copies of data. Lives in the crate that enqueues it.
pub trait Payload: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stored; never renamed. A changed payload is a new kind, and the old one stays registered.
    const KIND: &'static str;
    const LANE: Lane;
    /// Tries before the job goes to the dead letters.
    const MAX_ATTEMPTS: u32 = 8;
}

/// A job about to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob<'a, P> {
    pub payload: &'a P,
    pub run_at: Moment,
    /// Jobs with the same key run strictly one after the other.
    pub order_key: Option<String>,
    /// While a job with this key waits, enqueuing another moves its time instead.
    pub dedupe_key: Option<String>,
    pub now: Moment,
}

/// Runs jobs with payload `P`. Implemented by a type of the crate that does the work.
#[async_trait]
pub trait Handler<P: Payload>: Send + Sync + 'static {
    async fn run(&self, payload: P, cx: &JobCx) -> Result<Done, JobError>;

    /// Called once when the last try failed, before the job becomes a dead letter.
    async fn gave_up(&self, _payload: P, _cx: &JobCx, _cause: &str) {}
}

/// The running job, as its handler sees it.
#[derive(Debug, Clone)]
pub struct JobCx {
    pub job: JobId,
    pub tenant: TenantId,
    /// 1 on the first run.
    pub attempt: u32,
    pub enqueued_at: Moment,
    pub clock: Clock,
    pub(crate) owner: String,
    /// How far the wall clock was from the steady one when the run began, in microseconds.
    pub(crate) offset: i64,
}

impl JobCx {
    /// Finishes the job in the handler's own transaction: its effects and its end are one commit.
    ///
    /// # Errors
    /// [`LeaseLost`](FinishError::LeaseLost) when another worker took the job over; roll back then.
    pub async fn finish(&self, tx: &mut TenantTx) -> Result<(), FinishError> {
        let mine = store::finish(tx, self.job, &self.owner, self.clock.now()).await?;
        if mine { Ok(()) } else { Err(FinishError::LeaseLost) }
    }
}

/// Why a job could not be finished inside the handler's transaction.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    #[error("the lease of this job ran out and another worker has it")]
    LeaseLost,
    #[error(transparent)]
    Storage(#[from] db::Error),
}

/// How a run ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The engine finishes the job.
    Finish,
    /// [`JobCx::finish`] was committed already.
    Finished,
}

/// How a run ended badly.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Try again; after the given time, or after the usual back-off.
    #[error("{cause}")]
    Retry { after: Option<Duration>, cause: String },
    /// Nothing is wrong with the job, its time has not come. Counts as no try.
    #[error("held")]
    Hold { until: Moment },
    #[error("{0}")]
    GiveUp(String),
}

impl From<db::Error> for JobError {
    fn from(error: db::Error) -> Self {
        Self::Retry { after: None, cause: error.to_string() }
    }
}

impl From<FinishError> for JobError {
    fn from(error: FinishError) -> Self {
        Self::Retry { after: None, cause: error.to_string() }
    }
}
