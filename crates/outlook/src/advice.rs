//! Whether the servers that are there are enough for what is expected, and why.

use crate::{DAY, Forecast};

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Servers that take requests now.
    pub servers: usize,
    /// Requests at once that each may have; none when the operator set no limit.
    pub at_once: Option<usize>,
    /// Seconds that a request takes, lately.
    pub seconds: f64,
}

/// What to do about the next hour. Every number in it was measured, set by the operator, or forecast from what was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advice {
    /// Within what these servers carried before.
    Hold { expected: f64, carried: f64 },
    /// More than they ever carried: nobody knows how that goes.
    Watch { expected: f64, carried: f64 },
    /// More than they may take: so many servers are needed.
    Add { expected: f64, servers: usize, needed: usize },
    /// Fewer servers would do.
    Spare { expected: f64, servers: usize, needed: usize },
}

/// How full servers are to be at most, so that what was not expected has room.
const FULL: f64 = 0.7;
/// Only when so much less would do is it worth a word.
const EMPTY: f64 = 0.3;

/// Advice for the hour of a forecast; `requests` is the series behind it. Rates in it are requests a second, at the top
/// of what is expected (95 of 100). None while nothing was carried yet.
#[must_use]
pub fn advise(forecast: &Forecast, requests: &[f64], capacity: &Capacity) -> Option<Advice> {
    let second = |count: f64| count / crate::STEP as f64;
    let expected = second(forecast.points.iter().map(|point| point.high).fold(0.0, f64::max));
    let from = requests.len().saturating_sub(14 * DAY);
    let known = requests[from..].iter().copied().filter(|value| value.is_finite());
    let carried = second(known.fold(0.0, f64::max));
    if carried <= 0.0 || capacity.servers == 0 {
        return None;
    }
    if let Some(at_once) = capacity.at_once.filter(|_| capacity.seconds > 0.0) {
        // Requests at once are those that come in the time that one takes (Little, 1961).
        let open = expected * capacity.seconds;
        let servers = capacity.servers;
        let needed = ((open / (at_once as f64 * FULL)).ceil() as usize).max(1);
        if needed > servers {
            return Some(Advice::Add { expected, servers, needed });
        }
        let usual = carried * capacity.seconds;
        let least = ((open.max(usual) / (at_once as f64 * FULL)).ceil() as usize).max(1);
        if (least as f64) < servers as f64 && open.max(usual) < EMPTY * (servers * at_once) as f64 {
            return Some(Advice::Spare { expected, servers, needed: least });
        }
        return Some(Advice::Hold { expected, carried });
    }
    // Half as much again as ever is beyond what was seen.
    Some(if expected > carried * 1.5 {
        Advice::Watch { expected, carried }
    } else {
        Advice::Hold { expected, carried }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Basis, Point};

    #[test]
    fn advice_follows_from_what_was_measured_and_set() {
        let forecast = |high: f64| Forecast {
            points: vec![Point { expected: high * 0.8, low: 0.0, high }; 12],
            basis: Basis::Level,
        };
        let capacity = |servers, at_once, seconds| Capacity { servers, at_once, seconds };
        let seen = [3000.0; 100];
        let rate = |count: f64| count / 300.0;
        for (high, there, advice) in [
            (3000.0, capacity(2, None, 0.1), Some(Advice::Hold { expected: 10.0, carried: 10.0 })),
            (6000.0, capacity(2, None, 0.1), Some(Advice::Watch { expected: 20.0, carried: 10.0 })),
            // 20 a second of a second each are 20 at once, and two of ten are to be seven full.
            (
                6000.0,
                capacity(2, Some(10), 1.0),
                Some(Advice::Add { expected: rate(6000.0), servers: 2, needed: 3 }),
            ),
            (
                3000.0,
                capacity(2, Some(10), 1.0),
                Some(Advice::Hold { expected: 10.0, carried: 10.0 }),
            ),
            (
                3000.0,
                capacity(8, Some(10), 1.0),
                Some(Advice::Spare { expected: 10.0, servers: 8, needed: 2 }),
            ),
            (3000.0, capacity(0, Some(10), 1.0), None),
        ] {
            assert_eq!(advise(&forecast(high), &seen, &there), advice, "{high} {there:?}");
        }
        assert_eq!(advise(&forecast(10.0), &[f64::NAN; 3], &capacity(1, None, 0.1)), None);
    }
}
