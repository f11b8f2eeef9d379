//! A place at an upstream: taken when it is picked, given back whatever happens.

use crate::balance::Pool;
use crate::clock;
use crate::upstream::{Outcome, Upstream};
use crate::worker::Near;

pub(crate) struct Lease {
    pub(crate) pool: Near<Pool>,
    place: usize,
    since: u64,
    outcome: Option<Outcome>,
    /// The client left before the end: how that would have been is not known.
    unfinished: bool,
}

impl Lease {
    /// For what [`Pool::pick`] returned. `since` in microseconds.
    pub(crate) fn new(pool: Near<Pool>, place: usize, since: u64) -> Self {
        Self { pool, place, since, outcome: None, unfinished: false }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.pool.members[self.place]
    }

    /// Nobody waits for the rest of the answer.
    pub(crate) fn leave_unfinished(&mut self) {
        self.unfinished = true;
    }

    /// Says how it went, as far as is known: at the head of the answer, and again if the rest is cut off.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        let now = clock::micros();
        self.pool.settle(self.upstream(), outcome, now.saturating_sub(self.since), now);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.outcome {
            None => self.upstream().breaker.give_back(),
            // Nothing went wrong after the head either: only now it is known to be well.
            Some(Outcome::Good) if !self.unfinished => self.upstream().breaker.forget(),
            Some(_) => {}
        }
        self.pool.leave(self.upstream());
    }
}
