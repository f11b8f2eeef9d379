//! One connection of a client, from its first byte to its last.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::BytesMut;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::Limits;
use crate::drive::{self, FAREWELL};
use crate::guard::{Guard, Signals};
use crate::head::{Checker, Refusal};
use crate::proxy_protocol;
use crate::shared::Place;
use crate::timers::{TICK, Timer};
use crate::tls::{ACME_ALPN, Served};
use crate::trust;
use crate::worker::{Local, Worker};
use crate::{answer, clock, proxy};

/// How a client of HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FULL: Refusal = Refusal {
    status: 503,
    reason: "this server has as many connections as it may; try again in a moment",
};

/// What the requests of a connection have in common.
pub(crate) struct Session {
    pub(crate) worker: Rc<Worker>,
    /// Given back when the last of its requests and tunnels is over.
    _place: Place,
    /// Who connected, or for whom the load balancer in front speaks.
    pub(crate) peer: IpAddr,
    pub(crate) peer_text: HeaderValue,
    pub(crate) socket_peer: IpAddr,
    pub(crate) secure: bool,
    pub(crate) http2: bool,
    /// Under which certificate it was secured.
    pub(crate) served: Option<Arc<Served>>,
    pub(crate) since: u64,
    pub(crate) signals: Arc<Signals>,
    /// Requests that are not answered yet.
    pub(crate) open: Cell<usize>,
    /// Answers of which a piece was handed over and not taken yet, and pieces that were taken.
    pub(crate) untaken: Cell<usize>,
    pub(crate) taken: Cell<u32>,
    /// Requests that are over.
    over: Cell<u32>,
}

/// Counts a request as open while it lives.
pub(crate) struct Open(Rc<Session>);

impl Open {
    pub(crate) fn new(session: &Rc<Session>) -> Self {
        session.open.set(session.open.get() + 1);
        session.worker.shared.requests.add(session.worker.index);
        Self(session.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.over.set(self.0.over.get().wrapping_add(1));
        self.0.worker.shared.requests.take(self.0.worker.index);
    }
}

/// Serves a connection.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    mut socket: TcpStream,
    from: SocketAddr,
    secure: bool,
) {
    let _ = socket.set_nodelay(true);
    let table = worker.table();
    let limits = table.global.limits.clone();
    let mut peer = trust::plain(from.ip());
    let socket_peer = peer;
    let turn_away = |socket: &TcpStream| {
        worker.shared.house.turned_away.fetch_add(1, Ordering::Relaxed);
        if !secure {
            // As far as it can be said without waiting.
            let _ = socket.try_write(answer::raw(FULL).as_bytes());
        }
    };
    let Some(mut place) = worker.shared.admit(limits.connections) else {
        turn_away(&socket);
        return;
    };
    let mut ahead = BytesMut::new();
    let timer = worker.timers.timer();
    if let Some(trusted) = &table.global.proxy_protocol
        && trusted.contains(peer)
    {
        timer.set(limits.header_timeout);
        let header = within(&timer, proxy_protocol::read(&mut socket, &mut ahead)).await;
        match header {
            Some(Ok(Some(source))) => peer = trust::plain(source),
            Some(Ok(None)) => {}
            // A trusted peer that does not say for whom it speaks, says nothing worth hearing.
            Some(Err(_)) | None => {
                worker.shared.house.malformed.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
    if !place.count_for(peer, limits.connections_per_ip) {
        turn_away(&socket);
        return;
    }
    let Ok(peer_text) = HeaderValue::from_str(&peer.to_string()) else { return };
    let session = |http2, served| {
        Rc::new(Session {
            worker: worker.clone(),
            _place: place,
            peer,
            peer_text,
            socket_peer,
            secure,
            http2,
            served,
            since: clock::millis(),
            signals: Arc::default(),
            open: Cell::new(0),
            untaken: Cell::new(0),
            taken: Cell::new(0),
            over: Cell::new(0),
        })
    };
    if secure {
        timer.set(limits.tls_handshake);
        let stream = Ahead { stream: socket, ahead: std::mem::take(&mut ahead) };
        let handshake = within(&timer, Box::pin(shake(&worker, stream))).await;
        let Some(Ok((stream, served))) = handshake else {
            worker.shared.house.tls_failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        drop(timer);
        drop(table);
        if http2 {
            Box::pin(speak_2(session(true, Some(served)), stream, &limits)).await;
        } else {
            Box::pin(speak_1(session(false, Some(served)), stream, BytesMut::new(), &limits)).await;
        }
        return;
    }
    drop(table);
    // Until something is said, a connection costs no more than its socket.
    timer.set(limits.keep_alive);
    let began = {
        let mut beginning = pin!(within(&timer, begin(&mut socket, &mut ahead)));
        tokio::select! {
            biased;
            began = &mut beginning => began,
            () = worker.shared.ending.cancelled() => {
                // A request may be on its way.
                timer.set(FAREWELL);
                beginning.await
            }
        }
    };
    if !matches!(began, Some(Ok(()))) {
        return;
    }
    drop(timer);
    if ahead.starts_with(PREFACE) {
        Box::pin(speak_2(session(true, None), Ahead { stream: socket, ahead }, &limits)).await;
    } else {
        Box::pin(speak_1(session(false, None), socket, ahead, &limits)).await;
    }
}

/// Reads until it is plain which version of HTTP is spoken.
async fn begin(socket: &mut TcpStream, ahead: &mut BytesMut) -> io::Result<()> {
    while ahead.len() < PREFACE.len() && PREFACE.starts_with(ahead) {
        ahead.reserve(4096);
        if socket.read_buf(ahead).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn within<F: Future>(timer: &Timer, future: F) -> Option<F::Output> {
    let late = pin!(timer.due());
    tokio::select! {
        biased;
        done = future => Some(done),
        () = late => None,
    }
}

/// A TLS handshake under the certificate of the name that the client asks for. A host that is to get a certificate is
/// waited for, as long as a handshake may take.
async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    worker: &Worker,
    stream: S,
) -> io::Result<(tokio_rustls::server::TlsStream<S>, Arc<Served>)> {
    let acceptor =
        tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
    let start = acceptor.await?;
    let hello = start.client_hello();
    let name = hello.server_name().map(str::to_ascii_lowercase);
    let prove = hello.alpn().is_some_and(|mut all| all.any(|one| one == ACME_ALPN));
    let none = || io::Error::other("no certificate");
    if prove {
        let table = worker.table();
        let challenge = name.and_then(|name| table.certificates.challenge(&name).cloned());
        let mut stream = start.into_stream(challenge.ok_or_else(none)?).await?;
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
        return Err(io::Error::other("it was a challenge"));
    }
    let served = loop {
        let table = worker.table();
        let certificates = &table.certificates;
        let Some(name) = name.as_deref() else {
            break certificates.first().cloned().ok_or_else(none)?;
        };
        if !table.names(name) || !certificates.lacks(name) {
            let found = certificates.of(name).or_else(|| certificates.first());
            break found.cloned().ok_or_else(none)?;
        }
        worker.shared.ask_for(name);
        drop(table);
        tokio::time::sleep(TICK).await;
    };
    let stream = start.into_stream(served.config.clone()).await?;
    Ok((stream, served))
}

async fn speak_1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    session: Rc<Session>,
    stream: S,
    ahead: BytesMut,
    limits: &Limits,
) {
    let checker = Checker::new(limits.head, limits.headers);
    let guard = Guard::new(stream, ahead, checker, session.signals.clone());
    let service = {
        let session = session.clone();
        service_fn(move |request: Request<Incoming>| {
            let session = session.clone();
            // Boxed at once: it is large, and would be moved several times, and kept by idle connections.
            Box::pin(proxy::handle(session, request))
        })
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head.max(64 << 10) + (64 << 10));
    if limits.headers > 100 {
        // Up to its standard the library parses without an allocation; our own check holds smaller limits.
        builder.max_headers(limits.headers);
    }
    let connection = pin!(builder.serve_connection(TokioIo::new(guard), service).with_upgrades());
    let timer = session.worker.timers.timer();
    drive::drive(connection, &session.signals, &*session, timer, limits).await;
}

impl drive::Requests for Session {
    fn open(&self) -> usize {
        self.open.get()
    }

    fn draining(&self) -> bool {
        self.worker.shared.drained_since() != 0
    }

    async fn ended(&self) {
        self.worker.shared.ending.cancelled().await;
    }

    fn refused(&self) {
        self.worker.shared.house.malformed.fetch_add(1, Ordering::Relaxed);
    }
}

async fn speak_2<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    session: Rc<Session>,
    stream: S,
    limits: &Limits,
) {
    let service = {
        let session = session.clone();
        service_fn(move |request: Request<Incoming>| {
            let session = session.clone();
            // Boxed at once: it is large, and would be moved several times, and kept by idle connections.
            Box::pin(proxy::handle(session, request))
        })
    };
    let mut builder = http2::Builder::new(Local);
    builder
        .max_concurrent_streams(128)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(256 << 10);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let timer = session.worker.timers.timer();
    let ending = session.worker.shared.ending.clone();
    let mut ended = pin!(ending.cancelled());
    let mut told = false;
    let mut last = None;
    std::future::poll_fn(|cx| {
        if !told && ended.as_mut().poll(cx).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // While something waits to be taken, each piece that is taken gives the client new time.
        let state = match (session.open.get(), session.untaken.get()) {
            (0, _) => State2::Idle(session.over.get()),
            (_, 0) => State2::Working,
            _ => State2::Untaken(session.taken.get()),
        };
        if last != Some(state) {
            last = Some(state);
            match state {
                State2::Idle(_) => timer.set(limits.keep_alive),
                State2::Working => timer.off(),
                State2::Untaken(_) => timer.set(limits.idle_timeout),
            }
        }
        if timer.is_due(cx) {
            if told || !matches!(state, State2::Idle(_)) {
                return Poll::Ready(());
            }
            // Nothing was asked for a while: the client is told to go.
            told = true;
            connection.as_mut().graceful_shutdown();
            timer.set(FAREWELL + TICK);
            // The timer is asked again, so that it wakes.
            let _ = timer.is_due(cx);
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// What an HTTP/2 connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State2 {
    /// A request; with the number of those that are over.
    Idle(u32),
    /// Upstreams.
    Working,
    /// The client; with the number of pieces that were taken.
    Untaken(u32),
}

/// A stream with bytes that were read before.
struct Ahead<S> {
    stream: S,
    ahead: BytesMut,
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        out: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, out);
        }
        let count = self.ahead.len().min(out.remaining());
        out.put_slice(&self.ahead.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
