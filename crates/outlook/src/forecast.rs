//! The next hour: the day's shape by MSTL and the level by exponential smoothing, both of `augurs`.

use augurs::ets::AutoETS;
use augurs::mstl::MSTLModel;
use augurs::prelude::*;

use crate::{DAY, HOUR};

/// Points at least, for a level alone and for the shape of a day.
const LEAST: usize = 2 * HOUR;
const SHAPED: usize = 2 * DAY + HOUR;
/// Points that are looked at: more days blur a shape that changes.
const MOST: usize = 7 * DAY;
/// For a level alone.
const RECENT: usize = DAY / 2;
/// Hours whose forecasts are compared with what came.
const LOOKED_BACK: usize = 3;

/// What a forecast rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// How it was lately; the shape of the day is not known yet.
    Level,
    /// How days go, and how it was lately.
    Days(usize),
}

/// What is expected of five minutes, and between which bounds 95 of 100 lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub expected: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Twelve points: the hour after the last of the series.
    pub points: Vec<Point>,
    pub basis: Basis,
}

/// There is too little history; so many points more, and there is a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotYet {
    pub missing: usize,
}

/// The hour after a series of counts.
///
/// # Errors
/// When too little is known, or too little of the last hours.
pub fn next_hour(values: &[f64]) -> Result<Forecast, NotYet> {
    // What was before anything was known is no history.
    let begin = values.iter().position(|value| value.is_finite()).unwrap_or(values.len());
    let values = &values[begin..];
    let missing = LEAST.saturating_sub(values.len());
    if missing > 0 {
        return Err(NotYet { missing });
    }
    let recent = &values[values.len() - LEAST..];
    let known = recent.iter().filter(|value| value.is_finite()).count();
    if known < LEAST / 2 {
        return Err(NotYet { missing: LEAST / 2 - known });
    }
    let from = values.len().saturating_sub(MOST);
    let filled = filled(&values[from..]);
    // Counts grow more uncertain as they grow; in roots they do not.
    let roots: Vec<f64> = filled.iter().map(|value| value.max(0.0).sqrt()).collect();
    let (raw, basis) = expected(&roots).ok_or(NotYet { missing: 1 })?;
    let stretch = stretch(&roots);
    let count = |root: f64| root.max(0.0).powi(2);
    let points = raw
        .iter()
        .map(|raw| Point {
            expected: count(raw.middle),
            low: count(raw.middle - raw.below * stretch),
            high: count(raw.middle + raw.above * stretch),
        })
        .collect();
    Ok(Forecast { points, basis })
}

fn smoothing() -> Option<AutoETS> {
    // Additive errors, with or without a trend that fades: what lies an hour ahead needs no more, and cannot explode.
    AutoETS::new(1, "AZN").and_then(|model| model.damped(true)).ok()
}

/// In roots: what is expected, and how far the bounds lie from it.
struct Raw {
    middle: f64,
    below: f64,
    above: f64,
}

fn expected(roots: &[f64]) -> Option<(Vec<Raw>, Basis)> {
    let shaped = (roots.len() >= SHAPED).then(|| shaped(roots)).flatten();
    match shaped {
        Some(points) => Some((points, Basis::Days(roots.len() / DAY))),
        None => Some((level(roots)?, Basis::Level)),
    }
}

/// By how much bounds would have had to be wider for 95 of 100 points of the last hours, each forecast from before it, to
/// lie within: models are more certain of themselves than they are right.
fn stretch(roots: &[f64]) -> f64 {
    let mut ratios = Vec::new();
    for hours in 1..=LOOKED_BACK {
        let Some(cut) = roots.len().checked_sub(hours * HOUR).filter(|cut| *cut >= LEAST) else {
            break;
        };
        let Some((raw, _)) = expected(&roots[..cut]) else { break };
        ratios.extend(raw.iter().zip(&roots[cut..]).map(|(raw, came)| {
            let off = came - raw.middle;
            off.abs() / if off < 0.0 { raw.below } else { raw.above }.max(1e-9)
        }));
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let at = (ratios.len() * 95).div_ceil(100).saturating_sub(1);
    ratios.get(at).copied().filter(|ratio| ratio.is_finite()).unwrap_or(1.0).clamp(1.0, 4.0)
}

fn shaped(roots: &[f64]) -> Option<Vec<Raw>> {
    let model = MSTLModel::new(vec![DAY], smoothing()?.into_trend_model());
    points(&model.fit(roots).ok()?.predict(HOUR, 0.95).ok()?)
}

fn level(roots: &[f64]) -> Option<Vec<Raw>> {
    let recent = &roots[roots.len().saturating_sub(RECENT)..];
    points(&smoothing()?.fit(recent).ok()?.predict(HOUR, 0.95).ok()?)
}

fn points(forecast: &augurs::Forecast) -> Option<Vec<Raw>> {
    let bounds = forecast.intervals.as_ref()?;
    let finite =
        |values: &[f64], at: usize| values.get(at).copied().filter(|value| value.is_finite());
    (0..HOUR)
        .map(|at| {
            let middle = finite(&forecast.point, at)?;
            let (low, high) = (finite(&bounds.lower, at)?, finite(&bounds.upper, at)?);
            Some(Raw { middle, below: (middle - low).max(0.0), above: (high - middle).max(0.0) })
        })
        .collect()
}

/// The series without holes: a line over each.
fn filled(values: &[f64]) -> Vec<f64> {
    let mut out = values.to_vec();
    let known: Vec<usize> = (0..out.len()).filter(|at| out[*at].is_finite()).collect();
    for pair in known.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        for at in a + 1..b {
            let share = (at - a) as f64 / (b - a) as f64;
            out[at] = out[a] + (out[b] - out[a]) * share;
        }
    }
    if let (Some(first), Some(last)) = (known.first(), known.last()) {
        let (before, after) = (out[*first], out[*last]);
        out[..*first].fill(before);
        out[last + 1..].fill(after);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made;

    #[test]
    fn too_little_history_gives_no_number() {
        assert_eq!(next_hour(&[]), Err(NotYet { missing: 24 }));
        assert_eq!(next_hour(&[5.0; 20]), Err(NotYet { missing: 4 }));
        let mut silent = vec![5.0; 100];
        silent[80..].fill(f64::NAN);
        assert_eq!(next_hour(&silent), Err(NotYet { missing: 8 }));
    }

    #[test]
    fn a_level_stays_and_the_shape_of_days_comes_back() {
        let flat = next_hour(&[100.0; 40]).expect("forecast");
        assert_eq!(flat.basis, Basis::Level);
        assert!(flat.points.iter().all(|point| (point.expected - 100.0).abs() < 5.0), "{flat:?}");
        // Cut where the morning rises.
        let series = made(7, 5, &[]).values;
        let cut = 4 * DAY + 8 * HOUR;
        let forecast = next_hour(&series[..cut]).expect("forecast");
        assert_eq!(forecast.basis, Basis::Days(4));
        let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
        let expected = sum(&mut forecast.points.iter().map(|point| point.expected));
        let came = sum(&mut series[cut..cut + HOUR].iter().copied());
        let before = sum(&mut series[cut - HOUR..cut].iter().copied());
        assert!((expected - came).abs() < came * 0.15, "{expected} of {came}");
        assert!((expected - came).abs() < (before - came).abs(), "better than what was");
        assert!(forecast.points.iter().all(|p| p.low <= p.expected && p.expected <= p.high));
    }

    #[test]
    fn holes_are_bridged() {
        let holes = [f64::NAN, 1.0, f64::NAN, f64::NAN, 4.0, f64::NAN];
        assert_eq!(filled(&holes), [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]);
    }
}
