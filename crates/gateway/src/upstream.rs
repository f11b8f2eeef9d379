//! What is known of an upstream while the gateway runs: load, latency, health. It outlives changes of the file.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::{Backend, Outlier, Scheme};
use crate::geo::Point;
use crate::{clock, lifetime};

/// Latency forgets with this time constant.
const MEMORY_MICROS: f64 = 10_000_000.0;
/// What an error counts as, in microseconds of latency, at least.
const ERROR_MICROS: f64 = 1_000_000.0;

/// Where a name leads, and how long that holds; both times in milliseconds of the gateway's clock.
#[derive(Clone)]
struct Resolved {
    asked: u64,
    until: u64,
    addresses: Vec<SocketAddr>,
}

/// One server behind the gateway.
pub(crate) struct Upstream {
    /// Unique in the process; pools of connections are kept by it.
    pub(crate) id: u32,
    pub(crate) scheme: Scheme,
    pub(crate) address: String,
    pub(crate) priority: u32,
    pub(crate) region: Option<String>,
    pub(crate) at: Option<Point>,
    /// A tenant named it: it must not lead to a private network.
    pub(crate) public_only: bool,
    pub(crate) weight: AtomicU32,
    pub(crate) active: AtomicU32,
    /// The verdict of active checks; true where there are none.
    pub(crate) healthy: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// The last probe's outcome in words.
    pub(crate) verdict: Mutex<String>,
    latency: AtomicU64,
    latency_at: AtomicU64,
    /// When it became usable again, for the slow start; 0 for always.
    pub(crate) back_since: AtomicU64,
    pub(crate) breaker: Breaker,
    pub(crate) counts: Counts,
    resolved: Arc<Mutex<Option<Resolved>>>,
}

/// Passive health. Closed lets all through, open none, and after its time one trial decides.
#[derive(Default)]
pub(crate) struct Breaker {
    errors: AtomicU32,
    /// Milliseconds until which it is open; 0 when closed.
    open_until: AtomicU64,
    openings: AtomicU32,
    trial: AtomicBool,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) ejections: AtomicU64,
}

/// How an attempt at an upstream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    /// It answered with 500 or above.
    ServerError,
    /// No answer: refused, reset, garbage, too late.
    Failed,
}

impl Upstream {
    pub(crate) fn new(backend: &Backend) -> Self {
        static IDS: AtomicU32 = AtomicU32::new(1);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            scheme: backend.scheme,
            address: backend.address.clone(),
            priority: backend.priority,
            region: backend.region.clone(),
            at: backend.at,
            public_only: backend.public_only,
            weight: AtomicU32::new(backend.weight),
            active: AtomicU32::new(0),
            healthy: AtomicBool::new(true),
            draining: AtomicBool::new(backend.draining),
            verdict: Mutex::new(String::new()),
            latency: AtomicU64::new(0),
            latency_at: AtomicU64::new(0),
            back_since: AtomicU64::new(0),
            breaker: Breaker::default(),
            counts: Counts::default(),
            resolved: Arc::default(),
        }
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    pub(crate) fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    /// Ejected or not checked well: not for ordinary traffic.
    pub(crate) fn usable(&self, now: u64) -> bool {
        self.healthy.load(Ordering::Relaxed) && !self.breaker.is_open(now)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed) || self.weight() == 0
    }

    /// Share of its weight that it may carry now, while it starts slowly.
    pub(crate) fn ramp(&self, slow_start: Duration, now: u64) -> f64 {
        let since = self.back_since.load(Ordering::Relaxed);
        let span = slow_start.as_millis() as u64;
        if since == 0 || span == 0 {
            return 1.0;
        }
        (now.saturating_sub(since) as f64 / span as f64).clamp(0.1, 1.0)
    }

    /// Peak EWMA of latency, in microseconds; what is old is believed less.
    pub(crate) fn latency(&self, now: u64) -> f64 {
        let latency = f64::from_bits(self.latency.load(Ordering::Relaxed));
        let age = now.saturating_sub(self.latency_at.load(Ordering::Relaxed));
        if age < 100_000 { latency } else { latency * (-(age as f64) / MEMORY_MICROS).exp() }
    }

    /// What one more request would cost here: latency times queue, by weight.
    pub(crate) fn cost(&self, now: u64) -> f64 {
        // Nobody is free of cost: an unknown upstream competes by its queue.
        let latency = self.latency(now).max(50.0);
        latency * f64::from(self.active() + 1) / f64::from(self.weight().max(1))
    }

    /// Takes in how an attempt ended. True when it was ejected by that.
    pub(crate) fn settle(
        &self,
        outcome: Outcome,
        took: u64,
        now: u64,
        outlier: &Outlier,
        may_eject: bool,
    ) -> bool {
        let before = self.latency(now);
        let sample = match outcome {
            Outcome::Good => took as f64,
            Outcome::ServerError | Outcome::Failed => (took as f64).max(ERROR_MICROS).max(before),
        };
        let latency = if sample > before {
            sample
        } else {
            let age = now.saturating_sub(self.latency_at.load(Ordering::Relaxed));
            let kept = (-(age as f64) / MEMORY_MICROS).exp().min(0.95);
            sample + (f64::from_bits(self.latency.load(Ordering::Relaxed)) - sample).max(0.0) * kept
        };
        self.latency.store(latency.to_bits(), Ordering::Relaxed);
        self.latency_at.store(now, Ordering::Relaxed);
        if outcome == Outcome::Good {
            self.breaker.close(now / 1000);
            return false;
        }
        self.counts.errors.fetch_add(1, Ordering::Relaxed);
        let ejected = self.breaker.count(outlier, now / 1000, may_eject);
        if ejected {
            self.counts.ejections.fetch_add(1, Ordering::Relaxed);
        }
        ejected
    }

    /// Has the name looked up before the next connection: nobody answers where it led.
    pub(crate) fn moved(&self) {
        // Not more than once a second, however many find nobody there.
        if let Some(resolved) = &mut *self.resolved.lock()
            && clock::millis() > after(resolved.asked, lifetime::SHORTEST)
        {
            resolved.until = 0;
        }
    }

    /// Where to connect. A name is looked up again after its time to live, ten seconds at most; an old answer is
    /// better than none.
    pub(crate) async fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let mut found = self.resolve().await?;
        if self.public_only {
            found.retain(|address| kernel::net::is_global(address.ip()));
            if found.is_empty() {
                return Err(std::io::Error::other("the address is on a private network"));
            }
        }
        Ok(found)
    }

    async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.address.parse() {
            return Ok(vec![address]);
        }
        let now = clock::millis();
        let known = self.resolved.lock().clone();
        if let Some(known) = &known
            && now < known.until
        {
            return Ok(known.addresses.clone());
        }
        let found = tokio::net::lookup_host(&self.address).await.map(Iterator::collect::<Vec<_>>);
        match (found, known) {
            (Ok(addresses), _) if !addresses.is_empty() => {
                self.keep(now, addresses.clone());
                Ok(addresses)
            }
            (_, Some(known)) => {
                // Not every connection waits for a resolver that does not answer.
                if let Some(resolved) = &mut *self.resolved.lock() {
                    resolved.until = after(clock::millis(), lifetime::SHORTEST);
                }
                Ok(known.addresses)
            }
            (Ok(_), None) => Err(std::io::Error::other("the name has no address")),
            (Err(cause), None) => Err(cause),
        }
    }

    /// Keeps addresses for the longest time; for a shorter one as soon as DNS says so. No connection waits for that.
    fn keep(&self, asked: u64, addresses: Vec<SocketAddr>) {
        let until = after(asked, lifetime::LONGEST);
        *self.resolved.lock() = Some(Resolved { asked, until, addresses });
        let name = self.address.rsplit_once(':').map_or(&*self.address, |(name, _)| name);
        let (name, kept) = (name.to_owned(), self.resolved.clone());
        tokio::spawn(async move {
            let until = after(asked, lifetime::of(&name).await);
            if let Some(resolved) = kept.lock().as_mut().filter(|kept| kept.asked == asked) {
                resolved.until = resolved.until.min(until);
            }
        });
    }
}

/// A time in milliseconds, so much later.
fn after(millis: u64, time: Duration) -> u64 {
    millis + u64::try_from(time.as_millis()).unwrap_or(0)
}

impl Breaker {
    pub(crate) fn is_open(&self, now: u64) -> bool {
        self.open_until.load(Ordering::Relaxed) > now
    }

    pub(crate) fn open_until(&self) -> u64 {
        self.open_until.load(Ordering::Relaxed)
    }

    /// Whether a request may go now. Between open and closed it is one at a time.
    pub(crate) fn admit(&self, now: u64) -> bool {
        match self.open_until.load(Ordering::Relaxed) {
            0 => true,
            until if until > now => false,
            _ => !self.trial.swap(true, Ordering::Relaxed),
        }
    }

    /// A trial that came to no verdict, as when the client went away.
    pub(crate) fn give_back(&self) {
        self.trial.store(false, Ordering::Relaxed);
    }

    /// An answer was good to its end: errors are counted from nothing again.
    pub(crate) fn forget(&self) {
        if self.errors.load(Ordering::Relaxed) != 0 {
            self.errors.store(0, Ordering::Relaxed);
        }
        if self.openings.load(Ordering::Relaxed) != 0
            && self.open_until.load(Ordering::Relaxed) == 0
        {
            self.openings.store(0, Ordering::Relaxed);
        }
    }

    /// A trial went well. An answer to what was asked before it opened is no trial.
    fn close(&self, now: u64) {
        if self.open_until.load(Ordering::Relaxed) != 0 && !self.is_open(now) {
            self.open_until.store(0, Ordering::Relaxed);
            self.trial.store(false, Ordering::Relaxed);
        }
    }

    fn count(&self, outlier: &Outlier, now: u64, may_eject: bool) -> bool {
        let errors = self.errors.fetch_add(1, Ordering::Relaxed) + 1;
        let tried = self.trial.swap(false, Ordering::Relaxed);
        let due = tried || (outlier.consecutive > 0 && errors >= outlier.consecutive);
        if !due || !may_eject || self.is_open(now) {
            return false;
        }
        let openings = self.openings.fetch_add(1, Ordering::Relaxed).min(16);
        let span = outlier.ejection.saturating_mul(1 << openings).min(outlier.max_ejection);
        self.errors.store(0, Ordering::Relaxed);
        self.open_until.store(now + span.as_millis() as u64, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Upstream {
        let (scheme, address) = crate::config::parse_address("127.0.0.1:1").expect("address");
        Upstream::new(&Backend::plain(scheme, address))
    }

    const OUTLIER: Outlier = Outlier {
        consecutive: 3,
        ejection: Duration::from_secs(10),
        max_ejection: Duration::from_secs(30),
        max_share: 0.5,
    };

    #[tokio::test(start_paused = true)]
    async fn errors_in_a_row_eject_and_one_trial_decides() {
        let upstream = upstream();
        let fail = || upstream.settle(Outcome::Failed, 10, clock::micros(), &OUTLIER, true);
        assert!(!fail() && !fail());
        upstream.settle(Outcome::Good, 10, clock::micros(), &OUTLIER, true);
        upstream.breaker.forget();
        assert!(!fail() && !fail(), "a good answer begins the count again");
        assert!(fail());
        assert!(!upstream.usable(clock::millis()));
        tokio::time::advance(Duration::from_secs(11)).await;
        let now = clock::millis();
        assert!(upstream.usable(now));
        assert!(upstream.breaker.admit(now));
        assert!(!upstream.breaker.admit(now), "one trial at a time");
        assert!(fail(), "a failed trial ejects at once");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(!upstream.usable(clock::millis()), "twice as long");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(upstream.breaker.admit(clock::millis()));
        upstream.settle(Outcome::Good, 10, clock::micros(), &OUTLIER, true);
        assert!(upstream.breaker.admit(clock::millis()) && upstream.breaker.admit(clock::millis()));
    }

    #[tokio::test(start_paused = true)]
    async fn latency_rises_at_once_and_is_forgotten_slowly() {
        let upstream = upstream();
        clock::micros();
        tokio::time::advance(Duration::from_secs(1)).await;
        upstream.settle(Outcome::Good, 1_000, clock::micros(), &OUTLIER, true);
        upstream.settle(Outcome::Good, 50_000, clock::micros(), &OUTLIER, true);
        assert!((upstream.latency(clock::micros()) - 50_000.0).abs() < 1.0);
        tokio::time::advance(Duration::from_secs(30)).await;
        let later = upstream.latency(clock::micros());
        assert!((1_000.0..5_000.0).contains(&later), "{later}");
    }
}
