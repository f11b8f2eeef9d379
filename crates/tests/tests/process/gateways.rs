//! Gateways as nodes of a house: seen by operators, asked, told, and what is expected of their tenants.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::front::{free, until, upstream};
use crate::program::{Place, Running};
use crate::redis::Redis;

fn exchange(at: SocketAddr, request: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

fn call(at: SocketAddr, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    exchange(
        at,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

async fn operators_see_and_change_gateways(on: testkit::On) {
    let place = Place::new(on).await;
    let house = free();
    let token = place.json(&[
        "operator",
        "token",
        "create",
        "--name",
        "Painel de controle",
        "--scopes",
        "gateway:read,gateway:write",
    ]);
    let token = token["secret"].as_str().unwrap_or_else(|| panic!("{token}")).to_owned();
    let _serving = place.serve(&["--role", "api", "--listen", &house.to_string()]);
    let api = |method: &str, path: &str, body: Value| call(house, &token, method, path, &body);
    let (status, answer) = api("GET", "/v1/gateway/pools", Value::Null);
    assert_eq!(status, 503, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("--role gateway"), "{answer}");

    let (a, b) = (upstream("a"), upstream("b"));
    let gateway = |name: &str| -> (SocketAddr, Running) {
        let (bind, folder) = (free(), place.folder.path());
        let file = format!(
            "global:\n  bind_address: \"{bind}\"\n  admin_token: at-least-16-characters\npools:\n  - {{name: web-api, algorithm: round_robin, backends: [{{address: \"{a}\"}}, {{address: \"{b}\"}}]}}\nroutes:\n  - {{host: loja.example, pool: web-api, tenant_id: minha-loja}}\n"
        );
        std::fs::write(folder.join(format!("{name}.yaml")), file).unwrap();
        let settings = folder.join(format!("{name}.toml"));
        let text = format!("[gateway]\nconfig = \"{name}.yaml\"\nhouse = \"{house}\"\n");
        std::fs::write(&settings, text).unwrap();
        (bind, place.serve(&["--role", "gateway", "--config", settings.to_str().unwrap()]))
    };
    let (first, second) = (gateway("one"), gateway("two"));
    let nodes = || api("GET", "/v1/gateway/nodes", Value::Null).1;
    until("both nodes are seen", || nodes().as_array().map(Vec::len) == Some(2));
    let names: Vec<String> = nodes()
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["node"].as_str().unwrap().to_owned())
        .collect();
    let (status, why) =
        api("GET", "/v1/gateway/explain?host=loja.example&path=/x%20y", Value::Null);
    assert_eq!((status, &why["pool"]), (200, &json!("web-api")), "{why}");
    let upstream = format!("/v1/gateway/pools/web-api/upstreams/{a}");
    let weights = || {
        names
            .iter()
            .map(|name| {
                let path = format!("/v1/gateway/pools?node={name}");
                api("GET", &path, Value::Null).1["pools"][0]["upstreams"][0]["weight"].clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(api("PATCH", &upstream, json!({"weight": 7})).0, 200);
    until("both nodes weigh it so", || weights() == [json!(7), json!(7)]);
    assert_eq!(api("POST", "/v1/gateway/tenants/minha-loja/drain", Value::Null).0, 202);
    let served = |at: SocketAddr| {
        exchange(at, "GET / HTTP/1.1\r\nHost: loja.example\r\nConnection: close\r\n\r\n").0
    };
    until("the tenant drains on both", || [first.0, second.0].iter().all(|at| served(*at) == 503));
    assert_eq!(api("DELETE", "/v1/gateway/tenants/minha-loja/drain", Value::Null).0, 200);
    until("and is served again", || [first.0, second.0].iter().all(|at| served(*at) == 200));
    // What a node refuses is told as the node tells it; what is wrong never reaches one.
    let (status, answer) =
        api("PATCH", "/v1/gateway/pools/web-api/upstreams/x:1", json!({"weight": 1}));
    assert_eq!(
        (status, &answer["detail"]),
        (404, &json!("the pool has no upstream at this address"))
    );
    assert_eq!(api("PATCH", &upstream, json!({"weigth": 1})).0, 422);
    assert_eq!(api("GET", "/v1/gateway/pools?node=nobody", Value::Null).0, 404);
    // One that comes later catches up; one that goes is not seen any more.
    let late = gateway("three");
    until("three nodes", || nodes().as_array().map(Vec::len) == Some(3));
    let known = names.clone();
    let name = nodes()
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["node"].as_str().unwrap().to_owned())
        .find(|name| !known.contains(name))
        .unwrap();
    let path = format!("/v1/gateway/pools?node={name}");
    until("the late one weighs it so", || {
        api("GET", &path, Value::Null).1["pools"][0]["upstreams"][0]["weight"] == 7
    });
    assert_eq!(late.1.terminate(), Some(0));
    until("two nodes", || nodes().as_array().map(Vec::len) == Some(2));
}

#[tokio::test]
async fn operators_see_and_change_gateways_sqlite() {
    operators_see_and_change_gateways(testkit::On::Sqlite).await;
}

#[tokio::test]
async fn operators_see_and_change_gateways_postgres() {
    operators_see_and_change_gateways(testkit::On::Postgres).await;
}

/// The library that makes a program's clock run faster.
fn fast_clock() -> String {
    let out = Command::new("dpkg").args(["-L", "libfaketime"]).output().unwrap();
    let list = String::from_utf8_lossy(&out.stdout).into_owned();
    let found = list.lines().find(|line| line.ends_with("libfaketime.so.1"));
    found
        .expect("libfaketime is installed: apt-get install libfaketime (make test does it)")
        .to_owned()
}

/// A gateway whose five minutes take half a second.
fn hurried(
    place: &Place,
    name: &str,
    cluster: &str,
    to: SocketAddr,
) -> (SocketAddr, SocketAddr, Running) {
    let (bind, admin) = (free(), free());
    let file = format!(
        "global:\n  bind_address: \"{bind}\"\n  admin_address: \"{admin}\"\n  admin_token: at-least-16-characters\n{cluster}pools:\n  - {{name: web, max_requests: 50, backends: [{{address: \"{to}\"}}]}}\nroutes:\n  - {{host: loja.example, pool: web, tenant_id: loja}}\n"
    );
    let path = place.folder.path().join(format!("{name}.yaml"));
    std::fs::write(&path, file).unwrap();
    let mut command =
        place.command(&["serve", "--role", "gateway", "--config", path.to_str().unwrap()]);
    command
        .env("LD_PRELOAD", fast_clock())
        .env("FAKETIME", "+0 x600")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    (bind, admin, Running::start(command))
}

fn outlook(admin: SocketAddr) -> Value {
    let tenants =
        call(admin, "at-least-16-characters", "GET", "/v1/gateway/outlook", &Value::Null).1;
    let list = tenants["tenants"].as_array().cloned().unwrap_or_default();
    list.into_iter().find(|one| one["tenant"] == "loja").unwrap_or_default()
}

fn figures(admin: SocketAddr) -> String {
    let text = exchange(admin, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").1;
    text.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_gateway_alone_says_what_it_expects_once_it_knows_enough() {
    let place = Place::new(testkit::On::Sqlite).await;
    let (bind, admin, _running) = hurried(&place, "one", "", upstream("a"));
    let visit =
        || exchange(bind, "GET / HTTP/1.1\r\nHost: loja.example\r\nConnection: close\r\n\r\n");
    until("the first steps are counted", || {
        assert_eq!(visit().0, 200);
        outlook(admin)["requests_per_second"].as_f64().is_some_and(|rate| rate > 0.0)
    });
    let early = outlook(admin);
    assert!(early["forecast"].is_null() && early["advice"].is_null(), "{early}");
    assert!(early["forecast_in_minutes"].as_i64().is_some_and(|minutes| minutes > 0), "{early}");
    assert!(!figures(admin).contains("portaria_gateway_expected_requests_per_second{"));
    until("two hours are known", || {
        visit();
        !outlook(admin)["forecast"].is_null()
    });
    let later = outlook(admin);
    assert_eq!(later["forecast"]["basis"], "level", "{later}");
    assert_eq!(later["forecast"]["expected_per_second"].as_array().map(Vec::len), Some(12));
    assert_eq!(later["advice"]["kind"], "hold", "{later}");
    let figures = figures(admin);
    assert!(
        figures.contains(
            "portaria_gateway_expected_requests_per_second{tenant=\"loja\",bound=\"high\"}"
        ),
        "{figures}"
    );
}

#[tokio::test]
async fn nodes_without_a_house_count_together_over_redis() {
    let redis = Redis::start(&[]);
    let place = Place::new(testkit::On::Sqlite).await;
    let cluster = |name: &str| {
        format!(
            "cluster: {{redis_address: \"{}\", node_id: {name}, heartbeat_interval: 100ms, leader_timeout: 1s, share_interval: 50ms}}\n",
            redis.address()
        )
    };
    let to = upstream("a");
    let a = hurried(&place, "one", &cluster("one"), to);
    let b = hurried(&place, "two", &cluster("two"), to);
    // Only one of them is asked anything.
    until("the other knows it too", || {
        exchange(a.0, "GET / HTTP/1.1\r\nHost: loja.example\r\nConnection: close\r\n\r\n");
        outlook(b.1)["requests_per_second"].as_f64().is_some_and(|rate| rate > 0.0)
    });
    let day = redis.ask(&["--raw", "KEYS", "*:counts:*"]);
    assert!(day.starts_with("portaria:{"), "{day}");
}
