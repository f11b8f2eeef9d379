//! What one part of the process tells the others after a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Wakes the queue and invalidates caches. Cheap to clone.
#[derive(Clone, Default)]
pub struct Signals {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    jobs: Notify,
    /// Asks the engine to pass a wake-up on to other processes.
    outward: Notify,
    epoch: AtomicU64,
}

impl Signals {
    /// Jobs may be ready: wake this process's workers and, soon, the other processes'.
    pub fn jobs_ready(&self) {
        self.inner.jobs.notify_one();
        self.inner.outward.notify_one();
    }

    /// A worker of this process has room again.
    pub fn jobs_ready_here(&self) {
        self.inner.jobs.notify_one();
    }

    /// Another process wrote something: wake workers and drop caches.
    pub fn changed_elsewhere(&self) {
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

    pub async fn wait_for_jobs(&self) {
        self.inner.jobs.notified().await;
    }

    /// Waits until other processes should be woken.
    pub(crate) async fn wait_outward(&self) {
        self.inner.outward.notified().await;
    }
}
