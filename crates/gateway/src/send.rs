//! To the upstream and back: picking, waiting for a place, trying again where that is safe.

use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, SET_COOKIE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Response, Uri, Version};
use hyper::upgrade::OnUpgrade;

use crate::balance::{NoPick, Pool, Queue, Wish};
use crate::body::{Flow, Progress, RequestBody, ResponseBody, Source};
use crate::client::{self, Fail};
use crate::codec::Terms;
use crate::config::{Algorithm, HashOn};
use crate::lease::Lease;
use crate::proxy::Passage;
use crate::sticky;
use crate::timers::Timer;
use crate::trouble::Trouble;
use crate::tunnel;
use crate::upstream::{Outcome, Upstream};
use crate::worker::Near;
use crate::{clock, forward, view};

/// The protocol that a request asks to change to, and the client's side of it.
pub(crate) type Change = (HeaderValue, OnUpgrade);

/// Sends a prepared request to a member of its route's pool.
pub(crate) async fn send(
    mut passage: Box<Passage>,
    pool: Option<Near<Pool>>,
    span: Option<Duration>,
    mut request: Request<RequestBody>,
    change: Option<Change>,
) -> Response<ResponseBody> {
    let Some(pool) = pool else { return passage.refuse(Trouble::Broken) };
    let config = &*pool.config;
    // Upstreams of HTTP/2 know no upgrade; for them it is a request like others.
    let mut change = change.filter(|_| !config.http2);
    let response_span = span.unwrap_or(config.timeouts.response);
    let worker = passage.session.worker.clone();
    let timer = worker.timers.timer();
    if !config.timeouts.total.is_zero() {
        timer.limit(config.timeouts.total);
    }
    let cookie =
        config.sticky.as_ref().and_then(|sticky| sticky::cookie(request.headers(), &sticky.cookie));
    let cookie = cookie.map(ToOwned::to_owned);
    let hash = hash(&config.algorithm, &passage, &request);
    let table = passage.table.clone();
    let at = match (&config.algorithm, &table.geo) {
        (Algorithm::Geo, Some(geo)) => geo.point(passage.client),
        _ => None,
    };
    let route = passage.account.route.clone();
    let region = route.as_ref().and_then(|route| route.config.region.as_deref());
    pool.budget.earn();
    // A method that may be repeated, and nothing of a body that is gone once it was sent.
    let repeatable =
        matches!(request.body(), RequestBody::Empty) && is_idempotent(request.method());
    let mut tried: Vec<u32> = Vec::new();
    if let Some((protocol, _)) = &change {
        request.headers_mut().insert(UPGRADE, protocol.clone());
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    loop {
        // The first try begins with the request; time was asked then.
        let now = if tried.is_empty() { passage.account.started } else { clock::micros() };
        let sticky = cookie.as_deref();
        let wish = Wish { now, hash, sticky, region, at, tried: &tried };
        let place = match place(&pool, &wish, &timer).await {
            Ok(place) => place,
            Err(trouble) => return passage.refuse(trouble),
        };
        let mut lease = Lease::new(pool.clone(), place, now);
        let upstream = &*pool.members[place];
        passage.account.upstream = Some(place);
        if !config.preserve_host
            && let Ok(host) = HeaderValue::from_str(&upstream.address)
        {
            request.headers_mut().insert(HOST, host);
        }
        if change.is_some() {
            // Nothing was sent yet: who cannot be reached is not the last one asked.
            match client::connect(&pool, upstream, &timer).await {
                Ok(stream) => {
                    let Some((_, on_upgrade)) = change.take() else { unreachable!("it is some") };
                    let ways = tunnel::Ways { stream, client_side: on_upgrade };
                    return tunnel::open(passage, lease, request, ways, timer, response_span).await;
                }
                Err(fail) => {
                    lease.settle(Outcome::Failed);
                    drop(lease);
                    if again(&mut passage, &pool, &mut tried, place, &timer) {
                        continue;
                    }
                    return passage.refuse(trouble(&fail));
                }
            }
        }
        let attempt =
            attempt(&passage, &pool, upstream, request, repeatable, &timer, response_span).await;
        let (fail, next) = match attempt {
            Ok((response, place)) => {
                let (mut head, source) = response.into_parts();
                let status = head.status;
                let outcome =
                    if status.is_server_error() { Outcome::ServerError } else { Outcome::Good };
                lease.settle(outcome);
                let mark = config
                    .sticky
                    .as_ref()
                    .filter(|_| cookie.as_deref() != Some(sticky::text(&pool.mark(upstream))));
                let mark =
                    mark.map(|sticky| set_cookie(sticky, &pool, upstream, passage.session.secure));
                let flow = Flow::new(source, lease, timer, &worker, place);
                passage.account.answered(status);
                if head.headers.contains_key(TRANSFER_ENCODING) {
                    // Chunks decide; a length beside them would cut the answer short for the client.
                    head.headers.remove(CONTENT_LENGTH);
                }
                forward::strip(&mut head.headers);
                if let Some(mark) = mark {
                    head.headers.append(SET_COOKIE, mark);
                }
                head.version = Version::HTTP_11;
                head.extensions.clear();
                return Response::from_parts(head, ResponseBody::flow(flow, passage));
            }
            Err(failed) => failed,
        };
        // A client that broke off its own body says nothing about the upstream.
        if let Some(fault) = passage.account.progress.fault.get() {
            return passage.refuse(fault.into());
        }
        // One page with too large a head is no outage: everybody else's pages are as they were.
        if !matches!(fail, Fail::TooLarge) {
            lease.settle(Outcome::Failed);
        }
        drop(lease);
        let Some(next) = next else { return passage.refuse(trouble(&fail)) };
        if !again(&mut passage, &pool, &mut tried, place, &timer) {
            return passage.refuse(trouble(&fail));
        }
        request = *next;
    }
}

/// Whether a request that failed at one member may be sent to another, which is counted then.
fn again(
    passage: &mut Passage,
    pool: &Pool,
    tried: &mut Vec<u32>,
    place: usize,
    timer: &Timer,
) -> bool {
    let upstream = &pool.members[place];
    tried.push(upstream.id);
    let elsewhere = pool.members.len() > tried.len();
    let may = passage.account.retries < pool.config.retries
        && elsewhere
        && !timer.is_over()
        && pool.budget.spend();
    if may {
        upstream.counts.retries.fetch_add(1, Ordering::Relaxed);
        passage.account.retries += 1;
    }
    may
}

type Attempt = (Response<Source>, Option<client::StreamPlace>);

/// One try. A failure gives the request back when it may be tried elsewhere.
async fn attempt(
    passage: &Passage,
    pool: &Pool,
    upstream: &Upstream,
    mut request: Request<RequestBody>,
    repeatable: bool,
    timer: &Timer,
    span: Duration,
) -> Result<Attempt, (Fail, Option<Box<Request<RequestBody>>>)> {
    if pool.config.http2 {
        return attempt_http2(passage, pool, upstream, request, repeatable, timer, span).await;
    }
    let connections = &passage.session.worker.connections;
    let config = &pool.config;
    let terms = Terms {
        span,
        leave: config.continue_timeout,
        answer: config.answer,
        early: passage.early(),
    };
    let mut fresh = false;
    loop {
        let idle = if fresh { None } else { connections.idle(upstream) };
        let mut channel = match idle {
            Some(channel) => channel,
            None => match client::open(pool, upstream, timer).await {
                Ok(channel) => channel,
                Err(fail) => return Err((fail, Some(Box::new(request)))),
            },
        };
        let used = channel.used;
        timer.set(span);
        let progress = &passage.account.progress;
        match channel.exchange(&mut request, timer, &terms, progress).await {
            Ok(head) => return Ok((head.map(|()| Source::Channel(Some(channel))), None)),
            // The upstream closed an idle connection just now: nothing was lost, and nobody is to blame.
            Err(Fail::Stale) if used => {}
            // So it seems here, too; but it may have been the request, so it is asked once more, not of all that idle.
            Err(Fail::Closed) if used && (repeatable || is_held(&request, progress)) => {
                fresh = true;
            }
            Err(Fail::Stale) => return Err((Fail::Closed, Some(Box::new(request)))),
            Err(fail) => {
                let again = repeatable && matches!(fail, Fail::Closed);
                return Err((fail, again.then(|| Box::new(request))));
            }
        }
    }
}

/// Whether nothing of the request's body was asked for yet: then it can be sent once more.
fn is_held(request: &Request<RequestBody>, progress: &Progress) -> bool {
    request.headers().contains_key(EXPECT) && !progress.begun.get()
}

/// The same over a connection that carries several.
async fn attempt_http2(
    passage: &Passage,
    pool: &Pool,
    upstream: &Upstream,
    mut request: Request<RequestBody>,
    repeatable: bool,
    timer: &Timer,
    span: Duration,
) -> Result<Attempt, (Fail, Option<Box<Request<RequestBody>>>)> {
    let connections = &passage.session.worker.connections;
    let mut again = true;
    loop {
        let (mut sender, place) = match connections.shared(pool, upstream, timer).await {
            Ok(shared) => shared,
            Err(fail) => return Err((fail, Some(Box::new(request)))),
        };
        let spare = repeatable.then(|| copy(&request));
        for_http2(&mut request, upstream);
        timer.set(span);
        let mut response = pin!(sender.try_send_request(request));
        let progress = &passage.account.progress;
        let response = std::future::poll_fn(|cx| match response.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(client::failed(error))),
            Poll::Pending if progress.is_late(timer, span, cx) => Poll::Ready(Err(Fail::Timeout)),
            Poll::Pending => Poll::Pending,
        });
        let (fail, back) = match response.await {
            Ok(response) => return Ok((response.map(Source::Library), Some(place))),
            // A connection that was about to end took no more requests.
            Err(Fail::NotSent(back)) => (Fail::Closed, Some(*back)),
            Err(fail) => {
                let spare = spare.filter(|_| matches!(fail, Fail::Closed));
                (fail, spare)
            }
        };
        match back {
            // So an upstream ends a connection that idles: it is asked once more, on another.
            Some(back) if place.used && again => {
                again = false;
                place.give_up();
                request = back;
            }
            back => return Err((fail, back.map(Box::new))),
        }
    }
}

/// The same request once more, without a body, and without what says how long one is.
pub(crate) fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] {
        copy.headers_mut().remove(name);
    }
    copy
}

fn for_http2(request: &mut Request<RequestBody>, upstream: &Upstream) {
    request.headers_mut().remove(TRANSFER_ENCODING);
    request.headers_mut().remove(EXPECT);
    let host = request.headers_mut().remove(HOST);
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    // One that comes back from an attempt has its host there already.
    let before = request.uri().authority().cloned();
    let before = before.as_ref().map(http::uri::Authority::as_str);
    let authority = host.or(before).unwrap_or(&upstream.address);
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query(path).build();
    if let Ok(uri) = uri {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}

/// A member with a place; waits for one when all are full.
async fn place(pool: &Pool, wish: &Wish<'_>, timer: &Timer) -> Result<usize, Trouble> {
    match pool.pick(wish) {
        Ok((place, _)) => return Ok(place),
        Err(NoPick::Nobody) => return Err(Trouble::NoUpstream),
        Err(NoPick::Full) => {}
    }
    struct Waiting<'p>(&'p Queue);
    impl Drop for Waiting<'_> {
        fn drop(&mut self) {
            self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let queue = &*pool.queue;
    let waiting = queue.waiting.fetch_add(1, Ordering::SeqCst);
    let _waiting = Waiting(queue);
    if waiting >= pool.config.max_pending {
        return Err(Trouble::Busy);
    }
    timer.set(pool.config.queue_timeout);
    loop {
        let freed = pin!(queue.freed.notified());
        let late = pin!(timer.due());
        // Asked for after the wish to be told, so that none is missed in between.
        match pool.pick(wish) {
            Ok((place, _)) => return Ok(place),
            Err(NoPick::Nobody) => return Err(Trouble::NoUpstream),
            Err(NoPick::Full) => {}
        }
        tokio::select! {
            biased;
            () = freed => {}
            () = late => return Err(Trouble::Busy),
        }
    }
}

pub(crate) fn trouble(fail: &Fail) -> Trouble {
    match fail {
        Fail::Refused => Trouble::Refused,
        Fail::ConnectTimeout => Trouble::ConnectTimeout,
        Fail::Tls => Trouble::Tls,
        Fail::Stale | Fail::Closed | Fail::Broken | Fail::NotSent(_) => Trouble::Closed,
        Fail::Garbled => Trouble::Garbled,
        Fail::TooLarge => Trouble::AnswerTooLarge,
        Fail::Timeout => Trouble::Timeout,
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

fn hash(algorithm: &Algorithm, passage: &Passage, request: &Request<RequestBody>) -> u64 {
    let ip = || match passage.client {
        std::net::IpAddr::V4(v4) => view::hash(&v4.octets()),
        std::net::IpAddr::V6(v6) => view::hash(&v6.octets()),
    };
    match algorithm {
        Algorithm::IpHash | Algorithm::Maglev(HashOn::ClientIp) => ip(),
        Algorithm::Maglev(HashOn::Path) => view::hash(request.uri().path().as_bytes()),
        Algorithm::Maglev(HashOn::Header(name)) => {
            request.headers().get(name).map_or_else(ip, |value| view::hash(value.as_bytes()))
        }
        Algorithm::Maglev(HashOn::Cookie(name)) => sticky::cookie(request.headers(), name)
            .map_or_else(ip, |value| view::hash(value.as_bytes())),
        _ => 0,
    }
}

pub(crate) fn set_cookie(
    sticky: &crate::config::Sticky,
    pool: &Pool,
    upstream: &Upstream,
    secure: bool,
) -> HeaderValue {
    let mark = pool.mark(upstream);
    let age = if sticky.age.is_zero() {
        String::new()
    } else {
        format!("; Max-Age={}", sticky.age.as_secs())
    };
    let secure = if secure { "; Secure" } else { "" };
    let text = format!(
        "{}={}; Path=/{age}; HttpOnly; SameSite=Lax{secure}",
        sticky.cookie,
        sticky::text(&mark)
    );
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
