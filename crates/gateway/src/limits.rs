//! Token buckets, one a key, counted on this node: no other machine is on the path of a request. Where nodes share
//! what they count, each tells afterwards what it let through, and learns what is left for all.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use siphasher::sip::SipHasher13;

use crate::clock;
use crate::config::Rate;

const SHARDS: usize = 16;
/// Buckets kept a shard. When it is full, those that are full again go first, then any.
const MOST: usize = 65_536;
/// Keys a shard that are told of at once; of more, the others wait for the next time.
const TOLD: usize = 1024;

/// Buckets of one limit.
pub(crate) struct Limiter {
    rate: Rate,
    sharing: Option<Sharing>,
    key: [u8; 16],
    shards: Vec<Mutex<Shard>>,
}

/// How a limit is known to other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sharing {
    /// The same on every node.
    pub(crate) name: Arc<str>,
    pub(crate) tenant: Option<Arc<str>>,
}

#[derive(Default)]
struct Shard {
    buckets: HashMap<u64, Bucket>,
    /// Those that let somebody through since they were told of.
    used: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: u64,
    /// Let through since it was told of.
    taken: u32,
}

/// What a limit said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    Go,
    /// After so many seconds there is a token again.
    Wait(f64),
}

impl Limiter {
    /// `key`: of the hash under which clients are known; the same on all nodes that share.
    pub(crate) fn new(rate: Rate, sharing: Option<Sharing>, key: [u8; 16]) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { rate, sharing, key, shards }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Whether it may stay when the file says this.
    pub(crate) fn is_for(&self, rate: Rate, sharing: Option<&Sharing>) -> bool {
        self.rate == rate && self.sharing.as_ref() == sharing
    }

    pub(crate) fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_ref()
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
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(key);
        let hash = hasher.finish();
        let mut shard = self.shards[hash as usize % SHARDS].lock();
        if shard.buckets.len() >= MOST && !shard.buckets.contains_key(&hash) {
            self.make_room(&mut shard, now);
        }
        let fresh = Bucket { tokens: self.rate.burst, at: now, taken: 0 };
        let bucket = shard.buckets.entry(hash).or_insert(fresh);
        bucket.tokens = self.filled(*bucket, now);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Verdict::Wait((1.0 - bucket.tokens) / self.rate.per_second);
        }
        bucket.tokens -= 1.0;
        if self.sharing.is_some() {
            bucket.taken += 1;
            if bucket.taken == 1 {
                shard.used.push(hash);
            }
        }
        Verdict::Go
    }

    /// What was let through since the last call, by key.
    pub(crate) fn used(&self) -> Vec<(u64, u32)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            let from = shard.used.len().saturating_sub(TOLD);
            let keys = shard.used.split_off(from);
            for key in keys {
                // One that had to make room is told of no more.
                if let Some(bucket) = shard.buckets.get_mut(&key)
                    && bucket.taken > 0
                {
                    found.push((key, std::mem::take(&mut bucket.taken)));
                }
            }
        }
        found
    }

    /// What is left of a key for all nodes, of which the others knew when this node had told all but what it took since.
    pub(crate) fn level(&self, key: u64, tokens: f64) {
        let now = clock::micros();
        if let Some(bucket) = self.shards[key as usize % SHARDS].lock().buckets.get_mut(&key) {
            // Never more than this node would give by itself: a Redis that lost its memory gives nobody a second burst.
            bucket.tokens = (tokens - f64::from(bucket.taken)).min(self.filled(*bucket, now));
            bucket.at = now;
        }
    }

    fn filled(&self, bucket: Bucket, now: u64) -> f64 {
        let passed = now.saturating_sub(bucket.at) as f64 / 1e6;
        (bucket.tokens + passed * self.rate.per_second).min(self.rate.burst)
    }

    fn make_room(&self, shard: &mut Shard, now: u64) {
        shard.buckets.retain(|_, bucket| self.filled(*bucket, now) < self.rate.burst);
        if shard.buckets.len() >= MOST {
            // A flood of addresses: half of them, whichever, so that this is rare.
            let mut keep = false;
            shard.buckets.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
        let Shard { buckets, used } = shard;
        used.retain(|key| buckets.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limiter(sharing: Option<Sharing>) -> Limiter {
        let rate =
            Rate { per_second: 10.0, burst: 5.0, status: http::StatusCode::TOO_MANY_REQUESTS };
        Limiter::new(rate, sharing, [1; 16])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn gone(limiter: &Limiter, count: usize, who: &str) -> usize {
        (0..count).filter(|_| limiter.take_ip(ip(who)) == Verdict::Go).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_lets_its_burst_through_and_then_its_rate() {
        let limiter = limiter(None);
        assert_eq!(gone(&limiter, 20, "203.0.113.1"), 5);
        assert_eq!(gone(&limiter, 20, "203.0.113.2"), 5, "everybody has their own");
        assert_eq!(gone(&limiter, 20, "2001:db8::1"), 5);
        assert_eq!(gone(&limiter, 20, "2001:db8::2"), 0, "one network is one client");
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(gone(&limiter, 20, "203.0.113.1"), 3);
        let Verdict::Wait(seconds) = limiter.take_ip(ip("203.0.113.1")) else {
            panic!("let through")
        };
        assert!((0.0..=0.1).contains(&seconds), "{seconds}");
        assert!(limiter.used().is_empty(), "what is not shared is not told");
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_took_is_missing_here() {
        let sharing = Sharing { name: "all".into(), tenant: None };
        let limiter = limiter(Some(sharing));
        assert_eq!(gone(&limiter, 2, "203.0.113.1"), 2);
        let told = limiter.used();
        let [(key, 2)] = told[..] else { panic!("{told:?}") };
        assert!(limiter.used().is_empty(), "told once");
        // While it was told, one more came; others left three, before that one.
        assert_eq!(gone(&limiter, 1, "203.0.113.1"), 1);
        limiter.level(key, 2.0);
        assert_eq!(gone(&limiter, 20, "203.0.113.1"), 1);
        // Others took more than there was.
        limiter.level(key, -4.0);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(gone(&limiter, 20, "203.0.113.1"), 0);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert!(gone(&limiter, 20, "203.0.113.1") > 0);
    }
}
