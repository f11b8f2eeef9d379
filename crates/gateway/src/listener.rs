//! A listener for a service within this program, with the same care for connections as the data plane: heads are
//! checked before the library reads them, whoever is slow is closed, and connections are bounded in all and by address.
//!
//! It runs on the program's own runtime, and speaks HTTP/1.1.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::drive::{Deadline, Requests, drive};
use crate::guard::{Guard, Signals};
use crate::head::{Checker, Refusal};
use crate::{answer, trust};

const FULL: Refusal = Refusal {
    status: 503,
    reason: "this server has as many connections as it may; try again in a moment",
};
/// How long the next connection is waited for when none could be taken, mostly for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Bounds of a listener.
#[derive(Debug, Clone)]
pub struct ListenerLimits {
    /// Bytes of a request head, and fields in it.
    pub head: usize,
    pub headers: usize,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one address; 0 for no limit. Those of this machine are not counted: a proxy is one address.
    pub connections_per_address: usize,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// Between two reads of a body, and between two writes of an answer.
    pub idle_timeout: Duration,
    /// From one request to the next.
    pub keep_alive: Duration,
}

/// What a listener did; for metrics.
#[derive(Debug, Default)]
pub struct ListenerCounts {
    pub open: AtomicUsize,
    pub turned_away: AtomicUsize,
    pub malformed: AtomicUsize,
}

struct Shared {
    limits: Limits,
    counts: Arc<ListenerCounts>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    ending: CancellationToken,
    /// Ends whatever still runs.
    stopped: CancellationToken,
}

/// Serves connections until `ending`, then finishes what is under way. Returns when the last connection is over, or
/// when `stopped` ends them.
///
/// `service` gets each request with the address of who connected.
pub async fn serve<F, R, B>(
    listener: TcpListener,
    limits: &ListenerLimits,
    counts: Arc<ListenerCounts>,
    service: F,
    (ending, stopped): (CancellationToken, CancellationToken),
) where
    F: Fn(Request<Incoming>, SocketAddr) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let shared = Arc::new(Shared {
        limits: Limits {
            head: limits.head,
            headers: limits.headers,
            connections: limits.connections,
            connections_per_ip: limits.connections_per_address,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            keep_alive: limits.keep_alive,
            ..Limits::default()
        },
        counts,
        addresses: Mutex::default(),
        ending: ending.clone(),
        stopped: stopped.clone(),
    });
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ending.cancelled() => break,
        };
        match accepted {
            Ok((socket, from)) => {
                connections.spawn(one(shared.clone(), socket, from, service.clone()));
            }
            Err(cause) => {
                tracing::warn!(event = "accept_failed", cause = %cause);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = stopped.cancelled() => connections.shutdown().await,
    }
}

/// The place of one connection; given back when it is over.
struct Place {
    shared: Arc<Shared>,
    address: Option<IpAddr>,
}

impl Place {
    fn take(shared: &Arc<Shared>, address: IpAddr) -> Option<Self> {
        let limits = &shared.limits;
        if shared.counts.open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            shared.counts.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let mut place = Self { shared: shared.clone(), address: None };
        if limits.connections_per_ip > 0 && !address.is_loopback() {
            let mut addresses = shared.addresses.lock();
            let count = addresses.entry(address).or_default();
            if *count >= limits.connections_per_ip {
                return None;
            }
            *count += 1;
            place.address = Some(address);
        }
        Some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.counts.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            let mut addresses = self.shared.addresses.lock();
            if let Some(count) = addresses.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&address);
                }
            }
        }
    }
}

/// Requests of one connection.
struct Open {
    shared: Arc<Shared>,
    open: Arc<AtomicUsize>,
}

impl Requests for Open {
    fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
    fn draining(&self) -> bool {
        self.shared.ending.is_cancelled()
    }
    async fn ended(&self) {
        self.shared.ending.cancelled().await;
    }
    fn refused(&self) {
        self.shared.counts.malformed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts a request as open while it lives: until its answer was written, or its connection ended.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body that keeps its request open.
struct Kept<B> {
    body: Pin<Box<B>>,
    _open: Counted,
}

impl<B: Body> Body for Kept<B> {
    type Data = B::Data;
    type Error = B::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

async fn one<F, R, B>(shared: Arc<Shared>, socket: TcpStream, from: SocketAddr, service: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Small answers must not wait for more to send.
    let _ = socket.set_nodelay(true);
    let Some(_place) = Place::take(&shared, trust::plain(from.ip())) else {
        shared.counts.turned_away.fetch_add(1, Ordering::Relaxed);
        // As far as it can be said without waiting.
        let _ = socket.try_write(answer::raw(FULL).as_bytes());
        return;
    };
    let limits = &shared.limits;
    let signals = Arc::new(Signals::default());
    let checker = Checker::new(limits.head, limits.headers);
    let guard = Guard::new(socket, BytesMut::new(), checker, signals.clone());
    let open = Arc::new(AtomicUsize::new(0));
    let requests = Open { shared: shared.clone(), open: open.clone() };
    let service = service_fn(move |request: Request<Incoming>| {
        let counted = Counted::new(&open);
        let answering = service(request, from);
        async move {
            let answer = answering.await;
            Ok::<_, Infallible>(answer.map(|body| Kept { body: Box::pin(body), _open: counted }))
        }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head.max(64 << 10) + (64 << 10));
    let connection = pin!(builder.serve_connection(TokioIo::new(guard), service).with_upgrades());
    tokio::select! {
        () = drive(connection, &signals, &requests, Late::default(), limits) => {}
        () = shared.stopped.cancelled() => {}
    }
}

/// A time-out that is moved often and seldom due: a timer is armed only when none runs out before.
#[derive(Default)]
struct Late {
    due: Cell<Option<Instant>>,
    armed: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Deadline for Late {
    fn set(&mut self, after: Duration) {
        self.due.set(Some(Instant::now() + after));
    }
    fn off(&mut self) {
        self.due.set(None);
    }
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.due.get() else { return false };
        if due <= Instant::now() {
            return true;
        }
        // One that runs out before wakes the task, which asks again.
        if self.armed.as_ref().is_none_or(|(at, _)| *at > due) {
            self.armed = Some((due, Box::pin(tokio::time::sleep_until(due))));
        }
        while let Some((_, sleep)) = &mut self.armed {
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            if due <= Instant::now() {
                return true;
            }
            self.armed = Some((due, Box::pin(tokio::time::sleep_until(due))));
        }
        false
    }
}
