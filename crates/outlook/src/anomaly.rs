//! What was not to be expected: points that lie farther from what days were like at this time than points do lately, by
//! the median absolute deviation of `augurs`, on each side its own.

use augurs::outlier::{MADDetector, OutlierDetector as _};

use crate::{DAY, HOUR};

/// How many deviations make an outlier; below, chance makes too many of them.
const THRESHOLD: f64 = 5.0;
/// So many, and one point is enough.
const CLEAR: f64 = 10.0;
/// In a row otherwise.
const ROW: usize = 3;
/// Points by which a point is judged.
const MEMORY: usize = 3 * DAY;
/// Days whose points at the same time are looked at.
const DAYS: usize = 7;
/// Points before anything is judged.
const LEAST: usize = DAY;
/// Points without one that end an anomaly.
const GAP: usize = HOUR / 2;
/// The median deviation of what scatters by one.
const CHANCE: f64 = 0.6745;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    More,
    Less,
}

/// A stretch that was not to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// Its first point, and the one after its last.
    pub from: usize,
    pub to: usize,
    pub direction: Direction,
    /// Where it was farthest off: what came, what was to be expected, and how many deviations lie between.
    pub seen: f64,
    pub expected: f64,
    pub deviations: f64,
}

/// What was odd about requests, from a point on.
#[must_use]
pub fn rates(requests: &[f64], since: usize) -> Vec<Anomaly> {
    let expected = usual(requests);
    let off = |at: usize| spread(requests[at]) - spread(expected[at]);
    find(requests, &expected, since, CHANCE, off, true)
}

/// What was odd about failed requests: more than their share is usually.
#[must_use]
pub fn failures(errors: &[f64], requests: &[f64], since: usize) -> Vec<Anomaly> {
    let shares: Vec<f64> =
        errors.iter().zip(requests).map(|(e, r)| if *r > 0.0 { e / r } else { f64::NAN }).collect();
    let expected: Vec<f64> = (0..errors.len())
        .map(|at| {
            let share = median(&shares[at.saturating_sub(DAY)..at]);
            // One in a thousand is never odd.
            share.map_or(f64::NAN, |share| share.max(0.001) * requests[at])
        })
        .collect();
    let off = |at: usize| spread(errors[at]) - spread(expected[at]);
    find(errors, &expected, since, CHANCE, off, false)
}

/// What was odd about latency, in whatever unit: longer than usual. A tenth is never odd.
#[must_use]
pub fn delays(latency: &[f64], since: usize) -> Vec<Anomaly> {
    let expected = usual(latency);
    let off = |at: usize| (latency[at].max(1e-9) / expected[at].max(1e-9)).ln();
    find(latency, &expected, since, 0.1, off, false)
}

/// Counts so that independent arrivals scatter by one, however many they are (Anscombe, 1948).
fn spread(count: f64) -> f64 {
    2.0 * (count.max(0.0) + 0.375).sqrt()
}

/// What was to be expected of each point: how it was at this time on the days before, and whether it is more or less
/// than then lately. `NaN` while nothing is.
fn usual(values: &[f64]) -> Vec<f64> {
    let mut shape = vec![f64::NAN; values.len()];
    for (at, shape) in shape.iter_mut().enumerate() {
        let mut near = Vec::new();
        for day in 1..=DAYS {
            let Some(then) = at.checked_sub(day * DAY) else { break };
            // Neighbours too, but none that is not older than the point.
            let end = (then + 2).min(at);
            near.extend(
                values[then.saturating_sub(1)..end].iter().filter(|value| value.is_finite()),
            );
        }
        *shape = median(&near).unwrap_or(f64::NAN);
    }
    let mut out = vec![f64::NAN; values.len()];
    for at in 0..values.len() {
        // Against days that are like this one but for their size. Of the last six hours, without the last one: what
        // begins to be odd must not be taken for usual at once.
        let from = at.saturating_sub(7 * HOUR);
        let to = at.saturating_sub(HOUR);
        let ratios: Vec<f64> = (from..to)
            .filter(|past| shape[*past] > 0.0 && values[*past].is_finite())
            .map(|past| values[past] / shape[past])
            .collect();
        let ratio = if ratios.len() < HOUR { 1.0 } else { median(&ratios).unwrap_or(1.0) };
        out[at] = shape[at] * ratio.clamp(0.25, 4.0);
    }
    out
}

fn median(values: &[f64]) -> Option<f64> {
    let mut known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if known.is_empty() {
        return None;
    }
    let middle = known.len() / 2;
    let (_, value, _) = known.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*value)
}

/// Stretches whose distance `off` from what was expected is an outlier among the distances before.
fn find(
    values: &[f64],
    expected: &[f64],
    since: usize,
    floor: f64,
    off: impl Fn(usize) -> f64,
    both: bool,
) -> Vec<Anomaly> {
    let offs: Vec<f64> =
        (0..values.len())
            .map(|at| {
                if values[at].is_finite() && expected[at].is_finite() { off(at) } else { f64::NAN }
            })
            .collect();
    let mut scores = vec![(0.0, Direction::More); values.len()];
    let mut judge = None;
    for at in since.max(LEAST).max(1)..values.len() {
        if !offs[at].is_finite() {
            continue;
        }
        // An hour's judgement rests on the same memory.
        if judge.is_none() || at % HOUR == 0 {
            judge = Judge::of(&offs[at.saturating_sub(MEMORY)..at], floor);
        }
        let Some(judge) = &judge else { continue };
        let direction = if offs[at] > judge.middle { Direction::More } else { Direction::Less };
        if both || direction == Direction::More {
            scores[at] = (judge.score(offs[at]), direction);
        }
    }
    stretches(&scores, values, expected, since)
}

/// How far distances scatter.
struct Judge {
    middle: f64,
    floor: f64,
    /// None where more than half of the distances are the same.
    detector: Option<MADDetector>,
}

impl Judge {
    fn of(offs: &[f64], floor: f64) -> Option<Self> {
        let known = offs.iter().filter(|off| off.is_finite()).count();
        if known < DAY / 2 {
            return None;
        }
        let detector = MADDetector::calculate_double_medians(&[offs]).ok().map(|medians| {
            let mut detector = MADDetector::with_threshold(THRESHOLD);
            detector.set_medians(medians);
            detector
        });
        Some(Self { middle: median(offs)?, floor, detector })
    }

    /// Deviations from the middle; a deviation is never reckoned smaller than the floor.
    fn score(&self, off: f64) -> f64 {
        let by_floor = (off - self.middle).abs() / (self.floor / CHANCE);
        let Some(detector) = &self.detector else { return by_floor };
        let seen = detector.preprocess(&[&[off]]).and_then(|data| detector.detect(&data));
        let score = seen.ok().and_then(|seen| seen.series_results.first()?.scores.first().copied());
        score.map_or(by_floor, |score| score.min(by_floor))
    }
}

fn stretches(
    scores: &[(f64, Direction)],
    values: &[f64],
    expected: &[f64],
    since: usize,
) -> Vec<Anomaly> {
    let mut found: Vec<Anomaly> = Vec::new();
    let mut row = 0;
    for at in since..values.len() {
        let (score, direction) = scores[at];
        if score <= THRESHOLD {
            row = 0;
            continue;
        }
        row = if at > since && row > 0 && scores[at - 1].1 == direction { row + 1 } else { 1 };
        let goes_on =
            found.last().is_some_and(|last| last.direction == direction && at <= last.to + GAP);
        if !goes_on && row < ROW && score < CLEAR {
            continue;
        }
        if !goes_on {
            let from = at + 1 - row;
            found.push(Anomaly {
                from,
                to: at,
                direction,
                seen: 0.0,
                expected: 0.0,
                deviations: 0.0,
            });
        }
        if let Some(last) = found.last_mut() {
            last.to = at + 1;
            if score > last.deviations {
                (last.seen, last.expected, last.deviations) = (values[at], expected[at], score);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Injected, made};

    #[test]
    fn ordinary_days_are_not_odd() {
        for seed in 1..=5 {
            let series = made(seed, 10, &[]).values;
            let found = rates(&series, 2 * DAY);
            assert!(found.len() <= 1, "{seed}: {found:?}");
        }
    }

    #[test]
    fn a_surge_a_fall_and_silence_are_found_where_they_are() {
        for (factor, direction) in
            [(3.0, Direction::More), (0.3, Direction::Less), (0.0, Direction::Less)]
        {
            let at = 8 * DAY + 18 * HOUR;
            let put = Injected { from: at, points: 2 * HOUR, factor };
            let series = made(3, 9, &[put]).values;
            let found = rates(&series, 8 * DAY);
            let hit = found.iter().find(|one| one.from >= at && one.from < at + HOUR);
            let hit = hit.unwrap_or_else(|| panic!("{factor}: {found:?}"));
            assert_eq!(hit.direction, direction);
            assert!(hit.to <= at + 2 * HOUR + 8 * HOUR, "{hit:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_odd() {
        let mut series = made(4, 5, &[]).values;
        series[4 * DAY..4 * DAY + 3 * HOUR].fill(f64::NAN);
        assert_eq!(
            rates(&series, 4 * DAY).iter().filter(|one| one.from < 4 * DAY + 3 * HOUR).count(),
            0
        );
        assert!(rates(&[], 0).is_empty());
        assert!(rates(&[0.0; 1000], 0).is_empty());
    }

    #[test]
    fn failures_are_judged_by_their_share_and_delays_by_their_length() {
        let requests = made(5, 4, &[]).values;
        let mut errors: Vec<f64> = requests.iter().map(|count| (count * 0.005).round()).collect();
        assert!(failures(&errors, &requests, DAY).is_empty());
        let at = 3 * DAY + 12 * HOUR;
        for point in at..at + HOUR {
            errors[point] = requests[point] * 0.3;
        }
        let found = failures(&errors, &requests, 3 * DAY);
        assert!(
            found.iter().any(|one| one.from == at && one.direction == Direction::More),
            "{found:?}"
        );

        let mut latency: Vec<f64> = (0..4 * DAY).map(|at| 40.0 + (at % 7) as f64).collect();
        assert!(delays(&latency, DAY).is_empty());
        latency[at..at + HOUR].fill(400.0);
        let found = delays(&latency, 3 * DAY);
        assert_eq!(found.iter().map(|one| one.from).collect::<Vec<_>>(), [at]);
    }
}
