//! Ten thousand open connections through a thousand changes of routes and a hundred of upstreams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::front::free;
use crate::program::Place;

const OPEN: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// An upstream that answers every request with its name.
async fn upstream(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut piece = [0; 2048];
                while stream.read(&mut piece).await.is_ok_and(|count| count > 0) {
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    at
}

/// Status and body of an answer with a length.
async fn ask(stream: &mut TcpStream, request: &str) -> (u16, String) {
    let asked = async {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        loop {
            let mut piece = [0; 2048];
            let count = stream.read(&mut piece).await.unwrap();
            assert_ne!(count, 0, "dropped after {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&seen);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, body.to_owned());
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("an answer")
}

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_do_not_notice_a_thousand_changes() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();
    let place = Place::new(testkit::On::Sqlite).await;
    let path = place.folder.path().join("gateway.yaml");
    let (bind, admin) = (free(), free());
    let (a, b, more) = (upstream("a").await, upstream("b").await, upstream("a").await);
    let file = |round: usize| {
        let extra: String =
            (0..5).map(|n| format!("  - {{host: r{round}-{n}.example, pool: b}}\n")).collect();
        // Every tenth round one upstream of the pool comes or goes.
        let second = if (round / 10).is_multiple_of(2) {
            format!(", {{address: \"{more}\"}}")
        } else {
            String::new()
        };
        format!(
            "global: {{bind_address: \"{bind}\", admin_address: \"{admin}\", admin_token: at-least-16-characters, limits: {{keep_alive: 30m}}}}\npools:\n  - {{name: a, backends: [{{address: \"{a}\"}}{second}]}}\n  - {{name: b, backends: [{{address: \"{b}\"}}]}}\nroutes:\n  - {{host: a.example, pool: a}}\n  - {{host: b.example, pool: b}}\n{extra}"
        )
    };
    std::fs::write(&path, file(0)).unwrap();
    let running = place.serve(&["--role", "gateway", "--config", path.to_str().unwrap()]);
    let mut open = Vec::with_capacity(OPEN);
    for _ in 0..OPEN {
        let mut stream = TcpStream::connect(bind).await.unwrap();
        assert_eq!(ask(&mut stream, &get("a.example")).await, (200, "a".to_owned()));
        open.push(stream);
    }
    let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (done, served) = (done.clone(), served.clone());
            tokio::spawn(async move {
                let (host, name) =
                    if number % 2 == 0 { ("a.example", "a") } else { ("b.example", "b") };
                let mut stream = TcpStream::connect(bind).await.unwrap();
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(ask(&mut stream, &get(host)).await, (200, name.to_owned()));
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut control = TcpStream::connect(admin).await.unwrap();
    let mut probe = TcpStream::connect(bind).await.unwrap();
    for round in 1..=1000 {
        let before = served.load(Ordering::Relaxed);
        let body = file(round);
        let put = format!(
            "PUT /v1/gateway/config HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer at-least-16-characters\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, text) = ask(&mut control, &put).await;
        assert_eq!(status, 200, "{text}");
        // The next request sees the new table, and the old one is gone.
        let answer = ask(&mut probe, &get(&format!("r{round}-3.example"))).await;
        assert_eq!(answer, (200, "b".to_owned()), "round {round}");
        let gone = ask(&mut probe, &get(&format!("r{}-3.example", round - 1))).await;
        assert_eq!(gone.0, 404, "round {round}");
        while served.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    for stream in &mut open {
        assert_eq!(ask(stream, &get("a.example")).await, (200, "a".to_owned()));
    }
    drop(open);
    assert_eq!(running.terminate(), Some(0));
}
