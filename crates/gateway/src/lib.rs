//! The gateway: the data plane in front of everything. It knows routes and upstreams, and nothing of the rooms of
//! the house.
//!
//! Each worker is a thread with a runtime of its own; requests meet nothing that is shared but an immutable
//! table, swapped whole, and atomics. Upstream connections belong to a worker and are driven by the request
//! that uses them.
//!
//! # Invariants
//! - No request is passed on whose framing two readers could understand differently.
//! - A change of the table is seen whole or not at all, and touches no connection.
//! - What a stranger says of others (`X-Forwarded-For` and its kin) is never passed on as true.
//! - Nothing outside this process is asked while a request waits, but its upstream.
//!
//! # Elsewhere
//! Command line, signals, watching of the file: crate `portaria`.

mod access;
mod account;
mod admin;
mod answer;
mod balance;
mod body;
mod budget;
mod cache;
mod change;
mod chunks;
mod client;
mod clock;
mod codec;
mod compress;
mod config;
mod cors;
mod drive;
mod edits;
mod extra;
mod follow;
mod forward;
mod freshness;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gather;
mod geo;
mod guard;
mod head;
mod health;
mod host;
mod hosted;
mod inspect;
mod lease;
mod lifetime;
mod limits;
pub mod listener;
mod metrics;
mod proxy;
mod proxy_protocol;
mod response_head;
mod secrets;
mod send;
mod serve;
mod session;
mod shared;
mod sharing;
mod spelling;
mod stats;
mod sticky;
mod table;
mod timers;
mod tls;
mod trouble;
mod trust;
mod tunnel;
mod upstream;
mod view;
mod waf;
mod worker;
mod x509;
mod yaml;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

pub use config::{Auto, Cluster, Config, Fault, Report, Token, check};
pub use hosted::{Hosted, HostedPool, HostedRoute, HostedTo};
pub use sharing::{Call, Counts, Draw, Member, Others, Outlook, Servers};
pub use tls::{Certified, HostedCertificate, HostedChallenge};

use secrets::Secrets;
use shared::{Beside, Shared};
use table::Table;
use worker::Crew;

/// Looks up `${NAME}` of a file.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is sound by itself, but files it names are not.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults(Vec<Fault>),
    #[error(
        "cannot listen on {address}: {cause}; choose another address or end what listens there"
    )]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A running gateway.
pub struct Gateway {
    shared: Arc<Shared>,
    addresses: Addresses,
    listeners: Vec<(Door, TcpListener)>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
}

/// Where it listens; with port 0 in the file, the port that was given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addresses {
    pub plain: Option<SocketAddr>,
    pub tls: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Plain,
    Tls,
    Metrics,
    Admin,
}

impl Door {
    pub const ALL: [Self; 4] = [Self::Plain, Self::Tls, Self::Metrics, Self::Admin];
}

impl Gateway {
    /// Binds, and serves until it is stopped. A listener of `inherited` takes the place of one that would be bound to
    /// the same address; connections that wait in its queue are served. `house` is a secret that all nodes of a house
    /// know: they share sticky cookies and what clients used of their limits. Call within a tokio runtime, on which checks and the admin API run.
    ///
    /// # Errors
    /// When an address is taken, or a file that the configuration names is unreadable.
    pub fn start(
        config: Config,
        hosted: Hosted,
        wall: kernel::Clock,
        variables: Variables,
        house: Option<[u8; 32]>,
        inherited: Vec<(Door, TcpListener)>,
    ) -> Result<Self, StartError> {
        let secrets = Secrets::of(&config, house);
        let beside = Beside { hosted, certified: Certified::default() };
        let table =
            change::table(config.clone(), &beside, None, &secrets).map_err(StartError::Faults)?;
        let global = table.global.clone();
        let count = match global.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let shared = Arc::new(Shared::new(table, secrets, wall, variables));
        *shared.beside.lock() = beside;
        shared.outside.based_on(&config);
        shared.history.push(1, shared.wall.now(), "start", config);
        change::open_log(&shared, &global).map_err(|fault| StartError::Faults(vec![fault]))?;
        let mut addresses = Addresses::default();
        let mut listeners: Vec<(Door, TcpListener)> = Vec::new();
        let mut inherited = inherited;
        for (door, address) in [
            (Door::Plain, global.bind),
            (Door::Tls, global.tls_bind),
            (Door::Metrics, global.metrics),
            (Door::Admin, global.admin),
        ] {
            let Some(address) = address else { continue };
            let same = |(known, listener): &(Door, TcpListener)| {
                *known == door && listener.local_addr().is_ok_and(|at| at == address)
            };
            let listener = match inherited.iter().position(same) {
                Some(at) => inherited.swap_remove(at).1,
                None => listen(address)?,
            };
            let at = listener.local_addr().ok();
            match door {
                Door::Plain => addresses.plain = at,
                Door::Tls => addresses.tls = at,
                Door::Metrics => addresses.metrics = at,
                Door::Admin => addresses.admin = at,
            }
            listeners.push((door, listener));
        }
        let copy = |wanted: Door| {
            let found = listeners.iter().find(|(door, _)| *door == wanted);
            found.map(|(_, listener)| listener.try_clone()).transpose().map_err(StartError::Thread)
        };
        let (plain, secure) = (copy(Door::Plain)?, copy(Door::Tls)?);
        let (metrics, admin) = (copy(Door::Metrics)?, copy(Door::Admin)?);
        shared.tls_port.store(addresses.tls.map_or(0, |address| address.port()), Ordering::Relaxed);
        let (handing, handed): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let crew =
            Arc::new(Crew { handing, loads: (0..count).map(|_| AtomicUsize::new(0)).collect() });
        let mut threads = Vec::new();
        for (index, handed) in handed.into_iter().enumerate() {
            let mut doors = Vec::new();
            for (listener, is_secure) in [(&plain, false), (&secure, true)] {
                if let Some(listener) = listener {
                    let listener = listener.try_clone().map_err(StartError::Thread)?;
                    doors.push(worker::Door { listener, secure: is_secure });
                }
            }
            let (shared, crew) = (shared.clone(), crew.clone());
            let thread = std::thread::Builder::new()
                .name(format!("gateway-{index}"))
                .spawn(move || worker::run(shared, index, doors, crew, handed))
                .map_err(StartError::Thread)?;
            threads.push(thread);
        }
        tokio::spawn(health::run(shared.clone()));
        if let Some(listener) = metrics {
            tokio::spawn(control(shared.clone(), listener, false));
        }
        if let Some(listener) = admin {
            tokio::spawn(control(shared.clone(), listener, true));
        }
        tracing::info!(
            event = "gateway_ready",
            workers = count,
            plain = addresses.plain.map(|address| address.to_string()),
            tls = addresses.tls.map(|address| address.to_string()),
            version = 1
        );
        Ok(Self { shared, addresses, listeners, threads })
    }

    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What a configuration that is sound by itself lacks on this machine: certificates, keys and authorities that
    /// cannot be read.
    #[must_use]
    pub fn faults_here(config: Config) -> Vec<Fault> {
        Table::new(config, &Certified::default(), None, &Secrets::none()).err().unwrap_or_default()
    }

    /// Puts another configuration in place; connections do not notice. The version that serves now.
    ///
    /// # Errors
    /// What is wrong; the table that serves stays.
    pub fn apply(&self, config: Config) -> Result<u64, Vec<Fault>> {
        let version = change::apply(&self.shared, config.clone(), "file")?;
        self.shared.outside.based_on(&config);
        Ok(version)
    }

    /// Puts other hosts beside those of the file, all at once. The version that serves now.
    ///
    /// # Errors
    /// When the table cannot be made; what served goes on.
    pub fn host(&self, hosted: Hosted) -> Result<u64, Vec<Fault>> {
        change::beside(&self.shared, "domains", |beside| beside.hosted = hosted)
    }

    /// Puts other certificates beside those of the file, all at once. The version that serves now.
    ///
    /// # Errors
    /// When the table cannot be made; what served goes on.
    pub fn certify(&self, certified: Certified) -> Result<u64, Vec<Fault>> {
        change::beside(&self.shared, "certificates", |beside| beside.certified = certified)
    }

    /// Where the file that serves has a new process ask for the listeners.
    #[must_use]
    pub fn upgrade_socket(&self) -> Option<std::path::PathBuf> {
        self.shared.table.load().global.upgrade_socket.clone()
    }

    /// What the file that serves says of certificates by ACME.
    #[must_use]
    pub fn automatic(&self) -> Option<Auto> {
        self.shared.table.load().global.tls.auto.clone()
    }

    /// Hosts without a certificate that somebody asked for since the last call.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked()
    }

    /// Whether a host is served here with a certificate that the program gets, or is to get.
    #[must_use]
    pub fn is_automatic(&self, host: &str) -> bool {
        let table = self.shared.table.load();
        table.names(host) && table.certificates.is_automatic(host)
    }

    /// What it counts, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        metrics::text(&self.shared)
    }

    /// Its listeners, for a process that takes over.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn listeners(&self) -> std::io::Result<Vec<(Door, TcpListener)>> {
        self.listeners.iter().map(|(door, one)| Ok((*door, one.try_clone()?))).collect()
    }

    /// Another process has the listeners now: what is here finishes, is not refused, and the rest is the other's.
    pub async fn hand_over(self) {
        self.shared.handed_over.cancel();
        self.stop().await;
    }

    /// Takes no new connections and says that it ends; [`Self::stop`] does the rest.
    pub fn close(&self) {
        self.shared.closing.cancel();
        self.shared.drain();
    }

    /// Takes no new connections, lets what runs finish until the deadline, and ends.
    pub async fn stop(mut self) {
        // While a copy is open, connections would wait for nobody.
        self.listeners.clear();
        self.shared.closing.cancel();
        self.shared.drain();
        let deadline = self.shared.table.load().global.drain_deadline;
        let mut left = deadline;
        while !left.is_zero() {
            let open = self.shared.connections.load(Ordering::Relaxed);
            if open == 0 && self.shared.requests.sum() == 0 {
                break;
            }
            let step = left.min(Duration::from_millis(20));
            tokio::time::sleep(step).await;
            left -= step;
        }
        self.shared.expired.cancel();
        // A moment for tunnels to say their last.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.shared.stopped.cancel();
        for thread in self.threads {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            if let Ok(Ok(Err(cause))) = ended {
                tracing::error!(event = "gateway_worker_failed", cause = %cause);
            }
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let open = || -> std::io::Result<TcpListener> {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        Ok(socket.into())
    };
    open().map_err(|cause| StartError::Listen { address, cause })
}

/// The addresses for probes and figures, and for the admin API.
async fn control(shared: Arc<Shared>, listener: TcpListener, admin: bool) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(cause) => {
            tracing::error!(event = "gateway_listen_failed", cause = %cause);
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopped.cancelled() => return,
            // Probes and changes are for the process that serves.
            () = shared.handed_over.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let shared = shared.clone();
                async move {
                    let answer = controlled(&shared, request, admin).await;
                    Ok::<_, std::convert::Infallible>(answer.map(Full::new))
                }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder
                .timer(hyper_util::rt::TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10));
            // A caller that broke off needs no answer.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn controlled(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    admin: bool,
) -> Response<Bytes> {
    if let Some(answer) = admin::public(shared, request.method(), request.uri().path()) {
        return answer;
    }
    let token = shared.table.load().global.admin_token.clone();
    match token {
        Some(token) if admin => admin::answer(shared, &token, request).await,
        _ => admin::problem(http::StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics"),
    }
}
