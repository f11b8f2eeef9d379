//! Running the house: listening, working, and stopping without losing anything.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use gateway::listener::{self, ListenerCounts, ListenerLimits};
use metrics_exporter_prometheus::PrometheusHandle;
use panel::PageRoute;
use queue::Lane;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::front::{self, Front};
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
    /// Ends requests that still run.
    overtime: CancellationToken,
    readiness: Readiness,
    tasks: Vec<JoinHandle<()>>,
    front: Option<Front>,
    house: House,
}

/// Requests that are still running may take this long once the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// And jobs, with whatever else runs, this long. What is cut short is tried again when its lease ends, as after a crash.
const WORK: Duration = Duration::from_secs(60);
/// Descriptors that connections leave to the database, files, and calls to others.
pub(crate) const OWN_DESCRIPTORS: u64 = 256;

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
    let panel = pages::routes(&house, None);
    serve_with(house, role, lanes, metrics, panel).await
}

pub(crate) async fn serve_with(
    house: House,
    role: Role,
    lanes: &[Lane],
    metrics: Option<PrometheusHandle>,
    extra: (Router, Vec<PageRoute>),
) -> anyhow::Result<Serving> {
    if let Some(instance) = &house.config.instance {
        tenants::ensure_instance(&house, instance).await?;
    }
    let (stop, overtime) = (CancellationToken::new(), CancellationToken::new());
    let readiness = Readiness::default();
    let mut tasks = Vec::new();
    let mut address = None;
    if role != Role::Worker {
        let listener = TcpListener::bind(&house.config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", house.config.listen))?;
        address = Some(listener.local_addr()?);
        let router = http::routes(&house, metrics, readiness.clone(), extra);
        let limits = connections(&house.config.listener);
        let tokens = (stop.clone(), overtime.clone());
        tasks.push(tokio::spawn(listen(listener, limits, router, tokens)));
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
        let (queue, stopping) = (house.queue(lanes), stop.clone());
        tasks.push(tasks::supervise("queue", move || {
            let (queue, stop) = (queue.clone(), stopping.clone());
            async move { queue.run(stop).await }
        }));
        let (house, stopping) = (house.clone(), stop.clone());
        tasks.push(tasks::supervise("mail", move || {
            pages::postman(house.clone(), stopping.clone())
        }));
    }
    let (kept, stopping) = (house.clone(), stop.clone());
    tasks::supervise("upkeep", move || upkeep(kept.clone(), stopping.clone()));
    tracing::info!(
        event = "server_ready",
        role = format!("{role:?}").to_lowercase(),
        engine = house.db.engine().name(),
        version = env!("CARGO_PKG_VERSION"),
    );
    Ok(Serving { address, stop, overtime, readiness, tasks, front, house })
}

/// As many connections as were asked for, and as the process has descriptors for.
fn connections(wanted: &ListenerLimits) -> ListenerLimits {
    let most = front::descriptors().saturating_sub(OWN_DESCRIPTORS).max(64);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most < wanted.connections {
        tracing::warn!(event = "few_descriptors", connections = most as u64);
    }
    ListenerLimits { connections: wanted.connections.min(most), ..wanted.clone() }
}

async fn listen(
    listener: TcpListener,
    limits: ListenerLimits,
    router: Router,
    tokens: (CancellationToken, CancellationToken),
) {
    let counts = Arc::new(ListenerCounts::default());
    let answer = move |request: Request<hyper::body::Incoming>, from: SocketAddr| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            let answered: Result<Response<Body>, Infallible> = router.oneshot(request).await;
            answered.unwrap_or_else(|never| match never {})
        }
    };
    listener::serve(listener, &limits, counts, answer, tokens).await;
}

/// Where this process itself reaches an address that it listens on.
pub(crate) fn near(address: SocketAddr) -> SocketAddr {
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
        // Streams of open pages end at once: nothing would end them otherwise. Files that are being read, too.
        self.readiness.drain();
        self.house.library.reader().stop();
        let overtime = self.overtime.clone();
        tokio::spawn(async move {
            tokio::time::sleep(DRAIN).await;
            overtime.cancel();
        });
        // What stands in front ends first: it may still need what is behind.
        if let Some(front) = self.front {
            front.stop().await;
        }
        self.stop.cancel();
        if !ended_within(WORK, self.tasks).await {
            tracing::warn!(event = "server_stop_cut_short");
        }
        self.house.db.close().await;
    }
}

/// Waits for tasks, and aborts those that have not ended in time. Whether all did.
async fn ended_within(time: Duration, tasks: Vec<JoinHandle<()>>) -> bool {
    let deadline = tokio::time::Instant::now() + time;
    let mut all = true;
    for mut task in tasks {
        // A task that panicked is over as well.
        if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
            task.abort();
            all = false;
        }
    }
    all
}

/// Has files read again that an earlier version of the program read.
async fn read_again(house: &House) -> Result<(), db::Error> {
    let tenants: Vec<_> = tenancy::ids(&house.db).await?.into_iter().map(|(id, _)| id).collect();
    knowledge::schedule_rereading(&house.db, &tenants, house.clock.now()).await
}

async fn upkeep(house: House, stop: CancellationToken) {
    if let Err(cause) = read_again(&house).await {
        // At the next start.
        tracing::warn!(event = "rereading_not_scheduled", cause = %cause);
    }
    let mut minutes = 0u64;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
        house.library.shrink();
        if let Some(space) = house.files.disk().space()
            && space.is_low()
        {
            tracing::warn!(
                event = "disk_low",
                free_mib = space.free >> 20,
                reserve_mib = space.reserve >> 20,
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_never_ends_does_not_keep_the_process() {
        let quick = tokio::spawn(tokio::time::sleep(Duration::from_secs(1)));
        assert!(ended_within(WORK, vec![quick]).await);
        let (ended, told) = tokio::sync::oneshot::channel::<()>();
        let stuck = tokio::spawn(async move {
            let _kept = ended;
            std::future::pending::<()>().await;
        });
        let quick = tokio::spawn(tokio::time::sleep(Duration::from_secs(1)));
        assert!(!ended_within(WORK, vec![stuck, quick]).await);
        assert!(told.await.is_err(), "what it held is let go");
    }
}
