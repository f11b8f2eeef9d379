//! Counts of the data plane. Plain atomics, because a request must not pay for being counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the latency histogram, in microseconds.
pub(crate) const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// What happened on a route.
#[derive(Default)]
pub(crate) struct RouteStats {
    /// By class of status: 1xx to 5xx; the first also counts clients that went away (499).
    classes: [AtomicU64; 6],
    latency: [AtomicU64; BOUNDS.len() + 1],
    latency_sum: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) limited: AtomicU64,
}

impl RouteStats {
    pub(crate) fn count(&self, status: u16, micros: u64, received: u64, sent: u64) {
        let class = usize::from(status / 100).min(5);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.latency[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency_sum.fetch_add(micros, Ordering::Relaxed);
        if received > 0 {
            self.received.fetch_add(received, Ordering::Relaxed);
        }
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }

    /// Requests by class of status, from 1xx.
    pub(crate) fn classes(&self) -> [u64; 5] {
        std::array::from_fn(|index| self.classes[index + 1].load(Ordering::Relaxed))
    }

    pub(crate) fn total(&self) -> u64 {
        self.classes.iter().map(|class| class.load(Ordering::Relaxed)).sum()
    }

    /// Counts by bucket, not cumulated, and the sum in microseconds.
    pub(crate) fn latency(&self) -> ([u64; BOUNDS.len() + 1], u64) {
        let buckets = std::array::from_fn(|index| self.latency[index].load(Ordering::Relaxed));
        (buckets, self.latency_sum.load(Ordering::Relaxed))
    }
}

/// What happened to connections, and to requests that found no route.
#[derive(Default)]
pub(crate) struct HouseStats {
    pub(crate) accepted: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) tls_failed: AtomicU64,
    pub(crate) unrouted: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) reloads_refused: AtomicU64,
}
