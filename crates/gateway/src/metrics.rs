//! What the gateway counts, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock;
use crate::shared::Shared;
use crate::stats::BOUNDS;

/// Routes and upstreams that have series of their own; what is beyond is added up under `other`.
const MOST: usize = 1000;

pub(crate) fn text(shared: &Shared) -> String {
    let table = shared.table.load_full();
    let mut out = String::with_capacity(16 << 10);
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let house = &shared.house;
    for (name, help, value) in [
        ("connections_accepted_total", "Connections that were accepted.", load(&house.accepted)),
        ("connections_turned_away_total", "Connections over the limit.", load(&house.turned_away)),
        (
            "malformed_requests_total",
            "Requests refused before they were parsed.",
            load(&house.malformed),
        ),
        ("tls_failures_total", "TLS handshakes that failed.", load(&house.tls_failed)),
        ("unrouted_requests_total", "Requests that found no route.", load(&house.unrouted)),
        ("reloads_total", "Tables that were put in place.", load(&house.reloads)),
        ("reloads_refused_total", "Files that were refused.", load(&house.reloads_refused)),
    ] {
        single(&mut out, name, "counter", help, value);
    }
    for (name, help, value) in [
        (
            "connections",
            "Connections that are open.",
            shared.connections.load(Ordering::Relaxed) as u64,
        ),
        (
            "requests_open",
            "Requests that are not answered to the end.",
            shared.requests.sum() as u64,
        ),
        (
            "tunnels",
            "Connections that changed to another protocol.",
            shared.tunnels.load(Ordering::Relaxed) as u64,
        ),
        ("table_version", "The version of the table of routes.", table.version),
        ("draining", "1 while this node drains.", u64::from(shared.drained_since() != 0)),
    ] {
        single(&mut out, name, "gauge", help, value);
    }
    if table.cluster.is_some() {
        let others = shared.outside.seen();
        let leads = others.leader.as_ref().is_some_and(|(node, _)| *node == others.node);
        for (name, kind, help, value) in [
            ("redis_up", "gauge", "1 while Redis is reached.", u64::from(others.redis.is_some())),
            (
                "redis_failures_total",
                "counter",
                "Times that Redis was not reached.",
                others.failures,
            ),
            (
                "nodes",
                "gauge",
                "Nodes that are there, this one too.",
                others.members.len().max(1) as u64,
            ),
            ("leader", "gauge", "1 on the node that leads.", u64::from(leads)),
        ] {
            single(&mut out, name, kind, help, value);
        }
    }
    if table.global.waf.is_some() {
        let _ = writeln!(
            out,
            "# HELP portaria_gateway_waf_matches_total Requests that a rule of the firewall matched.\n# TYPE portaria_gateway_waf_matches_total counter"
        );
        for (id, name, count) in shared.waf.all().filter(|(.., count)| *count > 0) {
            let _ = writeln!(
                out,
                "portaria_gateway_waf_matches_total{{rule=\"{id}\",name=\"{name}\"}} {count}"
            );
        }
    }
    if let Some(cache) = &table.cache {
        let (bytes, entries) = cache.filled();
        let counts = &cache.counts;
        for (name, kind, help, value) in [
            ("cache_hits_total", "counter", "Answers from the cache.", load(&counts.hits)),
            (
                "cache_stale_total",
                "counter",
                "Old answers given while fetched.",
                load(&counts.stale),
            ),
            ("cache_misses_total", "counter", "Answers that were fetched.", load(&counts.misses)),
            ("cache_stored_total", "counter", "Answers that were kept.", load(&counts.stored)),
            ("cache_bytes", "gauge", "Bytes that the cache reckons with.", bytes),
            ("cache_entries", "gauge", "Addresses with kept answers.", entries as u64),
        ] {
            single(&mut out, name, kind, help, value);
        }
    }
    foreseen(&mut out, shared);
    routes(&mut out, &table);
    upstreams(&mut out, &table);
    certificates(&mut out, &table);
    out
}

/// What is expected of tenants, and what is odd about them.
fn foreseen(out: &mut String, shared: &Shared) {
    let outlook = shared.outside.outlook();
    if outlook.shown.is_null() {
        return;
    }
    let _ = writeln!(
        out,
        "# HELP portaria_gateway_expected_requests_per_second Requests expected in the next hour, and the bounds of 95 of 100.\n# TYPE portaria_gateway_expected_requests_per_second gauge"
    );
    for (tenant, values) in &outlook.expected {
        for (bound, value) in ["expected", "low", "high"].into_iter().zip(values) {
            let _ = writeln!(
                out,
                "portaria_gateway_expected_requests_per_second{{tenant=\"{}\",bound=\"{bound}\"}} {value}",
                escaped(tenant)
            );
        }
    }
    let _ = writeln!(
        out,
        "# HELP portaria_gateway_anomaly 1 while something about a tenant's traffic was not to be expected.\n# TYPE portaria_gateway_anomaly gauge"
    );
    for (tenant, about) in &outlook.odd {
        let _ = writeln!(
            out,
            "portaria_gateway_anomaly{{tenant=\"{}\",about=\"{about}\"}} 1",
            escaped(tenant)
        );
    }
}

/// A series without labels.
fn single(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let _ = writeln!(
        out,
        "# HELP portaria_gateway_{name} {help}\n# TYPE portaria_gateway_{name} {kind}\nportaria_gateway_{name} {value}"
    );
}

#[derive(Default)]
struct Sum {
    classes: [u64; 5],
    buckets: [u64; BOUNDS.len() + 1],
    micros: u64,
    received: u64,
    sent: u64,
    limited: u64,
}

fn routes(out: &mut String, table: &crate::table::Table) {
    let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for (index, route) in table.routes.iter().enumerate() {
        let tenant = route.config.tenant.clone().unwrap_or_default();
        let label = if index < MOST { route.label.clone() } else { "other".to_owned() };
        let sum = sums.entry((label, tenant)).or_default();
        for (to, from) in sum.classes.iter_mut().zip(route.stats.classes()) {
            *to += from;
        }
        let (buckets, micros) = route.stats.latency();
        for (to, from) in sum.buckets.iter_mut().zip(buckets) {
            *to += from;
        }
        sum.micros += micros;
        sum.received += route.stats.received();
        sum.sent += route.stats.sent();
        sum.limited += route.stats.limited.load(Ordering::Relaxed);
    }
    let head = |out: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(
            out,
            "# HELP portaria_gateway_{name} {help}\n# TYPE portaria_gateway_{name} {kind}"
        );
    };
    let labels = |(route, tenant): &(String, String)| {
        format!("route=\"{}\",tenant=\"{}\"", escaped(route), escaped(tenant))
    };
    head(out, "requests_total", "counter", "Requests by route and class of status.");
    for (key, sum) in &sums {
        for (class, count) in sum.classes.iter().enumerate() {
            if *count > 0 {
                let _ = writeln!(
                    out,
                    "portaria_gateway_requests_total{{{},status=\"{}xx\"}} {count}",
                    labels(key),
                    class + 1
                );
            }
        }
    }
    head(
        out,
        "request_duration_seconds",
        "histogram",
        "From the head of a request to the end of its answer.",
    );
    for (key, sum) in &sums {
        let mut total = 0;
        for (bucket, count) in sum.buckets.iter().enumerate() {
            total += count;
            let bound = BOUNDS
                .get(bucket)
                .map_or("+Inf".to_owned(), |bound| (*bound as f64 / 1e6).to_string());
            let _ = writeln!(
                out,
                "portaria_gateway_request_duration_seconds_bucket{{{},le=\"{bound}\"}} {total}",
                labels(key)
            );
        }
        let _ = writeln!(
            out,
            "portaria_gateway_request_duration_seconds_sum{{{0}}} {1}\nportaria_gateway_request_duration_seconds_count{{{0}}} {total}",
            labels(key),
            sum.micros as f64 / 1e6
        );
    }
    for (name, help, value) in [
        (
            "received_bytes_total",
            "Bytes of request bodies.",
            (|sum| sum.received) as fn(&Sum) -> u64,
        ),
        ("sent_bytes_total", "Bytes of response bodies.", |sum| sum.sent),
        ("rate_limited_total", "Requests over their route's limit.", |sum| sum.limited),
    ] {
        head(out, name, "counter", help);
        for (key, sum) in &sums {
            let _ = writeln!(out, "portaria_gateway_{name}{{{}}} {}", labels(key), value(sum));
        }
    }
}

fn upstreams(out: &mut String, table: &crate::table::Table) {
    let now = clock::millis();
    let mut members: Vec<_> = table
        .pools
        .values()
        .flat_map(|pool| pool.members.iter().map(move |member| (&pool.config.name, member)))
        .collect();
    members.sort_by(|a, b| (a.0, &a.1.address).cmp(&(b.0, &b.1.address)));
    members.truncate(MOST);
    type Read = fn(&crate::upstream::Upstream, u64) -> f64;
    let series: [(&str, &str, &str, Read); 8] = [
        (
            "upstream_requests_total",
            "counter",
            "Requests sent to an upstream, second tries included.",
            |m, _| m.counts.requests.load(Ordering::Relaxed) as f64,
        ),
        ("upstream_connections_total", "counter", "Connections opened to an upstream.", |m, _| {
            m.counts.connections.load(Ordering::Relaxed) as f64
        }),
        (
            "upstream_errors_total",
            "counter",
            "Attempts that failed, or were answered with 500 and above.",
            |m, _| m.counts.errors.load(Ordering::Relaxed) as f64,
        ),
        (
            "upstream_retries_total",
            "counter",
            "Requests that went elsewhere after a failure here.",
            |m, _| m.counts.retries.load(Ordering::Relaxed) as f64,
        ),
        (
            "upstream_ejections_total",
            "counter",
            "Times an upstream was ejected for its errors.",
            |m, _| m.counts.ejections.load(Ordering::Relaxed) as f64,
        ),
        ("upstream_requests_open", "gauge", "Requests at an upstream now.", |m, _| {
            f64::from(m.active())
        }),
        (
            "upstream_up",
            "gauge",
            "1 when an upstream is healthy, not ejected and not draining.",
            |m, now| f64::from(u8::from(m.usable(now) && !m.is_draining())),
        ),
        (
            "upstream_latency_seconds",
            "gauge",
            "Learned latency to the head of the answer.",
            |m, now| m.latency(now * 1000) / 1e6,
        ),
    ];
    for (name, kind, help, read) in series {
        let _ = writeln!(
            out,
            "# HELP portaria_gateway_{name} {help}\n# TYPE portaria_gateway_{name} {kind}"
        );
        for (pool, member) in &members {
            let _ = writeln!(
                out,
                "portaria_gateway_{name}{{pool=\"{}\",upstream=\"{}\"}} {}",
                escaped(pool),
                escaped(&member.address),
                read(member, now)
            );
        }
    }
}

fn certificates(out: &mut String, table: &crate::table::Table) {
    let _ = writeln!(
        out,
        "# HELP portaria_gateway_certificate_expiry_timestamp_seconds When a certificate ends.\n# TYPE portaria_gateway_certificate_expiry_timestamp_seconds gauge"
    );
    for served in table.certificates.all() {
        if let (Some(name), Some(end)) = (served.names.first(), served.not_after) {
            let _ = writeln!(
                out,
                "portaria_gateway_certificate_expiry_timestamp_seconds{{name=\"{}\"}} {end}",
                escaped(name)
            );
        }
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
