//! Who guesses waits longer and longer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, Moment, PersonId};
use parking_lot::Mutex;

use crate::person::key;

/// Failures of an account before it is locked.
const FREE: u32 = 5;
/// The first lock; it doubles with each failure after it.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Failures are forgotten after so long without another.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Failures from one address in [`WINDOW`].
const ADDRESS: u32 = 30;
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Entries held at most; beyond it the oldest go.
const MOST: usize = 50_000;

/// What is guessed at. Each kind is counted apart, so that no text that somebody types reaches
/// another's count.
#[derive(Debug, Clone, Copy)]
pub enum Guess<'a> {
    /// The password of whoever has this address. One that nobody has is counted like any other.
    Password(&'a str),
    Second(PersonId),
    /// Letters with a link for this address.
    Reset(&'a str),
    Passkey,
}

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy)]
pub struct From<'a> {
    pub address: &'a str,
    /// A browser in which this account was signed in before, by a mark of its own. What strangers
    /// fail at elsewhere does not lock it.
    pub device: Option<&'a str>,
}

impl Guess<'_> {
    fn count(&self, from: &From<'_>) -> Option<String> {
        let device = from.device.unwrap_or_default();
        match self {
            Self::Password(email) => Some(format!("password {} {device}", key(email))),
            Self::Second(person) => Some(format!("second {person} {device}")),
            Self::Reset(email) => Some(format!("reset {}", key(email))),
            // Nobody is named before it is verified.
            Self::Passkey => None,
        }
    }
}

#[derive(Clone, Copy)]
struct Tally {
    failures: u32,
    until: Moment,
    last: Moment,
}

/// Counts failures by account and by address, in this process.
#[derive(Clone)]
pub struct Throttle {
    clock: Clock,
    accounts: Arc<Mutex<HashMap<String, Tally>>>,
    addresses: Arc<Mutex<HashMap<String, Tally>>>,
}

/// Come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled(pub Duration);

/// An attempt that may be made; it counts as failed until it is said to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// If it fails, the account is locked by it.
    pub locks: bool,
}

impl Throttle {
    pub fn new(clock: Clock) -> Self {
        Self { clock, accounts: Arc::default(), addresses: Arc::default() }
    }

    /// Makes an attempt. It is counted before it is verified: a burst of them is no way around.
    ///
    /// # Errors
    /// How long to wait.
    pub fn attempt(&self, guess: Guess<'_>, from: From<'_>) -> Result<Attempt, Throttled> {
        let now = self.clock.now();
        if from.device.is_none() {
            let mut addresses = self.addresses.lock();
            count(&mut addresses, network(from.address), now, WINDOW, |tally| {
                if tally.failures >= ADDRESS {
                    tally.until = now + WINDOW;
                }
            })?;
        }
        let Some(name) = guess.count(&from) else { return Ok(Attempt { locks: false }) };
        let mut accounts = self.accounts.lock();
        let failures = count(&mut accounts, name, now, FORGOTTEN, |tally| {
            if tally.failures >= FREE {
                let over = tally.failures.saturating_sub(FREE);
                tally.until = now + FIRST.saturating_mul(1 << over.min(10)).min(LONGEST);
            }
        })?;
        Ok(Attempt { locks: failures == FREE })
    }

    /// The attempt was right: what the account failed at from there is forgotten.
    pub fn passed(&self, guess: Guess<'_>, from: From<'_>) {
        if let Some(name) = guess.count(&from) {
            self.accounts.lock().remove(&name);
        }
        // Only what was counted: somebody who signs in to an account of their own, from a browser that is known, must
        // not get guesses at others' forgiven by it.
        if from.device.is_none()
            && let Some(tally) = self.addresses.lock().get_mut(&network(from.address))
        {
            tally.failures = tally.failures.saturating_sub(1);
            if tally.failures < ADDRESS {
                tally.until = Moment(0);
            }
        }
    }
}

/// Counts one more, unless it is locked; how many there are.
fn count(
    tallies: &mut HashMap<String, Tally>,
    name: String,
    now: Moment,
    forgotten: Duration,
    lock: impl FnOnce(&mut Tally),
) -> Result<u32, Throttled> {
    forget_old(tallies, now);
    let fresh = Tally { failures: 0, until: Moment(0), last: now };
    let tally = tallies.entry(name).or_insert(fresh);
    if tally.until > now {
        return Err(Throttled(tally.until.since(now)));
    }
    if now.since(tally.last) > forgotten {
        *tally = fresh;
    }
    tally.failures += 1;
    tally.last = now;
    lock(tally);
    Ok(tally.failures)
}

/// What is counted as one caller: an address, or, of IPv6, the network that one customer has.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => format!("{:x}/64", v6.to_bits() >> 64),
        _ => address.to_owned(),
    }
}

fn forget_old(tallies: &mut HashMap<String, Tally>, now: Moment) {
    if tallies.len() < MOST {
        return;
    }
    tallies.retain(|_, tally| now.since(tally.last) < LONGEST);
    if tallies.len() < MOST {
        return;
    }
    let mut times: Vec<Moment> = tallies.values().map(|tally| tally.last).collect();
    let (_, middle, _) = times.select_nth_unstable(MOST / 4);
    let middle = *middle;
    tallies.retain(|_, tally| tally.last > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> From<'_> {
        From { address, device: None }
    }

    #[test]
    fn the_sixth_attempt_waits_and_the_wait_grows() {
        let clock = Clock::fixed(Moment::from_seconds(1_000_000));
        let throttle = Throttle::new(clock.clone());
        let ana = Guess::Password("ana@x.com");
        for _ in 0..4 {
            assert_eq!(throttle.attempt(ana, at("10.0.0.1")), Ok(Attempt { locks: false }));
        }
        assert_eq!(
            throttle.attempt(Guess::Password("Ana@x.com "), at("10.0.0.1")),
            Ok(Attempt { locks: true })
        );
        assert_eq!(throttle.attempt(ana, at("10.0.0.2")), Err(Throttled(FIRST)));
        assert!(throttle.attempt(Guess::Password("bia@x.com"), at("10.0.0.1")).is_ok());
        clock.advance(FIRST);
        assert!(throttle.attempt(ana, at("10.0.0.1")).is_ok());
        assert_eq!(throttle.attempt(ana, at("10.0.0.1")), Err(Throttled(FIRST * 2)));
        clock.advance(FIRST * 2);
        throttle.passed(ana, at("10.0.0.1"));
        assert_eq!(throttle.attempt(ana, at("10.0.0.1")), Ok(Attempt { locks: false }));
        // What nobody tried again for an hour is forgotten.
        for _ in 0..3 {
            throttle.attempt(ana, at("10.0.0.1")).ok();
        }
        clock.advance(FORGOTTEN * 2);
        assert_eq!(throttle.attempt(ana, at("10.0.0.1")), Ok(Attempt { locks: false }));
    }

    #[test]
    fn strangers_do_not_lock_a_browser_that_is_known_and_no_text_reaches_another_count() {
        let throttle = Throttle::new(Clock::fixed(Moment::from_seconds(1_000_000)));
        let person = PersonId::generate();
        let typed =
            [format!("second {person}"), "passkey".to_owned(), "reset ana@x.com".to_owned()];
        for text in &typed {
            for n in 0..6 {
                throttle.attempt(Guess::Password(text), at(&format!("10.0.1.{n}"))).ok();
            }
        }
        let from = at("10.0.0.1");
        assert!(throttle.attempt(Guess::Second(person), from).is_ok());
        assert!(throttle.attempt(Guess::Passkey, from).is_ok());
        assert!(throttle.attempt(Guess::Reset("ana@x.com"), from).is_ok());
        let ana = Guess::Password("ana@x.com");
        for n in 0..6 {
            throttle.attempt(ana, at(&format!("10.0.2.{n}"))).ok();
        }
        assert!(throttle.attempt(ana, from).is_err());
        assert!(throttle.attempt(ana, From { address: "10.0.0.1", device: Some("hers") }).is_ok());
    }

    #[test]
    fn one_address_that_tries_many_accounts_is_stopped() {
        let throttle = Throttle::new(Clock::fixed(Moment::from_seconds(1_000_000)));
        for n in 0..30 {
            let email = format!("{n}@x.com");
            throttle.attempt(Guess::Password(&email), at("2001:db8:1:2::9")).ok();
        }
        let new = Guess::Password("new@x.com");
        assert_eq!(throttle.attempt(new, at("2001:db8:1:2::a")), Err(Throttled(WINDOW)));
        assert!(throttle.attempt(new, at("2001:db8:1:3::9")).is_ok());
        assert!(throttle.attempt(Guess::Passkey, at("2001:db8:1:2::b")).is_err());
    }

    #[test]
    fn own_sign_ins_from_a_known_browser_forgive_no_guesses() {
        let throttle = Throttle::new(Clock::fixed(Moment::from_seconds(1_000_000)));
        let own = Guess::Password("own@x.com");
        let known = From { address: "10.0.0.1", device: Some("mine") };
        let mut refused = 0;
        for n in 0..80 {
            let email = format!("{n}@x.com");
            refused +=
                u32::from(throttle.attempt(Guess::Password(&email), at("10.0.0.1")).is_err());
            throttle.attempt(own, known).expect("a known browser");
            throttle.passed(own, known);
        }
        assert_eq!(refused, 80 - ADDRESS);
    }
}
