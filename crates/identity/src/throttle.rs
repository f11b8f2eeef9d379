//! Who guesses passwords waits longer and longer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, Moment};
use parking_lot::Mutex;

use crate::person::key;

/// Failures of an account before it is locked.
const FREE: u32 = 5;
/// The first lock; it doubles with each failure after it.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Failures from one address in [`WINDOW`].
const ADDRESS: u32 = 30;
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Entries held at most; beyond it the oldest go.
const MOST: usize = 50_000;

#[derive(Clone, Copy)]
struct Tally {
    failures: u32,
    until: Moment,
    last: Moment,
}

/// Counts failures by account and by address, in this process. An address that nobody has is
/// counted like any other.
#[derive(Clone)]
pub struct Throttle {
    clock: Clock,
    accounts: Arc<Mutex<HashMap<String, Tally>>>,
    addresses: Arc<Mutex<HashMap<String, Tally>>>,
}

/// Come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled(pub Duration);

impl Throttle {
    pub fn new(clock: Clock) -> Self {
        Self { clock, accounts: Arc::default(), addresses: Arc::default() }
    }

    /// Whether an attempt may be made now.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, email: &str, address: &str) -> Result<(), Throttled> {
        let now = self.clock.now();
        let locked = |tally: Option<&Tally>| {
            tally.filter(|t| t.until > now).map(|t| Throttled(t.until.since(now)))
        };
        let account = locked(self.accounts.lock().get(&key(email)));
        match account.or_else(|| locked(self.addresses.lock().get(address))) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// An attempt failed. `true` when the account is locked by it.
    pub fn failed(&self, email: &str, address: &str) -> bool {
        let now = self.clock.now();
        let fresh = Tally { failures: 0, until: Moment(0), last: now };
        let mut accounts = self.accounts.lock();
        forget_old(&mut accounts, now);
        let account = accounts.entry(key(email)).or_insert(fresh);
        account.failures += 1;
        account.last = now;
        let over = account.failures.saturating_sub(FREE);
        if account.failures >= FREE {
            let wait = FIRST.saturating_mul(1 << over.min(10)).min(LONGEST);
            account.until = now + wait;
        }
        let locked = account.failures == FREE;
        drop(accounts);
        let mut addresses = self.addresses.lock();
        forget_old(&mut addresses, now);
        let from = addresses.entry(address.to_owned()).or_insert(fresh);
        if now.since(from.last) > WINDOW {
            *from = fresh;
        }
        from.failures += 1;
        if from.failures >= ADDRESS {
            from.until = now + WINDOW;
        }
        locked
    }

    /// An attempt was right: the account's failures are forgotten.
    pub fn passed(&self, email: &str) {
        self.accounts.lock().remove(&key(email));
    }
}

fn forget_old(tallies: &mut HashMap<String, Tally>, now: Moment) {
    if tallies.len() < MOST {
        return;
    }
    tallies.retain(|_, tally| now.since(tally.last) < LONGEST);
    if tallies.len() >= MOST {
        tallies.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_attempt_waits_and_the_wait_grows() {
        let clock = Clock::fixed(Moment::from_seconds(1_000_000));
        let throttle = Throttle::new(clock.clone());
        for _ in 0..4 {
            assert!(!throttle.failed("Ana@x.com", "10.0.0.1"));
        }
        assert_eq!(throttle.check("ana@x.com", "10.0.0.1"), Ok(()));
        assert!(throttle.failed("ana@x.com", "10.0.0.1"));
        assert_eq!(throttle.check("ANA@x.com ", "10.0.0.2"), Err(Throttled(FIRST)));
        assert_eq!(throttle.check("bia@x.com", "10.0.0.1"), Ok(()), "others are not locked");
        clock.advance(FIRST);
        assert_eq!(throttle.check("ana@x.com", "10.0.0.1"), Ok(()));
        throttle.failed("ana@x.com", "10.0.0.1");
        assert_eq!(throttle.check("ana@x.com", "10.0.0.1"), Err(Throttled(FIRST * 2)));
        throttle.passed("ana@x.com");
        assert_eq!(throttle.check("ana@x.com", "10.0.0.1"), Ok(()));
    }

    #[test]
    fn one_address_that_tries_many_accounts_is_stopped() {
        let clock = Clock::fixed(Moment::from_seconds(1_000_000));
        let throttle = Throttle::new(clock);
        for n in 0..30 {
            throttle.failed(&format!("{n}@x.com"), "10.0.0.9");
        }
        assert_eq!(throttle.check("new@x.com", "10.0.0.9"), Err(Throttled(WINDOW)));
        assert_eq!(throttle.check("new@x.com", "10.0.0.8"), Ok(()));
    }
}
