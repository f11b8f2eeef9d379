//! The list `pools`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use super::read::Map;
use super::{
    Algorithm, Backend, HashOn, Health, HealthKind, Outlier, Pool, Scheme, Sticky, Timeouts,
};

/// What a probe is unless somebody says otherwise.
#[derive(Clone, Copy)]
struct Pace {
    interval: Duration,
    timeout: Duration,
    healthy: u32,
    unhealthy: u32,
}

pub(super) fn read(root: &Map<'_>, geo: bool) -> Vec<Pool> {
    let pace = root.block("global").and_then(|global| global.block("health_check")).map_or(
        Pace {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy: 2,
            unhealthy: 3,
        },
        |map| {
            let pace = Pace {
                interval: map.span("interval").unwrap_or(Duration::from_secs(30)),
                timeout: map.span("timeout").unwrap_or(Duration::from_secs(5)),
                healthy: map.number("healthy_threshold", 1, 100).unwrap_or(2) as u32,
                unhealthy: map
                    .number("unhealthy_threshold", 1, 100)
                    .or(map.number("retries", 1, 100))
                    .unwrap_or(3) as u32,
            };
            map.pass(&["retries", "unhealthy_threshold"]);
            map.finish();
            pace
        },
    );
    // With `cluster.geo_routing` pools that have regions prefer the nearest unless they say otherwise.
    let wide = root
        .block("cluster")
        .filter(|cluster| cluster.is_block())
        .and_then(|cluster| cluster.flag("geo_routing"))
        .unwrap_or(false);
    let places = Places { geo, wide };
    let mut names: HashSet<String> = HashSet::new();
    let mut pools = Vec::new();
    for (node, path) in root.items("pools") {
        let map = root.reading().map(node, &path);
        if let Some(pool) = one(map, pace, places) {
            if !names.insert(pool.name.clone()) {
                root.reading().fault(
                    pool.line,
                    &format!("{path}.name"),
                    format!("is {:?}, a name that another pool has", pool.name),
                );
            }
            pools.push(pool);
        }
    }
    pools
}

/// What is known of places.
#[derive(Clone, Copy)]
struct Places {
    /// There is a database to look clients up in.
    geo: bool,
    wide: bool,
}

fn one(map: Map<'_>, pace: Pace, places: Places) -> Option<Pool> {
    let name = map.text("name").filter(|name| !name.is_empty());
    if name.is_none() {
        map.fault("name", "is missing; routes name their pool by it");
    }
    let algorithm = algorithm(&map);
    let sticky = sticky(&map);
    let http2 = map
        .one_of("protocol", &[("http1", false), ("http2", true), ("h2", true), ("grpc", true)])
        .unwrap_or(false);
    let standard = Pool::plain(String::new());
    let timeouts = Timeouts {
        connect: map.span("connect_timeout").unwrap_or(standard.timeouts.connect),
        response: map.span("timeout").unwrap_or(standard.timeouts.response),
        idle: map.span("idle_timeout").unwrap_or(standard.timeouts.idle),
        total: map.duration("total_timeout").unwrap_or(standard.timeouts.total),
    };
    let (retry_share, retry_floor) =
        map.block("retry_budget").map_or((standard.retry_share, standard.retry_floor), |block| {
            let percent = block.real("percent", 0.0, 100.0);
            let floor = block.real("min_per_second", 0.0, 1_000_000.0);
            block.finish();
            (
                percent.map_or(standard.retry_share, |percent| percent / 100.0),
                floor.unwrap_or(standard.retry_floor),
            )
        });
    let outlier = map.block("outlier").map_or(standard.outlier, |block| {
        let standard = standard.outlier;
        let outlier = Outlier {
            consecutive: block
                .number("consecutive_errors", 0, 1000)
                .map_or(standard.consecutive, |n| n as u32),
            ejection: block.span("ejection_time").unwrap_or(standard.ejection),
            max_ejection: block.span("max_ejection_time").unwrap_or(standard.max_ejection),
            max_share: block
                .real("max_ejection_percent", 0.0, 100.0)
                .map_or(standard.max_share, |n| n / 100.0),
        };
        block.finish();
        outlier
    });
    let common = map.block("health_check").and_then(|block| health(block, pace));
    let mut backends = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    for (node, path) in map.items("backends") {
        let item = map.reading().map(node, &path);
        if let Some(backend) = backend(item, pace, common.as_ref()) {
            if !seen.insert(backend.address.clone()) {
                map.reading().fault(
                    backend.line,
                    &path,
                    format!(
                        "{} is in this pool already; raise its weight instead",
                        backend.address
                    ),
                );
            }
            backends.push(backend);
        }
    }
    let algorithm = nearest(&map, algorithm, &backends, places);
    let pool = Pool {
        name: name.unwrap_or_default(),
        line: map.line,
        tenant: map.text("tenant_id"),
        algorithm,
        sticky,
        http2,
        preserve_host: map
            .one_of("host_header", &[("client", true), ("upstream", false)])
            .unwrap_or(true),
        tls_ca: map.text("tls_ca").map(PathBuf::from),
        tls_name: map.text("tls_server_name"),
        retries: map.number("retries", 0, 10).map_or(standard.retries, |n| n as u32),
        retry_share,
        retry_floor,
        timeouts,
        max_requests: map.number("max_requests", 0, 1_000_000).unwrap_or(0) as usize,
        max_pending: map
            .number("max_pending", 0, 1_000_000)
            .map_or(standard.max_pending, |n| n as usize),
        queue_timeout: map.span("queue_timeout").unwrap_or(standard.queue_timeout),
        slow_start: map.duration("slow_start").unwrap_or(standard.slow_start),
        panic_threshold: map.real("panic_threshold", 0.0, 100.0).unwrap_or(0.0) / 100.0,
        outlier,
        answer: answer(&map, standard.answer),
        continue_timeout: map.span("continue_timeout").unwrap_or(standard.continue_timeout),
        backends,
    };
    map.finish();
    (!pool.name.is_empty()).then_some(pool)
}

fn answer(map: &Map<'_>, standard: super::Answer) -> super::Answer {
    let fields = map.number("answer_fields", 16, 10_000).map(|fields| fields as usize);
    let head = map.size("answer_head").map(|head| head as usize);
    let head = head.filter(|head| {
        let fits = (8 << 10..=1 << 20).contains(head);
        if !fits {
            map.fault("answer_head", format!("is {head} bytes; use 8KiB to 1MiB"));
        }
        fits
    });
    super::Answer { fields: fields.unwrap_or(standard.fields), head: head.unwrap_or(standard.head) }
}

impl Pool {
    /// A pool as it is where the file says nothing else, without members.
    pub(crate) fn plain(name: String) -> Self {
        Self {
            name,
            line: 0,
            tenant: None,
            algorithm: Algorithm::Ewma,
            sticky: None,
            http2: false,
            preserve_host: true,
            tls_ca: None,
            tls_name: None,
            retries: 1,
            retry_share: 0.2,
            retry_floor: 10.0,
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                response: Duration::from_secs(60),
                idle: Duration::from_secs(60),
                total: Duration::ZERO,
            },
            max_requests: 0,
            max_pending: 1024,
            queue_timeout: Duration::from_secs(5),
            slow_start: Duration::ZERO,
            panic_threshold: 0.0,
            outlier: Outlier {
                consecutive: 5,
                ejection: Duration::from_secs(10),
                max_ejection: Duration::from_secs(300),
                max_share: 0.5,
            },
            answer: super::Answer::default(),
            continue_timeout: Duration::from_secs(1),
            backends: Vec::new(),
        }
    }
}

impl Backend {
    /// A member as it is where nothing else is said.
    pub(crate) fn plain(scheme: Scheme, address: String) -> Self {
        Self {
            scheme,
            address,
            weight: 1,
            draining: false,
            priority: 0,
            region: None,
            at: None,
            health: None,
            public_only: false,
            line: 0,
        }
    }
}

/// A look every two seconds at a path that answers 200.
pub(crate) fn standard_check(path: &str) -> Health {
    Health {
        kind: HealthKind::Http,
        method: http::Method::GET,
        path: path.to_owned(),
        host: None,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        expected: vec![(200, 200)],
        body: None,
        healthy_threshold: 1,
        unhealthy_threshold: 2,
    }
}

fn algorithm(map: &Map<'_>) -> Algorithm {
    #[derive(Clone, Copy)]
    enum Name {
        Round,
        Least,
        Ewma,
        Ip,
        Maglev,
        Geo,
    }
    let name = map.one_of(
        "algorithm",
        &[
            ("ewma", Name::Ewma),
            ("round_robin", Name::Round),
            ("weighted_round_robin", Name::Round),
            ("least_conn", Name::Least),
            ("ip_hash", Name::Ip),
            ("maglev", Name::Maglev),
            ("geo", Name::Geo),
            ("geo_proximity", Name::Geo),
            // What the replaced gateway called choosing by what was learned.
            ("ai_optimized", Name::Ewma),
            ("adaptive_ai", Name::Ewma),
            ("predictive_least_conn", Name::Ewma),
            ("hybrid_intelligent", Name::Ewma),
        ],
    );
    let on = map.parsed("hash_on", |text| {
        let header = |name: &str| {
            http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("{name:?} is no header name"))
        };
        match text.split_once(':') {
            None if text == "client_ip" => Ok(HashOn::ClientIp),
            None if text == "path" => Ok(HashOn::Path),
            Some(("header", name)) => Ok(HashOn::Header(header(name.trim())?)),
            Some(("cookie", name)) => Ok(HashOn::Cookie(name.trim().to_owned())),
            _ => Err(format!("is {text:?}; use client_ip, path, header:NAME or cookie:NAME")),
        }
    });
    match name.unwrap_or(Name::Ewma) {
        Name::Round => Algorithm::RoundRobin,
        Name::Least => Algorithm::LeastConn,
        Name::Ewma => Algorithm::Ewma,
        Name::Ip => Algorithm::IpHash,
        Name::Maglev => Algorithm::Maglev(on.unwrap_or(HashOn::ClientIp)),
        Name::Geo => Algorithm::Geo,
    }
}

/// The nearest upstream is told by where clients and upstreams are.
fn nearest(map: &Map<'_>, algorithm: Algorithm, backends: &[Backend], places: Places) -> Algorithm {
    let unsaid = map.node("algorithm").is_none();
    let all_known = !backends.is_empty() && backends.iter().all(|backend| backend.at.is_some());
    if unsaid && places.wide && places.geo && all_known {
        return Algorithm::Geo;
    }
    if algorithm != Algorithm::Geo {
        return algorithm;
    }
    if !places.geo {
        map.fault("algorithm", "needs global.geoip with a database_path to tell where clients are");
    }
    for backend in backends.iter().filter(|backend| backend.at.is_none()) {
        map.reading().fault(
            backend.line,
            &map.at("backends"),
            format!(
                "{} needs latitude and longitude, or a region that is known: {}",
                backend.address,
                crate::geo::regions()
            ),
        );
    }
    algorithm
}

fn sticky(map: &Map<'_>) -> Option<Sticky> {
    let mut on = map.flag("sticky_sessions").unwrap_or(false);
    let mut sticky = Sticky { cookie: "gateway_route".to_owned(), age: Duration::from_secs(3600) };
    if let Some(block) = map.block("sticky") {
        on = block.flag("enabled").unwrap_or(true);
        if let Some(name) = block.parsed("cookie", |text| {
            let fine = !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if fine {
                Ok(text.to_owned())
            } else {
                Err(format!("is {text:?}; use letters, digits, _ and -"))
            }
        }) {
            sticky.cookie = name;
        }
        if let Some(age) = block.duration("max_age") {
            sticky.age = age;
        }
        block.finish();
    }
    on.then_some(sticky)
}

fn backend(map: Map<'_>, pace: Pace, common: Option<&Health>) -> Option<Backend> {
    let address = map.parsed("address", address);
    if address.is_none() && map.node("address").is_none() {
        map.fault("address", "is missing; write HOST:PORT, or https://HOST:PORT");
    }
    let health =
        map.block("health_check").and_then(|block| health(block, pace)).or_else(|| common.cloned());
    let (scheme, address) = address.unwrap_or((Scheme::Http, String::new()));
    let region = map.text("region");
    let point = map.real("latitude", -90.0, 90.0).zip(map.real("longitude", -180.0, 180.0));
    let backend = Backend {
        scheme,
        address,
        weight: map.number("weight", 0, 10_000).unwrap_or(1) as u32,
        draining: map.flag("draining").unwrap_or(false),
        priority: map.number("priority", 0, 100).unwrap_or(0) as u32,
        at: point.or_else(|| region.as_deref().and_then(crate::geo::region)),
        region,
        health,
        public_only: false,
        line: map.line,
    };
    map.finish();
    (!backend.address.is_empty()).then_some(backend)
}

/// `HOST:PORT`, or with `http://` or `https://` in front.
pub(crate) fn address(text: &str) -> Result<(Scheme, String), String> {
    let wrong = || format!("is {text:?}; write HOST:PORT, or https://HOST:PORT");
    let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (Scheme::Https, rest)
    } else {
        (Scheme::Http, text.strip_prefix("http://").unwrap_or(text))
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority: http::uri::Authority = rest.parse().map_err(|_| wrong())?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(wrong());
    }
    let port = match authority.port_u16() {
        Some(0) => return Err(wrong()),
        Some(port) => port,
        None if rest != text && !rest.ends_with(':') => {
            if scheme == Scheme::Https {
                443
            } else {
                80
            }
        }
        None => return Err(wrong()),
    };
    Ok((scheme, format!("{}:{port}", authority.host().to_lowercase())))
}

fn health(map: Map<'_>, pace: Pace) -> Option<Health> {
    let enabled = map.flag("enabled").unwrap_or(true);
    let expected = map.texts("expected_status");
    let mut ranges = Vec::new();
    for text in &expected {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
            (Ok(from), Ok(to)) if (100..=599).contains(&from) && (from..=599).contains(&to) => {
                ranges.push((from, to));
            }
            _ => map.fault("expected_status", format!("has {text:?}; use 200, 200-399, or a list")),
        }
    }
    if ranges.is_empty() {
        ranges.push((200, 200));
    }
    let health = Health {
        kind: map
            .one_of(
                "type",
                &[("http", HealthKind::Http), ("tcp", HealthKind::Tcp), ("grpc", HealthKind::Grpc)],
            )
            .unwrap_or(HealthKind::Http),
        method: map
            .parsed("method", |text| {
                http::Method::from_bytes(text.as_bytes())
                    .map_err(|_| format!("is {text:?}; use GET or HEAD"))
            })
            .unwrap_or(http::Method::GET),
        path: map
            .parsed("path", |text| {
                if text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok() {
                    Ok(text.to_owned())
                } else {
                    Err(format!("is {text:?}; begin it with /"))
                }
            })
            .unwrap_or_else(|| "/health".to_owned()),
        host: map.parsed("host", |text| {
            http::HeaderValue::from_str(text)
                .map(|_| text.to_owned())
                .map_err(|_| format!("is {text:?}, no host"))
        }),
        interval: map.span("interval").unwrap_or(pace.interval),
        timeout: map.span("timeout").unwrap_or(pace.timeout),
        expected: ranges,
        body: map.text("expected_body"),
        healthy_threshold: map
            .number("healthy_threshold", 1, 100)
            .map_or(pace.healthy, |n| n as u32),
        unhealthy_threshold: map
            .number("unhealthy_threshold", 1, 100)
            .or(map.number("retries", 1, 100))
            .map_or(pace.unhealthy, |n| n as u32),
    };
    map.pass(&["retries"]);
    map.finish();
    enabled.then_some(health)
}
