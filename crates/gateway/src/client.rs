//! Connections to upstreams. Each worker has its own, so none is locked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::Request;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::balance::Pool;
use crate::body::RequestBody;
use crate::codec::Channel;
use crate::config::Scheme;
use crate::gather;
use crate::timers::{Timer, Timers};
use crate::upstream::Upstream;

/// Idle connections kept to one upstream, and for how long (milliseconds).
const IDLE_MOST: usize = 512;
const IDLE_SPAN: u64 = 60_000;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;

/// TCP, or TLS over it.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Why there is no response.
pub(crate) enum Fail {
    Refused,
    ConnectTimeout,
    Tls,
    /// Closed before anything of the request was written.
    Stale,
    /// Closed before a response; the request may have been worked on.
    Closed,
    /// Closed in the middle of the head.
    Broken,
    /// Closed before the request was taken; it comes back.
    NotSent(Box<Request<RequestBody>>),
    Garbled,
    /// The head of the answer is larger than is taken.
    TooLarge,
    Timeout,
}

/// The upstream connections of one worker.
#[derive(Default)]
pub(crate) struct Connections {
    idle: RefCell<HashMap<u32, Vec<Idle>>>,
    shared: RefCell<HashMap<u32, Vec<Rc<Shared>>>>,
}

/// A connection that waits for its next request.
struct Idle {
    channel: Box<Channel>,
    /// In milliseconds of the worker's timers.
    since: u64,
}

/// An HTTP/2 connection that several requests use.
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    streams: Cell<u32>,
    closed: Rc<Cell<bool>>,
}

/// Where a connection goes after a request.
pub(crate) struct Worn {
    pub(crate) connections: Rc<Connections>,
    pub(crate) upstream: u32,
    pub(crate) timers: Rc<Timers>,
    /// Counts a stream of HTTP/2 while it lives.
    pub(crate) stream: Option<StreamPlace>,
}

pub(crate) struct StreamPlace {
    shared: Rc<Shared>,
    /// Others had used the connection before.
    pub(crate) used: bool,
}

impl StreamPlace {
    /// The connection took no more requests: nobody is to try it again.
    pub(crate) fn give_up(&self) {
        self.shared.closed.set(true);
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.shared.streams.set(self.shared.streams.get() - 1);
    }
}

impl Worn {
    /// Keeps a connection whose request is over, if it can carry another.
    pub(crate) fn give_back(&self, mut channel: Box<Channel>) {
        channel.used = true;
        if channel.is_fresh() {
            let mut idle = self.connections.idle.borrow_mut();
            let list = idle.entry(self.upstream).or_default();
            if list.len() < IDLE_MOST {
                list.push(Idle { channel, since: self.timers.now() });
            }
        }
    }
}

pub(crate) fn failed(mut error: TrySendError<Request<RequestBody>>) -> Fail {
    match error.take_message() {
        Some(request) => Fail::NotSent(Box::new(request)),
        None if error.error().is_parse() => Fail::Garbled,
        None => Fail::Closed,
    }
}

impl Connections {
    /// An idle connection, if one is still good.
    pub(crate) fn idle(&self, upstream: &Upstream) -> Option<Box<Channel>> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(&upstream.id)?;
        while let Some(Idle { mut channel, .. }) = list.pop() {
            if channel.is_fresh() {
                return Some(channel);
            }
        }
        None
    }

    /// Closes what was idle for too long or was closed by its upstream.
    pub(crate) fn sweep(&self, now: u64) {
        self.idle.borrow_mut().retain(|_, list| {
            list.retain_mut(|idle| now < idle.since + IDLE_SPAN && idle.channel.is_fresh());
            !list.is_empty()
        });
        self.shared.borrow_mut().retain(|_, list| {
            list.retain(|shared| !shared.closed.get());
            !list.is_empty()
        });
    }

    /// An HTTP/2 connection with room for a request.
    pub(crate) async fn shared(
        &self,
        pool: &Pool,
        upstream: &Upstream,
        timer: &Timer,
    ) -> Result<(http2::SendRequest<RequestBody>, StreamPlace), Fail> {
        let found = self.shared.borrow().get(&upstream.id).and_then(|list| {
            list.iter()
                .find(|shared| !shared.closed.get() && shared.streams.get() < STREAMS)
                .cloned()
        });
        if let Some(shared) = found {
            shared.streams.set(shared.streams.get() + 1);
            return Ok((shared.sender.clone(), StreamPlace { shared, used: true }));
        }
        let stream = connect(pool, upstream, timer).await?;
        let mut builder = http2::Builder::new(crate::worker::Local);
        builder.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
        let head = u32::try_from(pool.config.answer.head).unwrap_or(u32::MAX);
        builder.max_header_list_size(head);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|_| Fail::Garbled)?;
        let closed = Rc::new(Cell::new(false));
        let over = closed.clone();
        tokio::task::spawn_local(async move {
            // How it ended is told to the requests on it.
            let _ = connection.await;
            over.set(true);
        });
        let shared = Rc::new(Shared { sender, streams: Cell::new(1), closed });
        self.shared.borrow_mut().entry(upstream.id).or_default().push(shared.clone());
        Ok((shared.sender.clone(), StreamPlace { shared, used: false }))
    }
}

/// Opens an HTTP/1.1 connection.
pub(crate) async fn open(
    pool: &Pool,
    upstream: &Upstream,
    timer: &Timer,
) -> Result<Box<Channel>, Fail> {
    Ok(Box::new(Channel::new(connect(pool, upstream, timer).await?)))
}

/// A connection of the upstream's own, before anything is said on it.
pub(crate) async fn connect(
    pool: &Pool,
    upstream: &Upstream,
    timer: &Timer,
) -> Result<Stream, Fail> {
    timer.set(pool.config.timeouts.connect);
    let connecting = pin!(dial(pool, upstream));
    let late = pin!(timer.due());
    tokio::select! {
        biased;
        stream = connecting => stream,
        () = late => Err(Fail::ConnectTimeout),
    }
}

async fn dial(pool: &Pool, upstream: &Upstream) -> Result<Stream, Fail> {
    let known = upstream.addresses().await.map_err(|_| Fail::Refused)?;
    let tcp = match reach(&known).await {
        Some(tcp) => tcp,
        // It may have moved: its name is asked again at once.
        None => {
            upstream.moved();
            let now = upstream.addresses().await.map_err(|_| Fail::Refused)?;
            let elsewhere: Vec<_> = now.into_iter().filter(|at| !known.contains(at)).collect();
            reach(&elsewhere).await.ok_or(Fail::Refused)?
        }
    };
    let _ = tcp.set_nodelay(true);
    upstream.counts.connections.fetch_add(1, Ordering::Relaxed);
    if upstream.scheme == Scheme::Http {
        return Ok(Stream::Plain(tcp));
    }
    let Some(tls) = pool.tls.clone() else { return Err(Fail::Tls) };
    secure(tls, pool, upstream, tcp).await
}

/// A connection to the first that takes one.
async fn reach(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Some(stream);
        }
    }
    None
}

async fn secure(
    tls: Arc<rustls::ClientConfig>,
    pool: &Pool,
    upstream: &Upstream,
    tcp: TcpStream,
) -> Result<Stream, Fail> {
    let name = server_name(pool, upstream).ok_or(Fail::Tls)?;
    let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await;
    stream.map(|stream| Stream::Tls(Box::new(stream))).map_err(|_| Fail::Tls)
}

/// The name that an upstream's certificate must be for.
pub(crate) fn server_name(pool: &Pool, upstream: &Upstream) -> Option<ServerName<'static>> {
    let host = match &pool.config.tls_name {
        Some(name) => name.as_str(),
        None => upstream.address.rsplit_once(':').map_or("", |(host, _)| host),
    };
    host.trim_start_matches('[').trim_end_matches(']').to_owned().try_into().ok()
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => gather::write_gathered(stream, cx, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
