//! The list `routes`.

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::global::{networks, read_rate};
use super::read::{Map, like};
use super::regions::countries;
use super::{Action, CacheRule, Cors, Edits, Global, PathChange, Pool, RateKey, Route};
use crate::host;

pub(super) fn read(root: &Map<'_>, global: &Global, pools: &[Pool]) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut taken: HashMap<(String, String, Vec<String>, Vec<String>), usize> = HashMap::new();
    for (node, path) in root.items("routes") {
        let map = root.reading().map(node, &path);
        let route = one(map, pools, global.geo.is_some());
        let mut methods: Vec<String> = route.methods.iter().map(ToString::to_string).collect();
        methods.sort();
        let mut headers: Vec<String> =
            route.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        headers.sort();
        for host in &route.hosts {
            let key = (host.clone(), route.prefix.clone(), methods.clone(), headers.clone());
            if let Some(before) = taken.insert(key, route.line) {
                root.reading().fault(
                    route.line,
                    &path,
                    format!(
                        "overlaps the route at line {before}: both match {host}{}; change host, path_prefix, methods or match_headers",
                        route.prefix
                    ),
                );
            }
        }
        routes.push(route);
    }
    note_ways_around(root, global, &routes);
    routes
}

/// A pool that one host guards by client certificates and another leads to without.
fn note_ways_around(root: &Map<'_>, global: &Global, routes: &[Route]) {
    let guarded: Vec<&String> = global
        .tls
        .certificates
        .iter()
        .filter(|certificate| certificate.client_ca.is_some())
        .flat_map(|certificate| &certificate.hosts)
        .collect();
    let is_guarded = |route: &Route| route.hosts.iter().all(|host| guarded.contains(&host));
    for open in routes.iter().filter(|route| !is_guarded(route)) {
        let Action::Forward { pool, .. } = &open.action else { continue };
        let same = |route: &&Route| matches!(&route.action, Action::Forward { pool: other, .. } if other == pool);
        if let Some(route) = routes.iter().filter(same).find(|route| is_guarded(route)) {
            root.reading().note(
                open.line,
                "routes",
                format!(
                    "leads to pool {pool} without a client certificate, which {} demands; give that host a pool of its own if the upstream relies on it",
                    route.hosts.join(", ")
                ),
            );
        }
    }
}

fn one(map: Map<'_>, pools: &[Pool], geo: bool) -> Route {
    let mut hosts = Vec::new();
    let mut listed = map.texts("hosts");
    listed.extend(map.text("host"));
    if listed.is_empty() {
        map.fault("host", "is missing; write a name, *.example.com, or \"*\" for every other host");
    }
    for text in listed {
        match host::pattern(&text) {
            Some(pattern) => hosts.push(pattern),
            None => map.fault(
                "host",
                format!("is {text:?}; write a name without port, *.example.com, or \"*\""),
            ),
        }
    }
    let prefix = map
        .parsed("path_prefix", |text| {
            if !text.starts_with('/')
                || text.contains(['?', '#', '%'])
                || text.contains("/.")
                || text.contains("//")
            {
                return Err(format!(
                    "is {text:?}; begin it with /, without query, escapes or dots"
                ));
            }
            Ok(text.trim_end_matches('/').to_owned())
        })
        .unwrap_or_default();
    let mut methods = Vec::new();
    for text in map.texts("methods") {
        match Method::from_bytes(text.to_uppercase().as_bytes()) {
            Ok(method) => methods.push(method),
            Err(_) => map.fault("methods", format!("has {text:?}, which is no method")),
        }
    }
    let mut headers = Vec::new();
    for (name, value, line) in map.pairs("match_headers") {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => headers.push((name, value)),
            Err(_) => map.reading().fault(
                line,
                &map.at("match_headers"),
                format!("has {name:?}, no header name"),
            ),
        }
    }
    let action = action(&map, &prefix, pools);
    let rate = map.block("rate_limit").and_then(|block| {
        let key = block.parsed("key", |text| match text.split_once(':') {
            None if text == "client_ip" => Ok(RateKey::ClientIp),
            None if text == "route" => Ok(RateKey::Route),
            Some(("header", name)) => HeaderName::from_bytes(name.trim().as_bytes())
                .map(RateKey::Header)
                .map_err(|_| format!("{name:?} is no header name")),
            _ => Err(format!("is {text:?}; use client_ip, route or header:NAME")),
        });
        let rate = read_rate(&block);
        block.finish();
        Some((rate?, key.unwrap_or(RateKey::ClientIp)))
    });
    let cors = cors(&map);
    let route = Route {
        line: map.line,
        hosts,
        prefix,
        methods,
        headers,
        action,
        tenant: map.text("tenant_id"),
        tls_required: map.flag("tls_required"),
        rate,
        cors,
        request_headers: edits(&map, "headers"),
        response_headers: edits(&map, "response_headers"),
        timeout: map.span("timeout"),
        body_limit: map.size("body_limit"),
        allow: networks(&map, "allow"),
        deny: networks(&map, "deny"),
        allow_countries: countries(&map, "allow_countries"),
        deny_countries: countries(&map, "deny_countries"),
        region: None,
        cache: cache(&map),
        compress: map.flag("compression"),
        waf: super::waf::mode(&map),
    };
    if !geo {
        for (key, list) in
            [("allow_countries", &route.allow_countries), ("deny_countries", &route.deny_countries)]
        {
            if !list.is_empty() {
                map.fault(key, "needs global.geoip with a database_path to tell countries by");
            }
        }
    }
    map.finish();
    route
}

/// `cache: true`, or a block.
fn cache(map: &Map<'_>) -> Option<CacheRule> {
    let mut rule = CacheRule { standard: Duration::ZERO, largest: 1 << 20 };
    if map.is_text("cache") {
        return map.flag("cache").unwrap_or(false).then_some(rule);
    }
    let block = map.block("cache")?;
    let enabled = block.flag("enabled").unwrap_or(true);
    if let Some(span) = block.duration("default_ttl") {
        rule.standard = span;
    }
    if let Some(size) = block.size("max_object") {
        if (1..=1 << 30).contains(&size) {
            rule.largest = size;
        } else {
            block.fault("max_object", format!("is {size} bytes; use 1 to 1GiB"));
        }
    }
    block.finish();
    enabled.then_some(rule)
}

fn action(map: &Map<'_>, prefix: &str, pools: &[Pool]) -> Action {
    let strip = map.flag("strip_path_prefix").unwrap_or(false);
    let rewrite = map.parsed("rewrite_prefix", |text| {
        if text.starts_with('/')
            && text.parse::<http::uri::PathAndQuery>().is_ok()
            && !text.contains('?')
        {
            Ok(text.trim_end_matches('/').to_owned())
        } else {
            Err(format!("is {text:?}; begin it with /, without query"))
        }
    });
    let redirect = map.block("redirect").map(|block| {
        let to = block.parsed("to", |text| {
            if (text.starts_with('/')
                || text.starts_with("http://")
                || text.starts_with("https://"))
                && HeaderValue::from_str(text).is_ok()
            {
                Ok(text.to_owned())
            } else {
                Err(format!("is {text:?}; begin it with /, http:// or https://"))
            }
        });
        if to.is_none() && block.node("to").is_none() {
            block.fault("to", "is missing; {host}, {path} and {query} may stand in it");
        }
        let status = block
            .parsed("status", |text| match text.parse::<u16>() {
                Ok(code @ (301 | 302 | 303 | 307 | 308)) => {
                    StatusCode::from_u16(code).map_err(|error| error.to_string())
                }
                _ => Err(format!("is {text:?}; use 301, 302, 303, 307 or 308")),
            })
            .unwrap_or(StatusCode::FOUND);
        block.finish();
        Action::Redirect { to: to.unwrap_or_default(), status }
    });
    let pool = map.text("pool");
    match (pool, redirect) {
        (Some(_), Some(_)) => {
            map.fault("redirect", "stands beside pool; a route does one or the other");
            Action::Redirect { to: String::new(), status: StatusCode::FOUND }
        }
        (None, Some(redirect)) => redirect,
        (None, None) => {
            map.fault("pool", "is missing; name a pool, or give a redirect");
            Action::Forward { pool: String::new(), path: PathChange::Keep }
        }
        (Some(pool), None) => {
            if !pools.iter().any(|known| known.name == pool) {
                let names: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
                let hint = like(&pool, &names);
                map.fault("pool", format!("is {pool:?}, which is not in pools{hint}"));
            }
            let path = match (strip, rewrite) {
                (true, Some(_)) => {
                    map.fault("rewrite_prefix", "stands beside strip_path_prefix; use one");
                    PathChange::Keep
                }
                (true, None) if prefix.is_empty() => PathChange::Keep,
                (true, None) => PathChange::Replace(String::new()),
                (false, Some(to)) => PathChange::Replace(to),
                (false, None) => PathChange::Keep,
            };
            Action::Forward { pool, path }
        }
    }
}

fn cors(map: &Map<'_>) -> Option<Cors> {
    let on = map.flag("cors_enabled").unwrap_or(false);
    let origins: Vec<String> = map
        .texts("cors_allow_origins")
        .into_iter()
        .map(|origin| origin.trim_end_matches('/').to_lowercase())
        .collect();
    let credentials = map.flag("cors_allow_credentials").unwrap_or(false);
    let any = origins.is_empty() || origins.iter().any(|origin| origin == "*");
    if on && credentials && any {
        map.fault(
            "cors_allow_credentials",
            "lets every origin act with its visitors' cookies; list cors_allow_origins",
        );
    }
    let header = |key: &'static str, standard: &str| {
        let list = map.texts(key);
        let text = if list.is_empty() { standard.to_owned() } else { list.join(", ") };
        if HeaderValue::from_str(&text).is_err() {
            map.fault(key, "has a character that a header cannot carry");
        }
        text
    };
    let cors = Cors {
        origins: if any { Vec::new() } else { origins },
        methods: header("cors_allow_methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        headers: header("cors_allow_headers", "*"),
        credentials,
        max_age: map.duration("cors_max_age").unwrap_or(Duration::from_secs(600)),
    };
    on.then_some(cors)
}

/// Fields that carry the message itself: changing them would break or forge it.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn edits(map: &Map<'_>, key: &'static str) -> Edits {
    let Some(block) = map.block(key) else { return Edits::default() };
    let pair = |list: &'static str| {
        let mut found = Vec::new();
        for (name, value, line) in block.pairs(list) {
            let at = format!("{}.{name}", block.at(list));
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                (Ok(name), Ok(_)) if FRAMING.contains(&name.as_str()) => {
                    block.reading().fault(line, &at, "frames the message and is ours to write");
                }
                (Ok(name), Ok(value)) => found.push((name, value)),
                _ => block.reading().fault(line, &at, "is no header name and value"),
            }
        }
        found
    };
    let set = pair("set");
    let add = pair("add");
    let mut remove = Vec::new();
    for name in block.texts("remove") {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(header) if FRAMING.contains(&header.as_str()) => {
                block.fault("remove", format!("has {name}, which frames the message"));
            }
            Ok(header) => remove.push(header),
            Err(_) => block.fault("remove", format!("has {name:?}, no header name")),
        }
    }
    block.finish();
    Edits { set, add, remove }
}
