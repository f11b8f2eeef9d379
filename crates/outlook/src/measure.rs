//! How well it does, on series whose anomalies or whose next hours are known.

use std::ops::Range;

use crate::{Anomaly, DAY, HOUR, Injected, made, next_hour, rates};

/// Stretches that were found, against those that are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Known ones, and how many of them were found.
    pub known: usize,
    pub hit: usize,
    /// Reports, and how many of them lie in a known one.
    pub reported: usize,
    pub right: usize,
    /// Points that were judged.
    pub judged: usize,
}

/// Forecasts, against what came.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Expected {
    pub hours: usize,
    /// Mean error of an hour's sum, by the mean of what came: of the forecast, of the hour before, of the same hour of
    /// the day before.
    pub error: f64,
    pub error_of_last: f64,
    pub error_of_yesterday: f64,
    /// Share of points within the bounds of 95 of 100.
    pub within: f64,
}

impl std::ops::AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.known += other.known;
        self.hit += other.hit;
        self.reported += other.reported;
        self.right += other.right;
        self.judged += other.judged;
    }
}

impl Expected {
    /// Of several series, each with the same weight.
    #[must_use]
    pub fn mean(all: &[Self]) -> Option<Self> {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| Self {
            hours: all.iter().map(|one| one.hours).sum(),
            error: mean(|one| one.error),
            error_of_last: mean(|one| one.error_of_last),
            error_of_yesterday: mean(|one| one.error_of_yesterday),
            within: mean(|one| one.within),
        })
    }
}

impl Found {
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        (self.reported > 0).then(|| self.right as f64 / self.reported as f64)
    }

    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        (self.known > 0).then(|| self.hit as f64 / self.known as f64)
    }

    /// Wrong reports a week of one series.
    #[must_use]
    pub fn wrong_a_week(&self) -> Option<f64> {
        let weeks = self.judged as f64 / (7 * DAY) as f64;
        (weeks > 0.0).then(|| (self.reported - self.right) as f64 / weeks)
    }
}

/// Judges a series of counts from its third day on. Known stretches before that do not count.
#[must_use]
pub fn judge(values: &[f64], known: &[Range<usize>]) -> Found {
    let since = 2 * DAY;
    let known: Vec<&Range<usize>> = known.iter().filter(|range| range.end > since).collect();
    let reports = rates(values, since);
    let meets =
        |report: &Anomaly, range: &Range<usize>| report.from < range.end && range.start < report.to;
    let hit =
        known.iter().filter(|range| reports.iter().any(|report| meets(report, range))).count();
    let right =
        reports.iter().filter(|report| known.iter().any(|range| meets(report, range))).count();
    let judged = values.len().saturating_sub(since);
    Found { known: known.len(), hit, reported: reports.len(), right, judged }
}

/// Forecasts every seventh hour of a series, each from what came before it.
#[must_use]
pub fn forecasts(values: &[f64]) -> Expected {
    let (mut sums, mut hours, mut points, mut within) = ([0.0; 4], 0, 0usize, 0usize);
    let mut at = 2 * DAY + HOUR;
    while at + HOUR <= values.len() {
        let came = &values[at..at + HOUR];
        if let Ok(forecast) = next_hour(&values[..at])
            && came.iter().all(|value| value.is_finite())
        {
            let sum =
                |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).sum::<f64>();
            let came_sum = sum(came);
            let expected: f64 = forecast.points.iter().map(|point| point.expected).sum();
            hours += 1;
            sums[0] += came_sum;
            sums[1] += (expected - came_sum).abs();
            sums[2] += (sum(&values[at - HOUR..at]) - came_sum).abs();
            sums[3] += (sum(&values[at - DAY..at - DAY + HOUR]) - came_sum).abs();
            points += HOUR;
            let inside = forecast.points.iter().zip(came);
            within += inside.filter(|(p, v)| (p.low..=p.high).contains(*v)).count();
        }
        at += 7 * HOUR;
    }
    let share = |sum: f64| if sums[0] > 0.0 { sum / sums[0] } else { 0.0 };
    Expected {
        hours,
        error: share(sums[1]),
        error_of_last: share(sums[2]),
        error_of_yesterday: share(sums[3]),
        within: if points > 0 { within as f64 / points as f64 } else { 0.0 },
    }
}

/// Both on made series: forty, each of two weeks, half of them with three anomalies of an hour or more.
#[must_use]
pub fn on_made() -> (Found, Expected) {
    let (mut found, mut expected) = (Found::default(), Vec::new());
    for seed in 1..=40u64 {
        let mut injected = Vec::new();
        if seed % 2 == 0 {
            for (number, factor) in [(0, 2.5), (1, 0.3), (2, 0.0)] {
                let day = 4 + number * 3 + seed as usize % 3;
                let hour = 8 + (seed as usize * 5 + number * 4) % 13;
                let points = HOUR * (1 + seed as usize % 3);
                injected.push(Injected { from: day * DAY + hour * HOUR, points, factor });
            }
        }
        let values = made(seed, 14, &injected).values;
        let known: Vec<Range<usize>> =
            injected.iter().map(|one| one.from..one.from + one.points).collect();
        found += judge(&values, &known);
        if seed % 8 == 1 {
            expected.push(forecasts(&values));
        }
    }
    (found, Expected::mean(&expected).unwrap_or_default())
}
