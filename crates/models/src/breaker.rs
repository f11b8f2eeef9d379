//! A circuit breaker per tenant and provider address: a model that fails is left alone a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, Moment, TenantId};
use parking_lot::Mutex;

/// Failures in a row that open a circuit.
const THRESHOLD: u32 = 5;
/// How long an open circuit keeps calls away before one probe is let through.
const OPEN_FOR: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Moment,
    },
    /// One call is finding out.
    Probing {
        since: Moment,
    },
}

/// The breakers of this process.
#[derive(Clone)]
pub struct Breakers {
    clock: Clock,
    circuits: Arc<Mutex<HashMap<(TenantId, String), State>>>,
}

/// Leave to make one call. Report how it went.
pub struct Permit {
    breakers: Breakers,
    key: (TenantId, String),
}

impl Breakers {
    pub fn new(clock: Clock) -> Self {
        Self { clock, circuits: Arc::default() }
    }

    /// Leave to call, or `None` while the circuit is open.
    pub fn ask(&self, tenant: TenantId, target: &str) -> Option<Permit> {
        let key = (tenant, target.to_owned());
        let now = self.clock.now();
        let mut circuits = self.circuits.lock();
        match circuits.get(&key).copied().unwrap_or(State::Closed { failures: 0 }) {
            State::Closed { .. } => {}
            State::Open { until } if now < until => return None,
            // A probe that never reported back must not close the door for good.
            State::Probing { since } if now.since(since) < OPEN_FOR * 2 => return None,
            State::Open { .. } | State::Probing { .. } => {
                circuits.insert(key.clone(), State::Probing { since: now });
            }
        }
        Some(Permit { breakers: self.clone(), key })
    }

    /// How many circuits are not closed.
    pub fn open(&self) -> usize {
        let circuits = self.circuits.lock();
        circuits.values().filter(|state| !matches!(state, State::Closed { .. })).count()
    }
}

impl Permit {
    pub fn succeeded(self) {
        let mut circuits = self.breakers.circuits.lock();
        let before = circuits.remove(&self.key);
        if matches!(before, Some(State::Probing { .. })) {
            tracing::info!(event = "model_circuit_closed", tenant_id = %self.key.0);
        }
    }

    pub fn failed(self) {
        let now = self.breakers.clock.now();
        let mut circuits = self.breakers.circuits.lock();
        let state = circuits.entry(self.key.clone()).or_insert(State::Closed { failures: 0 });
        *state = match *state {
            State::Closed { failures } if failures + 1 < THRESHOLD => {
                State::Closed { failures: failures + 1 }
            }
            _ => {
                tracing::warn!(event = "model_circuit_opened", tenant_id = %self.key.0);
                State::Open { until: now + OPEN_FOR }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_open_it_and_one_probe_closes_it() {
        let clock = Clock::fixed(Moment(1_000_000));
        let breakers = Breakers::new(clock.clone());
        let (a, b) = (TenantId::generate(), TenantId::generate());
        for _ in 0..5 {
            breakers.ask(a, "x").unwrap().failed();
        }
        assert!(breakers.ask(a, "x").is_none());
        assert!(breakers.ask(b, "x").is_some(), "another tenant's circuit is its own");
        clock.advance(OPEN_FOR);
        let probe = breakers.ask(a, "x").unwrap();
        assert!(breakers.ask(a, "x").is_none(), "one probe at a time");
        probe.failed();
        assert!(breakers.ask(a, "x").is_none());
        clock.advance(OPEN_FOR);
        breakers.ask(a, "x").unwrap().succeeded();
        assert!(breakers.ask(a, "x").is_some());
        assert_eq!(breakers.open(), 0);
    }
}
