//! Who of a pool may be chosen now, and in which turns.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::Arc;

use crate::clock;
use crate::config::{self, Algorithm};
use crate::geo::{self, Point};
use crate::sticky;
use crate::upstream::Upstream;

/// Slots of a Maglev table: a prime, a hundred times as large as pools are.
pub(crate) const MAGLEV: usize = 5003;
/// Steps of a round at most; larger weights are scaled down.
const ROUND: usize = 4096;
/// Kilometres within which upstreams count as being in one place.
const SAME_PLACE: f64 = 50.0;

/// Who may be chosen now, prepared so that choosing is a few steps. Made anew when anybody's state changes.
pub(crate) struct View {
    pub(crate) members: Vec<Arc<Upstream>>,
    /// Where each stands in the pool.
    pub(crate) places: Vec<usize>,
    /// One smooth round of weighted turns, as places in `members`.
    pub(crate) round: Vec<u16>,
    pub(crate) maglev: Vec<u16>,
    pub(crate) sticky: HashMap<sticky::Mark, usize>,
    /// The same of each region's members alone.
    pub(crate) regions: HashMap<String, View>,
    /// None is healthy enough, so health is not looked at.
    pub(crate) panic: bool,
}

impl View {
    pub(crate) fn empty() -> Self {
        Self {
            members: Vec::new(),
            places: Vec::new(),
            round: Vec::new(),
            maglev: Vec::new(),
            sticky: HashMap::new(),
            regions: HashMap::new(),
            panic: false,
        }
    }

    /// Members from the nearest on; of those in one place, the cheaper first.
    pub(crate) fn by_distance(&self, at: Point, now: u64) -> Vec<usize> {
        let mut order: Vec<(u64, f64, usize)> = self
            .members
            .iter()
            .enumerate()
            .map(|(index, member)| {
                let far = member.at.map_or(f64::MAX, |there| geo::distance(at, there));
                ((far / SAME_PLACE) as u64, member.cost(now), index)
            })
            .collect();
        order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        order.into_iter().map(|(_, _, index)| index).collect()
    }

    pub(crate) fn of(config: &config::Pool, all: &[Arc<Upstream>], secret: &[u8; 32]) -> Self {
        let now = clock::millis();
        let open: Vec<&Arc<Upstream>> = all.iter().filter(|member| !member.is_draining()).collect();
        let mut levels: Vec<u32> = open.iter().map(|member| member.priority).collect();
        levels.sort_unstable();
        levels.dedup();
        let mut chosen: Vec<Arc<Upstream>> = Vec::new();
        for level in &levels {
            let there: Vec<_> = open.iter().filter(|member| member.priority == *level).collect();
            let good: Vec<_> = there.iter().filter(|member| member.usable(now)).collect();
            let share = good.len() as f64 / there.len().max(1) as f64;
            if !good.is_empty() && (share > config.panic_threshold || config.panic_threshold == 0.0)
            {
                chosen = good.into_iter().map(|member| Arc::clone(member)).collect();
                break;
            }
        }
        let panic = chosen.is_empty() && !open.is_empty();
        if panic {
            let first = levels.first().copied().unwrap_or(0);
            chosen = open.iter().filter(|m| m.priority == first).map(|m| Arc::clone(m)).collect();
        }
        let sticky = if config.sticky.is_some() {
            // Also those that take nobody new: who is there may stay.
            let fit = all.iter().enumerate().filter(|(_, m)| m.usable(now) && m.weight() > 0);
            fit.map(|(at, m)| (sticky::mark(secret, &config.name, &m.address), at)).collect()
        } else {
            HashMap::new()
        };
        let mut view = Self::among(config, chosen, all, panic);
        view.sticky = sticky;
        let mut names: Vec<&String> =
            view.members.iter().filter_map(|member| member.region.as_ref()).collect();
        names.sort_unstable();
        names.dedup();
        let regions = names.into_iter().map(|name| {
            let there = view.members.iter().filter(|member| member.region.as_ref() == Some(name));
            (name.clone(), Self::among(config, there.cloned().collect(), all, panic))
        });
        view.regions = regions.collect();
        view
    }

    /// The view of these members alone.
    fn among(
        config: &config::Pool,
        chosen: Vec<Arc<Upstream>>,
        all: &[Arc<Upstream>],
        panic: bool,
    ) -> Self {
        let now = clock::millis();
        let weights: Vec<f64> = chosen
            .iter()
            .map(|member| f64::from(member.weight()) * member.ramp(config.slow_start, now))
            .collect();
        let round = smooth(&weights);
        let hashes = matches!(config.algorithm, Algorithm::IpHash | Algorithm::Maglev(_));
        let maglev = if hashes { maglev(&chosen, &weights) } else { Vec::new() };
        let place = |member: &Arc<Upstream>| all.iter().position(|m| Arc::ptr_eq(m, member));
        let places = chosen.iter().filter_map(place).collect();
        let (sticky, regions) = (HashMap::new(), HashMap::new());
        Self { members: chosen, places, round, maglev, sticky, regions, panic }
    }
}

/// One round of smooth weighted turns: nobody twice in a row who need not be.
fn smooth(weights: &[f64]) -> Vec<u16> {
    let whole: Vec<i64> =
        weights.iter().map(|weight| (weight * 100.0).round().max(1.0) as i64).collect();
    let divisor = whole.iter().copied().fold(0, gcd).max(1);
    let mut shares: Vec<i64> = whole.iter().map(|weight| weight / divisor).collect();
    let sum: i64 = shares.iter().sum();
    if sum > ROUND as i64 {
        shares = shares.iter().map(|share| (share * ROUND as i64 / sum).max(1)).collect();
    }
    let total: i64 = shares.iter().sum();
    let mut credit = vec![0i64; shares.len()];
    let mut round = Vec::with_capacity(total as usize);
    for _ in 0..total {
        for (credit, share) in credit.iter_mut().zip(&shares) {
            *credit += share;
        }
        let Some(best) = (0..credit.len()).rev().max_by_key(|index| credit[*index]) else { break };
        credit[best] -= total;
        round.push(best as u16);
    }
    round
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A Maglev table (Eisenbud et al., NSDI 2016): when a member goes, only its own share moves, nearly.
fn maglev(members: &[Arc<Upstream>], weights: &[f64]) -> Vec<u16> {
    if members.is_empty() {
        return Vec::new();
    }
    let most = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut walks: Vec<(usize, usize, usize)> = members
        .iter()
        .map(|member| {
            let hash = hash(member.address.as_bytes());
            let skip = (hash >> 32) as usize % (MAGLEV - 1) + 1;
            (hash as u32 as usize % MAGLEV, skip, 0)
        })
        .collect();
    let mut table = vec![u16::MAX; MAGLEV];
    let mut filled = 0;
    let mut turn = vec![0f64; members.len()];
    while filled < MAGLEV {
        for (index, walk) in walks.iter_mut().enumerate() {
            turn[index] += weights[index] / most;
            if turn[index] < 1.0 {
                continue;
            }
            turn[index] -= 1.0;
            loop {
                let slot = (walk.0 + walk.1 * walk.2) % MAGLEV;
                walk.2 += 1;
                if table[slot] == u16::MAX {
                    table[slot] = index as u16;
                    filled += 1;
                    break;
                }
            }
            if filled == MAGLEV {
                break;
            }
        }
    }
    table
}

/// A hash that is the same in every process and version: clients keep their upstream over restarts.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(bytes);
    // FNV alone leaves neighbours near each other.
    let mut mixed = hasher.finish();
    mixed ^= mixed >> 33;
    mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^= mixed >> 33;
    mixed = mixed.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
