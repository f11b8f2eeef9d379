//! Which member of a pool a request goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::clock;
use crate::config::{self, Algorithm};
use crate::geo::Point;
use crate::sticky;
use crate::upstream::{Outcome, Upstream};
use crate::view::{MAGLEV, View};

/// A pool while it serves.
pub(crate) struct Pool {
    pub(crate) config: Arc<config::Pool>,
    pub(crate) members: Vec<Arc<Upstream>>,
    view: ArcSwap<View>,
    cursor: Arc<AtomicUsize>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) queue: Arc<Queue>,
    secret: Arc<[u8; 32]>,
    /// How HTTPS upstreams are spoken to.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

/// Requests that wait for a place. It outlives changes of the table, so that those who wait hear of places that are
/// given back after one.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) waiting: AtomicUsize,
    pub(crate) freed: Notify,
}

/// What a choice may depend on.
#[derive(Default)]
pub(crate) struct Wish<'a> {
    /// Microseconds of [`clock`].
    pub(crate) now: u64,
    /// A hash of what `hash_on` names.
    pub(crate) hash: u64,
    pub(crate) sticky: Option<&'a str>,
    /// The region whose members are preferred.
    pub(crate) region: Option<&'a str>,
    /// Where the client is.
    pub(crate) at: Option<Point>,
    /// Upstreams that this request has tried.
    pub(crate) tried: &'a [u32],
}

/// Why a choice fell as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Sticky,
    Turn,
    FewestRequests,
    Quickest,
    Hash,
    Nearest,
    /// Every member is unhealthy.
    Panic,
}

impl Pool {
    pub(crate) fn new(
        config: Arc<config::Pool>,
        members: Vec<Arc<Upstream>>,
        before: Option<&Self>,
        secret: Arc<[u8; 32]>,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Self {
        let pool = Self {
            members,
            view: ArcSwap::from_pointee(View::empty()),
            cursor: before.map_or_else(Arc::default, |pool| pool.cursor.clone()),
            budget: before
                .filter(|pool| {
                    pool.config.retry_share == config.retry_share
                        && pool.config.retry_floor == config.retry_floor
                })
                .map_or_else(
                    || Arc::new(Budget::new(config.retry_share, config.retry_floor)),
                    |pool| pool.budget.clone(),
                ),
            queue: before.map_or_else(Arc::default, |pool| pool.queue.clone()),
            config,
            secret,
            tls,
        };
        pool.refresh();
        pool
    }

    /// Looks at the members again. Called when a state changed, and now and then for what time changes.
    pub(crate) fn refresh(&self) {
        self.view.store(Arc::new(View::of(&self.config, &self.members, &self.secret)));
    }

    /// Whether time alone may change the view: somebody is ejected or starts slowly.
    pub(crate) fn is_in_motion(&self, now: u64) -> bool {
        let span = self.config.slow_start.as_millis() as u64;
        self.members.iter().any(|member| {
            let since = member.back_since.load(Ordering::Relaxed);
            member.breaker.open_until() != 0
                || (since != 0 && span != 0 && now < since + span + 1000)
        })
    }

    /// Takes in how an attempt ended, and looks at the members again when that ejected one.
    /// `took` and `now` in microseconds.
    pub(crate) fn settle(&self, upstream: &Upstream, outcome: Outcome, took: u64, now: u64) {
        let was_out = upstream.breaker.open_until() != 0;
        let may_eject = outcome == Outcome::Good || self.may_eject();
        let ejected = upstream.settle(outcome, took, now, &self.config.outlier, may_eject);
        if ejected {
            tracing::warn!(
                event = "gateway_upstream_ejected",
                pool = self.config.name,
                upstream = upstream.address
            );
        }
        let back = was_out && upstream.breaker.open_until() == 0;
        if back {
            upstream.back_since.store(clock::millis().max(1), Ordering::Relaxed);
            tracing::info!(
                event = "gateway_upstream_back",
                pool = self.config.name,
                upstream = upstream.address
            );
        }
        if ejected || back {
            self.refresh();
        }
    }

    fn may_eject(&self) -> bool {
        let now = clock::millis();
        let all = self.members.len();
        let out = self.members.iter().filter(|member| member.breaker.is_open(now)).count();
        let share = self.config.outlier.max_share;
        // A share that is less than one member still lets one of several go.
        let most = ((all as f64 * share) as usize).max(usize::from(all > 1 && share > 0.0));
        out < most
    }

    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// Which of `members` a request goes to, with a place taken there, or why there is none.
    pub(crate) fn pick(&self, wish: &Wish<'_>) -> Result<(usize, Why), NoPick> {
        let view = self.view.load();
        if view.members.is_empty() {
            return Err(NoPick::Nobody);
        }
        let mut full = false;
        if let Some(place) = wish.sticky.and_then(|mark| view.sticky.get(mark.as_bytes()))
            && self.take(&self.members[*place], wish, view.panic, &mut full)
        {
            return Ok((self.enter(*place), Why::Sticky));
        }
        // Those of the region first, then whoever there is.
        let near = wish.region.and_then(|region| view.regions.get(region));
        for view in near.into_iter().chain([&**view]) {
            if let Some(picked) = self.pick_in(view, wish, &mut full) {
                return Ok(picked);
            }
        }
        Err(if full { NoPick::Full } else { NoPick::Nobody })
    }

    fn take(&self, upstream: &Upstream, wish: &Wish<'_>, panic: bool, full: &mut bool) -> bool {
        if wish.tried.contains(&upstream.id) {
            return false;
        }
        let most = self.config.max_requests;
        if most > 0 && upstream.active() as usize >= most {
            *full = true;
            return false;
        }
        panic || upstream.breaker.admit(wish.now / 1000)
    }

    fn pick_in(&self, view: &View, wish: &Wish<'_>, full: &mut bool) -> Option<(usize, Why)> {
        let count = view.members.len();
        if self.config.algorithm == Algorithm::Geo
            && let Some(at) = wish.at
        {
            for index in view.by_distance(at, wish.now) {
                if self.take(&view.members[index], wish, view.panic, full) {
                    return Some((self.enter(view.places[index]), Why::Nearest));
                }
            }
            return None;
        }
        let (start, why) = self.first(view, wish, wish.now);
        // From the one that is due onwards, whoever can be taken.
        for step in 0..count {
            let index = (start + step) % count;
            if self.take(&view.members[index], wish, view.panic, full) {
                let why = if view.panic { Why::Panic } else { why };
                return Some((self.enter(view.places[index]), why));
            }
        }
        None
    }

    fn enter(&self, place: usize) -> usize {
        let upstream = &self.members[place];
        upstream.active.fetch_add(1, Ordering::Relaxed);
        upstream.counts.requests.fetch_add(1, Ordering::Relaxed);
        place
    }

    /// The end of a request at an upstream.
    pub(crate) fn leave(&self, upstream: &Upstream) {
        // In one order with who looks for a place after saying that they wait: one of both sees the other.
        upstream.active.fetch_sub(1, Ordering::SeqCst);
        if self.queue.waiting.load(Ordering::SeqCst) > 0 {
            self.queue.freed.notify_one();
        }
    }

    fn first(&self, view: &View, wish: &Wish<'_>, now: u64) -> (usize, Why) {
        let count = view.members.len();
        match self.config.algorithm {
            Algorithm::RoundRobin => {
                let turn = self.cursor.fetch_add(1, Ordering::Relaxed);
                (usize::from(view.round[turn % view.round.len()]), Why::Turn)
            }
            Algorithm::LeastConn => {
                let turn = self.cursor.fetch_add(1, Ordering::Relaxed);
                let load = |upstream: &Upstream| {
                    f64::from(upstream.active()) / f64::from(upstream.weight().max(1))
                };
                // Begins at another member each time, so that equals take turns.
                let least = (0..count)
                    .map(|step| (turn + step) % count)
                    .min_by(|a, b| load(&view.members[*a]).total_cmp(&load(&view.members[*b])));
                (least.unwrap_or(0), Why::FewestRequests)
            }
            // Where a client is unknown, the quicker is near enough.
            Algorithm::Ewma | Algorithm::Geo => {
                if count == 1 {
                    return (0, Why::Quickest);
                }
                let dice = u64::from(rand::random::<u32>()) as usize;
                let one = dice % count;
                let other = (one + 1 + (dice / count) % (count - 1)) % count;
                let quicker = if view.members[other].cost(now) < view.members[one].cost(now) {
                    other
                } else {
                    one
                };
                (quicker, Why::Quickest)
            }
            Algorithm::IpHash | Algorithm::Maglev(_) => {
                (usize::from(view.maglev[(wish.hash % MAGLEV as u64) as usize]), Why::Hash)
            }
        }
    }

    /// The mark by which a client comes back to this upstream.
    pub(crate) fn mark(&self, upstream: &Upstream) -> sticky::Mark {
        sticky::mark(&self.secret, &self.config.name, &upstream.address)
    }
}

/// Nobody could be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPick {
    /// There is nobody, or all were tried.
    Nobody,
    /// All that are left have as many requests as they may.
    Full,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config;
    use crate::view::hash;

    fn pool(extra: &str, weights: &[u32]) -> Pool {
        let mut text = format!("pools:\n  - name: p\n{extra}    backends:\n");
        for (index, weight) in weights.iter().enumerate() {
            text.push_str(&format!(
                "      - {{address: \"10.0.0.{index}:80\", weight: {weight}}}\n"
            ));
        }
        let report = config::check(&text, &|_| None);
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let config = report.config.expect("sound").pools.remove(0);
        let members = config.backends.iter().map(|b| Arc::new(Upstream::new(b))).collect();
        Pool::new(Arc::new(config), members, None, Arc::new([7; 32]), None)
    }

    fn wish(hash: u64) -> Wish<'static> {
        Wish { now: clock::micros(), hash, ..Wish::default() }
    }

    fn turns(pool: &Pool, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| {
                let (place, _) = pool.pick(&wish(0)).expect("picks");
                pool.leave(&pool.members[place]);
                pool.members[place].address[7..8].to_owned()
            })
            .collect()
    }

    #[test]
    fn turns_are_smooth_and_exact() {
        let pool = pool("    algorithm: round_robin\n", &[5, 1, 1]);
        // Five, one and one in a round, the heavy one never more than needed in a row.
        assert_eq!(turns(&pool, 14).concat(), "00102000010200");
    }

    #[test]
    fn hashing_moves_only_the_share_of_the_one_that_went() {
        let pool = pool("    algorithm: maglev\n", &[1, 1, 1, 1, 1]);
        let before: Vec<String> =
            (0..5000).map(|key| pick(&pool, hash(format!("{key}").as_bytes()))).collect();
        pool.members[2].healthy.store(false, Ordering::Relaxed);
        pool.refresh();
        let mut moved = 0;
        for (key, old) in before.iter().enumerate() {
            let new = pick(&pool, hash(format!("{key}").as_bytes()));
            assert_ne!(new, "10.0.0.2:80");
            if new != *old {
                moved += 1;
            }
        }
        let share = before.iter().filter(|old| *old == "10.0.0.2:80").count();
        assert!((800..1200).contains(&share), "{share}");
        assert!(moved < share + 500, "{moved} of 5000 moved, {share} had to");
    }

    fn pick(pool: &Pool, hash: u64) -> String {
        let (place, _) = pool.pick(&wish(hash)).expect("picks");
        pool.leave(&pool.members[place]);
        pool.members[place].address.clone()
    }

    #[test]
    fn priorities_panic_and_drain() {
        let text = "pools:\n  - name: p\n    algorithm: round_robin\n    backends:\n      - {address: \"10.0.0.0:80\"}\n      - {address: \"10.0.0.1:80\"}\n      - {address: \"10.0.0.2:80\", priority: 1}\n";
        let config = config::check(text, &|_| None).config.expect("sound").pools.remove(0);
        let members: Vec<_> = config.backends.iter().map(|b| Arc::new(Upstream::new(b))).collect();
        let pool = Pool::new(Arc::new(config), members, None, Arc::new([7; 32]), None);
        assert_eq!(turns(&pool, 4).concat(), "0101");
        pool.members[0].healthy.store(false, Ordering::Relaxed);
        pool.refresh();
        assert_eq!(turns(&pool, 3).concat(), "111");
        pool.members[1].draining.store(true, Ordering::Relaxed);
        pool.refresh();
        assert_eq!(
            turns(&pool, 3).concat(),
            "222",
            "the next level serves when the first has nobody"
        );
        pool.members[2].healthy.store(false, Ordering::Relaxed);
        pool.refresh();
        assert!(pool.view().panic);
        assert_eq!(
            turns(&pool, 2).concat(),
            "00",
            "better an unhealthy one than none, but nobody who drains"
        );
    }

    #[test]
    fn a_full_pool_says_so() {
        let pool = pool("    max_requests: 1\n", &[1, 1]);
        let first = pool.pick(&wish(0)).expect("picks").0;
        let second = pool.pick(&wish(0)).expect("picks").0;
        assert_ne!(first, second);
        assert_eq!(pool.pick(&wish(0)).err(), Some(NoPick::Full));
        pool.leave(&pool.members[first]);
        assert_eq!(pool.pick(&wish(0)).expect("picks").0, first);
    }

    #[test]
    fn who_has_a_mark_comes_back_and_a_bad_mark_is_nothing() {
        let pool = pool("    algorithm: round_robin\n    sticky_sessions: true\n", &[1, 1, 1]);
        let mark = pool.mark(&pool.members[2]);
        let text = sticky::text(&mark);
        for _ in 0..10 {
            let wish = Wish { now: clock::micros(), sticky: Some(text), ..Wish::default() };
            let (place, why) = pool.pick(&wish).expect("picks");
            assert_eq!((place, why), (2, Why::Sticky));
        }
        for bad in ["", "10.0.0.2:80", "AAAAAAAAAAAAAAAAAAAAAA"] {
            let wish = Wish { now: clock::micros(), sticky: Some(bad), ..Wish::default() };
            assert_ne!(pool.pick(&wish).expect("picks").1, Why::Sticky);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn second_tries_are_a_share_of_the_first() {
        let budget = Budget::new(0.2, 10.0);
        let spent = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(spent, 10);
        for _ in 0..100 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 20);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn the_slow_one_loses_its_share() {
        let pool = pool("", &[1, 1, 1]);
        for (index, took) in [(0, 10_000), (1, 100_000), (2, 10_000)] {
            pool.settle(&pool.members[index], Outcome::Good, took, clock::micros());
        }
        let slow = (0..300).filter(|_| pick(&pool, 0) == "10.0.0.1:80").count();
        assert_eq!(slow, 0);
    }
}
