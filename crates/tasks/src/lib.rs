//! Background tasks that are started again when they panic, and that say so.
//!
//! A panic ends the task it happens in. One that carries letters, renews leases or follows changes would be gone until
//! the program is restarted, and nobody would know. Here each has a name, is started again after a pause, and is
//! listed with where it panicked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Pauses before a task is started again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A task that panicked this long ago, and not since, is well again.
const WELL_AFTER: Duration = Duration::from_secs(600);

/// What became of a task that panicked.
#[derive(Debug, Clone)]
pub struct Health {
    pub name: &'static str,
    /// How often it panicked since the program began.
    pub panics: u64,
    /// How long ago it did last.
    pub since: Duration,
    /// Where: file and line. What it said is not kept, it may hold what people wrote.
    pub place: String,
}

impl Health {
    /// Whether it panicked lately.
    pub fn is_ill(&self) -> bool {
        self.since < WELL_AFTER
    }
}

struct Entry {
    panics: u64,
    last: Instant,
    place: String,
}

static FAULTS: Mutex<BTreeMap<&'static str, Entry>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Where the last panic on this thread was.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Has panics remembered by their place, and logged without what they say. Once, at the start of a program that serves.
pub fn watch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(event = "panicked", place);
        PLACE.set(Some(place));
    }));
}

/// Where the panic that was just caught on this thread happened.
pub fn last_place() -> String {
    PLACE.take().unwrap_or_else(|| "unknown".to_owned())
}

/// Tasks that panicked since the program began.
pub fn faults() -> Vec<Health> {
    let faults = FAULTS.lock();
    let health = |(name, entry): (&&'static str, &Entry)| Health {
        name,
        panics: entry.panics,
        since: entry.last.elapsed(),
        place: entry.place.clone(),
    };
    faults.iter().map(health).collect()
}

fn note(name: &'static str, place: String) {
    metrics::counter!("portaria_task_panics_total", "task" => name).increment(1);
    tracing::error!(event = "task_restarted", task = name, place);
    let mut faults = FAULTS.lock();
    let entry = faults.entry(name).or_insert_with(|| Entry {
        panics: 0,
        last: Instant::now(),
        place: String::new(),
    });
    entry.panics += 1;
    entry.last = Instant::now();
    entry.place = place;
}

/// Runs what `make` makes until it returns; after a panic it is made again. Aborting the handle ends it.
pub fn supervise<F, T>(name: &'static str, make: F) -> JoinHandle<()>
where
    F: FnMut() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(run(name, make))
}

/// As [`supervise`], for a task that goes on with what it holds: the next run is given the same state.
pub fn supervise_with<S, F, T>(name: &'static str, state: S, run: F) -> JoinHandle<()>
where
    S: Send + 'static,
    F: Fn(OwnedMutexGuard<S>) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let state = Arc::new(AsyncMutex::new(state));
    supervise(name, move || {
        let (state, run) = (state.clone(), run.clone());
        async move { run(state.lock_owned().await).await }
    })
}

/// As [`supervise`], in the task that calls.
pub async fn run<F, T>(name: &'static str, mut make: F)
where
    F: FnMut() -> T,
    T: Future<Output = ()>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        // What it shared with others it shares with its successor, as after an error.
        if AssertUnwindSafe(async { make().await }).catch_unwind().await.is_ok() {
            return;
        }
        note(name, last_place());
        if began.elapsed() > WELL_AFTER {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_goes_on_with_what_it_held() {
        let done = Arc::new(AtomicU32::new(0));
        let seen = done.clone();
        let task = supervise_with("test-of-state", 0u32, move |mut steps| {
            let seen = seen.clone();
            async move {
                *steps += 1;
                assert!(*steps > 2, "for the test");
                seen.store(*steps, Ordering::SeqCst);
            }
        });
        task.await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_made_again_and_says_so() {
        let times = Arc::new(AtomicU32::new(0));
        let seen = times.clone();
        let task = supervise("test-of-tasks", move || {
            let times = seen.clone();
            async move {
                assert!(times.fetch_add(1, Ordering::SeqCst) >= 2, "the first two times");
            }
        });
        task.await.unwrap();
        assert_eq!(times.load(Ordering::SeqCst), 3);
        let fault = faults().into_iter().find(|fault| fault.name == "test-of-tasks").unwrap();
        assert_eq!(fault.panics, 2);
        assert!(fault.is_ill());
        tokio::time::advance(WELL_AFTER).await;
        assert!(!faults().into_iter().any(|f| f.name == "test-of-tasks" && f.is_ill()));
    }
}
