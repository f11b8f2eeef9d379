//! The gateway of this process: its file read and watched, its life tied to the process's.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::{Door, Gateway, Hosted, Report, Variables};
use kernel::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::certificates::Keeper;
use crate::desk::AtDesk;
use crate::handover;
use crate::hosts::{Follower, Hosts, LOOK};
use crate::nodes::Nodes;

/// How long what looks after a gateway may take to end.
const GOODBYE: Duration = Duration::from_secs(2);

/// A gateway and the task that keeps it in step with its file.
pub(crate) struct Front {
    gateway: Arc<Gateway>,
    stop: CancellationToken,
    /// Another process goes on with all of it.
    handed: Arc<AtomicBool>,
    watchers: Vec<tokio::task::JoinHandle<()>>,
}

fn variables() -> Variables {
    #[expect(clippy::disallowed_methods, reason = "a file may name variables with ${NAME}")]
    Arc::new(|name| std::env::var(name).ok())
}

/// Reads a gateway's file, and the certificates it names.
///
/// # Errors
/// When it cannot be read; what is wrong in it is in the report.
pub(crate) fn read(file: &Path) -> anyhow::Result<Report> {
    let mut report = gateway::check(&text_of(file)?, &*variables());
    if let Some(config) = &report.config {
        report.faults = Gateway::faults_here(config.clone());
    }
    if !report.faults.is_empty() {
        report.config = None;
    }
    Ok(report)
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the gateway's file {}", file.display()))
}

impl Front {
    /// Starts the gateway of a file.
    pub(crate) async fn start(
        file: &Path,
        clock: Clock,
        hosts: Option<Hosts>,
        inherited: Vec<(Door, TcpListener)>,
    ) -> anyhow::Result<Self> {
        // One provider in the whole tree; a second installation only says that it is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        descriptors();
        let text = text_of(file)?;
        let report = gateway::check(&text, &*variables());
        for note in &report.notes {
            tracing::info!(
                event = "gateway_config_note",
                line = note.line,
                field = note.path,
                note = note.reason
            );
        }
        let Some(config) = report.config else {
            let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
            bail!("{} has faults:\n  {}", file.display(), faults.join("\n  "));
        };
        let certificates = hosts.as_ref().map(|hosts| hosts.certificates.clone());
        let desk = hosts
            .as_ref()
            .map(|hosts| traffic::Desk { db: hosts.db.clone(), clock: clock.clone() });
        let (secret, redis) = match &hosts {
            Some(hosts) => (Some(hosts.secret), hosts.redis.clone()),
            None => (None, None),
        };
        if config.cluster.as_ref().is_some_and(|cluster| cluster.servers.is_empty())
            && redis.is_none()
        {
            bail!(
                "{}: cluster names no redis_address, and redis.url is not set; set one of them",
                file.display()
            );
        }
        let (hosted, follower) = match hosts {
            Some(hosts) => {
                let epoch = hosts.db.signals().epoch();
                (hosts.read().await?, Some(Follower::new(hosts, epoch)))
            }
            None => (Hosted::default(), None),
        };
        let gateway = Arc::new(Gateway::start(
            config,
            hosted,
            clock.clone(),
            variables(),
            secret,
            inherited,
        )?);
        let keeper = Keeper::new(gateway.clone(), clock.clone(), certificates);
        let node = format!("{:016x}", rand::random::<u64>());
        let name = gateway.cluster().and_then(|(cluster, _)| cluster.node);
        let desk = desk
            .map(|desk| AtDesk::new(gateway.clone(), desk, name.unwrap_or_else(|| node.clone())));
        let nodes = Nodes::new(gateway.clone(), &clock, node, redis, desk.is_none());
        let stop = CancellationToken::new();
        let handed = Arc::new(AtomicBool::new(false));
        let watch =
            Watch { gateway: gateway.clone(), file: file.to_owned(), taken: text, follower };
        let stopping = stop.clone();
        let watcher = tasks::supervise_with("gateway_file", watch, move |mut watch| {
            let stop = stopping.clone();
            async move { watch.run(stop).await }
        });
        let stopping = stop.clone();
        let keeper = tasks::supervise_with("gateway_certificates", keeper, move |mut keeper| {
            let stop = stopping.clone();
            async move { keeper.run(stop).await }
        });
        let stopping = (stop.clone(), handed.clone());
        let nodes = tasks::supervise_with("gateway_cluster", nodes, move |mut nodes| {
            let (stop, handed) = stopping.clone();
            async move { nodes.run(stop, handed).await }
        });
        let mut watchers = vec![watcher, keeper, nodes];
        watchers.extend(desk.map(|desk| {
            let stopping = stop.clone();
            tasks::supervise_with("gateway_traffic", desk, move |mut desk| {
                let stop = stopping.clone();
                async move { desk.run(stop).await }
            })
        }));
        Ok(Self { gateway, stop, handed, watchers })
    }

    /// Where a new process asks for the listeners.
    pub(crate) fn upgrade_socket(&self, file: &Path) -> PathBuf {
        handover::path_of(file, self.gateway.upgrade_socket().as_deref())
    }

    pub(crate) fn addresses(&self) -> gateway::Addresses {
        self.gateway.addresses()
    }

    /// Gives the listeners to a new process that asks for them at this socket; `taken` is told when it serves.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(crate) fn offer(&self, socket: &Path, taken: Arc<Notify>) -> std::io::Result<()> {
        let (offering, stop) = (handover::offer(socket, self.gateway.clone(), taken)?, &self.stop);
        let stop = stop.clone();
        tokio::spawn(async move {
            stop.cancelled().await;
            offering.abort();
        });
        Ok(())
    }

    pub(crate) async fn stop(self) {
        // Nothing new from now on, however long Redis or the database take to say goodbye.
        self.gateway.close();
        self.gateway().await.stop().await;
    }

    /// Another process serves: what is here finishes.
    pub(crate) async fn hand_over(self) {
        self.handed.store(true, Ordering::Relaxed);
        self.gateway().await.hand_over().await;
    }

    /// The gateway alone, when nobody looks after it any more.
    async fn gateway(self) -> Gateway {
        self.stop.cancel();
        let deadline = tokio::time::Instant::now() + GOODBYE;
        for mut watcher in self.watchers {
            // One that panicked is over as well; one that waits for something that is away is ended.
            if tokio::time::timeout_at(deadline, &mut watcher).await.is_err() {
                watcher.abort();
                let _ = watcher.await;
            }
        }
        let mut shared = self.gateway;
        loop {
            match Arc::try_unwrap(shared) {
                Ok(gateway) => return gateway,
                // The task that offers it lets go in a moment.
                Err(still) => shared = still,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A connection takes a descriptor, and one to its upstream: as many as this process may have, not the few that programs
/// begin with.
///
/// Gives how many those are.
pub(crate) fn descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it is not allowed, what there is has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Takes a changed file in, by itself or on SIGHUP, and changed domains. A file with faults changes nothing. It is
/// taken in when two looks saw the same, so that one that is still being written is not; that is to be within a second.
struct Watch {
    gateway: Arc<Gateway>,
    file: PathBuf,
    /// What the gateway runs by.
    taken: String,
    follower: Option<Follower>,
}

impl Watch {
    async fn run(&mut self, stop: CancellationToken) {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(cause) => {
                tracing::error!(event = "gateway_watch_failed", cause = %cause);
                return;
            }
        };
        let mut seen = self.taken.clone();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            if let Some(follower) = &mut self.follower {
                follower.look(&self.gateway).await;
            }
            let text = match text_of(&self.file) {
                Ok(text) => text,
                Err(error) => {
                    // Between removal and renaming there may be none for a moment.
                    if asked {
                        tracing::error!(
                            event = "gateway_config_refused",
                            reason = error.to_string()
                        );
                    }
                    continue;
                }
            };
            let settled = text == seen && text != self.taken;
            if settled || asked {
                take_in(&self.gateway, &text);
                self.taken.clone_from(&text);
            }
            seen = text;
        }
    }
}

fn take_in(gateway: &Gateway, text: &str) {
    let report = gateway::check(text, &*variables());
    let faults = match report.config {
        Some(config) => gateway.apply(config).err().unwrap_or_default(),
        None => report.faults,
    };
    for fault in faults {
        tracing::error!(
            event = "gateway_config_refused",
            line = fault.line,
            field = fault.path,
            reason = fault.reason
        );
    }
}
