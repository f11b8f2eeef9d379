//! Upstreams and clients that misbehave: what the client sees, and that nobody else suffers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::world::{self, Answer, Do, Origin, Peer, get, ok};

async fn seen(
    act: impl Fn(&world::Got) -> Do + Send + Sync + 'static,
    pool: &str,
    request: &str,
) -> (Answer, usize) {
    let origin = Origin::doing(act).await;
    let gateway = world::gateway(&world::file(&[origin.at], pool));
    let answer = world::fetch(world::plain(&gateway), request).await;
    gateway.stop().await;
    (answer, origin.count())
}

async fn broken_off(act: Do, pool: &str) {
    let origin = Origin::doing(move |_| act.clone()).await;
    let gateway = world::gateway(&world::file(&[origin.at], pool));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(get("a", "/").as_bytes()).await;
    // When it broke before anything was passed on, there may be no answer at all.
    assert!(peer.answer().await.is_none_or(|answer| !answer.whole));
    gateway.stop().await;
}

#[tokio::test]
async fn each_fault_of_an_upstream_has_its_answer() {
    let get = get("a", "/");
    let quick = "    timeout: 100ms\n    idle_timeout: 100ms\n    connect_timeout: 200ms\n";
    let garbage = |_: &world::Got| Do::SayAndClose("nonsense\r\n\r\n".to_owned());
    let (answer, _) = seen(garbage, quick, &get).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (502, Some("upstream_garbled")));
    let (answer, _) = seen(|_| Do::Hang, quick, &get).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (504, Some("upstream_timeout")));
    let (answer, _) = seen(|_| Do::Stall("HTTP/1.1 200".to_owned()), quick, &get).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (504, Some("upstream_timeout")));
    let (answer, _) = seen(|_| Do::Close, quick, &get).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (502, Some("upstream_closed")));
    let json = answer.json();
    assert_eq!(
        (json["origin"].as_str(), json["request_id"].as_str().map(str::len)),
        (Some("upstream"), Some(32))
    );
    // What breaks off in the middle breaks off for the client, too: never a whole answer that is not.
    for act in [Do::Reset, Do::SayAndClose, Do::Stall] {
        let partial = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_owned();
        broken_off(act(partial), quick).await;
    }
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n".to_owned();
    broken_off(Do::SayAndClose(chunk), quick).await;
}

#[tokio::test]
async fn who_refuses_is_passed_over_and_nobody_notices() {
    let dead = Origin::named("dead").await;
    let alive = Origin::named("alive").await;
    dead.die();
    world::until(async || Peer::connect_maybe(dead.at).await.is_none(), |gone| *gone).await;
    let gateway =
        world::gateway(&world::file(&[dead.at, alive.at], "    algorithm: round_robin\n"));
    let at = world::plain(&gateway);
    for _ in 0..10 {
        // Nothing was sent to the dead one, so any method may go elsewhere.
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let answer = world::fetch(at, post).await;
        assert_eq!(answer.text(), "alive");
    }
    gateway.stop().await;
    let gateway = world::gateway(&world::file(&[dead.at], ""));
    let answer = world::fetch(world::plain(&gateway), &get("a", "/")).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (502, Some("upstream_refused")));
    gateway.stop().await;
}

#[tokio::test]
async fn only_what_is_safe_is_tried_twice() {
    let closer = Origin::doing(|_| Do::Close).await;
    let good = Origin::named("good").await;
    let pool = "    algorithm: round_robin\n    outlier: {consecutive_errors: 0}\n";
    let gateway = world::gateway(&world::file(&[closer.at, good.at], pool));
    let at = world::plain(&gateway);
    for _ in 0..6 {
        assert_eq!(world::fetch(at, &get("a", "/")).await.text(), "good");
    }
    assert!(closer.count() >= 2);
    // A POST may have done its work before the connection broke.
    let before = closer.count();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
        statuses.push(world::fetch(at, post).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), closer.count() - before);
    assert!(statuses.contains(&502) && statuses.contains(&200), "{statuses:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn second_tries_stay_within_their_budget() {
    let closers = [Origin::doing(|_| Do::Close).await, Origin::doing(|_| Do::Close).await];
    let pool = "    algorithm: round_robin\n    outlier: {consecutive_errors: 0}\n    retry_budget: {percent: 20, min_per_second: 0}\n";
    let gateway = world::gateway(&world::file(&[closers[0].at, closers[1].at], pool));
    for _ in 0..50 {
        assert_eq!(world::fetch(world::plain(&gateway), &get("a", "/")).await.status, 502);
    }
    let tries = closers[0].count() + closers[1].count();
    assert!((55..=60).contains(&tries), "50 requests made {tries} tries");
    gateway.stop().await;
}

/// An upstream may close an idle connection at any moment, also while a request is on its way there.
#[tokio::test]
async fn a_stale_connection_costs_no_request() {
    let origin = Origin::doing(|_| Do::SayAndClose(ok("a"))).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    for _ in 0..30 {
        assert_eq!(peer.ask(&get("a", "/")).await.text(), "a");
    }
    assert_eq!(origin.connections.load(Ordering::SeqCst), 30);
    gateway.stop().await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut peer = Peer::new(listener.accept().await.unwrap().0);
        peer.more().await;
        peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
            .await;
        peer.rest().await;
    });
    let gateway = world::gateway(&world::file(&[at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc").await;
    let answer = peer.answer().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
    gateway.stop().await;
}

#[tokio::test]
async fn slow_and_silent_clients_are_let_go() {
    let origin = Origin::named("a").await;
    let text = world::file(&[origin.at], "").replace(
        "global:\n",
        "global:\n  limits: {header_timeout: 200ms, keep_alive: 200ms, idle_timeout: 200ms}\n",
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let mut slow = Peer::connect(at).await;
    slow.send(b"GET / HTTP/1.1\r\nHo").await;
    let answer = slow.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    let mut idle = Peer::connect(at).await;
    assert_eq!(idle.ask(&get("a", "/")).await.status, 200);
    assert!(idle.answer().await.is_none(), "closed without a word");
    let mut silent = Peer::connect(at).await;
    assert!(silent.answer().await.is_none());
    let mut uploader = Peer::connect(at).await;
    uploader.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc").await;
    assert!(uploader.answer().await.is_none_or(|answer| answer.status >= 400));
    gateway.stop().await;
}

/// A client that goes away takes its request with it, and leaves no count behind.
#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let origin = Origin::doing(|_| Do::Hang).await;
    let gateway =
        world::gateway(&world::file(&[origin.at], "    max_requests: 1\n    queue_timeout: 10s\n"));
    let at = world::plain(&gateway);
    for number in 0..5 {
        let mut peer = Peer::connect(at).await;
        peer.send(get("a", "/").as_bytes()).await;
        world::until(async || origin.count(), |count| *count == number + 1).await;
        drop(peer);
    }
    let open = |gateway: &gateway::Gateway| {
        let metrics = gateway.metrics();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("portaria_gateway_upstream_requests_open{"));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    world::until(async || open(&gateway), |count| count == "0").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let origin = Origin::named("a").await;
    let gateway =
        world::gateway(&world::file(&[origin.at], "    outlier: {consecutive_errors: 1}\n"));
    let at = world::plain(&gateway);
    for _ in 0..3 {
        let mut peer = Peer::connect(at).await;
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeX")
            .await;
        let answer = peer.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("x-gateway-error")), (400, Some("bad_body")));
    }
    assert_eq!(world::fetch(at, &get("a", "/")).await.status, 200, "the upstream was not blamed");
    let metrics = gateway.metrics();
    let errors = metrics
        .lines()
        .find(|line| line.starts_with("portaria_gateway_upstream_errors_total{"))
        .unwrap();
    assert!(errors.ends_with(" 0"), "{errors}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_takes_nothing_new() {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let signal = gate.clone();
    let origin = Origin::doing(move |got| {
        if got.head.contains("/slow") {
            Do::When(signal.clone(), ok("slow"))
        } else {
            Do::Say(ok("a"))
        }
    })
    .await;
    let text = world::file(&[origin.at], "").replace(
        "global:\n",
        "global:\n  admin_address: BIND\n  metrics_address: BIND\n  admin_token: 0123456789abcdef\n",
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let metrics = gateway.addresses().metrics.unwrap();
    let mut old = Peer::connect(at).await;
    assert_eq!(old.ask(&get("a", "/")).await.header("connection"), None);
    let mut slow = Peer::connect(at).await;
    slow.send(get("a", "/slow").as_bytes()).await;
    world::until(async || origin.count(), |count| *count == 2).await;
    assert_eq!(world::fetch(metrics, &get("x", "/readyz")).await.status, 200);
    let call =
        "POST /admin/drain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n";
    let drained = world::fetch(gateway.addresses().admin.unwrap(), call).await;
    assert_eq!((drained.status, drained.json()["state"].as_str()), (202, Some("draining")));
    assert_eq!(world::fetch(metrics, &get("x", "/readyz")).await.status, 503);
    // A connection that was there is served once more, and told that it ends.
    let answer = old.ask(&get("a", "/")).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(old.answer().await.is_none());
    let fresh = world::until(
        async || world::fetch(at, &get("a", "/")).await,
        |answer| answer.status == 503,
    )
    .await;
    assert_eq!(fresh.header("x-gateway-error"), Some("draining"));
    gate.notify_one();
    assert_eq!(slow.answer().await.unwrap().text(), "slow");
    gateway.stop().await;
}

#[tokio::test]
async fn a_tenant_drains_alone_and_comes_back() {
    let origin = Origin::named("a").await;
    let text = format!(
        "global: {{bind_address: BIND, admin_address: BIND, admin_token: 0123456789abcdef}}\npools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: one.example, pool: web, tenant_id: one}}\n  - {{host: two.example, pool: web, tenant_id: two}}\n",
        origin.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let call = async |method: &str, tenant: &str| {
        let request = format!(
            "{method} /api/tenants/{tenant}/drain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n"
        );
        world::fetch(gateway.addresses().admin.unwrap(), &request).await.status
    };
    assert_eq!(call("POST", "three").await, 404);
    assert_eq!(call("POST", "one").await, 202);
    let answer = world::fetch(at, &get("one.example", "/")).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (503, Some("tenant_draining")));
    assert_eq!(world::fetch(at, &get("two.example", "/")).await.status, 200);
    assert_eq!(call("DELETE", "one").await, 200);
    assert_eq!(world::fetch(at, &get("one.example", "/")).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_deadline_ends_what_does_not_end_by_itself() {
    let origin = Origin::doing(|_| Do::Hang).await;
    let text =
        world::file(&[origin.at], "").replace("global:\n", "global:\n  drain_deadline: 200ms\n");
    let gateway = world::gateway(&text);
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(get("a", "/").as_bytes()).await;
    world::until(async || origin.count(), |count| *count == 1).await;
    tokio::time::timeout(Duration::from_secs(10), gateway.stop()).await.expect("it ends");
    assert!(peer.answer().await.is_none());
}

#[tokio::test]
async fn a_request_that_makes_its_upstream_close_is_asked_once_more_and_not_of_all_that_idle() {
    let origin =
        Origin::doing(|got| if got.head.contains("/bad") { Do::Close } else { Do::Say(ok("a")) })
            .await;
    let gateway = world::gateway(&world::file(&[origin.at], "    retries: 0\n"));
    let at = world::plain(&gateway);
    // Many connections that idle, on each worker.
    let mut peers = Vec::new();
    for _ in 0..16 {
        peers.push(Peer::connect(at).await);
    }
    for peer in &mut peers {
        peer.send(get("a", "/").as_bytes()).await;
    }
    for peer in &mut peers {
        assert_eq!(peer.answer().await.unwrap().status, 200);
    }
    let before = origin.count();
    assert_eq!(peers[0].ask(&get("a", "/bad")).await.status, 502);
    assert_eq!(origin.count() - before, 2);
    gateway.stop().await;
}
