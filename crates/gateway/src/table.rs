//! The table of routes as requests use it: made once from the file, never changed, swapped as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::balance::Pool;
use crate::cache::Cache;
use crate::config::{self, Action, Algorithm, Config, Fault, Scheme};
use crate::geo::Geo;
use crate::limits::{Limiter, Sharing};
use crate::secrets::Secrets;
use crate::stats::RouteStats;
use crate::tls::{Certificates, Certified};
use crate::upstream::Upstream;

/// Everything that a request may meet.
pub(crate) struct Table {
    pub(crate) version: u64,
    pub(crate) global: config::Global,
    hosts: HashMap<String, Paths>,
    /// By what follows the star.
    suffixes: HashMap<String, Paths>,
    any: Option<Paths>,
    /// Whether a route is open to some only.
    pub(crate) guards: bool,
    pub(crate) pools: HashMap<String, Arc<Pool>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) geo: Option<Arc<Geo>>,
    /// Where routes keep answers, when any does.
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) cluster: Option<config::Cluster>,
    news: Vec<News>,
}

/// What a table says of an upstream that is there already: told to it when the table is put in place, not when it is
/// only looked at.
struct News {
    upstream: Arc<Upstream>,
    weight: u32,
    draining: bool,
    /// Its health is asked no more.
    unchecked: bool,
}

pub(crate) struct Route {
    /// Its place in the table.
    pub(crate) index: usize,
    pub(crate) config: config::Route,
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    pub(crate) stats: Arc<RouteStats>,
    /// Host and prefix, for people and metrics.
    pub(crate) label: String,
}

/// The routes of a host, by prefix.
#[derive(Default)]
struct Paths {
    prefixes: HashMap<String, Vec<Arc<Route>>>,
    /// The same by prefixes as denials compare them.
    folded: HashMap<String, Vec<Arc<Route>>>,
    /// Prefixes from the longest; used while there are few.
    ordered: Vec<String>,
}

/// So few prefixes are compared one by one.
const FEW: usize = 8;

/// What matching found.
pub(crate) enum Found<'t> {
    Route(&'t Arc<Route>),
    /// The path is served, with other methods.
    Method(Vec<Method>),
    NoPath,
    NoHost,
}

impl Table {
    /// Makes a table; what is the same as in `before` keeps its state.
    pub(crate) fn new(
        config: Config,
        certified: &Certified,
        before: Option<&Self>,
        secrets: &Secrets,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut pools = HashMap::new();
        let mut news = Vec::new();
        for pool in config.pools {
            let tls = if pool.backends.iter().any(|backend| backend.scheme == Scheme::Https) {
                match client_tls(&pool) {
                    Ok(tls) => Some(tls),
                    Err(reason) => {
                        faults.push(Fault {
                            line: pool.line,
                            path: format!("pool {}", pool.name),
                            reason,
                        });
                        None
                    }
                }
            } else {
                None
            };
            let old = before.and_then(|table| table.pools.get(&pool.name));
            let members = pool
                .backends
                .iter()
                .map(|backend| {
                    let known = old.and_then(|pool| {
                        pool.members.iter().find(|member| {
                            member.address == backend.address
                                && member.scheme == backend.scheme
                                && member.priority == backend.priority
                                && member.region == backend.region
                                && member.at == backend.at
                                && member.public_only == backend.public_only
                        })
                    });
                    match known {
                        Some(member) => {
                            news.push(News {
                                upstream: member.clone(),
                                weight: backend.weight,
                                draining: backend.draining,
                                unchecked: backend.health.is_none(),
                            });
                            member.clone()
                        }
                        None => Arc::new(Upstream::new(backend)),
                    }
                })
                .collect();
            let name = pool.name.clone();
            let pool = Pool::new(
                Arc::new(pool),
                members,
                old.map(|pool| &**pool),
                secrets.marks.clone(),
                tls,
            );
            pools.insert(name, Arc::new(pool));
        }
        let old = before.map(|table| &*table.certificates);
        let certificates = match Certificates::load(&config.global.tls, certified, old) {
            Ok(certificates) => Arc::new(certificates),
            Err(more) => {
                faults.extend(more);
                Arc::default()
            }
        };
        let geo = match &config.global.geo {
            None => None,
            Some(wanted) => {
                let known = before.and_then(|table| table.geo.clone());
                match known
                    .filter(|known| known.path() == wanted.path)
                    .map_or_else(|| Geo::open(&wanted.path).map(Arc::new), Ok)
                {
                    Ok(geo) => Some(geo),
                    Err(reason) => {
                        let path = "global.geoip.database_path".to_owned();
                        let reason = format!("cannot be read: {reason}");
                        faults.push(Fault { line: 1, path, reason });
                        None
                    }
                }
            }
        };
        let by_distance = pools.values().any(|pool| pool.config.algorithm == Algorithm::Geo);
        if by_distance && geo.as_ref().is_some_and(|geo| !geo.knows_places()) {
            let path = "global.geoip.database_path".to_owned();
            let reason = "knows countries only; the nearest upstream is told by a City database";
            faults.push(Fault { line: 1, path, reason: reason.to_owned() });
        }
        let size = config.global.cache_size;
        let cache = config.routes.iter().any(|route| route.cache.is_some()).then(|| {
            let known = before.and_then(|table| table.cache.clone());
            known.filter(|cache| cache.size() == size).unwrap_or_else(|| Arc::new(Cache::new(size)))
        });
        let shares = config.cluster.is_some();
        let limiter = config.global.rate.map(|rate| {
            let sharing = shares.then(|| Sharing { name: "global".into(), tenant: None });
            let kept = before.and_then(|table| table.limiter.clone());
            kept.filter(|limiter| limiter.is_for(rate, sharing.as_ref()))
                .unwrap_or_else(|| Arc::new(Limiter::new(rate, sharing, secrets.limits)))
        });
        let mut table = Self {
            version: before.map_or(1, |table| table.version + 1),
            global: config.global,
            hosts: HashMap::new(),
            suffixes: HashMap::new(),
            any: None,
            guards: false,
            pools,
            routes: Vec::new(),
            limiter,
            certificates,
            geo,
            cache,
            cluster: config.cluster,
            news,
        };
        let known: HashMap<&str, &Arc<Route>> = before.map_or_else(HashMap::new, |table| {
            table.routes.iter().map(|route| (route.label.as_str(), route)).collect()
        });
        for route in config.routes {
            table.add(route, &known, shares, secrets);
        }
        if faults.is_empty() { Ok(table) } else { Err(faults) }
    }

    /// Whether a route names the host without a star, so that it may have a certificate of its own.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// Tells upstreams what this table says of them.
    pub(crate) fn take_effect(&self) {
        use std::sync::atomic::Ordering;
        for News { upstream, weight, draining, unchecked } in &self.news {
            upstream.weight.store(*weight, Ordering::Relaxed);
            if upstream.draining.swap(*draining, Ordering::Relaxed) != *draining {
                tracing::info!(
                    event = "gateway_upstream_drain",
                    upstream = upstream.address,
                    on = draining
                );
            }
            if *unchecked {
                upstream.healthy.store(true, Ordering::Relaxed);
            }
        }
        for pool in self.pools.values() {
            pool.refresh();
        }
    }

    fn add(
        &mut self,
        config: config::Route,
        known: &HashMap<&str, &Arc<Route>>,
        shares: bool,
        secrets: &Secrets,
    ) {
        let label = label(&config);
        let known = known.get(label.as_str());
        let limiter = config.rate.as_ref().map(|(rate, _)| {
            let sharing = shares.then(|| Sharing {
                name: label.as_str().into(),
                tenant: config.tenant.as_deref().map(Into::into),
            });
            let kept = known.and_then(|route| route.limiter.clone());
            kept.filter(|limiter| limiter.is_for(*rate, sharing.as_ref()))
                .unwrap_or_else(|| Arc::new(Limiter::new(*rate, sharing, secrets.limits)))
        });
        let pool = match &config.action {
            Action::Forward { pool, .. } => self.pools.get(pool).cloned(),
            Action::Redirect { .. } | Action::Nothing => None,
        };
        let route = Arc::new(Route {
            index: self.routes.len(),
            pool,
            limiter,
            stats: known.map_or_else(Arc::default, |route| route.stats.clone()),
            label,
            config,
        });
        let ignore_case = self.global.denials.ignore_case;
        for host in &route.config.hosts {
            let paths = match host.strip_prefix("*.") {
                Some(suffix) => self.suffixes.entry(suffix.to_owned()).or_default(),
                None if host == "*" => self.any.get_or_insert_default(),
                None => self.hosts.entry(host.clone()).or_default(),
            };
            paths.add(&route, ignore_case);
        }
        self.guards |= route.config.is_guarded();
        self.routes.push(route);
    }

    /// The route of a request: the exact host first, then the longest wildcard, then `*`; of a host's routes the
    /// longest prefix, and of these the one that asks for most.
    pub(crate) fn find(
        &self,
        host: Option<&str>,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Found<'_> {
        let mut seen = false;
        let mut others = Vec::new();
        let mut result = None;
        for paths in self.candidates(host) {
            seen = true;
            if let Some(route) = paths.find(path, method, headers, &mut others) {
                result = Some(route);
                break;
            }
        }
        match result {
            Some(route) => Found::Route(route),
            None if !others.is_empty() => Found::Method(others),
            None if seen => Found::NoPath,
            None => Found::NoHost,
        }
    }

    fn candidates<'t>(&'t self, host: Option<&str>) -> impl Iterator<Item = &'t Paths> {
        let exact = host.and_then(|host| self.hosts.get(host));
        let wild = host.filter(|_| !self.suffixes.is_empty()).into_iter().flat_map(|host| {
            let ends = host.match_indices('.').map(|(at, _)| host[at + 1..].to_owned());
            ends.collect::<Vec<_>>()
        });
        exact
            .into_iter()
            .chain(wild.filter_map(|suffix| self.suffixes.get(&suffix)))
            .chain(self.any.as_ref())
    }
}

impl Table {
    /// Routes that a request could be for in another reading of its path: those of the longest prefix.
    pub(crate) fn otherwise(&self, host: Option<&str>, path: &str) -> &[Arc<Route>] {
        for paths in self.candidates(host) {
            let mut end = path.trim_end_matches('/').len();
            loop {
                if let Some(routes) = paths.folded.get(&path[..end]) {
                    return routes;
                }
                match path[..end].rfind('/') {
                    Some(at) => end = at,
                    None => break,
                }
            }
        }
        &[]
    }
}

impl config::Route {
    /// Whether it is open to some only.
    fn is_guarded(&self) -> bool {
        !self.deny.is_empty()
            || !self.allow.is_empty()
            || !self.allow_countries.is_empty()
            || !self.deny_countries.is_empty()
            || matches!(self.action, Action::Nothing)
    }
}

impl Paths {
    fn add(&mut self, route: &Arc<Route>, ignore_case: bool) {
        let prefix = &route.config.prefix;
        let folded = if ignore_case { prefix.to_lowercase() } else { prefix.clone() };
        self.folded.entry(folded).or_default().push(route.clone());
        if !self.prefixes.contains_key(prefix) {
            self.ordered.push(prefix.clone());
            self.ordered.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        }
        let routes = self.prefixes.entry(prefix.clone()).or_default();
        routes.push(route.clone());
        routes.sort_by_key(|route| {
            std::cmp::Reverse((
                route.config.headers.len(),
                usize::from(!route.config.methods.is_empty()),
            ))
        });
    }

    fn find(
        &self,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
        others: &mut Vec<Method>,
    ) -> Option<&Arc<Route>> {
        let mut among = |prefix: &str| {
            let routes = self.prefixes.get(prefix)?;
            routes.iter().find(|route| route.suits(method, headers, others))
        };
        if self.ordered.len() <= FEW {
            return self
                .ordered
                .iter()
                .filter(|prefix| covers(prefix, path))
                .find_map(|prefix| among(prefix));
        }
        let mut end = path.len();
        loop {
            if let Some(route) = among(path[..end].trim_end_matches('/')) {
                return Some(route);
            }
            end = path[..end].rfind('/')?;
            if end == 0 {
                return among("");
            }
        }
    }
}

/// `/api` covers `/api` and `/api/x`, not `/apix`.
fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Route {
    pub(crate) fn suits(
        &self,
        method: &Method,
        headers: &HeaderMap,
        others: &mut Vec<Method>,
    ) -> bool {
        let fields = self.config.headers.iter().all(|(name, value)| {
            headers
                .get_all(name)
                .iter()
                .any(|found| value.is_empty() || found.as_bytes() == value.as_bytes())
        });
        if !fields {
            return false;
        }
        let preflight = self.config.cors.is_some()
            && method == Method::OPTIONS
            && headers.contains_key(http::header::ACCESS_CONTROL_REQUEST_METHOD);
        let methods = &self.config.methods;
        let fits = methods.is_empty()
            || methods.contains(method)
            || (method == Method::HEAD && methods.contains(&Method::GET))
            || preflight;
        if !fits {
            others.extend(methods.iter().cloned());
        }
        fits
    }
}

fn label(route: &config::Route) -> String {
    let mut label = route.hosts.join(",");
    label.push_str(if route.prefix.is_empty() { "/" } else { &route.prefix });
    for method in &route.methods {
        label.push(' ');
        label.push_str(method.as_str());
    }
    for (name, value) in &route.headers {
        label.push_str(&format!(" {name}={value}"));
    }
    label
}

fn client_tls(pool: &config::Pool) -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    match &pool.tls_ca {
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(|cause| format!("tls_ca cannot be read: {cause}"))?;
            for certificate in certificates {
                let certificate =
                    certificate.map_err(|cause| format!("tls_ca is no PEM: {cause}"))?;
                roots
                    .add(certificate)
                    .map_err(|cause| format!("tls_ca holds no authority: {cause}"))?;
            }
            if roots.is_empty() {
                return Err("tls_ca holds no certificate".to_owned());
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![if pool.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Arc::new(tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &str) -> Table {
        let text = format!(
            "pools:\n  - {{name: p, backends: [{{address: \"10.0.0.1:80\"}}]}}\nroutes:\n{routes}"
        );
        let report = config::check(&text, &|_| None);
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let certified = Certified::default();
        Table::new(report.config.expect("sound"), &certified, None, &Secrets::none())
            .unwrap_or_else(|_| panic!("compiles"))
    }

    fn found(table: &Table, host: &str, path: &str, method: Method, headers: &HeaderMap) -> String {
        match table.find(Some(host), path, &method, headers) {
            Found::Route(route) => route.label.clone(),
            Found::Method(methods) => format!("405 {methods:?}"),
            Found::NoPath => "404".to_owned(),
            Found::NoHost => "no host".to_owned(),
        }
    }

    #[test]
    fn the_most_exact_route_is_found() {
        let table = table(
            "  - {host: a.com, pool: p}
  - {host: a.com, pool: p, path_prefix: /api}
  - {host: a.com, pool: p, path_prefix: /api/v2/}
  - {host: a.com, pool: p, path_prefix: /write, methods: [POST]}
  - {host: a.com, pool: p, path_prefix: /api, match_headers: {x-beta: \"1\"}}
  - {host: \"*.a.com\", pool: p}
  - {host: \"*.b.a.com\", pool: p, path_prefix: /only}
",
        );
        let none = HeaderMap::new();
        let mut beta = HeaderMap::new();
        beta.insert("x-beta", http::HeaderValue::from_static("1"));
        for (host, path, method, headers, label) in [
            ("a.com", "/", Method::GET, &none, "a.com/"),
            ("a.com", "/apix", Method::GET, &none, "a.com/"),
            ("a.com", "/api", Method::GET, &none, "a.com/api"),
            ("a.com", "/api/v1", Method::GET, &none, "a.com/api"),
            ("a.com", "/api/v2/x", Method::GET, &none, "a.com/api/v2"),
            ("a.com", "/api/v1", Method::GET, &beta, "a.com/api x-beta=1"),
            ("a.com", "/write", Method::POST, &none, "a.com/write POST"),
            ("a.com", "/write", Method::GET, &none, "a.com/"),
            ("x.a.com", "/", Method::GET, &none, "*.a.com/"),
            ("y.x.a.com", "/", Method::GET, &none, "*.a.com/"),
            ("x.b.a.com", "/only/y", Method::GET, &none, "*.b.a.com/only"),
            ("x.b.a.com", "/", Method::GET, &none, "*.a.com/"),
            ("b.com", "/", Method::GET, &none, "no host"),
        ] {
            assert_eq!(found(&table, host, path, method, headers), label, "{host}{path}");
        }
    }

    #[test]
    fn many_prefixes_are_found_as_few_are() {
        let mut routes = String::new();
        for number in 0..50 {
            routes.push_str(&format!("  - {{host: a.com, pool: p, path_prefix: /t/{number}}}\n"));
        }
        routes.push_str("  - {host: a.com, pool: p, path_prefix: /w, methods: [POST]}\n");
        let table = table(&routes);
        let none = HeaderMap::new();
        assert_eq!(found(&table, "a.com", "/t/7/x/y", Method::GET, &none), "a.com/t/7");
        assert_eq!(found(&table, "a.com", "/t/7", Method::GET, &none), "a.com/t/7");
        assert_eq!(found(&table, "a.com", "/t/7/", Method::GET, &none), "a.com/t/7");
        assert_eq!(found(&table, "a.com", "/t/77", Method::GET, &none), "404");
        assert_eq!(found(&table, "a.com", "/w", Method::GET, &none), "405 [POST]");
    }
}
