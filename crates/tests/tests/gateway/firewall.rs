//! The firewall through the front door. Which rule finds what is in the crate's own tests.

use crate::world::{self, Origin, Peer, get};

fn file(origin: &Origin, waf: &str) -> String {
    format!(
        "global:\n  bind_address: BIND\n  waf: {{{waf}}}\n  limits: {{idle_timeout: 300ms}}\npools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n  - {{host: \"*\", pool: web, path_prefix: /open, waf: off}}\n  - {{host: \"*\", pool: web, path_prefix: /watched, waf: detect}}\n",
        origin.at
    )
}

const SQL: &str = "q=1%27+OR+%271%27%3D%271";

fn matches(gateway: &gateway::Gateway) -> Vec<String> {
    let metrics = gateway.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("portaria_gateway_waf_matches"));
    lines.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn attacks_are_refused_or_told_and_others_pass_whole() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&file(&origin, "enabled: true, exclude_paths: [/known]"));
    let at = world::plain(&gateway);
    let post = |path: &str, kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let form = "application/x-www-form-urlencoded";
    for request in [
        get("a", &format!("/?{SQL}")),
        get("a", "/.env"),
        get("a", "/%2egit/config"),
        post("/", form, SQL),
        post("/", "application/json", "{\"a\": \"<script>alert(1)</script>\"}"),
        "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: sqlmap/1.7\r\n\r\n".to_owned(),
    ] {
        let answer = world::fetch(at, &request).await;
        assert_eq!(answer.status, 403, "{request}");
        assert_eq!(answer.header("x-gateway-error"), Some("blocked_by_firewall"));
        assert!(answer.header("x-request-id").is_some());
    }
    assert_eq!(origin.count(), 0);
    for path in ["/open", "/watched", "/known"] {
        assert_eq!(
            world::fetch(at, &get("a", &format!("{path}?{SQL}"))).await.status,
            200,
            "{path}"
        );
        assert_eq!(world::fetch(at, &post(path, form, SQL)).await.status, 200, "{path}");
        assert_eq!(origin.last().body, SQL.as_bytes());
    }
    let told: Vec<String> = matches(&gateway);
    assert!(
        told.iter().any(|line| line.contains("rule=\"1001\"") && line.ends_with(" 4")),
        "{told:?}"
    );
    // What is looked at arrives as it was sent, framed in either way, also beyond what is looked at.
    let long = "palavra ".repeat(40_000);
    let body = format!("{{\"texto\": \"{long}\"}}");
    let answer = world::fetch(at, &post("/", "application/json", &body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(origin.last().body, body.as_bytes());
    assert_eq!(origin.last().header("content-length"), Some(body.len().to_string().as_str()));
    let mut peer = Peer::connect(at).await;
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\": 1\r\n1\r\n}\r\n0\r\n\r\n";
    assert_eq!(peer.ask(chunked).await.status, 200);
    assert_eq!(origin.last().body, b"{\"a\": 1}");
    assert_eq!(peer.ask(&get("a", "/")).await.status, 200, "the connection goes on");
    gateway.stop().await;
}

#[tokio::test]
async fn a_firewall_that_only_watches_blocks_nothing() {
    let origin = Origin::named("a").await;
    let gateway =
        world::gateway(&file(&origin, "mode: detect, level: basic, exclude_rules: [1006]"));
    let at = world::plain(&gateway);
    assert_eq!(world::fetch(at, &get("a", &format!("/?{SQL}"))).await.status, 200);
    assert_eq!(world::fetch(at, &get("a", "/.env")).await.status, 200);
    assert_eq!(origin.count(), 2);
    assert_eq!(matches(&gateway).len(), 1, "{:?}", matches(&gateway));
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_send_its_body_holds_nothing_up() {
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&file(&origin, "enabled: true"));
    let mut peer = Peer::connect(world::plain(&gateway)).await;
    peer.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nab",
    )
    .await;
    // Told that it was too slow, or let go without a word.
    assert!(peer.answer().await.is_none_or(|answer| answer.status == 408));
    assert_eq!(origin.count(), 0);
    gateway.stop().await;
}
