//! Running the house: listening, working, and stopping without losing anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::Lane;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::health::Readiness;
use crate::house::House;
use crate::{http, pages, tenants};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Serves and works.
    All,
    /// Serves only.
    Api,
    /// Works only; listens nowhere.
    Worker,
    /// The gateway only, from its file, without a database.
    Gateway,
}

/// A running house.
pub struct Serving {
    pub address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    front: Option<Front>,
    house: House,
}

/// Requests that are still running may take this long once the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Starts the house in a role.
///
/// # Errors
/// When the address is taken.
pub async fn serve(
    house: House,
    role: Role,
    lanes: &[Lane],
    metrics: Option<PrometheusHandle>,
) -> anyhow::Result<Serving> {
    let (panel, _) = pages::routes(&house, None);
    serve_with(house, role, lanes, metrics, panel).await
}

pub(crate) async fn serve_with(
    house: House,
    role: Role,
    lanes: &[Lane],
    metrics: Option<PrometheusHandle>,
    extra: Router,
) -> anyhow::Result<Serving> {
    if let Some(instance) = &house.config.instance {
        tenants::ensure_instance(&house, instance).await?;
    }
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    let mut address = None;
    if role != Role::Worker {
        let listener = TcpListener::bind(&house.config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", house.config.listen))?;
        address = Some(listener.local_addr()?);
        let readiness = Readiness::default();
        let router = http::routes(&house, metrics, readiness.clone(), extra);
        let stopping = stop.clone();
        let listener = listener.tap_io(|stream| {
            // Small answers must not wait for more to send.
            let _ = stream.set_nodelay(true);
        });
        tasks.push(tokio::spawn(async move {
            let wait = {
                let stopping = stopping.clone();
                async move {
                    stopping.cancelled().await;
                    readiness.drain();
                }
            };
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let serving = axum::serve(listener, service).with_graceful_shutdown(wait);
            let overtime = async {
                stopping.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            };
            tokio::select! {
                _ = std::future::IntoFuture::into_future(serving) => {}
                () = overtime => {}
            }
        }));
    }
    let front = match (&house.config.gateway, address) {
        (Some(file), Some(address)) if role == Role::All => {
            let hosts = house.hosts(vec![near(address).to_string()]);
            Some(Front::start(file, house.clock.clone(), Some(hosts), Vec::new()).await?)
        }
        _ => None,
    };
    if role != Role::Api {
        channels::schedule(&house.db, house.clock.now()).await?;
        let queue = house.queue(lanes);
        let stopping = stop.clone();
        tasks.push(tokio::spawn(async move { queue.run(stopping).await }));
        tasks.push(tokio::spawn(pages::postman(house.clone(), stop.clone())));
    }
    tokio::spawn(upkeep(house.clone(), stop.clone()));
    tracing::info!(
        event = "server_ready",
        role = format!("{role:?}").to_lowercase(),
        engine = house.db.engine().name(),
        version = env!("CARGO_PKG_VERSION"),
    );
    Ok(Serving { address, stop, tasks, front, house })
}

/// Where this process itself reaches an address that it listens on.
fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Serving {
    /// Takes no new work, finishes what runs, and returns.
    pub async fn stop(self) {
        tracing::info!(event = "server_stopping");
        // What stands in front ends first: it may still need what is behind.
        if let Some(front) = self.front {
            front.stop().await;
        }
        self.stop.cancel();
        for task in self.tasks {
            // A task that panicked is over as well.
            let _ = task.await;
        }
        self.house.db.close().await;
    }
}

async fn upkeep(house: House, stop: CancellationToken) {
    let mut minutes = 0u64;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
        house.library.shrink();
        minutes += 1;
        if minutes.is_multiple_of(60) {
            // Pruning again next hour is soon enough when the database is away now.
            let _ = web::prune_idempotency(&house.db, house.clock.now()).await;
            let _ = hooks::prune(&house.db, house.clock.now()).await;
            let _ = pages::prune_mail(&house).await;
            let _ = house.certificates().prune().await;
            let desk = traffic::Desk { db: house.db.clone(), clock: house.clock.clone() };
            let _ = desk.prune().await;
        }
    }
}
