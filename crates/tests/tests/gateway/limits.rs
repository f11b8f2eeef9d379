//! What is too much, and how that is said.

use crate::world::{self, Origin, Peer, get};

#[tokio::test]
async fn rates_are_counted_by_client_route_and_key() {
    let origin = Origin::named("a").await;
    let text = format!(
        "global:
  bind_address: BIND
  trusted_proxies: [127.0.0.1]
  rate_limit: {{requests_per_second: 0.5, burst_size: 4, exclude_paths: [/free]}}
pools:
  - {{name: web, backends: [{{address: \"{}\"}}]}}
routes:
  - {{host: \"*\", pool: web}}
  - {{host: key.example, pool: web, rate_limit: {{requests_per_second: 0.5, burst_size: 2, key: \"header:x-api-key\", response_code: 403}}}}
",
        origin.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let ask = async |host: &str, path: &str, client: &str, key: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\nX-Api-Key: {key}\r\n\r\n"
        );
        world::fetch(at, &request).await
    };
    for _ in 0..4 {
        assert_eq!(ask("a", "/", "203.0.113.1", "").await.status, 200);
    }
    let answer = ask("a", "/", "203.0.113.1", "").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (429, Some("rate_limited")));
    for name in ["retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    assert_eq!(ask("a", "/free/x", "203.0.113.1", "").await.status, 200);
    assert_eq!(ask("a", "/", "203.0.113.2", "").await.status, 200, "others are not held up");
    for _ in 0..2 {
        assert_eq!(ask("key.example", "/", "203.0.113.3", "k1").await.status, 200);
    }
    assert_eq!(ask("key.example", "/", "203.0.113.4", "k1").await.status, 403);
    assert_eq!(ask("key.example", "/", "203.0.113.4", "k2").await.status, 200);
    // A change of the file that leaves the rate alone forgets nothing.
    gateway.apply(world::config(&text)).unwrap();
    assert_eq!(ask("a", "/", "203.0.113.1", "").await.status, 429);
    gateway.stop().await;
}

#[tokio::test]
async fn strangers_cannot_buy_a_new_limit_with_a_header() {
    let origin = Origin::named("a").await;
    let text = world::file(&[origin.at], "")
        .replace("global:\n", "global:\n  rate_limit: {requests_per_second: 0.1, burst_size: 1}\n");
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let ask =
        |client: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n\r\n");
    assert_eq!(world::fetch(at, &ask("203.0.113.1")).await.status, 200);
    assert_eq!(world::fetch(at, &ask("203.0.113.2")).await.status, 429);
    gateway.stop().await;
}

#[tokio::test]
async fn sizes_have_their_own_answers() {
    let origin = Origin::named("a").await;
    let text = world::file(&[origin.at], "")
        .replace("global:\n", "global:\n  limits: {head: 2KiB, headers: 20, body: 1000}\n");
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let long = "x".repeat(3000);
    assert_eq!(world::fetch(at, &get("a", &format!("/{long}"))).await.status, 414);
    let answer =
        world::fetch(at, &format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {long}\r\n\r\n")).await;
    assert_eq!(answer.status, 431);
    let many = "X-A: b\r\n".repeat(30);
    assert_eq!(
        world::fetch(at, &format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await.status,
        431
    );
    let told = world::fetch(at, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n").await;
    assert_eq!((told.status, told.header("x-gateway-error")), (413, Some("body_too_large")));
    // One that does not say its length is stopped where it passes the limit.
    let chunk = format!("3e8\r\n{}\r\n", "y".repeat(1000));
    let body = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}1\r\nz\r\n0\r\n\r\n"
    );
    assert_eq!(world::fetch(at, &body).await.status, 413);
    let full =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{}", "y".repeat(1000));
    assert_eq!(world::fetch(at, &full).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn networks_are_kept_out_or_let_in() {
    let origin = Origin::named("a").await;
    let text = format!(
        "global: {{bind_address: BIND, trusted_proxies: [127.0.0.1], block: [198.51.100.0/24]}}\npools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web, deny: [203.0.113.7]}}\n  - {{host: inner.example, pool: web, allow: [10.0.0.0/8, \"2001:db8::/32\"]}}\n",
        origin.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    for (host, client, status) in [
        ("a", "203.0.113.8", 200),
        ("a", "203.0.113.7", 403),
        ("a", "198.51.100.9", 403),
        ("inner.example", "10.1.2.3", 200),
        ("inner.example", "2001:db8::1", 200),
        ("inner.example", "203.0.113.8", 403),
    ] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\n\r\n");
        assert_eq!(world::fetch(at, &request).await.status, status, "{host} {client}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn connections_have_a_limit() {
    let origin = Origin::named("a").await;
    let text = world::file(&[origin.at], "")
        .replace("global:\n", "global:\n  limits: {connections_per_ip: 2}\n");
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let mut first = Peer::connect(at).await;
    let mut second = Peer::connect(at).await;
    assert_eq!(first.ask(&get("a", "/")).await.status, 200);
    assert_eq!(second.ask(&get("a", "/")).await.status, 200);
    let third = Peer::connect(at).await.answer().await;
    assert!(third.is_none_or(|answer| answer.status == 503));
    drop(first);
    let again = async || {
        let mut peer = Peer::connect(at).await;
        peer.send(get("a", "/").as_bytes()).await;
        peer.answer().await.map(|answer| answer.status)
    };
    world::until(again, |status| *status == Some(200)).await;
    gateway.stop().await;
}
