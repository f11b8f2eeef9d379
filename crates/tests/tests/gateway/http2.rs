//! HTTP/2 and TLS, with the clients that people use.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{self, Origin, Peer, get};

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An authority, a certificate for two hosts, one for a third, and one for a client.
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        for (name, hosts) in [
            ("site", vec!["a.example", "b.example", "127.0.0.1"]),
            ("inner", vec!["inner.example"]),
            ("client", vec!["client.example"]),
        ] {
            let key = rcgen::KeyPair::generate().unwrap();
            let hosts: Vec<String> = hosts.into_iter().map(ToOwned::to_owned).collect();
            let mut params = rcgen::CertificateParams::new(hosts).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let certificate = params.signed_by(&key, &authority).unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
            std::fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, origins: &[SocketAddr], extra: &str) -> String {
        let dir = self.folder.path().display();
        world::file(origins, "").replace(
            "global:\n",
            &format!(
                "global:\n  tls_bind_address: BIND\n  tls:\n    certificates:\n      - {{cert: {dir}/site.pem, key: {dir}/site.key}}\n      - {{cert: {dir}/inner.pem, key: {dir}/inner.key, client_ca: {dir}/ca.pem}}\n{extra}"
            ),
        )
    }
}

/// Runs curl as a client of the gateway's TLS address.
async fn curl(certificates: &Certificates, at: SocketAddr, host: &str, more: &[&str]) -> String {
    let mut command = Command::new("curl");
    command
        .args(["-sS", "-i", "--max-time", "20", "--cacert"])
        .arg(certificates.path("ca.pem"))
        .args(["--resolve", &format!("{host}:{}:127.0.0.1", at.port())])
        .args(more)
        .arg(format!("https://{host}:{}/x?y=1", at.port()));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn curl_speaks_both_versions_under_tls() {
    let certificates = Certificates::make();
    let origin = Origin::doing(|got| world::Do::Say(world::ok(&got.body.len().to_string()))).await;
    let gateway = world::gateway(&certificates.file(&[origin.at], ""));
    let at = gateway.addresses().tls.unwrap();
    let answer = curl(&certificates, at, "a.example", &["--http2"]).await;
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    let got = origin.last();
    assert_eq!(got.header("x-forwarded-proto"), Some("https"));
    assert_eq!(got.all("host"), [format!("a.example:{}", at.port())]);
    assert!(got.head.starts_with("GET /x?y=1 HTTP/1.1"), "{}", got.head);
    let answer = curl(&certificates, at, "b.example", &["--http1.1"]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = "z".repeat(100_000);
    std::fs::write(certificates.path("body"), &body).unwrap();
    let data = format!("@{}", certificates.path("body").display());
    let answer = curl(&certificates, at, "a.example", &["--http2", "--data-binary", &data]).await;
    assert!(answer.ends_with("100000"), "{answer}");
    let crumbs = curl(&certificates, at, "a.example", &["--http2", "-H", "Cookie: a=1; b=2"]).await;
    assert!(crumbs.starts_with("HTTP/2 200"), "{crumbs}");
    assert_eq!(origin.last().all("cookie"), ["a=1; b=2"]);
    // The plain address sends everybody who has a certificate to the secure one.
    let plain = world::fetch(world::plain(&gateway), &get("a.example", "/x?y=1")).await;
    assert_eq!(plain.status, 301);
    assert_eq!(
        plain.header("location"),
        Some(format!("https://a.example:{}/x?y=1", at.port()).as_str())
    );
    let post = "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(world::fetch(world::plain(&gateway), post).await.status, 308);
    // A host without a certificate is served in clear.
    assert_eq!(world::fetch(world::plain(&gateway), &get("other.example", "/")).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_host_that_wants_a_certificate_gets_one_or_says_no() {
    let certificates = Certificates::make();
    let origin = Origin::named("inside").await;
    let gateway = world::gateway(&certificates.file(&[origin.at], ""));
    let at = gateway.addresses().tls.unwrap();
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&certificates, at, "inner.example", &[version]).await;
        assert!(!answer.contains("inside") && answer.contains("curl:"), "{answer}");
        let (cert, key) = (certificates.path("client.pem"), certificates.path("client.key"));
        let shown = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), version];
        let answer = curl(&certificates, at, "inner.example", &shown).await;
        assert!(answer.contains("inside"), "{answer}");
        // Coming in under another name is no way around.
        let answer =
            curl(&certificates, at, "a.example", &[version, "-H", "Host: inner.example"]).await;
        assert!(answer.contains(" 421") && !answer.contains("inside"), "{answer}");
    }
    let plain = world::fetch(world::plain(&gateway), &get("inner.example", "/")).await;
    assert_eq!(plain.status, 301);
    gateway.stop().await;
}

#[tokio::test]
async fn h2load_and_nghttp_are_served() {
    let certificates = Certificates::make();
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&certificates.file(&[origin.at], ""));
    let at = gateway.addresses().tls.unwrap();
    let plain = world::plain(&gateway);
    let run = async |program: &str, arguments: Vec<String>| {
        let mut command = Command::new(program);
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let output =
            output.unwrap_or_else(|_| panic!("{program} is installed: `make tools` does it"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let load = |url: String| {
        ["-n", "2000", "-c", "4", "-m", "20"].iter().map(ToString::to_string).chain([url]).collect()
    };
    let report = run("h2load", load(format!("https://127.0.0.1:{}/", at.port()))).await;
    assert!(report.contains("2000 succeeded, 0 failed"), "{report}");
    assert!(report.contains("Application protocol: h2"), "{report}");
    // The same port speaks HTTP/2 in clear to whom knows it.
    let other = ["-H".to_owned(), ":authority: plain.example".to_owned()];
    let mut arguments: Vec<String> = load(format!("http://{plain}/"));
    arguments.extend(other.clone());
    let report = run("h2load", arguments).await;
    assert!(report.contains("2000 succeeded, 0 failed"), "{report}");
    let mut arguments = vec!["-v".to_owned(), format!("http://{plain}/")];
    arguments.extend(other);
    let frames = run("nghttp", arguments).await;
    assert!(frames.contains(":status: 200"), "{frames}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_unknown_host_on_http2_is_misdirected() {
    let certificates = Certificates::make();
    let origin = Origin::named("a").await;
    let text = certificates.file(&[origin.at], "").replace("host: \"*\"", "host: a.example");
    let gateway = world::gateway(&text);
    let at = gateway.addresses().tls.unwrap();
    let answer = curl(&certificates, at, "b.example", &["--http2"]).await;
    assert!(answer.starts_with("HTTP/2 421"), "{answer}");
    let answer = curl(&certificates, at, "b.example", &["--http1.1"]).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    gateway.stop().await;
}

/// An upstream that speaks HTTP/2 in clear, as gRPC servers do.
async fn grpc() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                let health = request.uri().path() == "/grpc.health.v1.Health/Check";
                let body = request.into_body().collect().await?.to_bytes();
                let message =
                    if health { Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]) } else { body };
                let mut trailers = hyper::HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let frames =
                    [Ok::<_, hyper::Error>(Frame::data(message)), Ok(Frame::trailers(trailers))];
                let body = StreamBody::new(futures_util::stream::iter(frames));
                Ok::<_, hyper::Error>(
                    Response::builder()
                        .header("content-type", "application/grpc")
                        .body(body)
                        .unwrap(),
                )
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    at
}

#[tokio::test]
async fn grpc_passes_with_its_trailers_and_is_checked() {
    let dead = Origin::named("x").await;
    dead.die();
    let pool = "    protocol: grpc\n    algorithm: round_robin\n    health_check: {type: grpc, interval: 50ms, timeout: 1s, unhealthy_threshold: 1}\n";
    let gateway = world::gateway(&world::file(&[grpc().await, dead.at], pool));
    let stream = TcpStream::connect(world::plain(&gateway)).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for number in 0..20u8 {
        let message = Bytes::from(vec![0, 0, 0, 0, 1, number]);
        let request = Request::post("http://grpc.example/shop.Orders/Echo")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(message.clone()))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(body.to_bytes(), message);
    }
    // The check of its own protocol finds out who is not there.
    let down = async || {
        let metrics = gateway.metrics();
        metrics
            .lines()
            .filter(|line| {
                line.starts_with("portaria_gateway_upstream_up{") && line.ends_with(" 0")
            })
            .count()
    };
    world::until(down, |count| *count == 1).await;
    gateway.stop().await;
}

#[tokio::test]
async fn upstreams_are_reached_by_tls_and_their_certificates_are_looked_at() {
    let certificates = Certificates::make();
    let inner = Origin::named("behind").await;
    let behind = world::gateway(&certificates.file(&[inner.at], ""));
    let at = behind.addresses().tls.unwrap();
    let file = |more: &str| {
        format!(
            "global: {{bind_address: BIND}}\npools:\n  - {{name: web, {more} backends: [{{address: \"https://{at}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n"
        )
    };
    let ca = certificates.path("ca.pem");
    let front =
        world::gateway(&file(&format!("tls_ca: {}, tls_server_name: a.example,", ca.display())));
    let answer = world::fetch(world::plain(&front), &get("a.example", "/")).await;
    assert_eq!(answer.text(), "behind");
    front.stop().await;
    // An authority that nobody here trusts.
    let front = world::gateway(&file(""));
    let answer = world::fetch(world::plain(&front), &get("a.example", "/")).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (502, Some("upstream_tls")));
    front.stop().await;
    behind.stop().await;
}

#[tokio::test]
async fn the_access_log_says_what_happened_and_nothing_personal() {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("access.log");
    let origin = Origin::named("abc").await;
    let text = world::file(&[origin.at], "").replace(
        "global:\n",
        &format!("global:\n  access_log: {{path: \"{}\"}}\n", path.display()),
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let mut peer = Peer::connect(at).await;
    peer.ask("GET /a\"b?token=secret HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer secret\r\n\r\n").await;
    origin.die();
    world::until(
        async || world::fetch(at, &get("shop.example", "/gone")).await.status,
        |status| *status == 502,
    )
    .await;
    gateway.stop().await;
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains("secret") && !text.contains("127.0.0.1\""), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = lines.iter().find(|line| line["status"] == 200).unwrap();
    assert_eq!(first["path"], "/a\"b");
    assert_eq!(
        (first["host"].as_str(), first["status"].as_u64(), first["sent"].as_u64()),
        (Some("shop.example"), Some(200), Some(3))
    );
    assert_eq!(
        (first["client_ip"].as_str(), first["upstream"].as_str()),
        (Some("127.0.0.0"), Some(origin.at.to_string().as_str()))
    );
    assert_eq!(first["request_id"].as_str(), origin.got.lock()[0].header("x-request-id"));
    let last = lines.iter().find(|line| line["status"] == 502).unwrap();
    assert_eq!(
        (last["error"].as_str(), last["error_origin"].as_str()),
        (Some("upstream_refused"), Some("upstream"))
    );
}
