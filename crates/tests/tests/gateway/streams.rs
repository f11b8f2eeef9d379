//! What goes wrong on streams of HTTP/2, at either side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::world::{self, Origin, get};

/// What the upstream does with a stream.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    /// Half an answer, then a reset that names no error.
    Half,
    /// An answer that names the request's host; the second request of a connection is its end.
    Leave,
}

/// Its address, how many requests it got, and what is to be told when half an answer was seen.
async fn upstream(act: Act) -> (SocketAddr, Arc<AtomicUsize>, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::new(Notify::new());
    let (counted, waits) = (count.clone(), seen.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (count, seen) = (counted.clone(), waits.clone());
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut first = true;
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    count.fetch_add(1, Ordering::SeqCst);
                    if act == Act::Leave && !std::mem::take(&mut first) {
                        connection.abrupt_shutdown(Reason::NO_ERROR);
                        continue;
                    }
                    let host = request.uri().authority().unwrap().to_string();
                    let head =
                        Response::builder().header("cache-control", "max-age=60").body(()).unwrap();
                    let mut body = respond.send_response(head, false).unwrap();
                    match act {
                        Act::Half => {
                            body.send_data(Bytes::from_static(b"half"), false).unwrap();
                            let seen = seen.clone();
                            tokio::spawn(async move {
                                seen.notified().await;
                                body.send_reset(Reason::NO_ERROR);
                            });
                        }
                        Act::Leave => body.send_data(Bytes::from(host), true).unwrap(),
                    }
                }
            });
        }
    });
    (at, count, seen)
}

#[tokio::test]
async fn an_answer_that_was_reset_without_an_error_is_not_whole_and_not_kept() {
    let (at, count, seen) = upstream(Act::Half).await;
    let text =
        world::file(&[at], "    protocol: h2\n").replace("pool: web}", "pool: web, cache: true}");
    let gateway = world::gateway(&text);
    for asked in 1..=2 {
        let mut peer = world::Peer::connect(world::plain(&gateway)).await;
        peer.send(get("shop.example", "/").as_bytes()).await;
        assert!(peer.more().await);
        seen.notify_one();
        let answer = peer.answer().await.unwrap();
        assert_eq!((answer.text().as_str(), answer.whole), ("half", false));
        assert_eq!(count.load(Ordering::SeqCst), asked);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_ends_between_requests_is_not_the_clients_affair() {
    let (at, ..) = upstream(Act::Leave).await;
    let gateway = world::gateway(&world::file(&[at], "    protocol: h2\n"));
    let mut peer = world::Peer::connect(world::plain(&gateway)).await;
    for _ in 0..20 {
        let answer = peer.ask(&get("shop.example", "/")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "shop.example"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_clients_body_that_was_reset_without_an_error_is_not_whole() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let stream = TcpStream::connect(world::plain(&gateway)).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driven = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = Request::post("http://shop.example/").body(()).unwrap();
    let (_answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"half"), false).unwrap();
    world::until(async || origin.connections.load(Ordering::SeqCst), |count| *count == 1).await;
    body.send_reset(Reason::NO_ERROR);
    // One that is whole passes; the upstream never took the other for one.
    let mut client = client.ready().await.unwrap();
    let request = Request::post("http://shop.example/").body(()).unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"all"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let bodies: Vec<Vec<u8>> = origin.got.lock().iter().map(|got| got.body.clone()).collect();
    assert_eq!(bodies, [b"all".to_vec()]);
    driven.abort();
    gateway.stop().await;
}
