//! The gateway's file: what it may say, and every fault in it with its line.
//!
//! The shape is the one that operators of the replaced gateway have: `global`, `pools`, `routes`, and blocks
//! that belong to other parts of the platform, which are read past with a note where they are set now.

mod cluster;
mod elsewhere;
mod global;
mod pools;
mod read;
mod regions;
mod routes;
mod waf;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use pools::{address as parse_address, standard_check};
pub use read::Fault;
pub(crate) use waf::{Waf, WafLevel, WafMode};

use crate::trust::Networks;
use crate::yaml;
use read::Reading;

/// A file that was read and found sound.
#[derive(Debug, Clone)]
pub struct Config {
    pub global: Global,
    pub pools: Vec<Pool>,
    pub routes: Vec<Route>,
    pub regions: Regions,
    pub cluster: Option<Cluster>,
}

impl Config {
    /// The same for a node whose own file says `base`: where it listens, by which secrets and name it is known, and where it
    /// writes are its own.
    pub(crate) fn of_node(mut self, base: &Self) -> Self {
        let own = base.global.clone();
        self.global.bind = own.bind;
        self.global.tls_bind = own.tls_bind;
        self.global.metrics = own.metrics;
        self.global.admin = own.admin;
        self.global.admin_token = own.admin_token;
        self.global.workers = own.workers;
        self.global.sticky_secret = own.sticky_secret;
        self.global.upgrade_socket = own.upgrade_socket;
        self.global.access_log = own.access_log;
        self.cluster.clone_from(&base.cluster);
        self
    }
}

/// What several gateways share through a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// `redis://` or `rediss://` addresses: of one server, of sentinels, or of some of a cluster. None: the house's.
    pub servers: Vec<String>,
    pub username: Option<String>,
    pub password: Option<Token>,
    pub db: u32,
    pub tls: bool,
    /// The name under which sentinels know the master, when they know several.
    pub sentinel_master: Option<String>,
    pub is_cluster: bool,
    /// What every key begins with.
    pub prefix: String,
    /// The name of this node; one is made up without it.
    pub node: Option<String>,
    /// How often what was counted is shared.
    pub share: Duration,
    pub heartbeat: Duration,
    /// How long a leader that is not heard of stays one.
    pub leader: Duration,
    /// Only the counts of limits are shared, as `global.rate_limit.redis_address` asks.
    pub limits_only: bool,
}

/// A MaxMind database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geo {
    pub path: PathBuf,
    /// Countries that get 403, by their two letters.
    pub blocked: Vec<String>,
}

/// Which region the requests of tenants prefer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regions {
    pub default: Option<String>,
    pub by_tenant: HashMap<String, String>,
}

/// What reading a file gave.
#[derive(Debug)]
pub struct Report {
    /// `None` when there is any fault.
    pub config: Option<Config>,
    pub faults: Vec<Fault>,
    /// What is fine, and worth knowing.
    pub notes: Vec<Fault>,
}

#[derive(Debug, Clone)]
pub struct Global {
    pub bind: Option<SocketAddr>,
    pub tls_bind: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub admin_token: Option<Token>,
    /// Threads that carry traffic; 0 is one per processor.
    pub workers: usize,
    pub tls: Tls,
    pub rate: Option<Rate>,
    pub rate_exclude: Vec<String>,
    pub limits: Limits,
    pub trusted: Networks,
    /// Fields of clients that are passed on though they are for proxies to say.
    pub pass_fields: Vec<http::HeaderName>,
    pub denials: Denials,
    pub proxy_protocol: Option<Networks>,
    pub drain_deadline: Duration,
    /// Where a new process asks for the listeners.
    pub upgrade_socket: Option<PathBuf>,
    pub access_log: Option<AccessLog>,
    pub error_pages: ErrorPages,
    pub sticky_secret: Option<Token>,
    /// Security headers that answers get when they have none of their own.
    pub security_headers: bool,
    pub block: Networks,
    pub geo: Option<Geo>,
    /// Bytes of answers that are kept.
    pub cache_size: u64,
    /// Whether text is compressed for clients that take it so.
    pub compress: bool,
    pub waf: Option<Waf>,
}

/// How a path that is not open to all is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denials {
    /// Whether letters of both cases are one.
    pub ignore_case: bool,
    /// Whether a server behind may decode once more.
    pub decode_twice: bool,
}

impl Default for Denials {
    fn default() -> Self {
        Self { ignore_case: true, decode_twice: true }
    }
}

/// A secret that never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(crate) String);

impl Token {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(set)")
    }
}

#[derive(Debug, Clone, Default)]
pub struct Tls {
    pub certificates: Vec<Certificate>,
    /// Certificates by ACME for hosts that have none.
    pub auto: Option<Auto>,
    /// Hosts of `auto` whose clients must show a certificate of an authority; the last entry, without hosts, is for
    /// all others.
    pub client_authorities: Vec<(Vec<String>, PathBuf)>,
    /// A host with a certificate answers plain HTTP with a redirect.
    pub force: bool,
    pub hsts: Duration,
}

/// Whom certificates come from, and where they are kept by a node without a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auto {
    pub email: Option<String>,
    pub folder: PathBuf,
    /// Address of the authority's directory.
    pub directory: String,
    /// The authority of the directory's own certificate, when it is not a public one.
    pub root: Option<PathBuf>,
    /// Prove hosts by TLS-ALPN-01 instead of HTTP-01.
    pub tls_alpn: bool,
    /// Look where a host's name leads before a certificate is ordered.
    pub check: bool,
}

#[derive(Debug, Clone)]
pub struct Certificate {
    /// None: the names in the certificate itself.
    pub hosts: Vec<String>,
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Clients must show a certificate of one of these authorities.
    pub client_ca: Option<PathBuf>,
    /// An OCSP response, DER, that is sent with it.
    pub ocsp: Option<PathBuf>,
    pub line: usize,
}

/// A token bucket: so many a second, so many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
    pub status: http::StatusCode,
}

/// What a rate is counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateKey {
    ClientIp,
    Header(http::HeaderName),
    /// All requests of the route together.
    Route,
}

#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request head, and fields in it.
    pub head: usize,
    pub headers: usize,
    /// Bytes of a request body; 0 for no limit.
    pub body: u64,
    pub connections: usize,
    pub connections_per_ip: usize,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// Between two reads of a request body, and between two writes of a response.
    pub idle_timeout: Duration,
    pub keep_alive: Duration,
    pub tls_handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 32 << 10,
            headers: 100,
            body: 100 << 20,
            connections: 50_000,
            connections_per_ip: 0,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            tls_handshake: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, Clone)]
pub struct AccessLog {
    /// `None`: standard output.
    pub path: Option<PathBuf>,
    /// Share of requests that are written; answers of 500 and above always are.
    pub sample: f64,
    pub client_ip: ClientIp,
}

/// How much of a client's address a log line keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIp {
    /// Without its last byte (IPv4), or last ten (IPv6).
    Masked,
    Full,
    None,
}

/// The look of the answers that are our own.
#[derive(Debug, Clone, Default)]
pub struct ErrorPages {
    /// HTML with `{{status}}`, `{{reason}}`, `{{detail}}` and `{{request_id}}`.
    pub template: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Pool {
    pub name: String,
    pub line: usize,
    pub tenant: Option<String>,
    pub algorithm: Algorithm,
    pub sticky: Option<Sticky>,
    pub http2: bool,
    /// `Host` as the client sent it, or the upstream's own.
    pub preserve_host: bool,
    pub tls_ca: Option<PathBuf>,
    pub tls_name: Option<String>,
    pub retries: u32,
    pub retry_share: f64,
    pub retry_floor: f64,
    pub timeouts: Timeouts,
    /// Requests at an upstream at once; 0 for no limit.
    pub max_requests: usize,
    /// Requests that may wait for a place, and how long.
    pub max_pending: usize,
    pub queue_timeout: Duration,
    pub slow_start: Duration,
    /// Health is ignored when at most this share of the members is healthy.
    pub panic_threshold: f64,
    pub outlier: Outlier,
    pub answer: Answer,
    /// How long an upstream is waited for to say that it wants a body that its client holds back. Zero: not at all.
    pub continue_timeout: Duration,
    pub backends: Vec<Backend>,
}

/// How large the head of an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub fields: usize,
    /// In bytes.
    pub head: usize,
}

impl Default for Answer {
    fn default() -> Self {
        Self { fields: 512, head: 64 << 10 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// To the head of the response.
    pub response: Duration,
    /// Between two pieces of a response.
    pub idle: Duration,
    /// All of it; zero for no limit.
    pub total: Duration,
}

/// Passive health: what ejects an upstream, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Errors in a row; 0 turns ejection off.
    pub consecutive: u32,
    pub ejection: Duration,
    pub max_ejection: Duration,
    /// At most this share of a pool is out at once.
    pub max_share: f64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Algorithm {
    RoundRobin,
    LeastConn,
    Ewma,
    IpHash,
    Maglev(HashOn),
    /// Nearest by region or coordinates.
    Geo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    ClientIp,
    Header(http::HeaderName),
    Cookie(String),
    Path,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    pub cookie: String,
    pub age: Duration,
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone)]
pub struct Backend {
    pub scheme: Scheme,
    /// `host:port`.
    pub address: String,
    pub weight: u32,
    /// Finishes what it has and gets nobody new.
    pub draining: bool,
    pub priority: u32,
    pub region: Option<String>,
    /// Latitude and longitude, its own or its region's.
    pub at: Option<(f64, f64)>,
    pub health: Option<Health>,
    /// Addresses on private networks are not connected to.
    pub public_only: bool,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    pub kind: HealthKind,
    pub method: http::Method,
    pub path: String,
    pub host: Option<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Inclusive ranges of statuses that are good.
    pub expected: Vec<(u16, u16)>,
    pub body: Option<String>,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthKind {
    Http,
    Tcp,
    Grpc,
}

#[derive(Debug, Clone)]
pub struct Route {
    pub line: usize,
    pub hosts: Vec<String>,
    pub prefix: String,
    pub methods: Vec<http::Method>,
    /// Fields that must be there; an empty value means any.
    pub headers: Vec<(http::HeaderName, String)>,
    pub action: Action,
    pub tenant: Option<String>,
    pub tls_required: Option<bool>,
    pub rate: Option<(Rate, RateKey)>,
    pub cors: Option<Cors>,
    pub request_headers: Edits,
    pub response_headers: Edits,
    pub timeout: Option<Duration>,
    pub body_limit: Option<u64>,
    pub allow: Networks,
    pub deny: Networks,
    /// Countries that may, and that may not, by their two letters.
    pub allow_countries: Vec<String>,
    pub deny_countries: Vec<String>,
    /// Upstreams of this region are preferred.
    pub region: Option<String>,
    /// Answers that may be kept are.
    pub cache: Option<CacheRule>,
    /// `None`: as `global` says.
    pub compress: Option<bool>,
    pub waf: Option<WafMode>,
}

/// What a route keeps of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRule {
    /// How long what says nothing of itself is kept; zero for not at all.
    pub standard: Duration,
    /// Bytes of a body at most.
    pub largest: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Forward {
        pool: String,
        path: PathChange,
    },
    Redirect {
        to: String,
        status: http::StatusCode,
    },
    /// Not found.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathChange {
    Keep,
    /// The matched prefix is replaced by this one; `/` strips it.
    Replace(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    pub set: Vec<(http::HeaderName, http::HeaderValue)>,
    pub add: Vec<(http::HeaderName, http::HeaderValue)>,
    pub remove: Vec<http::HeaderName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Empty: every origin.
    pub origins: Vec<String>,
    pub methods: String,
    pub headers: String,
    pub credentials: bool,
    pub max_age: Duration,
}

impl Route {
    /// A route that asks for nothing but host and prefix.
    pub(crate) fn plain(host: String, prefix: String, action: Action) -> Self {
        Self {
            line: 0,
            hosts: vec![host],
            prefix,
            methods: Vec::new(),
            headers: Vec::new(),
            action,
            tenant: None,
            tls_required: None,
            rate: None,
            cors: None,
            request_headers: Edits::default(),
            response_headers: Edits::default(),
            timeout: None,
            body_limit: None,
            allow: Networks::default(),
            deny: Networks::default(),
            allow_countries: Vec::new(),
            deny_countries: Vec::new(),
            region: None,
            cache: None,
            compress: None,
            waf: None,
        }
    }
}

/// Whether a file's text has a secret in it, instead of the name of the variable that holds it.
pub(crate) fn holds_secret(text: &[u8]) -> bool {
    const WORDS: &[&str] = &["token", "secret", "password", "apikey", "api_key", "license_key"];
    /// `hidden`: whatever stands here may be one, as the fields that a route sets.
    fn within(node: &yaml::Node, hidden: bool) -> bool {
        match &node.value {
            yaml::Value::Map(entries) => entries.iter().any(|(key, node)| {
                let key = key.text.to_lowercase();
                let here = WORDS.iter().any(|word| key.contains(word));
                let fields = matches!(key.as_str(), "headers" | "response_headers");
                within(node, hidden || here || fields)
            }),
            yaml::Value::List(items) => items.iter().any(|item| within(item, hidden)),
            yaml::Value::Scalar(text) => {
                // A variable with a value for when it is not set has that value in the text.
                let named = text.starts_with("${") && text.ends_with('}') && !text.contains(":-");
                let address = text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
                (hidden && !text.is_empty() && !named) || address
            }
            yaml::Value::Null => false,
        }
    }
    // What cannot be read is not passed on either.
    let root = std::str::from_utf8(text).ok().and_then(|text| yaml::read(text).ok());
    root.is_none_or(|root| within(&root, false))
}

/// Reads a file's text. `variables` looks up `${NAME}`.
#[must_use]
pub fn check(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Report {
    let root = match yaml::read(text) {
        Ok(root) => root,
        Err(fault) => {
            let reason = format!("cannot be read: {}", fault.reason);
            let fault = Fault { line: fault.line, path: "the file".to_owned(), reason };
            return Report { config: None, faults: vec![fault], notes: Vec::new() };
        }
    };
    let reading = Reading::new(variables);
    let map = reading.map(&root, "");
    let global = global::read(&map);
    let pools = pools::read(&map, global.geo.is_some());
    let mut routes = routes::read(&map, &global, &pools);
    let regions = regions::tenants(&map);
    regions::assign(&mut routes, &regions);
    let cluster = cluster::read(&map);
    if cluster.is_some() && global.sticky_secret.is_none() {
        let line = map.line_of("cluster");
        reading.note(line, "cluster", "is without global.sticky_secret: nodes without a database follow no calls then, and other houses on the same Redis are told apart by admin_token or key_prefix alone");
    }
    elsewhere::read(&map);
    map.finish();
    let (faults, notes) = reading.finish();
    let config = faults.is_empty().then_some(Config { global, pools, routes, regions, cluster });
    Report { config, faults, notes }
}
