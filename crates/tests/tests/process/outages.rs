//! What clients of a gateway see, while they ask without a pause, when what stands beside it goes: its Redis, its database,
//! its certificate.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::{Connection as _, Executor as _};

use crate::front::{free, shop, until, upstream};
use crate::program::{Place, Running};
use crate::redis::Redis;

/// Clients without a pause. Each answer is to be this body; anything else fails the test.
struct Load {
    served: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(at: SocketAddr, host: &'static str, body: &'static str) -> Self {
        let (served, done): (Arc<AtomicUsize>, Arc<AtomicBool>) = Default::default();
        let clients = (0..8)
            .map(|number| {
                let (served, done) = (served.clone(), done.clone());
                std::thread::spawn(move || {
                    let mut stream = None;
                    while !done.load(Ordering::Relaxed) {
                        // Half of them come anew for every request.
                        let mut one = stream.take().unwrap_or_else(|| {
                            let one = TcpStream::connect(at).unwrap();
                            one.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                            one
                        });
                        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
                        one.write_all(request.as_bytes()).unwrap();
                        let mut seen = Vec::new();
                        let text = loop {
                            let mut piece = [0; 4096];
                            let count = one.read(&mut piece).unwrap();
                            assert!(count > 0, "the connection ended");
                            seen.extend_from_slice(&piece[..count]);
                            let text = String::from_utf8_lossy(&seen).into_owned();
                            if text
                                .split_once("\r\n\r\n")
                                .is_some_and(|(_, rest)| rest.len() >= body.len())
                            {
                                break text;
                            }
                        };
                        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with(body), "{text}");
                        served.fetch_add(1, Ordering::Relaxed);
                        if number % 2 == 0 {
                            stream = Some(one);
                        }
                    }
                })
            })
            .collect();
        Self { served, done, clients }
    }

    /// Waits until so many more were served.
    fn more(&self, count: usize) {
        let from = self.served.load(Ordering::Relaxed);
        until("clients are served", || self.served.load(Ordering::Relaxed) >= from + count);
    }

    fn end(self) {
        self.done.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
    }
}

fn figure(metrics: SocketAddr, name: &str) -> Option<String> {
    let mut stream = TcpStream::connect(metrics).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next().map(ToOwned::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_notices_that_redis_hangs_dies_and_comes_back() {
    let redis = Redis::start(&[]);
    let (port, place) = (redis.port, Place::new(testkit::On::Sqlite).await);
    let (bind, metrics, to) = (free(), free(), upstream("a"));
    let file = format!(
        "global:\n  bind_address: \"{bind}\"\n  metrics_address: \"{metrics}\"\n  rate_limit: {{requests_per_second: 1000000, burst_size: 1000000}}\ncluster: {{redis_address: \"{}\", share_interval: 10ms, heartbeat_interval: 100ms, leader_timeout: 1s}}\npools:\n  - {{name: web, backends: [{{address: \"{to}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n",
        redis.address()
    );
    let path = place.folder.path().join("gateway.yaml");
    std::fs::write(&path, file).unwrap();
    let _running = place.serve(&["--role", "gateway", "--config", path.to_str().unwrap()]);
    let up = |wanted: &str| {
        until("Redis is as it is", || {
            figure(metrics, "portaria_gateway_redis_up").as_deref() == Some(wanted)
        });
    };
    let load = Load::start(bind, "a", "a");
    up("1");
    load.more(500);
    redis.hang();
    up("0");
    load.more(500);
    redis.go_on();
    up("1");
    drop(redis);
    up("0");
    load.more(500);
    let _again = Redis::on(port, &[]);
    up("1");
    load.more(500);
    load.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_notices_that_the_database_is_gone_and_a_change_waits_for_it() {
    let place = Place::new(testkit::On::Postgres).await;
    shop(&place, "s");
    let url = place.database_url.clone().unwrap();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let mut beside =
        sqlx::PgConnection::connect(&testkit::test_variable("TEST_POSTGRES")).await.unwrap();
    let bind = free();
    let folder = place.folder.path();
    std::fs::write(folder.join("gateway.yaml"), format!("global:\n  bind_address: \"{bind}\"\n"))
        .unwrap();
    let settings = folder.join("gateway.toml");
    std::fs::write(&settings, "[gateway]\nconfig = \"gateway.yaml\"\nhouse = \"127.0.0.1:9\"\n")
        .unwrap();
    let _running: Running =
        place.serve(&["--role", "gateway", "--config", settings.to_str().unwrap()]);
    let load = Load::start(bind, "loja.com.br", "s");
    load.more(500);
    let close = [
        format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ];
    for statement in &close {
        beside.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap();
    }
    load.more(2000);
    let open = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true");
    beside.execute(sqlx::AssertSqlSafe(open)).await.unwrap();
    let to = format!("http://{}", upstream("t"));
    place.json(&[
        "domain",
        "add",
        "--tenant",
        "loja",
        "outra.com.br",
        "--purpose",
        "site",
        "--upstream",
        &to,
    ]);
    until("the change is live once the database is back", || {
        let mut stream = TcpStream::connect(bind).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: outra.com.br\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.ends_with("\r\n\r\nt")
    });
    load.more(500);
    load.end();
}

/// A certificate and its key, PEM, that hold until this year.
fn certificate(
    folder: &std::path::Path,
    until: i32,
    authority: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>,
) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "site");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let made = params.signed_by(&key, authority).unwrap();
    std::fs::write(folder.join("site.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("site.pem"), made.pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_said_and_its_successor_is_served_without_a_break() {
    let place = Place::new(testkit::On::Sqlite).await;
    let folder = place.folder.path();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, key).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    certificate(folder, 2021, &authority);
    let (bind, secure, metrics, to) = (free(), free(), free(), upstream("a"));
    let file = |comment: &str| {
        format!(
            "{comment}\nglobal:\n  bind_address: \"{bind}\"\n  tls_bind_address: \"{secure}\"\n  metrics_address: \"{metrics}\"\n  tls: {{force: false, certificates: [{{cert: \"{0}/site.pem\", key: \"{0}/site.key\"}}]}}\npools:\n  - {{name: web, backends: [{{address: \"{to}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n",
            folder.display()
        )
    };
    let path = folder.join("gateway.yaml");
    std::fs::write(&path, file("# one")).unwrap();
    let running = place.serve(&["--role", "gateway", "--config", path.to_str().unwrap()]);
    let load = Load::start(bind, "a.example", "a");
    let ask = |more: &[&str]| {
        let out = std::process::Command::new("curl")
            .args([
                "-sS",
                "--max-time",
                "20",
                "--resolve",
                &format!("a.example:{}:127.0.0.1", secure.port()),
            ])
            .args(more)
            .arg(format!("https://a.example:{}/", secure.port()))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&out.stdout), text(&out.stderr))
    };
    let ca = folder.join("ca.pem");
    let trusting = ["--cacert", ca.to_str().unwrap()];
    // A client that looks at it does not go on; the gateway still serves who does not look.
    let (_, refused) = ask(&trusting);
    assert!(refused.contains("expired"), "{refused}");
    assert_eq!(ask(&["-k"]).0, "a");
    let end = || figure(metrics, "portaria_gateway_certificate_expiry_timestamp_seconds{");
    let first = end().unwrap();
    load.more(300);
    certificate(folder, 2199, &authority);
    let hup = std::process::Command::new("kill").arg("-HUP").arg(running.id().to_string()).status();
    assert!(hup.unwrap().success());
    until("the successor is served", || ask(&trusting).0 == "a");
    assert_ne!(end().unwrap(), first);
    load.more(300);
    load.end();
}
