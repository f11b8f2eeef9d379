//! What is to be expected of tenants' traffic: counted step by step, kept where the nodes of a gateway share it, looked
//! at by one of them.

use std::collections::HashMap;
use std::sync::Arc;

use gateway::{Counts, Gateway, Outlook, Servers};
use kernel::Moment;
use outlook::{About, Advice, Anomaly, Basis, Count, Direction, HOUR, History, Look, STEP};
use serde_json::{Value, json};
use traffic::Used;

/// Tenants that are looked at: the busiest.
const MOST: usize = 100;
/// Seconds after a step in which all nodes tell what they counted.
const LATE: i64 = 20;

/// The step of a moment.
pub(crate) fn step_of(now: Moment) -> i64 {
    now.0.div_euclid(STEP * 1_000_000)
}

/// Counts that are kept while nobody takes them: of a hundred tenants, about a day.
pub(crate) const UNTOLD: usize = 30_000;

/// Servers as all nodes together see them: each node may have as many requests open at one as it says.
pub(crate) fn of_nodes(
    mut servers: HashMap<String, Servers>,
    nodes: usize,
) -> HashMap<String, Servers> {
    for one in servers.values_mut() {
        one.at_once = one.at_once.map(|most| most * nodes);
    }
    servers
}

/// Counts what the gateway did, by steps.
pub(crate) struct Meter {
    gateway: Arc<Gateway>,
    last: HashMap<String, Counts>,
    step: Option<i64>,
}

impl Meter {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, last: HashMap::new(), step: None }
    }

    /// What was counted, when a step is over.
    pub(crate) fn turn(&mut self, now: Moment) -> Option<Vec<Used>> {
        let step = step_of(now);
        let before = self.step.replace(step)?;
        (before != step).then(|| self.take(before))
    }

    /// What was counted of the step that runs.
    pub(crate) fn rest(&mut self) -> Vec<Used> {
        match self.step {
            Some(step) => self.take(step),
            None => Vec::new(),
        }
    }

    fn take(&mut self, step: i64) -> Vec<Used> {
        let counts = self.gateway.counts();
        // Without a word of any tenant, this node was there.
        let mut used =
            vec![Used { tenant: String::new(), step, requests: 0, failures: 0, micros: 0 }];
        for now in &counts {
            let before = self.last.get(&now.tenant).cloned().unwrap_or_default();
            // Routes that went took their counts along: of this step less is known, not more.
            let grown = |now: u64, before: u64| now.saturating_sub(before) as i64;
            let one = Used {
                tenant: now.tenant.clone(),
                step,
                requests: grown(now.requests, before.requests),
                failures: grown(now.failures, before.failures),
                micros: grown(now.micros, before.micros),
            };
            match used.iter_mut().find(|known| known.tenant == one.tenant) {
                Some(known) => *known = one,
                None if one.requests > 0 => used.push(one),
                None => {}
            }
        }
        self.last = counts.into_iter().map(|one| (one.tenant.clone(), one)).collect();
        used
    }
}

/// Whether what was counted until a step may be looked at now.
pub(crate) fn is_complete(step: i64, now: Moment) -> bool {
    now.0 >= (step + 1) * STEP * 1_000_000 + LATE * 1_000_000
}

/// A history of rows.
pub(crate) fn history(used: &[Used]) -> History {
    let mut history = History::default();
    for one in used {
        history.add(&one.tenant, one.step, count(one));
    }
    history
}

pub(crate) fn count(one: &Used) -> Count {
    let whole = |value: i64| u64::try_from(value).unwrap_or_default();
    Count {
        requests: whole(one.requests),
        failures: whole(one.failures),
        micros: whole(one.micros),
    }
}

/// Looks at all that is known until a step, away from what runs.
pub(crate) async fn look(history: History, step: i64, servers: HashMap<String, Servers>) -> Value {
    let look = move || shown(&history, step, &servers);
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn shown(history: &History, step: i64, servers: &HashMap<String, Servers>) -> Value {
    let tenants: Vec<Value> = history
        .busiest(step, MOST)
        .iter()
        .map(|tenant| {
            let traffic = history.of(tenant, step);
            let there = servers.get(tenant);
            let look = traffic.look(there.map(|there| there.count), there.and_then(|t| t.at_once));
            let last = |values: &[f64]| values.last().copied().filter(|value| value.is_finite());
            let requests = last(&traffic.requests);
            let share = |part: Option<f64>| {
                part.zip(requests).filter(|(_, all)| *all > 0.0).map(|(part, all)| part / all)
            };
            let (forecast, missing) = forecast(&look);
            json!({
                "tenant": tenant,
                "requests_per_second": requests.map(|count| round(count / STEP as f64)),
                "failed_share": share(last(&traffic.failures)).map(round),
                "mean_ms": share(last(&traffic.seconds)).map(|seconds| round(seconds * 1000.0)),
                "forecast": forecast,
                "forecast_in_minutes": missing,
                "servers": there.map(|there| there.count),
                "advice": look.advice.map(advice),
                "anomalies": look
                    .anomalies
                    .iter()
                    .map(|(about, one)| anomaly(*about, one, &traffic.requests, step))
                    .collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "until": moment(step + 1).rfc3339(), "step_seconds": STEP, "tenants": tenants })
}

fn moment(step: i64) -> Moment {
    Moment::from_seconds(step * STEP)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn forecast(look: &Look) -> (Value, Option<i64>) {
    let forecast = match &look.forecast {
        Ok(forecast) => forecast,
        Err(not_yet) => return (Value::Null, Some(not_yet.missing as i64 * STEP / 60)),
    };
    let rates = |of: fn(&outlook::Point) -> f64| -> Vec<f64> {
        forecast.points.iter().map(|point| round(of(point) / STEP as f64)).collect()
    };
    let days = match forecast.basis {
        Basis::Level => 0,
        Basis::Days(days) => days,
    };
    let value = json!({
        "basis": if days > 0 { "days" } else { "level" },
        "days": days,
        "expected_per_second": rates(|point| point.expected),
        "low_per_second": rates(|point| point.low),
        "high_per_second": rates(|point| point.high),
    });
    (value, None)
}

fn advice(advice: Advice) -> Value {
    match advice {
        Advice::Hold { expected, carried } => json!({
            "kind": "hold",
            "expected_per_second": round(expected),
            "carried_per_second": round(carried),
            "reason": format!("up to {expected:.1} requests a second are expected; {carried:.1} were carried before"),
        }),
        Advice::Watch { expected, carried } => json!({
            "kind": "watch",
            "expected_per_second": round(expected),
            "carried_per_second": round(carried),
            "reason": format!("up to {expected:.1} requests a second are expected, and no more than {carried:.1} were ever carried; max_requests is not set, so it is not known how many these servers can take"),
        }),
        Advice::Add { expected, servers, needed } => json!({
            "kind": "add",
            "expected_per_second": round(expected),
            "servers": servers,
            "needed": needed,
            "reason": format!("up to {expected:.1} requests a second are expected; for servers to be 70 % full at most, {needed} are needed, and {servers} serve"),
        }),
        Advice::Spare { expected, servers, needed } => json!({
            "kind": "spare",
            "expected_per_second": round(expected),
            "servers": servers,
            "needed": needed,
            "reason": format!("up to {expected:.1} requests a second are expected; {needed} of {servers} servers would do, also for the most that came in two weeks"),
        }),
    }
}

fn anomaly(about: About, one: &Anomaly, requests: &[f64], step: i64) -> Value {
    let first = step + 1 - requests.len() as i64;
    let scale = match about {
        About::Requests | About::Failures => 1.0 / STEP as f64,
        // In milliseconds.
        About::Latency => 1000.0,
    };
    json!({
        "about": match about { About::Requests => "requests", About::Failures => "failures", About::Latency => "latency" },
        "direction": match one.direction { Direction::More => "more", Direction::Less => "less" },
        "from": moment(first + one.from as i64).rfc3339(),
        "to": moment(first + one.to as i64).rfc3339(),
        "now": one.to + HOUR / 6 >= requests.len(),
        "unit": match about { About::Latency => "ms", _ => "per_second" },
        "seen": round(one.seen * scale),
        "expected": round(one.expected * scale),
        "deviations": round(one.deviations),
    })
}

/// What is shown, with what the gateway exports of it.
pub(crate) fn outlook(shown: Value) -> Outlook {
    let (mut expected, mut odd) = (Vec::new(), Vec::new());
    for tenant in shown["tenants"].as_array().into_iter().flatten() {
        let name = tenant["tenant"].as_str().unwrap_or_default();
        let mean = |of: &str| {
            let values: Vec<f64> =
                tenant["forecast"][of].as_array()?.iter().filter_map(Value::as_f64).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        if let (Some(middle), Some(low), Some(high)) =
            (mean("expected_per_second"), mean("low_per_second"), mean("high_per_second"))
        {
            expected.push((name.to_owned(), [middle, low, high]));
        }
        for about in ["requests", "failures", "latency"] {
            let list = tenant["anomalies"].as_array();
            let is = list.is_some_and(|list| {
                list.iter().any(|one| one["about"] == about && one["now"] == true)
            });
            if is {
                odd.push((name.to_owned(), about));
            }
        }
    }
    Outlook { shown, expected, odd }
}
