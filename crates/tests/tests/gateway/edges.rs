//! What is met seldom: slow uploads, changes at the wrong moment, addresses in odd spellings.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::tunnels;
use crate::world::{self, Do, Origin, Peer, get, ok};

type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

async fn client2(at: std::net::SocketAddr) -> http2::SendRequest<Body> {
    let stream = TcpStream::connect(at).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(1 << 10).initial_connection_window_size(1 << 16);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn nothing() -> Body {
    Empty::new().boxed()
}

/// A body of which the first piece comes and the second never does.
fn stalled() -> Body {
    use futures_util::StreamExt as _;
    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"abc")))]);
    http_body_util::BodyExt::boxed(StreamBody::new(first.chain(futures_util::stream::pending())))
}

fn with_global(origins: &[std::net::SocketAddr], pool: &str, global: &str) -> String {
    world::file(origins, pool).replace("global:\n", &format!("global:\n  {global}\n"))
}

fn value(metrics: &str, name: &str) -> String {
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// Waits until no connection is open.
async fn left(gateway: &gateway::Gateway) {
    let count = async || value(&gateway.metrics(), "portaria_gateway_connections ");
    world::until(count, |count| count == "0").await;
}

#[tokio::test]
async fn a_slow_upload_is_not_blamed_on_the_upstream() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&world::file(&[origin.at], "    timeout: 200ms\n"));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n").await;
    for piece in [b"ab", b"cd", b"ef", b"gh"] {
        // This client is slow; the whole takes longer than the upstream may.
        tokio::time::sleep(Duration::from_millis(150)).await;
        peer.send(piece).await;
    }
    let answer = peer.answer().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "a"));
    assert_eq!(origin.last().body, b"abcdefgh");
    assert_eq!(value(&gateway.metrics(), "portaria_gateway_upstream_errors_total{"), "0");
    gateway.stop().await;
}

#[tokio::test]
async fn a_stalled_upload_over_http2_is_the_clients_fault() {
    let origin = Origin::named("a").await;
    let text = with_global(&[origin.at], "    timeout: 100ms\n", "limits: {idle_timeout: 300ms}");
    let gateway = world::gateway(&text);
    let mut client = client2(world::plain(&gateway)).await;
    let request = Request::post("http://a/").body(stalled()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 408);
    assert_eq!(response.headers()["x-gateway-error"], "slow_body");
    assert_eq!(value(&gateway.metrics(), "portaria_gateway_upstream_errors_total{"), "0");
    gateway.stop().await;
}

#[tokio::test]
async fn an_http2_client_that_takes_nothing_is_let_go() {
    let body = "x".repeat(1 << 20);
    let origin = Origin::doing(move |_| Do::Say(ok(&body))).await;
    let gateway = world::gateway(&with_global(&[origin.at], "", "limits: {idle_timeout: 200ms}"));
    let mut client = client2(world::plain(&gateway)).await;
    let response = client.send_request(Request::get("http://a/").body(nothing()).unwrap());
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    // The body is not read, so the window of its stream stays shut.
    left(&gateway).await;
    gateway.stop().await;
}

#[tokio::test]
async fn http2_has_the_limits_of_http1() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&with_global(&[origin.at], "", "limits: {headers: 10}"));
    let mut client = client2(world::plain(&gateway)).await;
    let mut request = Request::get("http://a/").body(nothing()).unwrap();
    for number in 0..20 {
        let name: hyper::header::HeaderName = format!("x-{number}").parse().unwrap();
        request.headers_mut().insert(name, "1".parse().unwrap());
    }
    assert_eq!(client.send_request(request).await.unwrap().status(), 431);
    let connect = Request::connect("a:443").body(nothing()).unwrap();
    assert_eq!(client.send_request(connect).await.unwrap().status(), 405);
    assert_eq!(origin.count(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn the_total_time_covers_waiting_for_the_answer() {
    let origin = Origin::doing(|_| Do::Hang).await;
    let pool = "    timeout: 60s\n    total_timeout: 200ms\n    max_requests: 1\n    queue_timeout: 60s\n    max_pending: 5\n";
    let gateway = world::gateway(&world::file(&[origin.at], pool));
    let at = world::plain(&gateway);
    let (first, second) =
        tokio::join!(async { world::fetch(at, &get("a", "/")).await.status }, async {
            world::fetch(at, &get("a", "/")).await.status
        },);
    // One waits for the upstream, the other for a place, or then for the upstream for no time at all.
    for status in [first, second] {
        assert!(status == 503 || status == 504, "{status}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_place_is_served_after_a_change_too() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let signal = gate.clone();
    let origin = Origin::doing(move |_| Do::When(signal.clone(), ok("a"))).await;
    let pool = "    max_requests: 1\n    queue_timeout: 15s\n    max_pending: 5\n";
    let text = world::file(&[origin.at], pool);
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let mut first = Peer::connect(at).await;
    first.send(get("a", "/").as_bytes()).await;
    world::until(async || origin.count(), |count| *count == 1).await;
    gateway.apply(world::config(&text)).unwrap();
    let mut second = Peer::connect(at).await;
    second.send(get("a", "/").as_bytes()).await;
    world::until(
        async || value(&gateway.metrics(), "portaria_gateway_requests_open "),
        |count| count == "2",
    )
    .await;
    gate.notify_one();
    assert_eq!(first.answer().await.unwrap().text(), "a");
    world::until(async || origin.count(), |count| *count == 2).await;
    gate.notify_one();
    assert_eq!(second.answer().await.unwrap().text(), "a");
    gateway.stop().await;
}

#[tokio::test]
async fn a_websocket_is_opened_at_another_upstream_when_the_first_is_gone() {
    let dead = Origin::named("x").await;
    dead.die();
    world::until(async || TcpStream::connect(dead.at).await.is_err(), |refused| *refused).await;
    let pool = "    algorithm: round_robin\n";
    let gateway = world::gateway(&world::file(&[dead.at, tunnels::echo().await], pool));
    for _ in 0..4 {
        let mut peer = Peer::connect(world::plain(&gateway)).await;
        peer.send(tunnels::HANDSHAKE.as_bytes()).await;
        let mut head = String::new();
        while !head.contains("\r\n\r\n") {
            use tokio::io::AsyncReadExt as _;
            head.push(char::from(peer.stream.read_u8().await.unwrap()));
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_upgrade_asked_of_an_http2_pool_is_a_request_like_others() {
    let origin = Origin::named("x").await;
    let pool = "    protocol: http2\n    timeout: 300ms\n    outlier: {consecutive_errors: 0}\n";
    let gateway = world::gateway(&world::file(&[origin.at], pool));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    let answer = peer.ask(tunnels::HANDSHAKE).await;
    // The upstream speaks no HTTP/2; what counts is that it was asked in it.
    assert!(answer.status >= 500);
    let got = origin.got.lock().clone();
    assert!(got[0].head.starts_with("PRI * HTTP/2.0"), "{got:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn connections_are_counted_for_whom_a_balancer_speaks() {
    let origin = Origin::named("a").await;
    let text = with_global(
        &[origin.at],
        "",
        "proxy_protocol: {trusted_ips: [127.0.0.1]}\n  limits: {connections_per_ip: 1}",
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let mut open = Vec::new();
    for (client, status) in [("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.1", 503)] {
        let mut peer = Peer::connect(at).await;
        peer.send(format!("PROXY TCP4 {client} 10.0.0.1 1 2\r\n").as_bytes()).await;
        peer.send(get("a", "/").as_bytes()).await;
        assert_eq!(peer.answer().await.unwrap().status, status, "{client}");
        open.push(peer);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_tunnel_keeps_its_place_among_the_connections() {
    let text = with_global(&[tunnels::echo().await], "", "limits: {connections_per_ip: 1}");
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let mut peer = Peer::connect(at).await;
    peer.send(tunnels::HANDSHAKE.as_bytes()).await;
    world::until(
        async || value(&gateway.metrics(), "portaria_gateway_tunnels "),
        |count| count == "1",
    )
    .await;
    assert_eq!(world::fetch(at, &get("a", "/")).await.status, 503);
    drop(peer);
    left(&gateway).await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_admin_api_set_ends_with_the_next_file_or_rollback() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let text = with_global(
        &[a.at, b.at],
        "    algorithm: round_robin\n",
        "admin_address: BIND\n  admin_token: 0123456789abcdef",
    );
    let gateway = world::gateway(&text);
    let (at, admin) = (world::plain(&gateway), gateway.addresses().admin.unwrap());
    let call = async |method: &str, path: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        world::fetch(admin, &request).await
    };
    let names = async || {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..6 {
            seen.insert(world::fetch(at, &get("a", "/")).await.text());
        }
        seen.into_iter().collect::<Vec<_>>().join("")
    };
    let upstream = format!("/v1/gateway/pools/web/upstreams/{}", a.at);
    assert_eq!(names().await, "ab");
    assert_eq!(call("PATCH", &upstream, "{\"draining\": true}").await.status, 200);
    assert_eq!(names().await, "b");
    // A dry run of a file that would change it changes nothing.
    let dry = text.replace(&format!("\"{}\"", b.at), &format!("\"{}\", weight: 0", b.at));
    let answer =
        call("PUT", "/v1/gateway/config?dry_run=true", &dry.replace("BIND", "\"127.0.0.1:0\""))
            .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(names().await, "b");
    assert_eq!(call("POST", "/v1/gateway/rollback", "{\"version\": 1}").await.status, 200);
    assert_eq!(names().await, "ab");
    assert_eq!(call("PATCH", &upstream, "{\"draining\": true, \"weight\": 3}").await.status, 200);
    gateway.apply(world::config(&text)).unwrap();
    assert_eq!(names().await, "ab");
    gateway.stop().await;
}

#[tokio::test]
async fn a_proxy_in_front_may_say_that_it_ended_the_encryption() {
    let origin = Origin::named("a").await;
    let text = with_global(&[origin.at], "", "trusted_proxies: [127.0.0.1]")
        .replace("pool: web", "pool: web, tls_required: true");
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    for (field, status) in [
        ("", 301),
        ("X-Forwarded-Proto: http\r\n", 301),
        ("X-Forwarded-Proto: https, http\r\n", 301),
        ("X-Forwarded-Proto: http, https\r\n", 200),
        ("X-Forwarded-Proto: https\r\n", 200),
    ] {
        let answer =
            world::fetch(at, &format!("GET / HTTP/1.1\r\nHost: a.example\r\n{field}\r\n")).await;
        assert_eq!(answer.status, status, "{field}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_old_client_that_names_the_host_in_the_target_has_one() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let request = "GET http://shop.example/x HTTP/1.0\r\n\r\n";
    assert_eq!(world::fetch(world::plain(&gateway), request).await.status, 200);
    assert_eq!(origin.last().header("host"), Some("shop.example"));
    gateway.stop().await;
}

#[tokio::test]
async fn no_spelling_of_an_address_gets_around_a_route() {
    let origin = Origin::named("a").await;
    let text = format!(
        "global: {{bind_address: BIND}}\npools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n  - {{host: \"*\", pool: web, path_prefix: /admin, deny: [127.0.0.1]}}\n  - {{host: \"*\", pool: web, path_prefix: /api, strip_path_prefix: true}}\n",
        origin.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    for path in
        ["/admin", "/admin/x", "//admin", "/%61dmin/x", "/admin%2Fx", "/x/../admin", "/%2e/admin"]
    {
        assert_eq!(world::fetch(at, &get("a", path)).await.status, 403, "{path}");
    }
    for path in ["/public/..%2fadmin", "/%2e%2e/admin", "/a%00"] {
        assert_eq!(world::fetch(at, &get("a", path)).await.status, 400, "{path}");
    }
    assert_eq!(origin.count(), 0);
    // What is passed on is spelled as it came.
    for (path, passed) in
        [("/a%2Fb//c", "/a%2Fb//c"), ("/api/a%2Fb", "/a%2Fb"), ("//api/caf%C3%A9", "/caf%C3%A9")]
    {
        assert_eq!(world::fetch(at, &get("a", path)).await.status, 200, "{path}");
        let head = origin.last().head;
        assert!(head.starts_with(&format!("GET {passed} ")), "{head}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_is_ejected_when_none_may_be() {
    let origin =
        Origin::doing(|_| Do::Say("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
    let other = Origin::named("b").await;
    let pool = "    algorithm: round_robin\n    outlier: {consecutive_errors: 1, max_ejection_percent: 0}\n";
    let gateway = world::gateway(&world::file(&[origin.at, other.at], pool));
    for _ in 0..8 {
        world::fetch(world::plain(&gateway), &get("a", "/")).await;
    }
    assert_eq!(origin.count(), 4);
    assert!(!gateway.metrics().contains("portaria_gateway_upstream_up{pool=\"web\"} 0"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_of_a_get_and_a_length_beside_chunks_do_not_confuse() {
    let chunks = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let origin = Origin::doing(|_| Do::Say(chunks.to_owned())).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    let request =
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = peer.ask(request).await;
    assert_eq!((answer.text().as_str(), answer.header("content-length")), ("hello", None));
    assert_eq!(origin.last().body, b"abc");
    assert_eq!(peer.ask(&get("a", "/")).await.text(), "hello", "the next message is read right");
    gateway.stop().await;
}

#[tokio::test]
async fn files_that_a_configuration_names_are_looked_at_before_it_serves() {
    let origin = Origin::named("a").await;
    let text = with_global(
        &[origin.at],
        "",
        "tls_bind_address: BIND\n  tls: {certificates: [{hosts: [a.example], cert: /nowhere, key: /nowhere}]}",
    );
    let faults = gateway::Gateway::faults_here(world::config(&text));
    assert!(faults[0].reason.contains("cannot be read"), "{faults:?}");
    assert_eq!(faults[0].line, 3);
}
