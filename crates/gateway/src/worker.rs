//! One thread of the data plane: its own runtime, connections, time-outs. Nothing here is shared but the table and
//! a few atomics.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::access::Writer;
use crate::balance::Pool;
use crate::client::Connections;
use crate::shared::Shared;
use crate::table::{Route, Table};
use crate::timers::{TICK, Timers};
use crate::{clock, session};

/// Spawns on the thread it is called from.
#[derive(Clone, Copy)]
pub(crate) struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// What a connection may reach.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connections: Rc<Connections>,
    pub(crate) timers: Rc<Timers>,
    /// Which of the workers it is.
    pub(crate) index: usize,
    local: RefCell<Rc<LocalTable>>,
    log: RefCell<Option<Rc<Writer>>>,
    log_version: Cell<u64>,
}

/// Something shared, held by one worker: its references are counted here. Counting those of the shared one at every
/// request would pass a line of memory from worker to worker.
pub(crate) struct Near<T>(Rc<Held<T>>);

struct Held<T>(Arc<T>);

impl<T> Near<T> {
    fn new(shared: Arc<T>) -> Self {
        Self(Rc::new(Held(shared)))
    }
}

impl<T> Clone for Near<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> std::ops::Deref for Near<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.0
    }
}

/// The table as one worker holds it.
pub(crate) struct LocalTable {
    shared: Arc<Table>,
    routes: Vec<LocalRoute>,
}

pub(crate) struct LocalRoute {
    pub(crate) route: Near<Route>,
    pub(crate) pool: Option<Near<Pool>>,
}

impl LocalTable {
    fn new(shared: Arc<Table>) -> Self {
        let mut pools: HashMap<&str, Near<Pool>> = HashMap::new();
        for (name, pool) in &shared.pools {
            pools.insert(name, Near::new(pool.clone()));
        }
        let routes = shared.routes.iter().map(|route| LocalRoute {
            route: Near::new(route.clone()),
            pool: route
                .pool
                .as_ref()
                .and_then(|pool| pools.get(pool.config.name.as_str()).cloned()),
        });
        let routes = routes.collect();
        Self { shared, routes }
    }

    pub(crate) fn route(&self, route: &Route) -> &LocalRoute {
        &self.routes[route.index]
    }
}

impl std::ops::Deref for LocalTable {
    type Target = Table;
    fn deref(&self) -> &Table {
        &self.shared
    }
}

/// A listener and what is spoken on it.
pub(crate) struct Door {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) secure: bool,
}

/// A connection that another worker accepted.
pub(crate) struct Handed {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) secure: bool,
}

/// The ways to all workers, and how many connections each has.
pub(crate) struct Crew {
    pub(crate) handing: Vec<mpsc::UnboundedSender<Handed>>,
    pub(crate) loads: Vec<AtomicUsize>,
}

impl Worker {
    /// The table as it is now.
    pub(crate) fn table(&self) -> Rc<LocalTable> {
        let version = self.shared.version.load(Ordering::Acquire);
        if self.local.borrow().version != version {
            *self.local.borrow_mut() = Rc::new(LocalTable::new(self.shared.table.load_full()));
        }
        self.local.borrow().clone()
    }

    /// The access log, if there is one.
    pub(crate) fn log(&self) -> Option<Rc<Writer>> {
        let version = self.shared.log_version.load(Ordering::Acquire);
        if version != self.log_version.get() {
            let sink = self.shared.log.lock().clone();
            *self.log.borrow_mut() = sink.map(|sink| Rc::new(sink.writer()));
            self.log_version.set(version);
        }
        self.log.borrow().clone()
    }
}

/// Runs a worker until the gateway stops.
pub(crate) fn run(
    shared: Arc<Shared>,
    index: usize,
    doors: Vec<Door>,
    crew: Arc<Crew>,
    handed: mpsc::UnboundedReceiver<Handed>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(61)
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(async move {
        let worker = Rc::new(Worker {
            connections: Rc::default(),
            timers: Rc::default(),
            index,
            local: RefCell::new(Rc::new(LocalTable::new(shared.table.load_full()))),
            log: RefCell::new(None),
            log_version: Cell::new(0),
            shared,
        });
        worker.timers.tick();
        for door in doors {
            match TcpListener::from_std(door.listener) {
                Ok(listener) => {
                    tokio::task::spawn_local(accept(
                        worker.clone(),
                        crew.clone(),
                        index,
                        listener,
                        door.secure,
                    ));
                }
                Err(cause) => tracing::error!(event = "gateway_listen_failed", cause = %cause),
            }
        }
        tokio::task::spawn_local(take_over(worker.clone(), crew.clone(), index, handed));
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut count = 0u32;
        loop {
            tokio::select! {
                () = worker.shared.stopped.cancelled() => break,
                _ = ticks.tick() => {}
            }
            worker.timers.tick();
            count = count.wrapping_add(1);
            if count.is_multiple_of(20) {
                worker.connections.sweep(clock::millis());
                if let Some(log) = worker.log() {
                    log.flush();
                }
            }
        }
        if let Some(log) = worker.log() {
            log.flush();
        }
    });
    // Whatever still runs after the deadline ends here.
    Ok(())
}

async fn accept(
    worker: Rc<Worker>,
    crew: Arc<Crew>,
    index: usize,
    listener: TcpListener,
    secure: bool,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = worker.shared.closing.cancelled() => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                // Out of descriptors, mostly: those that end give some back.
                tracing::warn!(event = "gateway_accept_failed", cause = %cause);
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        worker.shared.house.accepted.fetch_add(1, Ordering::Relaxed);
        let mine = crew.loads[index].load(Ordering::Relaxed);
        let least = crew
            .loads
            .iter()
            .enumerate()
            .min_by_key(|(_, load)| load.load(Ordering::Relaxed))
            .map_or((index, mine), |(other, load)| (other, load.load(Ordering::Relaxed)));
        if least.0 != index && least.1 + 1 < mine {
            crew.loads[least.0].fetch_add(1, Ordering::Relaxed);
            if let Ok(socket) = socket.into_std()
                && crew.handing[least.0].send(Handed { socket, peer, secure }).is_ok()
            {
                continue;
            }
            crew.loads[least.0].fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        crew.loads[index].fetch_add(1, Ordering::Relaxed);
        welcome(worker.clone(), crew.clone(), index, socket, peer, secure);
    }
}

async fn take_over(
    worker: Rc<Worker>,
    crew: Arc<Crew>,
    index: usize,
    mut handed: mpsc::UnboundedReceiver<Handed>,
) {
    while let Some(Handed { socket, peer, secure }) = handed.recv().await {
        match TcpStream::from_std(socket) {
            Ok(socket) => welcome(worker.clone(), crew.clone(), index, socket, peer, secure),
            Err(_) => {
                crew.loads[index].fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

fn welcome(
    worker: Rc<Worker>,
    crew: Arc<Crew>,
    index: usize,
    socket: TcpStream,
    peer: SocketAddr,
    secure: bool,
) {
    tokio::task::spawn_local(async move {
        session::serve(worker, socket, peer, secure).await;
        crew.loads[index].fetch_sub(1, Ordering::Relaxed);
    });
}
