//! Other protocols over the connection: WebSocket, mostly.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::{self, Do, Origin, Peer, get, ok};

pub(crate) const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Agrees to the protocol, says hello at once, and gives every byte back.
pub(crate) async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut peer = Peer::new(listener.accept().await.unwrap().0);
            tokio::spawn(async move {
                peer.more().await;
                peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello").await;
                let mut piece = [0; 4096];
                while let Ok(count) = peer.stream.read(&mut piece).await {
                    if count == 0 || peer.stream.write_all(&piece[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    at
}

async fn read(peer: &mut Peer, wanted: &[u8]) {
    let mut seen = vec![0; wanted.len()];
    tokio::time::timeout(world::PATIENCE, peer.stream.read_exact(&mut seen))
        .await
        .expect("bytes come")
        .unwrap();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_websocket_passes_bytes_both_ways_from_the_first_on() {
    let gateway = world::gateway(&world::file(&[echo().await], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    // A frame sent together with the handshake belongs to the new protocol.
    peer.send(format!("{HANDSHAKE}early").as_bytes()).await;
    let mut head = Vec::new();
    while world::find(&head, b"\r\n\r\n").is_none() {
        head.push(peer.stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(world::header(&head, "upgrade"), Some("websocket"));
    assert_eq!(world::header(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    read(&mut peer, b"helloearly").await;
    for number in 0..50u32 {
        // Also what looks like a request is just bytes now.
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{number}");
        peer.send(text.as_bytes()).await;
        read(&mut peer, text.as_bytes()).await;
    }
    let large = vec![7; 1 << 20];
    let (mut from, mut to) = peer.stream.split();
    let mut back = vec![0; large.len()];
    let (sent, got) = tokio::join!(to.write_all(&large), from.read_exact(&mut back));
    sent.unwrap();
    got.unwrap();
    assert_eq!(back, large);
    // The end of one side is the end of the other.
    to.shutdown().await.unwrap();
    assert_eq!(from.read(&mut back).await.unwrap(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_declines_leaves_the_connection_as_it_was() {
    let origin = Origin::doing(|_| Do::Say(ok("no"))).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    for _ in 0..3 {
        let answer = peer.ask(HANDSHAKE).await;
        assert_eq!(
            (answer.status, answer.text().as_str(), answer.header("upgrade")),
            (200, "no", None)
        );
        assert_eq!(origin.last().header("upgrade"), Some("websocket"));
        assert_eq!(peer.ask(&get("a", "/")).await.text(), "no");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_change_of_routes_leaves_tunnels_alone_and_a_drain_ends_them_at_its_deadline() {
    let at = echo().await;
    let text = world::file(&[at], "").replace("global:\n", "global:\n  drain_deadline: 300ms\n");
    let gateway = world::gateway(&text);
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    assert_eq!(peer.ask(HANDSHAKE).await.status, 101);
    for _ in 0..5 {
        gateway
            .apply(world::config(&text.replace("- {host: \"*\"", "- {host: other.example")))
            .unwrap();
        gateway.apply(world::config(&text)).unwrap();
    }
    peer.send(b"still here").await;
    gateway.stop().await;
    let rest = String::from_utf8(peer.rest().await).unwrap();
    assert!(rest.ends_with("still here"), "{rest}");
}
