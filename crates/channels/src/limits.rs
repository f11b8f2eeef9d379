//! How many messages of one sender, and how many failed calls of one address, are taken in a while.
//!
//! A token bucket by its theoretical arrival time: a hit that is refused moves nothing, so that a
//! sender who goes on knocking is let in as soon as one who waits.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Moment, TenantId};
use parking_lot::Mutex;

/// How much is taken in how long.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Messages of one sender of one tenant in a window.
    pub sender: u32,
    /// Failed or unauthenticated calls of one address in a window.
    pub ip: u32,
    pub window: Duration,
}

/// Keys held before those whose time has passed are dropped.
const HELD: usize = 100_000;

struct Bucket<K> {
    cells: Mutex<HashMap<K, Moment>>,
    every: Duration,
    window: Duration,
}

impl<K: Eq + Hash> Bucket<K> {
    fn new(most: u32, window: Duration) -> Self {
        Self { cells: Mutex::default(), every: window / most.max(1), window }
    }

    /// Counts a hit. `Err` with the wait when there were too many.
    fn hit(&self, key: K, now: Moment) -> Result<(), Duration> {
        let mut cells = self.cells.lock();
        if cells.len() >= HELD {
            cells.retain(|_, at| *at > now);
        }
        let at = cells.get(&key).copied().unwrap_or(now).max(now);
        let next = at + self.every;
        if next.since(now) > self.window {
            return Err(next.since(now + self.window));
        }
        // Full of senders who are all busy: new ones are let in uncounted rather than shut out.
        if cells.len() < HELD || cells.contains_key(&key) {
            cells.insert(key, next);
        }
        Ok(())
    }
}

/// The limits of one process.
#[derive(Clone)]
pub struct Limiter {
    senders: Arc<Bucket<(TenantId, u64)>>,
    addresses: Arc<Bucket<IpAddr>>,
    random: Arc<std::hash::RandomState>,
}

impl Limiter {
    pub fn new(rates: Rates) -> Self {
        Self {
            senders: Arc::new(Bucket::new(rates.sender, rates.window)),
            addresses: Arc::new(Bucket::new(rates.ip, rates.window)),
            random: Arc::default(),
        }
    }

    /// Counts a message of a sender. `Err` with the wait when there were too many.
    ///
    /// # Errors
    /// How long until the next one is taken.
    pub fn sender(&self, tenant: TenantId, address: &str, now: Moment) -> Result<(), Duration> {
        use std::hash::BuildHasher as _;
        // Only a hash is held: memory keeps no phone numbers.
        self.senders.hit((tenant, self.random.hash_one(address)), now)
    }

    /// Counts a failed call of an address. `Err` with the wait when there were too many.
    ///
    /// # Errors
    /// How long until the next one is looked at.
    pub fn failed(&self, address: IpAddr, now: Moment) -> Result<(), Duration> {
        self.addresses.hit(network(address), now)
    }
}

/// One household has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_767_614_400_000_000);

    fn limiter(most: u32) -> Limiter {
        Limiter::new(Rates { sender: most, ip: most, window: Duration::from_secs(60) })
    }

    #[test]
    fn refused_hits_do_not_lengthen_the_wait() {
        let limiter = limiter(3);
        let tenant = TenantId::generate();
        for _ in 0..3 {
            assert_eq!(limiter.sender(tenant, "a", NOW), Ok(()));
        }
        let wait = limiter.sender(tenant, "a", NOW).unwrap_err();
        assert_eq!(wait, Duration::from_secs(20));
        for _ in 0..100 {
            assert_eq!(limiter.sender(tenant, "a", NOW), Err(wait), "knocking changes nothing");
        }
        assert_eq!(limiter.sender(tenant, "a", NOW + wait), Ok(()));
    }

    #[test]
    fn one_sender_is_not_the_tenant_and_one_tenant_not_the_other() {
        let limiter = limiter(1);
        let (one, other) = (TenantId::generate(), TenantId::generate());
        assert_eq!(limiter.sender(one, "a", NOW), Ok(()));
        assert!(limiter.sender(one, "a", NOW).is_err());
        assert_eq!(limiter.sender(one, "b", NOW), Ok(()));
        assert_eq!(limiter.sender(other, "a", NOW), Ok(()));
    }

    #[test]
    fn neighbours_of_one_ipv6_network_count_together() {
        let limiter = limiter(1);
        assert_eq!(limiter.failed("2001:db8::1".parse().unwrap(), NOW), Ok(()));
        assert!(limiter.failed("2001:db8::2".parse().unwrap(), NOW).is_err());
        assert_eq!(limiter.failed("2001:db8:0:1::1".parse().unwrap(), NOW), Ok(()));
        assert_eq!(limiter.failed("10.0.0.1".parse().unwrap(), NOW), Ok(()));
        assert!(limiter.failed("::ffff:10.0.0.1".parse().unwrap(), NOW).is_err());
    }
}
