//! A gateway gives its listeners to a new process while requests run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::front::{free, until, upstream};
use crate::program::Place;

/// One answer on an open connection: its body, and whether the connection goes on.
fn ask(stream: &mut TcpStream) -> std::io::Result<(String, bool)> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut seen = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        seen.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() == 1
        {
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            return Ok((body.to_owned(), !head.to_lowercase().contains("connection: close")));
        }
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

#[tokio::test]
async fn a_new_process_takes_over_and_no_request_fails() {
    let place = Place::new(testkit::On::Sqlite).await;
    let path = place.folder.path().join("gateway.yaml");
    let (bind, metrics) = (free(), free());
    let file = |upstream: SocketAddr| {
        format!(
            "global:\n  bind_address: \"{bind}\"\n  metrics_address: \"{metrics}\"\n  drain_deadline: 5s\npools:\n  - {{name: web, backends: [{{address: \"{upstream}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n"
        )
    };
    std::fs::write(&path, file(upstream("a"))).unwrap();
    let name = path.to_str().unwrap();
    // Without one that serves there is nobody to take over from.
    let out = place.run(&["gateway", "upgrade", "--config", name]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("no gateway of this file"), "{out:?}");

    let mut serving = place.serve(&["--role", "gateway", "--config", name]);
    let (done, served, fresh) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let (done, served, fresh) = (done.clone(), served.clone(), fresh.clone());
            std::thread::spawn(move || {
                let mut stream = connect(bind);
                while !done.load(Ordering::Relaxed) {
                    // Half of them come anew for every request.
                    let (_, goes_on) = ask(&mut stream).expect("no request fails");
                    served.fetch_add(1, Ordering::Relaxed);
                    if !goes_on || number % 2 == 0 {
                        fresh.fetch_add(1, Ordering::Relaxed);
                        stream = connect(bind);
                    }
                }
            })
        })
        .collect();
    // Whoever looks whether the node is ready sees one that is.
    let probe = std::thread::spawn({
        let done = done.clone();
        move || {
            while !done.load(Ordering::Relaxed) {
                let mut stream = connect(metrics);
                let asked = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                stream.write_all(asked).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        }
    });
    for round in 0..3 {
        let before = served.load(Ordering::Relaxed);
        until("requests run", || served.load(Ordering::Relaxed) > before + 200);
        let next = place.command(&["gateway", "upgrade", "--config", name]);
        let next = crate::program::Running::start(next);
        assert_eq!(serving.wait(), Some(0), "round {round}: the old one ends by itself");
        serving = next;
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    probe.join().unwrap();
    assert!(fresh.load(Ordering::Relaxed) > 100);
    let mut stream = connect(bind);
    assert_eq!(ask(&mut stream).unwrap().0, "a");
    assert_eq!(serving.terminate(), Some(0));
    assert!(TcpStream::connect(bind).is_err(), "nobody holds the listener any more");
}
