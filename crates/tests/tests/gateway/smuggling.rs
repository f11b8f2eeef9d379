//! Messages that two servers could read differently: each with what we make of it, and what nginx makes of the same
//! bytes. Behind every case follows a well-formed request that closes the connection, so a body that was mistaken
//! for a request, or a request for a body, shows in the count of answers.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::world::{self, Do, Origin, Peer};

const HOST: &str = "Host: a\r\n";
const END: &str = "GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Name, bytes (`{H}` is a Host field), our statuses, nginx 1.22's statuses.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("plain", "GET /a HTTP/1.1\r\n{H}\r\n", "200 200", "200 200"),
    ("an empty line before", "\r\nGET /a HTTP/1.1\r\n{H}\r\n", "200 200", "200 200"),
    ("two empty lines before", "\r\n\r\nGET /a HTTP/1.1\r\n{H}\r\n", "400", "200 200"),
    ("body by length", "POST /a HTTP/1.1\r\n{H}Content-Length: 3\r\n\r\nabc", "200 200", "200 200"),
    (
        "body in chunks",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "200 200",
        "200 200",
    ),
    (
        "empty body in chunks",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "200 200",
        "200 200",
    ),
    ("GET with a body", "GET /a HTTP/1.1\r\n{H}Content-Length: 3\r\n\r\nabc", "200 200", "200 200"),
    (
        "length and chunks",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "chunks and length",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "two lengths that differ",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "400",
        "400",
    ),
    (
        "two equal lengths",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "400",
        "400",
    ),
    ("a list of lengths", "POST /a HTTP/1.1\r\n{H}Content-Length: 3, 3\r\n\r\nabc", "400", "400"),
    ("a length with a plus", "POST /a HTTP/1.1\r\n{H}Content-Length: +3\r\n\r\nabc", "400", "400"),
    ("a negative length", "POST /a HTTP/1.1\r\n{H}Content-Length: -3\r\n\r\nabc", "400", "400"),
    ("a length in hex", "POST /a HTTP/1.1\r\n{H}Content-Length: 0x3\r\n\r\nabc", "400", "400"),
    ("an empty length", "POST /a HTTP/1.1\r\n{H}Content-Length:\r\n\r\n", "400", "400"),
    (
        "a length with a space in it",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 1 0\r\n\r\nabcdefghij",
        "400",
        "400",
    ),
    (
        "a length that overflows",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 18446744073709551619\r\n\r\nabc",
        "400",
        "400",
    ),
    (
        "a length with a fraction",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 3.0\r\n\r\nabc",
        "400",
        "400",
    ),
    (
        "a length with leading zeros",
        "POST /a HTTP/1.1\r\n{H}Content-Length: 0003\r\n\r\nabc",
        "200 200",
        "200 200",
    ),
    (
        "a space before the colon of the length",
        "POST /a HTTP/1.1\r\n{H}Content-Length : 3\r\n\r\nabc",
        "400",
        "400",
    ),
    (
        "a tab before the colon of the length",
        "POST /a HTTP/1.1\r\n{H}Content-Length\t: 3\r\n\r\nabc",
        "400",
        "400",
    ),
    (
        "a space before the colon of the encoding",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "an unknown encoding",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "501",
        "501",
    ),
    (
        "gzip, chunked",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "501",
        "501",
    ),
    (
        "chunked, identity",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "501",
        "501",
    ),
    ("identity", "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: identity\r\n\r\n", "501", "501"),
    (
        "two encodings",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "two encodings, one unknown",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "an encoding with a vertical tab",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "400",
        "501",
    ),
    (
        "an encoding in quotes",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "501",
        "501",
    ),
    (
        "an encoding in capitals",
        "POST /a HTTP/1.1\r\n{H}TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n",
        "200 200",
        "200 200",
    ),
    ("an empty encoding", "POST /a HTTP/1.1\r\n{H}Transfer-Encoding:\r\n\r\n", "501", "501"),
    (
        "an encoding in HTTP/1.0",
        "POST /a HTTP/1.0\r\n{H}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "an encoding folded over two lines",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "501",
        "400",
    ),
    ("a folded field", "GET /a HTTP/1.1\r\n{H}X-A: b\r\n c\r\n\r\n", "400", "400"),
    ("a folded field by a tab", "GET /a HTTP/1.1\r\n{H}X-A: b\r\n\tc\r\n\r\n", "400", "400"),
    (
        "a first field that begins with a space",
        "GET /a HTTP/1.1\r\n X-A: b\r\n{H}\r\n",
        "400",
        "400",
    ),
    ("a bare line feed after the request line", "GET /a HTTP/1.1\n{H}\r\n", "400", "200 200"),
    (
        "a bare line feed after a field",
        "GET /a HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n",
        "400",
        "200 200",
    ),
    ("a bare line feed at the end of the head", "GET /a HTTP/1.1\r\n{H}\n", "400", "200 200"),
    (
        "a bare carriage return in a field",
        "GET /a HTTP/1.1\r\n{H}X-A: b\rX-B: c\r\n\r\n",
        "400",
        "400",
    ),
    ("a null byte in a field", "GET /a HTTP/1.1\r\n{H}X-A: b\0c\r\n\r\n", "400", "400"),
    ("a null byte in a name", "GET /a HTTP/1.1\r\n{H}X\0A: b\r\n\r\n", "400", "400"),
    ("a field without a colon", "GET /a HTTP/1.1\r\n{H}X-A\r\n\r\n", "400", "200 200"),
    ("a field without a name", "GET /a HTTP/1.1\r\n{H}: b\r\n\r\n", "400", "400"),
    ("a name with a space in it", "GET /a HTTP/1.1\r\n{H}X A: b\r\n\r\n", "400", "400"),
    ("a name in another script", "GET /a HTTP/1.1\r\n{H}X-Ä: b\r\n\r\n", "400", "200 200"),
    ("no host", "GET /a HTTP/1.1\r\nX-A: b\r\n\r\n", "400", "400"),
    ("two hosts", "GET /a HTTP/1.1\r\n{H}Host: b\r\n\r\n", "400", "400"),
    ("two equal hosts", "GET /a HTTP/1.1\r\n{H}Host: a\r\n\r\n", "400", "400"),
    ("an empty host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "400", "400"),
    ("a host with a path", "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", "400", "400"),
    ("a host with a user", "GET /a HTTP/1.1\r\nHost: x@a\r\n\r\n", "400", "200 200"),
    ("a target of another host", "GET http://b/a HTTP/1.1\r\n{H}\r\n", "400", "200 200"),
    ("a target in absolute form", "GET http://a/a HTTP/1.1\r\n{H}\r\n", "200 200", "200 200"),
    ("a target that is no path", "GET a HTTP/1.1\r\n{H}\r\n", "400", "400"),
    ("a target with a space", "GET /a b HTTP/1.1\r\n{H}\r\n", "400", "400"),
    ("a target with a control character", "GET /a\x01 HTTP/1.1\r\n{H}\r\n", "400", "400"),
    ("two spaces in the request line", "GET  /a HTTP/1.1\r\n{H}\r\n", "400", "200 200"),
    ("a tab in the request line", "GET\t/a HTTP/1.1\r\n{H}\r\n", "400", "400"),
    ("no version", "GET /a\r\n{H}\r\n", "400", ""),
    ("a version in small letters", "GET /a http/1.1\r\n{H}\r\n", "400", "400"),
    ("version 1.2", "GET /a HTTP/1.2\r\n{H}\r\n", "505", "200 200"),
    ("version 2.0", "GET /a HTTP/2.0\r\n{H}\r\n", "505", "505"),
    ("CONNECT", "CONNECT a:80 HTTP/1.1\r\n{H}\r\n", "405", "400"),
    (
        "a chunk's size with a sign",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "a chunk's size as 0x3",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "a chunk's size that overflows",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "a chunk longer than its size",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "400",
        "400",
    ),
    (
        "a chunk that ends with a bare line feed",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
        "400",
        "200 200",
    ),
    (
        "a chunk's size that ends with a bare line feed",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "400",
        "200 200",
    ),
    (
        "a chunk's extension",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
        "200 200",
        "200 200",
    ),
    (
        "a chunk's extension with a bare line feed",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n",
        "400",
        "200 200",
    ),
    (
        "a space after a chunk's size",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
        "400",
        "200 200",
    ),
    (
        "a trailer",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n",
        "200 200",
        "200 200",
    ),
    (
        "a trailer without a colon",
        "POST /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T\r\n\r\n",
        "400",
        "200 200",
    ),
    (
        "an unknown expectation",
        "POST /a HTTP/1.1\r\n{H}Expect: 200-maybe\r\nContent-Length: 0\r\n\r\n",
        "417",
        "200 200",
    ),
    (
        "an upgrade to h2c",
        "GET /a HTTP/1.1\r\n{H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
        "200 200",
        "200 200",
    ),
    (
        "a length named as one-hop",
        "POST /a HTTP/1.1\r\n{H}Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
        "200 200",
        "200 200",
    ),
    (
        "a second request in one piece",
        "GET /a HTTP/1.1\r\n{H}\r\nGET /b HTTP/1.1\r\n{H}\r\n",
        "200 200 200",
        "200 200 200",
    ),
    (
        "a bad one behind a good one",
        "GET /a HTTP/1.1\r\n{H}\r\nGET /b HTTP/1.1\r\n{H}Host: b\r\n\r\n",
        "200 400",
        "200 400",
    ),
];

fn statuses(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let found: Vec<&str> =
        text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)).collect();
    found.join(" ")
}

async fn say(at: std::net::SocketAddr, case: &str) -> String {
    let mut peer = Peer::connect(at).await;
    peer.send(format!("{}{END}", case.replace("{H}", HOST)).as_bytes()).await;
    match tokio::time::timeout(std::time::Duration::from_secs(5), peer.rest()).await {
        Ok(bytes) => statuses(&bytes),
        Err(_) => "waits for more".to_owned(),
    }
}

#[tokio::test]
async fn ambiguous_messages_are_refused_where_nginx_is_lenient_too() {
    let origin = Origin::doing(|_| Do::Say(world::ok("a"))).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let behind_nginx = Origin::named("a").await;
    let nginx = Nginx::start(behind_nginx.at).await;
    let mut wrong = Vec::new();
    for (name, case, ours, theirs) in CASES {
        let before = origin.count();
        let found = say(world::plain(&gateway), case).await;
        if found != *ours {
            wrong.push(format!("{name}: we answer {found:?}, not {ours:?}"));
        }
        // What is refused never reaches an upstream, not even in part.
        let reached = origin.count() - before;
        let answered = found.split(' ').filter(|status| *status == "200").count();
        if reached != answered {
            wrong.push(format!(
                "{name}: {reached} requests reached the upstream, {answered} were answered"
            ));
        }
        let found = say(nginx.at, case).await;
        if found != *theirs {
            wrong.push(format!("{name}: nginx answers {found:?}, not {theirs:?}"));
        }
    }
    assert!(CASES.len() >= 60);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What passed arrived in one clear form.
    for got in origin.got.lock().iter() {
        assert!(got.all("host").len() == 1, "{}", got.head);
        let framings = got.all("content-length").len() + got.all("transfer-encoding").len();
        assert!(framings <= 1, "{}", got.head);
        assert!(
            got.header("upgrade").is_none() && got.header("http2-settings").is_none(),
            "{}",
            got.head
        );
    }
    gateway.stop().await;
}

/// A refused request is answered even when the client goes on sending.
#[tokio::test]
async fn a_refusal_is_heard_by_a_client_that_goes_on_sending() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    peer.send(&[b'x'; 100_000]).await;
    let answer = peer.answer().await.expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("more than one Host"), "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
    gateway.stop().await;
}

/// A real nginx as a proxy in front of the same upstream.
struct Nginx {
    at: std::net::SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    async fn start(origin: std::net::SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let path = folder.path().join("nginx.conf");
        let mut file = std::fs::File::create(&path).unwrap();
        write!(
            file,
            "daemon off; master_process off; pid {0}/pid; error_log stderr crit; events {{}}
             http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
             uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
             server {{ listen {at}; location / {{ proxy_pass http://{origin}; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; }} }} }}",
            folder.path().display()
        )
        .unwrap();
        let program =
            if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let child = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&path)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed: `make tools` does it");
        world::until(async || tokio::net::TcpStream::connect(at).await.is_ok(), |up| *up).await;
        Self { at, child, _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
