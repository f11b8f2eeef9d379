//! Another protocol over the connection: WebSocket, mostly. After the agreement bytes are passed both ways.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SET_COOKIE, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::body::{Flow, RequestBody, ResponseBody, Source};
use crate::client;
use crate::lease::Lease;
use crate::proxy::Passage;
use crate::session::Session;
use crate::timers::Timer;
use crate::trouble::Trouble;
use crate::upstream::Outcome;
use crate::{forward, send};

/// A tunnel in which nothing was said for so long is closed.
const IDLE: Duration = Duration::from_secs(3600);

/// When one side has ended, the other has so long between two words.
const HALF_OPEN: Duration = Duration::from_secs(30);

/// Both ends of what may become a tunnel.
pub(crate) struct Ways {
    pub(crate) stream: client::Stream,
    pub(crate) client_side: OnUpgrade,
}

/// Asks the upstream for the protocol, on a connection of its own.
pub(crate) async fn open(
    mut passage: Box<Passage>,
    mut lease: Lease,
    request: Request<RequestBody>,
    ways: Ways,
    timer: Timer,
    span: Duration,
) -> Response<ResponseBody> {
    let Ways { stream, client_side } = ways;
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
        lease.settle(Outcome::Failed);
        return passage.refuse(Trouble::Closed);
    };
    let driver = tokio::task::spawn_local(async move {
        // Its end is told to whoever uses it.
        let _ = connection.with_upgrades().await;
    });
    timer.set(span);
    let response = {
        let answer = pin!(sender.send_request(request));
        let late = pin!(timer.due());
        tokio::select! {
            biased;
            response = answer => response.map_err(|error| if error.is_parse() { Trouble::Garbled } else { Trouble::Closed }),
            () = late => Err(Trouble::Timeout),
        }
    };
    let mut response = match response {
        Ok(response) => response,
        Err(trouble) => {
            driver.abort();
            lease.settle(Outcome::Failed);
            return passage.refuse(trouble);
        }
    };
    let outcome =
        if response.status().is_server_error() { Outcome::ServerError } else { Outcome::Good };
    lease.settle(outcome);
    passage.account.answered(response.status());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (mut head, inner) = response.into_parts();
        forward::strip(&mut head.headers);
        let flow = Flow::new(Source::Library(inner), lease, timer, &passage.session.worker, None);
        return Response::from_parts(head, ResponseBody::flow(flow, passage));
    }
    let upstream_side = hyper::upgrade::on(&mut response);
    let protocol = response.headers().get(UPGRADE).cloned();
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.version_mut() = Version::HTTP_11;
    let mut headers = std::mem::take(response.headers_mut());
    forward::strip(&mut headers);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
    if let Some(sticky) = &lease.pool.config.sticky {
        headers.append(
            SET_COOKIE,
            send::set_cookie(sticky, &lease.pool, lease.upstream(), passage.session.secure),
        );
    }
    *answer.headers_mut() = headers;
    tokio::task::spawn_local(run(passage.session.clone(), lease, client_side, upstream_side));
    answer.map(|bytes| ResponseBody::own(bytes, passage))
}

/// Passes bytes until either side ends, nothing is said for long, or the node is through with draining.
/// The session is held: its connection counts until the tunnel's end.
async fn run(session: Rc<Session>, lease: Lease, client_side: OnUpgrade, upstream_side: OnUpgrade) {
    let (Ok(client), Ok(upstream)) = (client_side.await, upstream_side.await) else { return };
    let worker = &session.worker;
    worker.shared.tunnels.fetch_add(1, Ordering::Relaxed);
    let (client_read, client_write) = tokio::io::split(TokioIo::new(client));
    let (upstream_read, upstream_write) = tokio::io::split(TokioIo::new(upstream));
    let timer = worker.timers.timer();
    let span = Cell::new(IDLE);
    timer.set(IDLE);
    let there = copy(client_read, upstream_write, &timer, &span);
    let back = copy(upstream_read, client_write, &timer, &span);
    let both = async { tokio::try_join!(there, back) };
    tokio::select! {
        _ = both => {}
        () = timer.due() => {}
        () = worker.shared.expired.cancelled() => {}
    }
    worker.shared.tunnels.fetch_sub(1, Ordering::Relaxed);
    drop(lease);
}

/// One direction. The end of it is passed on, and the other may go on for a while.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    timer: &Timer,
    span: &Cell<Duration>,
) -> std::io::Result<()> {
    let mut buffer = vec![0u8; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            span.set(HALF_OPEN);
            timer.set(HALF_OPEN);
            return to.shutdown().await;
        }
        timer.set(span.get());
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}
