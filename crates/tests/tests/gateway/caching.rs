//! Answers that are kept, and bodies in fewer bytes.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::world::{self, Answer, Do, Got, Origin, Peer, get};

/// An upstream that numbers its answers, with these fields.
async fn numbered(fields: &'static str) -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::doing(move |_| {
        let body = format!("v{}", count.fetch_add(1, Ordering::SeqCst) + 1);
        Do::Say(format!("HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n{body}", body.len()))
    })
    .await
}

fn file(origin: &Origin, route: &str) -> String {
    format!(
        "global:\n  bind_address: BIND\n  admin_address: BIND\n  admin_token: 0123456789abcdef\npools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: one.example, pool: web, tenant_id: one, {route}}}\n  - {{host: two.example, pool: web, tenant_id: two, {route}}}\n",
        origin.at
    )
}

async fn ask(gateway: &gateway::Gateway, host: &str, path: &str, fields: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    world::fetch(world::plain(gateway), &request).await
}

async fn text(gateway: &gateway::Gateway, host: &str, path: &str, fields: &str) -> String {
    ask(gateway, host, path, fields).await.text()
}

#[tokio::test]
async fn what_is_fresh_is_given_without_asking_and_to_its_own_tenant_alone() {
    let origin = numbered("cache-control: max-age=60\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    let first = ask(&gateway, "one.example", "/a", "").await;
    assert_eq!((first.text().as_str(), first.header("age")), ("v1", None));
    for _ in 0..3 {
        let answer = ask(&gateway, "one.example", "/a", "").await;
        assert_eq!((answer.text().as_str(), answer.header("age")), ("v1", Some("0")));
        assert!(answer.header("cache-status").unwrap().starts_with("gateway; hit; ttl="));
    }
    let head = "HEAD /a HTTP/1.1\r\nHost: one.example\r\n\r\n";
    let answer = world::fetch(world::plain(&gateway), head).await;
    assert_eq!((answer.header("content-length"), answer.header("age")), (Some("2"), Some("0")));
    // Another query, another host, or a client that asks for the truth: another answer.
    assert_eq!(text(&gateway, "one.example", "/a?x=1", "").await, "v2");
    assert_eq!(text(&gateway, "two.example", "/a", "").await, "v3");
    assert_eq!(text(&gateway, "one.example", "/a", "Cache-Control: no-cache\r\n").await, "v4");
    assert_eq!(text(&gateway, "one.example", "/a", "").await, "v4");
    assert_eq!(text(&gateway, "one.example", "/a", "Cache-Control: no-store\r\n").await, "v5");
    assert_eq!(text(&gateway, "one.example", "/a", "").await, "v4");
    let only = ask(&gateway, "one.example", "/b", "Cache-Control: only-if-cached\r\n").await;
    assert_eq!((only.status, only.header("x-gateway-error")), (504, Some("not_cached")));
    assert_eq!(origin.count(), 5);
    // A change of the table forgets nothing; one of what the address holds does.
    gateway.apply(world::config(&file(&origin, "cache: true"))).unwrap();
    assert_eq!(text(&gateway, "one.example", "/a", "").await, "v4");
    let post = "POST /a HTTP/1.1\r\nHost: one.example\r\nContent-Length: 0\r\n\r\n";
    world::fetch(world::plain(&gateway), post).await;
    assert_eq!(text(&gateway, "one.example", "/a", "").await, "v7");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_somebodys_own_is_not_kept() {
    for fields in [
        "",
        "cache-control: private, max-age=60\r\n",
        "cache-control: no-store\r\n",
        "cache-control: max-age=60\r\nset-cookie: a=1\r\n",
        "cache-control: max-age=60\r\nvary: *\r\n",
    ] {
        let origin = numbered(fields).await;
        let gateway = world::gateway(&file(&origin, "cache: true"));
        assert_eq!(text(&gateway, "one.example", "/", "").await, "v1", "{fields}");
        assert_eq!(text(&gateway, "one.example", "/", "").await, "v2", "{fields}");
        gateway.stop().await;
    }
    // What was asked with a secret is for who asked.
    let origin = numbered("cache-control: max-age=60\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    let secret = "Authorization: Bearer x\r\n";
    assert_eq!(text(&gateway, "one.example", "/", secret).await, "v1");
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v2");
    gateway.stop().await;
    // A route that keeps nothing keeps nothing.
    let origin = numbered("cache-control: max-age=60\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: false"));
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v1");
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v2");
    gateway.stop().await;
    // What is larger than may be kept is passed on whole.
    let origin = numbered("cache-control: max-age=60\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: {max_object: 1}"));
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v1");
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v2");
    gateway.stop().await;
    // Where the upstream says nothing, the route may.
    let origin = numbered("").await;
    let gateway = world::gateway(&file(&origin, "cache: {default_ttl: 60s}"));
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v1");
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v1");
    // But not for visitors who have a cookie: what they see may be theirs.
    for (cookie, seen) in [("Cookie: sid=1\r\n", "v2"), ("Cookie: sid=2\r\n", "v3"), ("", "v1")] {
        assert_eq!(text(&gateway, "one.example", "/", cookie).await, seen, "{cookie}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn answers_that_depend_on_a_field_are_kept_apart() {
    let origin = Origin::doing(|got| {
        let language = got.header("accept-language").unwrap_or("none").to_owned();
        Do::Say(format!(
            "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\nvary: Accept-Language\r\ncontent-length: {}\r\n\r\n{language}",
            language.len()
        ))
    })
    .await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    for _ in 0..3 {
        for language in ["pt-BR", "en"] {
            let fields = format!("Accept-Language: {language}\r\n");
            assert_eq!(text(&gateway, "one.example", "/", &fields).await, language);
        }
        assert_eq!(text(&gateway, "one.example", "/", "").await, "none");
    }
    assert_eq!(origin.count(), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let origin = numbered("cache-control: max-age=60\r\netag: \"a\"\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    ask(&gateway, "one.example", "/", "").await;
    for (fields, status) in [
        ("If-None-Match: \"a\"\r\n", 304),
        ("If-None-Match: \"b\", W/\"a\"\r\n", 304),
        ("If-None-Match: \"b\"\r\n", 200),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200),
        ("If-None-Match: \"b\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200),
    ] {
        let answer = ask(&gateway, "one.example", "/", fields).await;
        assert_eq!(answer.status, status, "{fields}");
    }
    assert_eq!(origin.count(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn an_old_answer_is_given_while_a_new_one_is_fetched() {
    let origin = numbered("cache-control: max-age=0, stale-while-revalidate=60\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v1");
    let answer = ask(&gateway, "one.example", "/", "").await;
    assert_eq!(answer.text(), "v1");
    assert!(answer.header("cache-status").unwrap().contains("stale-while-revalidate"));
    world::until(async || text(&gateway, "one.example", "/", "").await, |body| body != "v1").await;
    // What the gateway fetched for itself is no request of anybody.
    let metrics = gateway.metrics();
    let counted: usize = metrics
        .lines()
        .filter(|line| line.starts_with("portaria_gateway_requests_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    let asked = metrics
        .lines()
        .filter(|line| {
            line.starts_with("portaria_gateway_cache_stale_total ")
                || line.starts_with("portaria_gateway_cache_misses_total ")
        })
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum::<usize>();
    assert_eq!(counted, asked);
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_is_asked_whether_it_changed_and_may_fail_for_a_while() {
    let fields = "cache-control: max-age=0, stale-if-error=60\r\netag: \"a\"\r\n";
    let act = move |got: &Got| match got.header("if-none-match") {
        Some("\"a\"") => {
            Do::Say("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\nx-new: 1\r\n\r\n".to_owned())
        }
        _ => Do::Say(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 4\r\n\r\nbody")),
    };
    let origin = Origin::doing(act).await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    assert_eq!(text(&gateway, "one.example", "/", "").await, "body");
    let answer = ask(&gateway, "one.example", "/", "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    assert_eq!(answer.header("x-new"), Some("1"));
    assert_eq!(origin.last().header("if-none-match"), Some("\"a\""));
    origin.now(|_| Do::Close);
    let answer = ask(&gateway, "one.example", "/", "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    assert!(answer.header("cache-status").unwrap().contains("stale-if-error"));
    // Nothing is made up for an address that was never asked.
    assert_eq!(ask(&gateway, "one.example", "/other", "").await.status, 502);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_kept_can_be_forgotten_by_tag_tenant_and_address() {
    let origin = numbered("cache-control: max-age=60\r\ncache-tag: menu, prices\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    let purge = async |body: &str| {
        let request = format!(
            "POST /v1/gateway/cache/purge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        world::fetch(gateway.addresses().admin.unwrap(), &request).await
    };
    let fill = async || {
        for (host, path) in
            [("one.example", "/a?q=1"), ("one.example", "/b"), ("two.example", "/a")]
        {
            ask(&gateway, host, path, "").await;
        }
    };
    for (body, purged) in [
        (r#"{"tag": "prices"}"#, 3),
        (r#"{"tag": "price"}"#, 0),
        (r#"{"tenant": "one"}"#, 2),
        (r#"{"host": "two.example"}"#, 1),
        (r#"{"host": "one.example", "path": "/a"}"#, 1),
        (r#"{"all": true}"#, 3),
    ] {
        fill().await;
        let answer = purge(body).await;
        assert_eq!(
            (answer.status, answer.json()["purged"].as_u64()),
            (200, Some(purged)),
            "{body}"
        );
    }
    for body in ["", "{}", r#"{"all": false}"#, r#"{"path": "/a"}"#, r#"{"tag": "a", "all": true}"#]
    {
        assert_eq!(purge(body).await.status, 400, "{body}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_change_is_a_change_whatever_route_it_came_by() {
    let origin = numbered("cache-control: max-age=60\r\n").await;
    let text = format!(
        "global:\n  bind_address: BIND\n  admin_address: BIND\n  admin_token: 0123456789abcdef\npools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: one.example, pool: web, path_prefix: /shop, strip_path_prefix: true, cache: true}}\n  - {{host: one.example, pool: web, path_prefix: /shop, methods: [POST]}}\n",
        origin.at
    );
    let gateway = world::gateway(&text);
    assert_eq!(text_of(&gateway, "/shop/a").await, "v1");
    assert_eq!(text_of(&gateway, "/shop/a").await, "v1");
    // The other route keeps nothing, and passes the path on as it is.
    let post = "POST /shop/a HTTP/1.1\r\nHost: one.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(world::fetch(world::plain(&gateway), post).await.text(), "v2");
    assert_eq!(text_of(&gateway, "/shop/a").await, "v3");
    // An address is purged as clients name it, not as the upstream does.
    let body = r#"{"host": "one.example", "path": "/shop/a"}"#;
    let purge = format!(
        "POST /v1/gateway/cache/purge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = world::fetch(gateway.addresses().admin.unwrap(), &purge).await;
    assert_eq!(answer.json()["purged"].as_u64(), Some(1));
    assert_eq!(text_of(&gateway, "/shop/a").await, "v4");
    gateway.stop().await;
}

async fn text_of(gateway: &gateway::Gateway, path: &str) -> String {
    text(gateway, "one.example", path, "").await
}

/// A page of text that is worth compressing.
fn page() -> String {
    (0..400).map(|n| format!("<p>linha {n}</p>\n")).collect()
}

#[tokio::test]
async fn text_is_compressed_for_whom_takes_it_so() {
    let origin = Origin::doing(|got| {
        let body = page();
        let (kind, more) = if got.head.contains("/png") {
            ("image/png", "")
        } else if got.head.contains("/encoded") {
            ("text/html", "content-encoding: identity-of-mine\r\n")
        } else if got.head.contains("/as-it-is") {
            ("text/html", "cache-control: no-transform\r\n")
        } else {
            ("text/html; charset=utf-8", "etag: \"x\"\r\ncache-control: max-age=60\r\n")
        };
        Do::Say(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    })
    .await;
    for route in ["compression: true", "compression: true, cache: true"] {
        let gateway = world::gateway(&file(&origin, route));
        let at = world::plain(&gateway);
        for coding in ["gzip", "br", "zstd"] {
            // The second time, it may come from the cache.
            for _ in 0..2 {
                let mut command = Command::new("curl");
                command
                    .args(["-s", "--compressed", "-H", "Host: one.example", "-D", "-"])
                    .args(["-H", &format!("Accept-Encoding: {coding}")])
                    .arg(format!("http://{at}/"));
                let out =
                    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
                let text = String::from_utf8(out.stdout).unwrap();
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                assert_eq!(body, page(), "{coding}");
                assert_eq!(world::header(head, "content-encoding"), Some(coding), "{head}");
                assert_eq!(world::header(head, "vary"), Some("accept-encoding"));
                assert_eq!(world::header(head, "etag"), Some("W/\"x\""));
            }
        }
        let plain = ask(&gateway, "one.example", "/", "").await;
        assert_eq!((plain.header("content-encoding"), plain.text()), (None, page()));
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        for path in ["/png", "/encoded", "/as-it-is"] {
            let answer = ask(&gateway, "one.example", path, "Accept-Encoding: gzip\r\n").await;
            assert_eq!(answer.text(), page(), "{path}");
            assert_ne!(answer.header("content-encoding"), Some("gzip"), "{path}");
        }
        let head = "HEAD / HTTP/1.1\r\nHost: two.example\r\nAccept-Encoding: gzip\r\n\r\n";
        let mut peer = Peer::connect(at).await;
        let answer = peer.ask(head).await;
        assert_eq!(answer.status, 200);
        // The connection goes on where a head has no body.
        assert_eq!(peer.ask(&get("two.example", "/")).await.text(), page());
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_compressed_stream_shows_what_is_there() {
    let origin = Origin::doing(|_| {
        Do::Stall(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n".to_owned(),
        )
    })
    .await;
    let gateway = world::gateway(&file(&origin, "compression: true"));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(b"GET / HTTP/1.1\r\nHost: one.example\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let mut seen = Vec::new();
    // Head, the coding's own beginning, and the first word: all before the upstream says more.
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") || seen.ends_with(b"\r\n\r\n") {
        use tokio::io::AsyncReadExt as _;
        let mut piece = [0; 4096];
        let count = tokio::time::timeout(world::PATIENCE, peer.stream.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(count, 0);
        seen.extend_from_slice(&piece[..count]);
    }
    let head = String::from_utf8_lossy(&seen).into_owned();
    assert_eq!(world::header(&head, "content-encoding"), Some("gzip"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_proxy_in_front_says_of_the_scheme_keeps_answers_apart() {
    let origin = Origin::doing(|got| {
        let scheme = got.header("x-forwarded-proto").unwrap_or_default().to_owned();
        let host = got.header("x-forwarded-host").unwrap_or_default().to_owned();
        let body = format!("{scheme} {host}");
        Do::Say(format!(
            "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    })
    .await;
    let text_of_file = file(&origin, "cache: true")
        .replace("global:\n", "global:\n  trusted_proxies: [127.0.0.1]\n");
    let gateway = world::gateway(&text_of_file);
    for _ in 0..2 {
        for (fields, said) in [
            ("", "http one.example"),
            ("X-Forwarded-Proto: https\r\n", "https one.example"),
            ("X-Forwarded-Host: outside.example\r\n", "http outside.example"),
        ] {
            assert_eq!(text(&gateway, "one.example", "/", fields).await, said);
        }
    }
    assert_eq!(origin.count(), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_with_a_body_passes_the_cache_by_and_owes_no_bytes() {
    let origin = numbered("cache-control: max-age=0, stale-while-revalidate=60\r\n").await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    assert_eq!(text(&gateway, "one.example", "/", "").await, "v1");
    // The old answer is there; who sends a body gets one of their own, and the upstream the body.
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    let asked = "GET / HTTP/1.1\r\nHost: one.example\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(peer.ask(asked).await.text(), "v2");
    assert_eq!(origin.last().body, b"hello");
    // An empty body has no length to owe, in whatever way the client says so.
    for _ in 0..3 {
        let empty = "GET / HTTP/1.1\r\nHost: one.example\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(peer.ask(empty).await.status, 200);
    }
    world::until(async || origin.count(), |count| *count >= 3).await;
    for got in origin.got.lock().iter().filter(|got| got.body.is_empty()) {
        assert_eq!(got.header("content-length"), None, "{}", got.head);
        assert_eq!(got.header("transfer-encoding"), None, "{}", got.head);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_forbids_keeping_by_two_fields_is_heard() {
    let act = |got: &Got| {
        match got.header("if-none-match") {
        Some(_) => Do::Say("HTTP/1.1 304 Not Modified\r\ncache-control: no-store\r\ncache-control: max-age=60\r\n\r\n".to_owned()),
        None => Do::Say("HTTP/1.1 200 OK\r\ncache-control: max-age=0, stale-if-error=60\r\netag: \"a\"\r\ncontent-length: 4\r\n\r\nbody".to_owned()),
    }
    };
    let origin = Origin::doing(act).await;
    let gateway = world::gateway(&file(&origin, "cache: true"));
    for _ in 0..4 {
        assert_eq!(text(&gateway, "one.example", "/", "").await, "body");
    }
    assert_eq!(origin.count(), 4, "it is asked each time");
    gateway.stop().await;
}
