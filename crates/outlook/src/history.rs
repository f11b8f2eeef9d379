//! Traffic of tenants, collected step by step.

use std::collections::{BTreeMap, BTreeSet};

use crate::{DAY, Traffic};

/// Steps that are kept: of fewer, the shape of days is not known; of more, it is not what it was.
const KEPT: i64 = 15 * DAY as i64;

/// What was counted of a tenant in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub requests: u64,
    pub failures: u64,
    pub micros: u64,
}

/// What was counted, by tenant and step. A step that nobody spoke of is not known; one that was spoken of, without a
/// word of a tenant, had nothing of it.
#[derive(Debug, Clone, Default)]
pub struct History {
    tenants: BTreeMap<String, BTreeMap<i64, Count>>,
    known: BTreeSet<i64>,
}

impl History {
    /// Adds to a step.
    pub fn add(&mut self, tenant: &str, step: i64, count: Count) {
        self.known.insert(step);
        let steps = match self.tenants.get_mut(tenant) {
            Some(steps) => steps,
            None => self.tenants.entry(tenant.to_owned()).or_default(),
        };
        let sum = steps.entry(step).or_default();
        sum.requests += count.requests;
        sum.failures += count.failures;
        sum.micros += count.micros;
    }

    /// Forgets what is older than fifteen days before a step.
    pub fn forget(&mut self, step: i64) {
        let from = step - KEPT;
        self.known = self.known.split_off(&from);
        for steps in self.tenants.values_mut() {
            *steps = steps.split_off(&from);
        }
        self.tenants.retain(|_, steps| !steps.is_empty());
    }

    /// The tenants with most requests in the day before a step, the busiest first.
    #[must_use]
    pub fn busiest(&self, step: i64, most: usize) -> Vec<String> {
        let mut sums: Vec<(u64, &String)> = self
            .tenants
            .iter()
            .map(|(tenant, steps)| {
                let day = steps.range(step - DAY as i64..=step);
                (day.map(|(_, count)| count.requests).sum(), tenant)
            })
            .filter(|(sum, _)| *sum > 0)
            .collect();
        sums.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        sums.into_iter().take(most).map(|(_, tenant)| tenant.clone()).collect()
    }

    /// A tenant's traffic from its first step to this one.
    #[must_use]
    pub fn of(&self, tenant: &str, step: i64) -> Traffic {
        let mut traffic = Traffic::default();
        let Some(steps) = self.tenants.get(tenant) else { return traffic };
        let Some((first, _)) = steps.first_key_value() else { return traffic };
        for at in (*first).max(step - KEPT)..=step {
            let count = match steps.get(&at) {
                Some(count) => Some(*count),
                None if self.known.contains(&at) => Some(Count::default()),
                None => None,
            };
            let value = |of: fn(Count) -> f64| count.map_or(f64::NAN, of);
            traffic.requests.push(value(|count| count.requests as f64));
            traffic.failures.push(value(|count| count.failures as f64));
            traffic.seconds.push(value(|count| count.micros as f64 / 1e6));
        }
        traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_nothing_and_absence_is_not_known() {
        let mut history = History::default();
        let count = |requests| Count { requests, failures: 1, micros: 2_000_000 };
        history.add("loja", 10, count(5));
        history.add("loja", 10, count(2));
        history.add("", 11, count(9));
        history.add("loja", 13, count(4));
        let traffic = history.of("loja", 13);
        assert_eq!(traffic.requests[..2], [7.0, 0.0]);
        assert!(traffic.requests[2].is_nan(), "nobody was there");
        assert_eq!(traffic.requests[3], 4.0);
        assert_eq!((traffic.failures[0], traffic.seconds[0]), (2.0, 4.0));
        assert_eq!(history.busiest(13, 1), ["loja"]);
        assert!(history.of("nobody", 13).requests.is_empty());
        history.forget(13 + KEPT);
        assert_eq!(history.of("loja", 13).requests, [4.0]);
    }
}
