//! Counts of the data plane. Plain atomics, because a request must not pay for being counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the latency histogram, in microseconds.
pub(crate) const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Parts that are counted apart, so that two workers do not take a line of memory from each other at every request.
const SHARDS: usize = 4;

/// What happened on a route.
#[derive(Default)]
pub(crate) struct RouteStats {
    shards: [Shard; SHARDS],
    pub(crate) limited: AtomicU64,
}

#[derive(Default)]
#[repr(align(128))]
struct Shard {
    /// By class of status: 1xx to 5xx; the first also counts clients that went away (499).
    classes: [AtomicU64; 6],
    latency: [AtomicU64; BOUNDS.len() + 1],
    latency_sum: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl RouteStats {
    /// `worker` is the number of the thread that counts.
    pub(crate) fn count(&self, worker: usize, status: u16, micros: u64, received: u64, sent: u64) {
        let shard = &self.shards[worker % SHARDS];
        let class = usize::from(status / 100).min(5);
        shard.classes[class].fetch_add(1, Ordering::Relaxed);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        shard.latency[bucket].fetch_add(1, Ordering::Relaxed);
        shard.latency_sum.fetch_add(micros, Ordering::Relaxed);
        if received > 0 {
            shard.received.fetch_add(received, Ordering::Relaxed);
        }
        shard.sent.fetch_add(sent, Ordering::Relaxed);
    }

    fn sum(&self, of: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| of(shard).load(Ordering::Relaxed)).sum()
    }

    /// Requests by class of status, from 1xx.
    pub(crate) fn classes(&self) -> [u64; 5] {
        std::array::from_fn(|index| self.sum(|shard| &shard.classes[index + 1]))
    }

    pub(crate) fn total(&self) -> u64 {
        (0..6).map(|index| self.sum(|shard| &shard.classes[index])).sum()
    }

    /// Counts by bucket, not cumulated, and the sum in microseconds.
    pub(crate) fn latency(&self) -> ([u64; BOUNDS.len() + 1], u64) {
        let buckets = std::array::from_fn(|index| self.sum(|shard| &shard.latency[index]));
        (buckets, self.sum(|shard| &shard.latency_sum))
    }

    /// Bytes of request bodies.
    pub(crate) fn received(&self) -> u64 {
        self.sum(|shard| &shard.received)
    }

    /// Bytes of response bodies.
    pub(crate) fn sent(&self) -> u64 {
        self.sum(|shard| &shard.sent)
    }
}

/// A number that many workers change.
#[derive(Default)]
pub(crate) struct Sharded([Padded; SHARDS]);

#[derive(Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

impl Sharded {
    pub(crate) fn add(&self, worker: usize) {
        self.0[worker % SHARDS].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take(&self, worker: usize) {
        self.0[worker % SHARDS].0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> usize {
        self.0.iter().map(|part| part.0.load(Ordering::Relaxed)).fold(0, u64::wrapping_add) as usize
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
