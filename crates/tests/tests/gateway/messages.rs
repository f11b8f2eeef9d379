//! What arrives of a message at the other side, in both directions.

use std::sync::Arc;

use crate::world::{self, Do, Origin, Peer, get, ok};

#[tokio::test]
async fn one_hop_fields_end_here_and_forwarded_ones_are_true() {
    let origin = Origin::doing(|_| {
        Do::Say(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: X-Inner, keep-alive\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nProxy-Authenticate: Basic\r\n\r\na"
                .to_owned(),
        )
    })
    .await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let answer = world::fetch(
        world::plain(&gateway),
        "GET /p?q=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: X-Secret\r\nX-Secret: 1\r\nTE: gzip, trailers\r\nKeep-Alive: 1\r\nProxy-Connection: keep-alive\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nX-Forwarded-Port: 1\r\nX-Request-Id: mine\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nX-Kept: 1\r\n\r\n",
    )
    .await;
    assert_eq!(answer.status, 200);
    for name in ["x-inner", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-kept"), Some("1"));
    let got = origin.last();
    assert!(got.head.starts_with("GET /p?q=1 HTTP/1.1\r\n"), "{}", got.head);
    for name in [
        "connection",
        "x-secret",
        "keep-alive",
        "proxy-connection",
        "forwarded",
        "x-forwarded-port",
    ] {
        assert_eq!(got.header(name), None, "{name}");
    }
    for (name, value) in [
        ("host", "shop.example"),
        ("te", "trailers"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example"),
        ("x-real-ip", "127.0.0.1"),
        ("x-kept", "1"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        assert_eq!(got.all(name), [value], "{name}");
    }
    let id = got.header("x-request-id").unwrap();
    assert!(id.len() == 32 && id != "mine", "{id}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients() {
    let origin = Origin::named("a").await;
    let text = world::file(&[origin.at], "")
        .replace("global:\n", "global:\n  trusted_proxies: [127.0.0.0/8]\n");
    let gateway = world::gateway(&text);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9, 203.0.113.5\r\nX-Forwarded-Proto: https\r\nX-Request-Id: theirs\r\n\r\n";
    world::fetch(world::plain(&gateway), request).await;
    let got = origin.last();
    assert_eq!(got.all("x-forwarded-for"), ["9.9.9.9, 203.0.113.5, 127.0.0.1"]);
    assert_eq!(got.header("x-real-ip"), Some("203.0.113.5"));
    assert_eq!(got.header("x-forwarded-proto"), Some("https"));
    assert_eq!(got.header("x-request-id"), Some("theirs"));
    gateway.stop().await;
}

#[tokio::test]
async fn the_proxy_protocol_is_spoken_by_whom_may_and_by_nobody_else() {
    let origin = Origin::named("a").await;
    let with = |network: &str| {
        world::file(&[origin.at], "").replace(
            "global:\n",
            &format!("global:\n  proxy_protocol: {{trusted_ips: [{network}]}}\n"),
        )
    };
    let gateway = world::gateway(&with("127.0.0.1"));
    let line = "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n";
    let answer = world::fetch(world::plain(&gateway), &format!("{line}{}", get("a", "/"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(origin.last().header("x-forwarded-for"), Some("203.0.113.7"));
    let mut block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    block.extend([203, 0, 113, 9, 10, 0, 0, 1, 1, 2, 0, 80]);
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(&block).await;
    assert_eq!(peer.ask(&get("a", "/")).await.status, 200);
    assert_eq!(origin.last().header("x-real-ip"), Some("203.0.113.9"));
    // A balancer that is to speak for others and does not is not heard.
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(get("a", "/").as_bytes()).await;
    assert!(peer.answer().await.is_none());
    gateway.stop().await;
    let gateway = world::gateway(&with("10.0.0.0/8"));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(format!("{line}{}", get("a", "/")).as_bytes()).await;
    assert_eq!(peer.answer().await.unwrap().status, 400);
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_are_framed() {
    let origin = Origin::doing(|got| Do::Say(ok(&format!("{}", got.body.len())))).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    let body = "x".repeat(300_000);
    peer.send(
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .as_bytes(),
    )
    .await;
    assert_eq!(peer.answer().await.unwrap().text(), "300000");
    assert_eq!(origin.last().header("content-length"), Some("300000"));
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n";
    assert_eq!(peer.ask(chunked).await.text(), "8");
    assert_eq!(origin.last().body, b"abcdefgh");
    // A client that waits for leave to send gets it.
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    let leave = peer.answer().await.unwrap();
    assert_eq!(leave.status, 100);
    peer.send(b"abc").await;
    assert_eq!(peer.answer().await.unwrap().text(), "3");
    gateway.stop().await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let origin = Origin::doing(|_| {
        Do::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n".to_owned())
    })
    .await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let answer = world::fetch(
        world::plain(&gateway),
        "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: x-check\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-check: 9\r\nContent-Length: 5\r\n\r\n",
    )
    .await;
    assert_eq!(answer.text(), "hi");
    assert_eq!(answer.header("x-sum"), Some("7"));
    let got = origin.last();
    assert_eq!(got.header("x-check"), Some("9"));
    assert_eq!(got.header("content-length"), None, "a trailer does not frame a message");
    gateway.stop().await;
}

#[tokio::test]
async fn events_are_passed_on_as_they_come() {
    let next = Arc::new(tokio::sync::Notify::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let signal = next.clone();
    tokio::spawn(async move {
        let mut peer = Peer::new(listener.accept().await.unwrap().0);
        peer.more().await;
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for number in 0..3 {
            peer.send(format!("9\r\ndata: {number}\n\n\r\n").as_bytes()).await;
            signal.notified().await;
        }
        peer.send(b"0\r\n\r\n").await;
    });
    let gateway = world::gateway(&world::file(&[at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(get("a", "/").as_bytes()).await;
    let mut seen = Vec::new();
    for number in 0..3 {
        // The next event is only made when this one was seen.
        let wanted = format!("data: {number}");
        while world::find(&seen, wanted.as_bytes()).is_none() {
            let mut piece = vec![0; 4096];
            let count = tokio::time::timeout(
                world::PATIENCE,
                tokio::io::AsyncReadExt::read(&mut peer.stream, &mut piece),
            )
            .await
            .expect("the event comes before the next is made")
            .unwrap();
            assert!(count > 0);
            seen.extend_from_slice(&piece[..count]);
        }
        next.notify_one();
    }
    gateway.stop().await;
}

#[tokio::test]
async fn head_and_empty_answers_keep_the_connection() {
    let origin = Origin::doing(|got| {
        Do::Say(if got.head.starts_with("HEAD") {
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n".to_owned()
        } else if got.head.contains("/304") {
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_owned()
        } else {
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        })
    })
    .await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    let head = peer.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(head.header("content-length"), Some("500"));
    assert_eq!(peer.ask(&get("a", "/304")).await.header("etag"), Some("\"x\""));
    assert_eq!(peer.ask(&get("a", "/204")).await.status, 204);
    assert_eq!(
        origin.connections.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "one connection served all"
    );
    // HTTP/1.0 is answered and closed.
    let mut old = Peer::connect(world::plain(&gateway)).await;
    old.send(b"GET /204 HTTP/1.0\r\n\r\n").await;
    let rest = String::from_utf8(old.rest().await).unwrap();
    assert!(rest.starts_with("HTTP/1.0 204") || rest.starts_with("HTTP/1.1 204"), "{rest}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_passed_whole() {
    let body = "y".repeat(100_000);
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    let origin = Origin::doing(move |_| Do::SayAndClose(answer.clone())).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let found = world::fetch(world::plain(&gateway), &get("a", "/")).await;
    assert!(found.whole);
    assert_eq!(found.body.len(), 100_000);
    gateway.stop().await;
}
