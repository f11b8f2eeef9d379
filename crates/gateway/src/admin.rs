//! The admin API: what goes where and why, and changes while serving. Every call but the probes needs the token.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::cache::Purge;
use crate::config::{Action, Token};
use crate::shared::Shared;
use crate::stats::BOUNDS;
use crate::table::{Found, Table};
use crate::{change, clock, follow, forward, host, metrics, sharing};

/// Bytes of a request to the admin API.
const BODY: usize = 4 << 20;

/// Paths that the data plane's own address answers for this machine when there is no address for the admin API.
pub(crate) fn is_for(path: &str) -> bool {
    path.starts_with("/admin/")
        || path.starts_with("/v1/gateway/")
        || (path.starts_with("/api/tenants/") && path.ends_with("/drain"))
}

/// What an address without a token may show: probes and figures.
pub(crate) fn public(shared: &Shared, method: &Method, path: &str) -> Option<Response<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    match path {
        "/healthz" => Some(json_answer(StatusCode::OK, &json!({"status": "ok"}))),
        // After a hand-over the other process is ready, whoever of both is asked at that moment.
        "/readyz" | "/ready" => {
            Some(if shared.drained_since() == 0 || shared.handed_over.is_cancelled() {
                json_answer(StatusCode::OK, &json!({"status": "ready"}))
            } else {
                json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "draining"}))
            })
        }
        "/metrics" => {
            let mut answer = Response::new(Bytes::from(metrics::text(shared)));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            Some(answer)
        }
        _ => None,
    }
}

/// Answers a call.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    token: &Token,
    request: Request<Incoming>,
) -> Response<Bytes> {
    if !is_allowed(token, request.headers()) {
        let mut answer =
            problem(StatusCode::UNAUTHORIZED, "send the admin token: Authorization: Bearer TOKEN");
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return answer;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY).collect().await else {
        return problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 4 MiB, or was not sent to its end",
        );
    };
    act_and_tell(shared, &parts.method, &parts.uri, &body.to_bytes())
}

/// Does what a call asks, and keeps what it changed for other nodes.
pub(crate) fn act_and_tell(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    body: &[u8],
) -> Response<Bytes> {
    if method == Method::GET {
        return act(shared, method, uri, body);
    }
    let _order = shared.outside.order.lock();
    let call = change::to_tell(shared, method, uri, body);
    let origin = shared.history.origin();
    let answer = act(shared, method, uri, body);
    if answer.status().is_success()
        && let Some(call) = call
    {
        if !call.is_for_all() {
            shared.history.name(follow::after(&origin, &call));
        }
        shared.outside.tell(call);
    }
    answer
}

/// The parts of a path, as they are meant.
pub(crate) fn segments(uri: &Uri) -> Vec<String> {
    uri.path().trim_matches('/').split('/').map(unescaped).collect()
}

/// Does what a call asks.
pub(crate) fn act(shared: &Shared, method: &Method, uri: &Uri, body: &[u8]) -> Response<Bytes> {
    let segments = segments(uri);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["admin", "drain"]) => drain(shared),
        ("POST", ["api", "tenants", tenant, "drain"]) => tenant_drain(shared, tenant, true),
        ("DELETE", ["api", "tenants", tenant, "drain"]) => tenant_drain(shared, tenant, false),
        ("GET", ["v1", "gateway", "status"]) => json_answer(StatusCode::OK, &status(shared)),
        ("GET", ["v1", "gateway", "outlook"]) => {
            json_answer(StatusCode::OK, &shared.outside.outlook().shown)
        }
        ("GET", ["v1", "gateway", "cluster"]) => {
            json_answer(StatusCode::OK, &sharing::view(shared))
        }
        ("GET", ["v1", "gateway", "pools"]) => {
            json_answer(StatusCode::OK, &pools(&shared.table.load()))
        }
        ("GET", ["v1", "gateway", "routes"]) => {
            json_answer(StatusCode::OK, &routes(&shared.table.load()))
        }
        ("GET", ["v1", "gateway", "certificates"]) => {
            json_answer(StatusCode::OK, &certificates(&shared.table.load()))
        }
        ("GET", ["v1", "gateway", "explain"]) => explain(&shared.table.load(), uri),
        ("GET", ["v1", "gateway", "versions"]) => {
            json_answer(StatusCode::OK, &change::versions(shared))
        }
        ("POST", ["v1", "gateway", "cache", "purge"]) => purge(&shared.table.load(), body),
        ("PUT", ["v1", "gateway", "config"]) => change::put(shared, uri, body),
        ("POST", ["v1", "gateway", "rollback"]) => change::rollback(shared, body),
        ("POST", ["v1", "gateway", "pools", pool, "upstreams"]) => change::add(shared, pool, body),
        ("PATCH", ["v1", "gateway", "pools", pool, "upstreams", address]) => {
            change::patch(shared, pool, address, body)
        }
        ("DELETE", ["v1", "gateway", "pools", pool, "upstreams", address]) => {
            change::remove(shared, pool, address)
        }
        _ => problem(
            StatusCode::NOT_FOUND,
            "there is no such call; see docs/gateway.md for POST /admin/drain and those under /v1/gateway",
        ),
    }
}

fn is_allowed(token: &Token, headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
    });
    // An empty secret never means that there is no check.
    given.is_some_and(|given| {
        !token.0.is_empty() && bool::from(given.as_bytes().ct_eq(token.0.as_bytes()))
    })
}

fn unescaped(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn drain(shared: &Shared) -> Response<Bytes> {
    let begun = shared.drain();
    if begun {
        tracing::info!(event = "gateway_draining");
    }
    let table = shared.table.load();
    json_answer(
        StatusCode::ACCEPTED,
        &json!({
            "state": "draining",
            "requests": shared.requests.sum(),
            "connections": shared.connections.load(Ordering::Relaxed),
            "tunnels": shared.tunnels.load(Ordering::Relaxed),
            "deadline_seconds": table.global.drain_deadline.as_secs_f64(),
        }),
    )
}

fn tenant_drain(shared: &Shared, tenant: &str, on: bool) -> Response<Bytes> {
    let known = shared
        .table
        .load()
        .routes
        .iter()
        .any(|route| route.config.tenant.as_deref() == Some(tenant));
    if !known {
        return problem(StatusCode::NOT_FOUND, "no route is this tenant's (tenant_id)");
    }
    let mut tenants = (**shared.tenants.load()).clone();
    if on {
        tenants.insert(tenant.to_owned());
    } else {
        tenants.remove(tenant);
    }
    shared.tenants.store(Arc::new(tenants));
    tracing::info!(event = "gateway_tenant_drain", tenant_id = tenant, on);
    let open: u32 = {
        let table = shared.table.load();
        let of_tenant =
            table.routes.iter().filter(|route| route.config.tenant.as_deref() == Some(tenant));
        let mut pools: Vec<_> = of_tenant.filter_map(|route| route.pool.clone()).collect();
        pools.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        pools.dedup_by(|a, b| a.config.name == b.config.name);
        pools.iter().flat_map(|pool| pool.members.iter()).map(|member| member.active()).sum()
    };
    let state = if on { "draining" } else { "serving" };
    let status = if on { StatusCode::ACCEPTED } else { StatusCode::OK };
    json_answer(status, &json!({"tenant": tenant, "state": state, "requests_at_upstreams": open}))
}

/// Forgets answers: `{"tenant": …}`, `{"tag": …}`, `{"host": …}`, with `"path"` if one is meant, or `{"all": true}`.
fn purge(table: &Table, body: &[u8]) -> Response<Bytes> {
    let usage = "send one of {\"tenant\": SLUG}, {\"tag\": TAG}, {\"host\": HOST}, {\"host\": HOST, \"path\": PATH}, {\"all\": true}";
    let Ok(Value::Object(wanted)) = serde_json::from_slice(body) else {
        return problem(StatusCode::BAD_REQUEST, usage);
    };
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let what = match (wanted.len(), text("tenant"), text("tag"), text("host"), text("path")) {
        (1, Some(tenant), None, None, None) => Purge::Tenant(tenant),
        (1, None, Some(tag), None, None) => Purge::Tag(tag),
        (1, None, None, Some(host), None) => Purge::Host(host),
        (2, None, None, Some(host), Some(path)) => Purge::Path(host, path),
        (1, None, None, None, None) if wanted.get("all") == Some(&Value::Bool(true)) => Purge::All,
        _ => return problem(StatusCode::BAD_REQUEST, usage),
    };
    let purged = table.cache.as_ref().map_or(0, |cache| cache.purge(&what));
    json_answer(StatusCode::OK, &json!({"purged": purged}))
}

/// Pools, routes and certificates that are reported of a node; of more, the first.
const REPORTED: usize = 200;

/// All of it, for who looks after many nodes.
pub(crate) fn report(shared: &Shared) -> Value {
    let table = shared.table.load();
    let some = |mut value: Value| {
        if let Some(list) = value.as_array_mut() {
            list.truncate(REPORTED);
        }
        value
    };
    json!({
        "status": status(shared),
        "pools": some(pools(&table)["pools"].take()),
        "routes": some(routes(&table)["routes"].take()),
        "certificates": some(certificates(&table)["certificates"].take()),
        "cluster": sharing::view(shared),
    })
}

fn status(shared: &Shared) -> Value {
    let table = shared.table.load();
    json!({
        "state": if shared.drained_since() == 0 { "serving" } else { "draining" },
        "version": table.version,
        "connections": shared.connections.load(Ordering::Relaxed),
        "requests": shared.requests.sum(),
        "tunnels": shared.tunnels.load(Ordering::Relaxed),
        "routes": table.routes.len(),
        "pools": table.pools.len(),
        "draining_tenants": shared.tenants.load().iter().collect::<Vec<_>>(),
    })
}

fn pools(table: &Table) -> Value {
    let now = clock::millis();
    let mut pools: Vec<_> = table.pools.values().collect();
    pools.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    let pools: Vec<Value> = pools
        .iter()
        .map(|pool| {
            let members: Vec<Value> = pool
                .members
                .iter()
                .map(|member| {
                    let open_until = member.breaker.open_until();
                    let state = if member.is_draining() {
                        "draining"
                    } else if !member.healthy.load(Ordering::Relaxed) {
                        "unhealthy"
                    } else if open_until > now {
                        "ejected"
                    } else if open_until != 0 {
                        "on trial"
                    } else {
                        "serving"
                    };
                    json!({
                        "address": member.address,
                        "weight": member.weight(),
                        "priority": member.priority,
                        "region": member.region,
                        "state": state,
                        "last_check": *member.verdict.lock(),
                        "ejected_for_ms": open_until.saturating_sub(now),
                        "requests_open": member.active(),
                        "requests": member.counts.requests.load(Ordering::Relaxed),
                        "errors": member.counts.errors.load(Ordering::Relaxed),
                        "retries": member.counts.retries.load(Ordering::Relaxed),
                        "latency_ms": member.latency(now * 1000) / 1000.0,
                    })
                })
                .collect();
            json!({
                "name": pool.config.name,
                "tenant": pool.config.tenant,
                "algorithm": format!("{:?}", pool.config.algorithm),
                "health_ignored": pool.view().panic,
                "upstreams": members,
            })
        })
        .collect();
    json!({"pools": pools})
}

fn routes(table: &Table) -> Value {
    let routes: Vec<Value> = table
        .routes
        .iter()
        .map(|route| {
            let (buckets, micros) = route.stats.latency();
            let count: u64 = buckets.iter().sum();
            json!({
                "route": route.label,
                "line": route.config.line,
                "tenant": route.config.tenant,
                "pool": route.pool.as_ref().map(|pool| &pool.config.name),
                "requests": route.stats.total(),
                "by_status": route.stats.classes(),
                "rate_limited": route.stats.limited.load(Ordering::Relaxed),
                "mean_ms": if count == 0 { 0.0 } else { micros as f64 / count as f64 / 1000.0 },
                "p95_ms_at_most": quantile(&buckets, 0.95),
            })
        })
        .collect();
    json!({"routes": routes, "version": table.version})
}

/// The upper bound of the bucket in which a quantile lies; `None` above the last bound, or without requests.
fn quantile(buckets: &[u64], share: f64) -> Option<f64> {
    let total: u64 = buckets.iter().sum();
    let rank = (total as f64 * share).ceil() as u64;
    let mut seen = 0;
    for (bound, count) in BOUNDS.iter().zip(buckets) {
        seen += count;
        if total > 0 && seen >= rank {
            return Some(*bound as f64 / 1000.0);
        }
    }
    None
}

fn certificates(table: &Table) -> Value {
    let all: Vec<Value> = table
        .certificates
        .all()
        .iter()
        .map(|served| {
            json!({
                "names": served.names,
                "not_after": served.not_after.map(|end| kernel::Moment::from_seconds(end).rfc3339()),
                "client_certificate": served.client_ca.is_some(),
            })
        })
        .collect();
    json!({"certificates": all})
}

/// Why a request would go where it would go. Nothing is sent, and no turn is taken.
fn explain(table: &Table, uri: &Uri) -> Response<Bytes> {
    let mut host_text = String::new();
    let mut path = "/".to_owned();
    let mut method = Method::GET;
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "host" => host_text = value.into_owned(),
            "path" => path = value.into_owned(),
            "method" => match Method::from_bytes(value.to_uppercase().as_bytes()) {
                Ok(known) => method = known,
                Err(_) => return problem(StatusCode::BAD_REQUEST, "method is no HTTP method"),
            },
            _ => return problem(StatusCode::BAD_REQUEST, "known are host, path and method"),
        }
    }
    if !path.starts_with('/') {
        return problem(StatusCode::BAD_REQUEST, "path begins with /");
    }
    let Some(name) = host::of_authority(&host_text) else {
        return problem(StatusCode::BAD_REQUEST, "host is missing, or no host name");
    };
    let Ok(read) = forward::read_path(&path) else {
        let why = "the path leads above the root, or means different things to different readers";
        return json_answer(StatusCode::OK, &json!({"status": 400, "why": [why]}));
    };
    let mut why = Vec::new();
    let route = match table.find(Some(&name), &read.matched, &method, &HeaderMap::new()) {
        Found::Route(route) => route,
        Found::Method(methods) => {
            let list: Vec<&str> = methods.iter().map(Method::as_str).collect();
            return json_answer(
                StatusCode::OK,
                &json!({"status": 405, "why": [format!("the path takes {}", list.join(", "))]}),
            );
        }
        Found::NoPath => {
            return json_answer(
                StatusCode::OK,
                &json!({"status": 404, "why": ["the host is known, and none of its routes covers the path"]}),
            );
        }
        Found::NoHost => {
            return json_answer(
                StatusCode::OK,
                &json!({"status": 404, "why": ["no route names this host, no wildcard covers it, and there is no route for \"*\""]}),
            );
        }
    };
    why.push(format!(
        "route {} ({}) is the most exact one for host and path",
        route.label,
        match route.config.line {
            0 => "of a tenant's domain".to_owned(),
            line => format!("line {line}"),
        }
    ));
    if let Some(served) = table.certificates.of(&name) {
        why.push(format!("TLS under the certificate for {}", served.names.join(", ")));
    }
    if let Action::Redirect { to, status } = &route.config.action {
        why.push(format!("it redirects to {to}"));
        return json_answer(
            StatusCode::OK,
            &json!({"status": status.as_u16(), "route": route.label, "why": why}),
        );
    }
    if route.config.action == Action::Nothing {
        why.push("this host does not serve the path".to_owned());
        return json_answer(
            StatusCode::OK,
            &json!({"status": 404, "route": route.label, "why": why}),
        );
    }
    let Some(pool) = &route.pool else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the route has no pool");
    };
    let now = clock::micros();
    let mut members = Vec::new();
    for member in &pool.members {
        let usable = member.usable(now / 1000);
        members.push(json!({
            "address": member.address,
            "may_be_chosen": (usable || pool.view().panic) && !member.is_draining(),
            "requests_open": member.active(),
            "latency_ms": member.latency(now) / 1000.0,
            "cost": member.cost(now),
            "weight": member.weight(),
        }));
    }
    why.push(format!(
        "pool {} chooses by {}",
        pool.config.name,
        match &pool.config.algorithm {
            crate::config::Algorithm::RoundRobin => "turns, by weight",
            crate::config::Algorithm::LeastConn => "fewest requests open, by weight",
            crate::config::Algorithm::Ewma =>
                "the cheaper of two drawn at random; cost is learned latency times requests open, by weight",
            crate::config::Algorithm::IpHash => "the client's address",
            crate::config::Algorithm::Maglev(_) => "a hash of what hash_on names",
            crate::config::Algorithm::Geo => "distance",
        }
    ));
    if pool.view().panic {
        why.push("every member is unhealthy, so health is not looked at".to_owned());
    }
    json_answer(
        StatusCode::OK,
        &json!({"route": route.label, "pool": pool.config.name, "upstreams": members, "why": why, "version": table.version}),
    )
}

pub(crate) fn json_answer(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(format!("{value}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    answer
}

pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Bytes> {
    let title = status.canonical_reason().unwrap_or("Error");
    let value =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    let mut answer = json_answer(status, &value);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}
