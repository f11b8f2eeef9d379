//! The engine: claims, runs, renews leases, retries, prunes.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use db::Db;
use futures_util::FutureExt as _;
use kernel::{Clock, JobId, Moment};
use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::steps::{self, Now, Steps};
use crate::store::{self, Claim, Claimed, Fate, Turn};
use crate::{Done, Handler, JobCx, JobError, Lane, Payload};

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lanes this process serves, in order of preference.
    pub lanes: Vec<Lane>,
    /// Jobs at once.
    pub concurrency: usize,
    /// How long a worker may be silent before its jobs go to another.
    pub lease: Duration,
    /// The longest wait between looks; wake-ups make it rare.
    pub poll: Duration,
    /// How long finished jobs stay readable.
    pub keep_finished: Duration,
    /// Back-off of the first retry; doubles each time, with jitter, up to `backoff_max`.
    pub backoff: Duration,
    pub backoff_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lanes: Lane::ALL.to_vec(),
            concurrency: 32,
            lease: Duration::from_secs(20),
            poll: Duration::from_secs(1),
            keep_finished: Duration::from_secs(3600),
            backoff: Duration::from_secs(2),
            backoff_max: Duration::from_secs(600),
        }
    }
}

#[async_trait]
trait Erased: Send + Sync {
    async fn run(&self, payload: &str, cx: &JobCx) -> Result<Done, JobError>;
    async fn gave_up(&self, payload: &str, cx: &JobCx, cause: &str);
}

struct Typed<P, H> {
    handler: H,
    payload: std::marker::PhantomData<fn() -> P>,
}

#[async_trait]
impl<P: Payload, H: Handler<P>> Erased for Typed<P, H> {
    async fn run(&self, payload: &str, cx: &JobCx) -> Result<Done, JobError> {
        let payload: P = serde_json::from_str(payload)
            .map_err(|cause| JobError::GiveUp(format!("unreadable payload: {cause}")))?;
        self.handler.run(payload, cx).await
    }

    async fn gave_up(&self, payload: &str, cx: &JobCx, cause: &str) {
        if let Ok(payload) = serde_json::from_str(payload) {
            self.handler.gave_up(payload, cx, cause).await;
        }
    }
}

/// Which handler runs which kind of job.
#[derive(Default, Clone)]
pub struct Handlers {
    by_kind: HashMap<&'static str, Arc<dyn Erased>>,
}

impl Handlers {
    pub fn register<P: Payload>(&mut self, handler: impl Handler<P>) {
        let typed = Typed { handler, payload: std::marker::PhantomData::<fn() -> P> };
        self.by_kind.insert(P::KIND, Arc::new(typed));
    }
}

/// A worker of the queue.
#[derive(Clone)]
pub struct Queue {
    db: Db,
    clock: Clock,
    handlers: Arc<Handlers>,
    settings: Arc<Settings>,
    owner: String,
    rotation: Arc<Mutex<HashMap<Lane, Turn>>>,
    /// Jobs that run here now: only their leases are kept.
    running: Arc<Mutex<HashSet<JobId>>>,
    steps: Arc<Steps>,
}

impl Queue {
    pub fn new(db: Db, clock: Clock, handlers: Handlers, settings: Settings) -> Self {
        Self {
            db,
            clock,
            handlers: Arc::new(handlers),
            settings: Arc::new(settings),
            owner: JobId::generate().to_string(),
            rotation: Arc::default(),
            running: Arc::default(),
            steps: Arc::default(),
        }
    }

    /// Works until `stop`; then finishes what is running and returns.
    pub async fn run(&self, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        let (this, stopping) = (self.clone(), stop.clone());
        let upkeep = tasks::supervise("leases", move || this.clone().upkeep(stopping.clone()));
        let slots = Arc::new(Semaphore::new(self.settings.concurrency));
        while !stop.is_cancelled() {
            let free = slots.available_permits();
            let mut wait = self.settings.poll;
            self.db.signals().looking_for_jobs();
            if free > 0 {
                match self.claim_some(free).await {
                    Ok((jobs, next)) => {
                        if let Some(next) = next {
                            wait = wait.min(next.since(self.clock.now()));
                        }
                        let full = jobs.len() == free;
                        for job in jobs {
                            let Ok(permit) = slots.clone().acquire_owned().await else { return };
                            let this = self.clone();
                            tracker.spawn(async move {
                                this.run_one(job).await;
                                drop(permit);
                                this.db.signals().jobs_ready_here();
                            });
                        }
                        if full {
                            wait = self.settings.poll;
                        }
                    }
                    Err(error) => {
                        tracing::error!(event = "queue_claim_failed", cause = %error);
                    }
                }
            }
            self.db.signals().looks_again(self.clock.now() + wait);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.db.signals().wait_for_jobs() => {}
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
        tracker.close();
        tracker.wait().await;
        upkeep.abort();
        // A worker that left is not to be counted on; should this fail, it looks silent in a minute.
        let _ = store::leave(&self.db, &self.owner).await;
    }

    /// Runs everything that is due now, and what that makes due, in this task. For tests and
    /// one-off commands. Returns the jobs in the order they were run, as kind and tenant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn run_due(&self) -> Result<Vec<(String, kernel::TenantId)>, db::Error> {
        self.run_at_most(usize::MAX).await
    }

    /// Like [`Queue::run_due`], but stops after so many jobs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn run_at_most(
        &self,
        most: usize,
    ) -> Result<Vec<(String, kernel::TenantId)>, db::Error> {
        let mut ran = Vec::new();
        while ran.len() < most {
            let (jobs, _) = self.claim_some(1).await?;
            if jobs.is_empty() {
                return Ok(ran);
            }
            for job in jobs {
                ran.push((job.kind.clone(), job.tenant));
                self.run_one(job).await;
            }
        }
        Ok(ran)
    }

    /// The time to write, once a step of the clock is followed.
    async fn now(&self) -> Result<Now<'_>, db::Error> {
        self.steps.now(&self.db, &self.clock).await
    }

    /// Claims in the order of the lanes; also says when the next scheduled job is due.
    async fn claim_some(&self, limit: usize) -> Result<(Vec<Claimed>, Option<Moment>), db::Error> {
        let writing = self.now().await?;
        let now = writing.at;
        let store::Look { next, ready } = store::look(&self.db, now).await?;
        let mut jobs: Vec<Claimed> = Vec::new();
        for lane in self.settings.lanes.iter().filter(|lane| ready.contains(lane)) {
            let room = limit - jobs.len();
            if room == 0 {
                break;
            }
            let mut turn = self.rotation.lock().get(lane).cloned().unwrap_or_default();
            let claim = Claim {
                lane: *lane,
                owner: &self.owner,
                limit: room,
                now,
                lease: self.settings.lease,
            };
            let claimed = store::claim(&self.db, &claim, &mut turn).await?;
            self.rotation.lock().insert(*lane, turn);
            self.running.lock().extend(claimed.iter().map(|job| job.id));
            jobs.extend(claimed);
        }
        Ok((jobs, next))
    }

    async fn run_one(&self, job: Claimed) {
        let started = Instant::now();
        let cx = JobCx {
            job: job.id,
            tenant: job.tenant,
            attempt: job.attempts,
            enqueued_at: job.enqueued_at,
            clock: self.clock.clone(),
            owner: self.owner.clone(),
            offset: steps::read(&self.clock).1,
        };
        let handler = self.handlers.by_kind.get(job.kind.as_str()).cloned();
        let outcome = match &handler {
            Some(handler) => {
                let run = AssertUnwindSafe(handler.run(&job.payload, &cx)).catch_unwind();
                run.await.unwrap_or_else(|_| {
                    let cause = format!("the handler panicked at {}", tasks::last_place());
                    Err(JobError::Retry { after: None, cause })
                })
            }
            None => Err(JobError::GiveUp(format!("no handler for jobs of kind {}", job.kind))),
        };
        metrics::histogram!("portaria_job_seconds", "kind" => job.kind.clone())
            .record(started.elapsed().as_secs_f64());
        let label = match &outcome {
            Ok(_) => "done",
            Err(JobError::Retry { .. }) => "retry",
            Err(JobError::Hold { .. }) => "held",
            Err(JobError::GiveUp(_)) => "dead",
        };
        metrics::counter!("portaria_jobs_total", "kind" => job.kind.clone(), "outcome" => label)
            .increment(1);
        if let Err(error) = self.settle(&job, &cx, handler.as_deref(), outcome).await {
            // The lease runs out, and the job runs again.
            tracing::error!(event = "job_settle_failed", job_id = %job.id, cause = %error);
        }
        self.running.lock().remove(&job.id);
    }

    async fn settle(
        &self,
        job: &Claimed,
        cx: &JobCx,
        handler: Option<&dyn Erased>,
        outcome: Result<Done, JobError>,
    ) -> Result<(), db::Error> {
        let (cause, after) = match outcome {
            Ok(Done::Finished) => return Ok(()),
            Ok(Done::Finish) => {
                // What is done is done, whether or not a step can be followed just now.
                let writing = self.now().await.ok();
                let now = writing.as_ref().map_or_else(|| self.clock.now(), |now| now.at);
                let mut tx = self.db.begin(job.tenant).await?;
                store::finish(&mut tx, job.id, &self.owner, now).await?;
                return tx.commit().await;
            }
            Err(JobError::Hold { until }) => {
                // A step during the run is followed by then: what the handler named was of the time before.
                let fate = |now: &Now<'_>| Fate::Hold { until: now.moved(until, cx.offset) };
                return self.write(job, fate).await;
            }
            Err(JobError::Retry { cause, after }) if job.attempts < job.max_attempts => {
                (cause, Some(after.unwrap_or_else(|| self.backoff(job.attempts))))
            }
            Err(JobError::Retry { cause, .. } | JobError::GiveUp(cause)) => (cause, None),
        };
        match after {
            Some(after) => {
                tracing::info!(
                    event = "job_retry", tenant_id = %job.tenant, job_id = %job.id,
                    kind = job.kind, attempt = job.attempts, wait_ms = after.as_millis() as u64,
                    cause,
                );
                self.write(job, |now| Fate::Retry { at: now.at + after, cause: &cause }).await
            }
            None => {
                tracing::error!(
                    event = "job_dead", tenant_id = %job.tenant, job_id = %job.id,
                    kind = job.kind, lane = job.lane.name(), attempt = job.attempts, cause,
                );
                if let Some(handler) = handler {
                    // One that panics here is a dead letter all the same.
                    let gave_up = handler.gave_up(&job.payload, cx, &cause);
                    let _ = AssertUnwindSafe(gave_up).catch_unwind().await;
                }
                self.write(job, |_| Fate::Dead { cause: &cause }).await
            }
        }
    }

    /// Writes down what becomes of a job that did not end well.
    async fn write<'f>(
        &self,
        job: &Claimed,
        fate: impl FnOnce(&Now<'_>) -> Fate<'f>,
    ) -> Result<(), db::Error> {
        let now = self.now().await?;
        store::settle(&self.db, job, &self.owner, fate(&now), now.at).await
    }

    /// Doubles with each try; jitter of a quarter keeps failed jobs from coming back as one herd.
    fn backoff(&self, attempt: u32) -> Duration {
        let doubled = self.settings.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let base = doubled.min(self.settings.backoff_max).as_secs_f64();
        Duration::from_secs_f64(base * rand::rng().random_range(0.75..1.25))
    }

    /// Says that this worker lives, and renews the leases of what runs.
    async fn beat(&self, lanes: &str) -> Result<(), db::Error> {
        let running: Vec<JobId> = self.running.lock().iter().copied().collect();
        let now = self.now().await?;
        let lease = self.settings.lease;
        store::heartbeat(&self.db, &self.owner, lanes, &running, now.at, lease).await
    }

    async fn upkeep(self, stop: CancellationToken) {
        let lanes: Vec<&str> = self.settings.lanes.iter().map(|lane| lane.name()).collect();
        let lanes = lanes.join(",");
        let mut tick = tokio::time::interval(self.settings.lease / 4);
        loop {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = tick.tick() => {}
            }
            if let Err(error) = self.beat(&lanes).await {
                tracing::error!(event = "queue_heartbeat_failed", cause = %error);
            }
            let now = self.clock.now();
            // Some at a time, so that nobody waits long for the writer.
            for _ in 0..100 {
                match store::prune(&self.db, now - self.settings.keep_finished).await {
                    Ok(1000) => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::error!(event = "queue_prune_failed", cause = %error);
                        break;
                    }
                }
            }
            self.report_depth(now).await;
            if stop.is_cancelled() {
                // Leases of what still runs are renewed until the worker is gone.
                tokio::time::sleep(self.settings.lease / 4).await;
            }
        }
    }

    async fn report_depth(&self, now: Moment) {
        let Ok(stats) = crate::depth(&self.db).await else { return };
        for lane in Lane::ALL {
            let of_lane = || stats.iter().filter(|s| s.lane == lane);
            let sum = |f: fn(&crate::LaneStats) -> i64| of_lane().map(f).sum::<i64>();
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            for (state, count) in [
                ("scheduled", sum(|s| s.scheduled)),
                ("ready", sum(|s| s.ready)),
                ("leased", sum(|s| s.leased)),
                ("dead", sum(|s| s.dead)),
            ] {
                metrics::gauge!("portaria_queue_depth", "lane" => lane.name(), "state" => state)
                    .set(count as f64);
            }
            let age = of_lane().filter_map(|s| s.oldest_ready).min().map(|at| now.since(at));
            metrics::gauge!("portaria_queue_age_seconds", "lane" => lane.name())
                .set(age.unwrap_or_default().as_secs_f64());
        }
    }
}
