//! What a client says that is not its to say, in any spelling; and answers in more than one part.

use crate::world::{self, Do, Origin, Peer, ok};

#[tokio::test]
async fn what_only_a_proxy_may_say_arrives_in_no_spelling() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let claims = [
        "X_Forwarded_Proto: https",
        "X_Forwarded_For: 6.6.6.6",
        "X.Forwarded.For: 6.6.6.6",
        "X_Real_IP: 6.6.6.6",
        "X_Forwarded_Host: evil.example",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Server: evil",
        "X-Forwarded-Scheme: https",
        "X-Forwarded-Ssl: on",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X_Rewrite_URL: /admin",
        "True-Client-IP: 6.6.6.6",
        "CF-Connecting-IP: 6.6.6.6",
        "X-Client-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "Proxy: evil.example",
    ];
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-Forwarded-For, X-Real-IP\r\n{}\r\n\r\n",
        claims.join("\r\n")
    );
    assert_eq!(world::fetch(world::plain(&gateway), &request).await.status, 200);
    let head = origin.last().head.to_lowercase();
    for word in ["6.6.6.6", "evil", "/admin", "delete", "x-forwarded-ssl", "x-forwarded-scheme"] {
        assert!(!head.contains(word), "{word}: {head}");
    }
    let folded = head.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
    assert!(!folded.into_iter().any(|name| name.contains(['_', '.'])), "{head}");
    for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1")] {
        assert_eq!(origin.last().all(name), [value], "our own stay, whatever Connection names");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_denied_place_is_denied_in_every_spelling() {
    let origin = Origin::named("a").await;
    let deny = "pool: web, deny: [\"0.0.0.0/0\"]";
    let text = world::file(&[origin.at], "").replace(
        "routes:\n",
        &format!(
            "routes:\n  - {{host: painel.example, {deny}}}\n  - {{host: \"*\", path_prefix: /admin, {deny}}}\n"
        ),
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let asked = async |target: &str, host: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        world::fetch(at, &request).await.status
    };
    assert_eq!(asked("/", "loja.example").await, 200);
    for host in [
        "painel.example",
        "PAINEL.Example",
        "painel.example.",
        "painel.example:443",
        "painel.example.:80",
        "painel.example..",
        "painel%2eexample",
    ] {
        let status = asked("/", host).await;
        assert!(matches!(status, 400 | 403), "{host}: {status}");
    }
    assert_eq!(asked("http://PAINEL.example./", "loja.example").await / 100, 4);
    for path in [
        "/admin",
        "/admin/",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%61dmin",
        "/%2561dmin",
        "/x%2f..%2fadmin",
        "/x\\..\\admin",
        "/x;/../admin",
        "/admin;x=1",
        "/;x/admin",
        "/admin.",
        "/admin%2f",
        "/admin%00",
        "/admin#x",
        "/ADMIN/../admin",
    ] {
        let status = asked(path, "loja.example").await;
        assert!(matches!(status, 400 | 403), "{path}: {status}");
    }
    assert_eq!(asked("/administracao", "loja.example").await, 200, "a prefix is whole segments");
    assert_eq!(asked("/public", "loja.example").await, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn early_hints_pass_before_the_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </b.js>; rel=preload\r\n\r\n";
    let answer = format!("{hints}{}", ok("page"));
    let origin = Origin::doing(move |_| Do::Say(answer.clone())).await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    for _ in 0..2 {
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        for hint in ["</a.css>; rel=preload", "</b.js>; rel=preload"] {
            let early = peer.answer().await.unwrap();
            assert_eq!((early.status, early.header("link")), (103, Some(hint)));
        }
        let last = peer.answer().await.unwrap();
        assert_eq!((last.status, last.text()), (200, "page".to_owned()));
    }
    // Version 1.0 knows no such answers.
    let mut old = Peer::connect(world::plain(&gateway)).await;
    old.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(old.answer().await.unwrap().status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn leave_to_send_is_the_upstreams_to_give() {
    let origin = Origin::doing(|got| {
        if got.head.starts_with("POST /deny") {
            Do::SayAndClose("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno".to_owned())
        } else {
            Do::Say(ok("made"))
        }
    })
    .await;
    let text = world::file(&[origin.at], "").replace("pool: web}", "pool: web, body_limit: 1000}");
    let gateway = world::gateway(&text);
    let ask = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    // Too large is refused before anything is sent.
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(ask("/", 5000).as_bytes()).await;
    assert_eq!(peer.answer().await.unwrap().status, 413);
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(ask("/", 3).as_bytes()).await;
    assert_eq!(peer.answer().await.unwrap().status, 100);
    peer.send(b"abc").await;
    assert_eq!(peer.answer().await.unwrap().text(), "made");
    assert_eq!(origin.last().body, b"abc");
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_of_many_fields_passes_and_a_limit_is_a_setting() {
    let origin = Origin::doing(|got| {
        let fields = if got.head.starts_with("GET /wide") {
            format!("content-security-policy: {}\r\n", "a".repeat(40_000))
        } else {
            (0..200).map(|n| format!("link: </{n}>; rel=preload\r\n")).collect()
        };
        Do::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n{fields}\r\na"))
    })
    .await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let at = world::plain(&gateway);
    for path in ["/wide", "/many"] {
        let answer = world::fetch(at, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!((answer.status, answer.text()), (200, "a".to_owned()), "{path}");
    }
    gateway.stop().await;
    let few = world::gateway(&world::file(&[origin.at], "    answer_fields: 100\n"));
    let at = world::plain(&few);
    let refused = world::fetch(at, "GET /many HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(refused.status, 502);
    // One such page does not take the upstream from everybody.
    for _ in 0..6 {
        world::fetch(at, "GET /many HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    let other = world::fetch(at, "GET /wide HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(other.status, 200);
    few.stop().await;
}
