//! What one part of the process tells the others after a commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use kernel::{Moment, TenantId};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

/// Wakes the queue and invalidates caches. Cheap to clone.
#[derive(Clone, Default)]
pub struct Signals {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: Notify,
    /// Whose rows were committed here; `None`: somebody's, by another process.
    committed: broadcast::Sender<Option<TenantId>>,
    /// Asks the engine to pass a wake-up on to other processes.
    outward: Notify,
    epoch: AtomicU64,
    /// Until when the worker sleeps, in microseconds; at the end of time while it looks.
    next_look: AtomicI64,
    facts: Mutex<Facts>,
}

/// Commits that a listener may fall behind by; one that does looks anew anyway.
const BEHIND: usize = 256;

impl Default for Inner {
    fn default() -> Self {
        Self {
            jobs: Notify::default(),
            committed: broadcast::Sender::new(BEHIND),
            outward: Notify::default(),
            epoch: AtomicU64::default(),
            next_look: AtomicI64::default(),
            facts: Mutex::default(),
        }
    }
}

/// What was found out of settings, and under which epoch.
#[derive(Default)]
struct Facts {
    epoch: u64,
    known: HashMap<(TenantId, &'static str), bool>,
}

impl Signals {
    /// A job is due then: wake this process's worker, if it would look later, and, soon, the other
    /// processes'.
    pub fn jobs_due(&self, due: Moment) {
        if due.0 < self.inner.next_look.load(Ordering::SeqCst) {
            self.inner.jobs.notify_one();
        }
        self.inner.outward.notify_one();
    }

    /// The worker is about to look at the queue: what is enqueued from now on may be missed.
    pub fn looking_for_jobs(&self) {
        self.inner.next_look.store(i64::MAX, Ordering::SeqCst);
    }

    /// The worker has looked, and looks again at this time without being woken.
    pub fn looks_again(&self, at: Moment) {
        self.inner.next_look.store(at.0, Ordering::SeqCst);
    }

    /// A worker of this process has room again.
    pub fn jobs_ready_here(&self) {
        self.inner.jobs.notify_one();
    }

    /// Rows of this tenant were committed: whoever shows them looks again.
    pub(crate) fn committed(&self, tenant: TenantId) {
        if self.inner.committed.receiver_count() > 0 {
            let _ = self.inner.committed.send(Some(tenant));
        }
    }

    /// Somebody may do less than before: whoever shows anything looks whether it still may.
    pub(crate) fn rights_changed(&self) {
        if self.inner.committed.receiver_count() > 0 {
            let _ = self.inner.committed.send(None);
        }
    }

    /// Whose rows are committed from now on; `None` stands for somebody's, in another process. On
    /// PostgreSQL other processes' commits are not told: look again now and then.
    pub fn commits(&self) -> broadcast::Receiver<Option<TenantId>> {
        self.inner.committed.subscribe()
    }

    /// Another process wrote something: wake workers and drop caches.
    pub fn changed_elsewhere(&self) {
        if self.inner.committed.receiver_count() > 0 {
            let _ = self.inner.committed.send(None);
        }
        self.inner.epoch.fetch_add(1, Ordering::SeqCst);
        self.inner.jobs.notify_one();
    }

    /// This process changed settings that caches hold. The engine tells the other processes.
    pub fn settings_changed(&self) {
        self.inner.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Grows whenever cached settings may be stale. Compare with the value a cache was filled at.
    pub fn epoch(&self) -> u64 {
        self.inner.epoch.load(Ordering::SeqCst)
    }

    /// A fact about a tenant's settings that somebody found out since they changed last.
    pub(crate) fn fact(&self, tenant: TenantId, name: &'static str) -> Option<bool> {
        let facts = self.inner.facts.lock();
        if facts.epoch == self.epoch() { facts.known.get(&(tenant, name)).copied() } else { None }
    }

    /// Keeps a fact that was read under `epoch` until settings change.
    pub(crate) fn learn(&self, tenant: TenantId, name: &'static str, holds: bool, epoch: u64) {
        let mut facts = self.inner.facts.lock();
        if facts.epoch != epoch {
            *facts = Facts { epoch, known: HashMap::new() };
        }
        facts.known.insert((tenant, name), holds);
    }

    pub async fn wait_for_jobs(&self) {
        self.inner.jobs.notified().await;
    }

    /// Waits until other processes should be woken.
    pub(crate) async fn wait_outward(&self) {
        self.inner.outward.notified().await;
    }
}
