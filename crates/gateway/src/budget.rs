//! Second tries within bounds.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock;

/// How many second tries a pool may make: a share of its requests, and a few a second in any case, so that a
/// pool in trouble is not asked twice as often as a healthy one.
pub(crate) struct Budget {
    share: f64,
    floor: f64,
    /// Thousandths of a try.
    balance: AtomicI64,
    at: AtomicU64,
}

impl Budget {
    pub(crate) fn new(share: f64, floor: f64) -> Self {
        Self {
            share,
            floor,
            balance: AtomicI64::new((floor * 1000.0) as i64),
            at: AtomicU64::new(clock::millis()),
        }
    }

    fn most(&self) -> i64 {
        // Ten seconds' worth of the floor, so that a quiet pool does not save up a storm.
        ((self.floor * 10.0).max(10.0) * 1000.0) as i64
    }

    pub(crate) fn earn(&self) {
        if self.balance.load(Ordering::Relaxed) < self.most() {
            self.balance.fetch_add((self.share * 1000.0) as i64, Ordering::Relaxed);
        }
    }

    pub(crate) fn spend(&self) -> bool {
        let now = clock::millis();
        let at = self.at.swap(now, Ordering::Relaxed);
        let earned = (now.saturating_sub(at) as f64 * self.floor) as i64;
        let balance = self.balance.fetch_add(earned, Ordering::Relaxed) + earned;
        if balance > self.most() {
            self.balance.store(self.most(), Ordering::Relaxed);
        }
        let taken = self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
            (balance >= 1000).then_some(balance - 1000)
        });
        taken.is_ok()
    }
}
