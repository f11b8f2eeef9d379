//! Token buckets, one a key, counted on this node alone: no other machine is on the path of a request.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::clock;
use crate::config::Rate;

const SHARDS: usize = 16;
/// Buckets kept a shard. When it is full, those that are full again go first, then any.
const MOST: usize = 65_536;

/// Buckets of one limit.
pub(crate) struct Limiter {
    rate: Rate,
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Bucket>>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: u64,
}

/// What a limit said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    Go,
    /// After so many seconds there is a token again.
    Wait(f64),
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// An IPv6 client owns a /64, so that is what is counted.
    pub(crate) fn take_ip(&self, address: IpAddr) -> Verdict {
        match address {
            IpAddr::V4(v4) => self.take(&v4.octets()),
            IpAddr::V6(v6) => self.take(&v6.octets()[..8]),
        }
    }

    pub(crate) fn take(&self, key: &[u8]) -> Verdict {
        let now = clock::micros();
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shards[hash as usize % SHARDS].lock();
        if shard.len() >= MOST && !shard.contains_key(&hash) {
            self.make_room(&mut shard, now);
        }
        let bucket = shard.entry(hash).or_insert(Bucket { tokens: self.rate.burst, at: now });
        bucket.tokens = self.filled(*bucket, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Verdict::Go;
        }
        Verdict::Wait((1.0 - bucket.tokens) / self.rate.per_second)
    }

    fn filled(&self, bucket: Bucket, now: u64) -> f64 {
        let passed = now.saturating_sub(bucket.at) as f64 / 1e6;
        (bucket.tokens + passed * self.rate.per_second).min(self.rate.burst)
    }

    fn make_room(&self, shard: &mut HashMap<u64, Bucket>, now: u64) {
        shard.retain(|_, bucket| self.filled(*bucket, now) < self.rate.burst);
        if shard.len() >= MOST {
            // A flood of addresses: half of them, whichever, so that this is rare.
            let mut keep = false;
            shard.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_lets_its_burst_through_and_then_its_rate() {
        let limiter = Limiter::new(Rate {
            per_second: 10.0,
            burst: 5.0,
            status: http::StatusCode::TOO_MANY_REQUESTS,
        });
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        let gone = |count: usize, who: &str| {
            (0..count).filter(|_| limiter.take_ip(ip(who)) == Verdict::Go).count()
        };
        assert_eq!(gone(20, "203.0.113.1"), 5);
        assert_eq!(gone(20, "203.0.113.2"), 5, "everybody has their own");
        assert_eq!(gone(20, "2001:db8::1"), 5);
        assert_eq!(gone(20, "2001:db8::2"), 0, "one network is one client");
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(gone(20, "203.0.113.1"), 3);
        let Verdict::Wait(seconds) = limiter.take_ip(ip("203.0.113.1")) else {
            panic!("let through")
        };
        assert!((0.0..=0.1).contains(&seconds), "{seconds}");
    }
}
