//! The gateway as a process: checked, started on a file alone, changed while it serves, ended.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::Place;

/// An upstream that answers every request with its name.
pub(crate) fn upstream(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while stream.read(&mut piece).is_ok_and(|count| count > 0) {
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    at
}

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn ask(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // Closed by a drain it may end with a reset; what was read counts.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn get(at: SocketAddr) -> String {
    ask(at, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A tenant whose site, `loja.com.br`, is a server of its own of this name.
pub(crate) fn shop(place: &Place, name: &'static str) {
    assert!(place.run(&["tenant", "create", "loja", "--name", "Loja"]).status.success());
    let to = format!("http://{}", upstream(name));
    let site = ["domain", "add", "--tenant", "loja", "loja.com.br", "--purpose", "site"];
    place.json(&[&site[..], &["--upstream", &to]].concat());
}

fn file(bind: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "global:\n  bind_address: \"{bind}\"\n  admin_token: \"at-least-16-characters\"\npools:\n  - name: web\n    algorithm: round_robin\n    backends:\n      - {{ address: \"{upstream}\", weight: 1 }}\nroutes:\n  - {{ host: \"*\", pool: web, path_prefix: \"/\" }}\n"
    )
}

#[tokio::test]
async fn a_gateway_runs_on_its_file_alone_and_takes_changes_in() {
    let place = Place::new(testkit::On::Sqlite).await;
    let path = place.folder.path().join("gateway.yaml");
    let (bind, a, b) = (free(), upstream("a"), upstream("b"));
    std::fs::write(&path, file(bind, a)).unwrap();
    let name = path.to_str().unwrap();
    let out = place.run(&["gateway", "check", name]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let running = place.serve(&["--role", "gateway", "--config", name]);
    assert!(running.line.contains(&bind.to_string()), "{}", running.line);
    assert!(!place.folder.path().join("portaria.db").exists(), "no database is made");
    assert!(get(bind).ends_with("\r\n\r\na"), "{}", get(bind));

    // A changed file is taken in by itself.
    std::fs::write(&path, file(bind, b)).unwrap();
    until("the change is live", || get(bind).ends_with("\r\n\r\nb"));
    // One with a fault is not, and what served goes on; SIGHUP asks again.
    std::fs::write(&path, "pools: 1\n").unwrap();
    let out = place.run(&["gateway", "check", name]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("line 1: pools"), "{out:?}");
    let hup = Command::new("kill").arg("-HUP").arg(running.id().to_string()).status().unwrap();
    assert!(hup.success());
    assert!(get(bind).ends_with("\r\n\r\nb"));

    let drain = "POST /admin/drain HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer at-least-16-characters\r\nContent-Length: 0\r\n\r\n";
    assert!(ask(bind, drain).starts_with("HTTP/1.1 202"), "the drain is taken");
    assert!(get(bind).starts_with("HTTP/1.1 503"), "nothing new is taken");
    assert_eq!(running.terminate(), Some(0));
    assert!(TcpStream::connect(bind).is_err());
}

#[tokio::test]
async fn a_gateway_with_faults_does_not_start_and_says_why() {
    let place = Place::new(testkit::On::Sqlite).await;
    let path = place.folder.path().join("gateway.yaml");
    std::fs::write(&path, "global:\n  bind_adress: \"127.0.0.1:1\"\n").unwrap();
    let out = place.run(&["serve", "--role", "gateway", "--config", path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("line 2") && text.contains("did you mean bind_address?"), "{text}");
    let out = place.run(&["serve", "--role", "gateway"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("--config FILE.yaml"), "{out:?}");
}

#[tokio::test]
async fn with_role_all_the_gateway_stands_in_front_of_the_house() {
    let place = Place::new(testkit::On::Sqlite).await;
    let path = place.folder.path().join("gateway.yaml");
    let (bind, house) = (free(), free());
    std::fs::write(&path, file(bind, house)).unwrap();
    let running =
        place.serve(&["--listen", &house.to_string(), "--config", path.to_str().unwrap()]);
    let answer = ask(bind, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(running.terminate(), Some(0));
}
