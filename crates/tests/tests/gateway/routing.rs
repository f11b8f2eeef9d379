//! Which request goes where, and how it is changed on the way.

use crate::world::{self, Do, Origin, Peer, get, ok};

#[tokio::test]
async fn hosts_prefixes_methods_and_fields_choose() {
    let a = Origin::named("a").await;
    let b = Origin::named("b").await;
    let text = format!(
        "global: {{bind_address: BIND}}
pools:
  - {{name: a, backends: [{{address: \"{}\"}}]}}
  - {{name: b, backends: [{{address: \"{}\"}}]}}
routes:
  - {{host: loja.example, pool: a}}
  - {{host: loja.example, pool: b, path_prefix: /api, strip_path_prefix: true}}
  - {{host: loja.example, pool: b, path_prefix: /old, rewrite_prefix: /new}}
  - {{host: loja.example, pool: b, match_headers: {{x-beta: \"1\"}}}}
  - {{host: \"*.loja.example\", pool: b, methods: [GET, POST]}}
  - {{host: loja.example, path_prefix: /gone, redirect: {{to: \"https://{{host}}/x{{path}}{{query}}\", status: 308}}}}
",
        a.at, b.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    for (request, who, target) in [
        (get("loja.example", "/"), "a", "/"),
        (get("LOJA.example:80", "/x?y=1"), "a", "/x?y=1"),
        (get("loja.example.", "/apix"), "a", "/apix"),
        (get("loja.example", "/api/v1?q"), "b", "/v1?q"),
        (get("loja.example", "/api"), "b", "/"),
        (get("loja.example", "/old/a/b"), "b", "/new/a/b"),
        (get("loja.example", "/x/../api/%2e%2e/old/c"), "b", "/new/c"),
        (get("x.loja.example", "/"), "b", "/"),
        ("GET / HTTP/1.1\r\nHost: loja.example\r\nX-Beta: 1\r\n\r\n".to_owned(), "b", "/"),
    ] {
        let answer = world::fetch(at, &request).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, who), "{request}");
        let got = if who == "a" { a.last() } else { b.last() };
        assert_eq!(got.head.split(' ').nth(1), Some(target), "{request}");
    }
    let answer = world::fetch(at, &get("loja.example", "/gone/y?z=1")).await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), Some("https://loja.example/x/gone/y?z=1"));
    let answer = world::fetch(at, &get("other.example", "/")).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (404, Some("unknown_host")));
    let answer = world::fetch(at, "DELETE / HTTP/1.1\r\nHost: x.loja.example\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")));
    let answer = world::fetch(at, &get("loja.example", "/../etc/passwd")).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (400, Some("bad_path")));
    gateway.stop().await;
}

#[tokio::test]
async fn fields_are_set_added_and_removed_and_origins_let_in() {
    let origin = Origin::doing(|_| {
        Do::Say("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nserver: secret\r\naccess-control-allow-origin: *\r\n\r\na".to_owned())
    })
    .await;
    let text = format!(
        "global: {{bind_address: BIND, security_headers: true}}
pools:
  - {{name: a, backends: [{{address: \"{}\"}}]}}
routes:
  - host: \"*\"
    pool: a
    headers: {{set: {{x-set: \"1\"}}, add: {{x-add: \"2\"}}, remove: [x-gone]}}
    response_headers: {{remove: [server], set: {{x-out: \"3\"}}}}
    cors_enabled: true
    cors_allow_origins: [\"https://app.example\"]
    cors_allow_credentials: true
",
        origin.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let answer = world::fetch(
        at,
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nX-Gone: 1\r\nX-Add: 1\r\nX-Set: 0\r\n\r\n",
    )
    .await;
    let got = origin.last();
    assert_eq!(
        (got.header("x-gone"), got.all("x-add"), got.all("x-set")),
        (None, vec!["1", "2"], vec!["1"])
    );
    assert_eq!((answer.header("server"), answer.header("x-out")), (None, Some("3")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let count = origin.count();
    let preflight = |from: &str| {
        format!(
            "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {from}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
        )
    };
    let answer = world::fetch(at, &preflight("https://app.example")).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, Some("https://app.example"))
    );
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
    let answer = world::fetch(at, &preflight("https://evil.example")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, None));
    assert_eq!(origin.count(), count, "a preflight is answered here");
    let answer =
        world::fetch(at, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    gateway.stop().await;
}

#[tokio::test]
async fn our_own_answers_speak_the_readers_language_and_may_be_branded() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, "<p>Loja Sol: {{reason}} {{detail}} {{status}} {{request_id}}</p>")
        .unwrap();
    let origin = Origin::named("a").await;
    let text = world::file(&[origin.at], "").replace("host: \"*\"", "host: a");
    let gateway = world::gateway(&text);
    let ask = |accept: &str, language: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: b\r\nAccept: {accept}\r\nAccept-Language: {language}\r\n\r\n"
        )
    };
    let at = world::plain(&gateway);
    let answer = world::fetch(at, &ask("application/json", "en")).await;
    let json = answer.json();
    assert_eq!((json["status"].as_u64(), json["origin"].as_str()), (Some(404), Some("client")));
    assert_eq!(answer.header("x-request-id"), json["request_id"].as_str());
    let answer = world::fetch(at, &ask("text/html", "pt-BR,en;q=0.5")).await;
    assert!(answer.text().contains("Endereço desconhecido") && !answer.text().contains("Portaria"));
    assert!(world::fetch(at, &ask("text/html", "en-US")).await.text().contains("Not Found"));
    let branded = text.replace(
        "global:\n",
        &format!("global:\n  error_pages: {{template: \"{}\"}}\n", page.display()),
    );
    gateway.apply(world::config(&branded)).unwrap();
    let answer = world::fetch(at, &ask("text/html", "pt-BR")).await;
    assert!(answer.text().starts_with("<p>Loja Sol: Endereço desconhecido"), "{}", answer.text());
    gateway.stop().await;
}

#[tokio::test]
async fn a_file_with_faults_is_refused_with_their_lines() {
    let text = "global:
  bind_address: nowhere
  admin_token: short
  colour: red
pools:
  - name: web
    algorithm: round_robbin
    backends:
      - { address: \"127.0.0.1\" }
routes:
  - { host: a.example, pool: wbe }
  - { host: b.example, pool: web }
  - { host: b.example, pool: web }
  - { host: \"http://c.example\", pool: web }
  - { host: d.example, pool: web, path_prefix: api }
extra: 1
";
    let report = gateway::check(text, &|_| None);
    assert!(report.config.is_none());
    let found: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(found.join("\n"));
}

#[tokio::test]
async fn the_guides_blocks_load_and_are_told_where_they_belong() {
    let text = "global:
  bind_address: \"127.0.0.1:0\"
  health_check: {interval: 30s, timeout: 5s, retries: 3}
  rate_limit: {requests_per_second: 100, burst_size: 200, cleanup_interval: 5m, redis_address: \"redis:6379\"}
  waf: {enabled: false, ruleset_path: /etc/waf, level: standard}
  geoip: {enabled: false, database_path: /x.mmdb}
  ai: {enabled: true, model_type: neural_network}
  tls: {auto_cert: false, acme_email: a@b.example, cert_dir: /certs}
cluster: {enabled: true, redis_address: \"redis-sentinel:26379\", redis_cluster_mode: true, geo_routing: true}
tenants: {region_routing: {enabled: true, default_region: us-east, tenant_region_mapping: {tenant-1: eu-west}}}
billing: {enabled: true, provider: stripe, apiKey: x, exportSchedule: \"0 1 * * *\"}
oidc: {enabled: true, provider: keycloak, claimMappings: {tenantId: tenant_id}}
orchestration: {enabled: true, inCluster: true, defaults: {autoscaling: {enabled: true}}}
pools:
  - name: web
    algorithm: weighted_round_robin
    sticky_sessions: true
    backends:
      - {address: \"web-1:8080\", weight: 5, health_check: {path: /health, interval: 5s, timeout: 2s, expected_status: 200}}
routes:
  - {host: example.com, pool: web, path_prefix: /}
";
    let report = gateway::check(text, &|_| None);
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let noted: Vec<&str> = report.notes.iter().map(|note| note.path.as_str()).collect();
    for name in ["tenants", "billing", "oidc", "orchestration", "global.ai"] {
        assert!(noted.contains(&name), "{name} in {noted:?}");
    }
    // A protection that is asked for and not there is no note, it is a fault.
    let unsafe_text = text.replace("waf: {enabled: false", "waf: {enabled: true");
    let report = gateway::check(&unsafe_text, &|_| None);
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    assert_eq!(report.faults[0].path, "global.waf.ruleset_path");
}

#[tokio::test]
async fn variables_are_filled_in_and_missed_when_missing() {
    let text = "global: {bind_address: \"127.0.0.1:0\", admin_token: \"${TOKEN}\"}\n";
    let report =
        gateway::check(text, &|name| (name == "TOKEN").then(|| "0123456789abcdef".to_owned()));
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let report = gateway::check(text, &|_| None);
    assert!(report.faults[0].reason.contains("TOKEN"), "{:?}", report.faults);
}

#[tokio::test]
async fn the_admin_api_tells_why_and_changes_what_serves() {
    let a = Origin::named("a").await;
    let b = Origin::named("b").await;
    let text = format!(
        "global: {{bind_address: BIND, admin_address: BIND, metrics_address: BIND, admin_token: 0123456789abcdef}}
pools:
  - {{name: web, algorithm: round_robin, backends: [{{address: \"{}\"}}]}}
routes:
  - {{host: a.example, pool: web, tenant_id: loja}}
",
        a.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let admin = gateway.addresses().admin.unwrap();
    let call = async |method: &str, path: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        world::fetch(admin, &request).await
    };
    for token in [
        "",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer 0123456789abcdeX\r\n",
        "Authorization: Basic 0123456789abcdef\r\n",
    ] {
        let request = format!("GET /v1/gateway/pools HTTP/1.1\r\nHost: x\r\n{token}\r\n");
        assert_eq!(world::fetch(admin, &request).await.status, 401, "{token}");
    }
    let explained = call("GET", "/v1/gateway/explain?host=a.example&path=/x", "").await.json();
    assert_eq!(explained["pool"], "web");
    assert!(explained["why"][0].as_str().unwrap().contains("line 5"), "{explained}");
    assert_eq!(
        call("GET", "/v1/gateway/explain?host=b.example&path=/", "").await.json()["status"],
        404
    );

    let body = format!("{{\"address\": \"{}\", \"weight\": 3}}", b.at);
    let added = call("POST", "/v1/gateway/pools/web/upstreams", &body).await;
    assert_eq!(added.status, 200, "{}", added.text());
    assert_eq!(call("POST", "/v1/gateway/pools/web/upstreams", &body).await.status, 409);
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(world::fetch(at, &get("a.example", "/")).await.text());
    }
    assert_eq!(world::tally(answers)["b"], 6, "three of four turns");
    let one = format!("/v1/gateway/pools/web/upstreams/{}", b.at);
    assert_eq!(call("PATCH", &one, "{\"weight\": 1}").await.status, 200);
    let answers = [
        world::fetch(at, &get("a.example", "/")).await.text(),
        world::fetch(at, &get("a.example", "/")).await.text(),
    ];
    assert_eq!(world::tally(answers).len(), 2);
    assert_eq!(call("PATCH", &one, "{\"draining\": true}").await.status, 200);
    for _ in 0..3 {
        assert_eq!(world::fetch(at, &get("a.example", "/")).await.text(), "a");
    }
    assert_eq!(call("PATCH", &one, "{\"draining\": 1}").await.status, 422);
    assert_eq!(call("DELETE", &one, "").await.status, 200);
    assert_eq!(call("DELETE", &one, "").await.status, 404);

    let other = world::file(&[b.at], "").replace("BIND", "\"127.0.0.1:0\"");
    let dry = call("PUT", "/v1/gateway/config?dry_run=true", &other).await.json();
    assert_eq!(dry["routes_removed"][0], "a.example/", "{dry}");
    assert_eq!(
        world::fetch(at, &get("a.example", "/")).await.text(),
        "a",
        "a dry run changes nothing"
    );
    let refused = call("PUT", "/v1/gateway/config", "pools: 1\n").await;
    assert_eq!((refused.status, refused.json()["faults"][0]["line"].as_u64()), (422, Some(1)));
    assert_eq!(call("PUT", "/v1/gateway/config", &other).await.status, 200);
    assert_eq!(world::fetch(at, &get("a.example", "/")).await.text(), "b");
    gateway.stop().await;
    assert!(Peer::connect_maybe(at).await.is_none());
}

#[tokio::test]
async fn versions_can_be_gone_back_to() {
    let a = Origin::named("a").await;
    let b = Origin::named("b").await;
    let text = |origin: &Origin| {
        world::file(&[origin.at], "").replace(
            "global:\n",
            "global:\n  admin_address: BIND\n  admin_token: 0123456789abcdef\n",
        )
    };
    let gateway = world::gateway(&text(&a));
    let at = world::plain(&gateway);
    gateway.apply(world::config(&text(&b))).unwrap();
    assert_eq!(world::fetch(at, &get("x", "/")).await.text(), "b");
    let admin = gateway.addresses().admin.unwrap();
    let auth = "Authorization: Bearer 0123456789abcdef\r\n";
    let body = "{\"version\": 1}";
    let back = format!(
        "POST /v1/gateway/rollback HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(world::fetch(admin, &back).await.json()["version"], 3);
    assert_eq!(world::fetch(at, &get("x", "/")).await.text(), "a");
    let list = format!("GET /v1/gateway/versions HTTP/1.1\r\nHost: x\r\n{auth}\r\n");
    let list = world::fetch(admin, &list).await.json();
    assert_eq!(
        (list["serving"].as_u64(), list["versions"].as_array().unwrap().len()),
        (Some(3), 3)
    );
    gateway.stop().await;
}

#[tokio::test]
async fn without_an_admin_address_this_machine_alone_may_call() {
    let origin = Origin::doing(|_| Do::Say(ok("upstream"))).await;
    let with = world::file(&[origin.at], "")
        .replace("global:\n", "global:\n  admin_token: 0123456789abcdef\n");
    let gateway = world::gateway(&with);
    let at = world::plain(&gateway);
    let call = |extra: &str| format!("GET /v1/gateway/status HTTP/1.1\r\nHost: x\r\n{extra}\r\n");
    assert_eq!(world::fetch(at, &call("")).await.status, 401);
    let auth = "Authorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(world::fetch(at, &call(auth)).await.json()["state"], "serving");
    // What a proxy on this machine passes on comes from somewhere else.
    let answer = world::fetch(at, &call(&format!("{auth}X-Forwarded-For: 203.0.113.5\r\n"))).await;
    assert_eq!(answer.text(), "upstream");
    gateway.stop().await;
    // Without a token there is no admin API at all.
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    assert_eq!(
        world::fetch(world::plain(&gateway), &call("Authorization: Bearer \r\n")).await.text(),
        "upstream"
    );
    gateway.stop().await;
}
