//! Certificates by ACME, from a real authority on loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::front::{free, shop, until, upstream};
use crate::program::{Place, Running};

/// A real ACME server, with a DNS in which every name is this machine.
struct Authority {
    folder: tempfile::TempDir,
    at: SocketAddr,
    management: SocketAddr,
    children: Vec<Child>,
}

impl Authority {
    /// It looks at these ports of whoever asks; its certificates hold so many seconds.
    fn start(http: u16, tls: u16, seconds: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "server of the tests");
        let certificate = params.signed_by(&key, &issuer).unwrap();
        for (name, text) in [
            ("ca.pem", issuer.pem()),
            ("server.pem", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (at, management, dns, control) = (free(), free(), free(), free());
        let config = serde_json::json!({"pebble": {
            "listenAddress": at.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": folder.path().join("server.pem"),
            "privateKey": folder.path().join("server.key"),
            "httpPort": http,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": seconds,
        }});
        let path = folder.path().join("config.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let quiet = |command: &mut Command| {
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|_| panic!("pebble is installed: `make tools` does it"))
        };
        let names = quiet(Command::new("pebble-challtestsrv").args([
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-dns01",
            &dns.to_string(),
            "-management",
            &control.to_string(),
        ]));
        let server = quiet(
            Command::new("pebble")
                .args([
                    "-config",
                    path.to_str().unwrap(),
                    "-dnsserver",
                    &dns.to_string(),
                    "-strict",
                ])
                .env("PEBBLE_VA_NOSLEEP", "1")
                // Now and then it says no to a nonce, as real ones do.
                .env("PEBBLE_WFE_NONCEREJECT", "5"),
        );
        let authority = Self { folder, at, management, children: vec![names, server] };
        until("the authority is there", || {
            std::fs::write(
                authority.root(),
                authority.get(&format!("https://{management}/roots/0")),
            )
            .is_ok()
                && std::fs::read_to_string(authority.root()).unwrap().contains("BEGIN CERTIFICATE")
        });
        authority
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    fn get(&self, url: &str) -> Vec<u8> {
        let ca = self.folder.path().join("ca.pem");
        let out = Command::new("curl").args(["-s", "--cacert"]).arg(ca).arg(url).output().unwrap();
        out.stdout
    }

    fn settings(&self, more: &str) -> String {
        format!(
            "  tls:\n    auto_cert: true\n    acme_check: false\n    acme_email: dono@loja.example\n    acme_directory: \"https://{}/dir\"\n    acme_ca: \"{}\"\n{more}",
            self.at,
            self.folder.path().join("ca.pem").display()
        )
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.management;
    }
}

/// What a client sees that trusts this root: the answer's end, and the certificate's serial number.
fn see(root: &Path, at: SocketAddr, host: &str) -> Option<(String, String)> {
    let out = Command::new("curl")
        .args(["-s", "--max-time", "12", "--cacert"])
        .arg(root)
        .args(["--resolve", &format!("{host}:{}:{}", at.port(), at.ip())])
        .args(["-w", "\n%{certs}", &format!("https://{host}:{}/", at.port())])
        .output()
        .unwrap();
    if !out.status.success() {
        return None;
    }
    let text = String::from_utf8(out.stdout).unwrap();
    let serial = text.lines().find_map(|line| line.strip_prefix("Serial Number:")).unwrap();
    Some((text.lines().next().unwrap().to_owned(), serial.to_owned()))
}

fn plain(at: SocketAddr, host: &str, path: &str) -> String {
    let out = Command::new("curl")
        .args(["-si", "-H", &format!("Host: {host}"), &format!("http://{at}{path}")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[tokio::test]
async fn a_host_gets_its_certificate_when_it_is_asked_for() {
    let (http, tls, origin) = (free(), free(), upstream("here"));
    let authority = Authority::start(http.port(), tls.port(), 3600);
    let place = Place::new(testkit::On::Sqlite).await;
    let folder = place.folder.path().join("kept");
    let file = place.folder.path().join("gateway.yaml");
    let settings = authority.settings(&format!("    cert_dir: \"{}\"\n", folder.display()));
    let text = format!(
        "global:\n  bind_address: \"{http}\"\n  tls_bind_address: \"{tls}\"\n{settings}pools:\n  - {{name: web, backends: [{{address: \"{origin}\"}}]}}\nroutes:\n  - {{host: loja.example, pool: web}}\n  - {{host: \"*.curinga.example\", pool: web}}\n",
    );
    std::fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap().to_owned();
    let running = place.serve(&["--role", "gateway", "--config", &name]);
    // The first visitor waits for the certificate, and gets the page.
    let mut seen = None;
    until("the first certificate is there", || {
        seen = see(&authority.root(), tls, "loja.example");
        seen.is_some()
    });
    let (page, serial) = seen.unwrap();
    assert_eq!(page, "here");
    // From now on plain HTTP leads to it, but for the authority's look.
    assert!(plain(http, "loja.example", "/").starts_with("HTTP/1.1 301"));
    let token = plain(http, "loja.example", "/.well-known/acme-challenge/abc-DEF_1");
    assert!(token.starts_with("HTTP/1.1 200") && token.contains("\r\n\r\nabc-DEF_1."), "{token}");
    for path in ["/.well-known/acme-challenge/a.b", "/.well-known/acme-challenge/"] {
        assert!(plain(http, "loja.example", path).starts_with("HTTP/1.1 301"), "{path}");
    }
    // Hosts that no route names get none, whoever asks; nor do those under a star.
    for host in ["fremd.example", "x.curinga.example"] {
        assert!(see(&authority.root(), tls, host).is_none(), "{host}");
        assert!(!folder.join(format!("{host}.pem")).exists());
    }
    let kept = folder.join("loja.example.pem");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(running.terminate(), Some(0));
    // It is served again without asking anybody.
    let root = authority.folder.path().join("copy.pem");
    std::fs::copy(authority.root(), &root).unwrap();
    let again = place.serve(&["--role", "gateway", "--config", &name]);
    until("the kept certificate is served", || {
        see(&root, tls, "loja.example").is_some_and(|(_, same)| same == serial)
    });
    drop(again);
}

/// A gateway with its own file beside the house's settings.
fn node(place: &Place, name: &str, authority: &Authority, more: &str) -> (SocketAddr, Running) {
    let (http, tls) = (free(), free());
    node_at(place, name, authority, more, http, tls)
}

fn node_at(
    place: &Place,
    name: &str,
    authority: &Authority,
    more: &str,
    http: SocketAddr,
    tls: SocketAddr,
) -> (SocketAddr, Running) {
    let folder = place.folder.path();
    let text = format!(
        "global:\n  bind_address: \"{http}\"\n  tls_bind_address: \"{tls}\"\n{}",
        authority.settings(more)
    );
    std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    let toml = folder.join(format!("{name}.toml"));
    std::fs::write(&toml, format!("[gateway]\nconfig = \"{name}.yaml\"\n")).unwrap();
    (tls, place.serve(&["--role", "gateway", "--config", toml.to_str().unwrap()]))
}

#[tokio::test]
async fn nodes_of_one_house_share_one_certificate_and_renew_it_once() {
    let place = Place::new(testkit::On::Postgres).await;
    let (http, tls) = (free(), free());
    // The authority looks at the first node; the proof is shown by all.
    let authority = Authority::start(http.port(), tls.port(), 30);
    let alpn = "    acme_challenge: tls-alpn-01\n";
    let (one, first) = node_at(&place, "one", &authority, alpn, http, tls);
    let (two, second) = node(&place, "two", &authority, alpn);
    shop(&place, "own");
    // Asked for at the second node; got by it, and served by both.
    let mut serial = String::new();
    until("the second node has it", || {
        see(&authority.root(), two, "loja.com.br").is_some_and(|(page, number)| {
            assert_eq!(page, "own");
            serial = number;
            true
        })
    });
    until("the first node has the same", || {
        see(&authority.root(), one, "loja.com.br").is_some_and(|(_, same)| same == serial)
    });
    let mut renewed = String::new();
    for at in [one, two] {
        until("it is renewed before it ends", || {
            let (_, number) = see(&authority.root(), at, "loja.com.br").expect("never without one");
            renewed = number;
            renewed != serial
        });
    }
    for at in [one, two] {
        until("both serve the new one", || {
            see(&authority.root(), at, "loja.com.br").is_some_and(|(_, same)| same == renewed)
        });
    }
    assert_eq!(first.terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
}

#[tokio::test]
async fn a_host_that_is_not_ours_gets_none_and_the_reason_is_told() {
    let place = Place::new(testkit::On::Sqlite).await;
    shop(&place, "own");
    // The authority looks where nobody is.
    let authority = Authority::start(free().port(), free().port(), 3600);
    let (tls, running) =
        node(&place, "one", &authority, "  limits: {tls_handshake_timeout: 300ms}\n");
    assert!(see(&authority.root(), tls, "loja.com.br").is_none());
    let failures = || place.json(&["domain", "certificates"]);
    until("the failure is told", || failures().as_array().is_some_and(|all| !all.is_empty()));
    let failure = failures()[0].clone();
    assert_eq!(failure["host"], "loja.com.br");
    assert!(
        failure["reason"].as_str().unwrap().contains("DNS must lead to this gateway"),
        "{failure}"
    );
    place.json(&["domain", "retry", "loja.com.br"]);
    assert_eq!(failures(), serde_json::json!([]));
    drop(running);
}
