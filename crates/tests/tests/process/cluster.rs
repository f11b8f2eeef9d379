//! Several gateways of one house: limits counted together, one leader, calls that all follow; over one Redis, over one
//! that sentinels watch, over a cluster; and what clients see while Redis hangs or is gone: nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::front::{free, until, upstream};
use crate::program::{Place, Running};
use crate::redis::{Redis, cluster, signal, watched};

/// One gateway of several.
struct Node {
    name: String,
    bind: SocketAddr,
    admin: SocketAddr,
    running: Running,
}

/// What a test sets: the file's `cluster` block, and what comes after it.
struct Fleet {
    place: Place,
    cluster: String,
    secret: &'static str,
    rest: String,
}

impl Fleet {
    async fn new(cluster: &str) -> Self {
        let (a, b) = (upstream("a"), upstream("b"));
        let rest = format!(
            "pools:\n  - name: web\n    algorithm: round_robin\n    backends: [{{address: \"{a}\"}}, {{address: \"{b}\"}}]\nroutes:\n  - {{host: \"*\", pool: web}}\n  - host: loja.example\n    pool: web\n    tenant_id: loja\n    rate_limit: {{requests_per_second: 0.05, burst_size: 20}}\n"
        );
        Self {
            place: Place::new(testkit::On::Sqlite).await,
            cluster: cluster.to_owned(),
            secret: "a-secret-of-one-house",
            rest,
        }
    }

    fn node(&self, name: &str) -> Node {
        let (bind, admin) = (free(), free());
        let file = format!(
            "global:\n  bind_address: \"{bind}\"\n  admin_address: \"{admin}\"\n  admin_token: \"at-least-16-characters\"\n  sticky_secret: \"{}\"\n  drain_deadline: 1s\ncluster:\n  node_id: {name}\n  share_interval: 20ms\n  heartbeat_interval: 200ms\n  leader_timeout: 1s\n{}{}",
            self.secret, self.cluster, self.rest
        );
        // The lines of a file are its own affair.
        let file = if name == "b" { format!("# the second node\n\n{file}") } else { file };
        let path = self.place.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, file).unwrap();
        let running = self.place.serve(&["--role", "gateway", "--config", path.to_str().unwrap()]);
        Node { name: name.to_owned(), bind, admin, running }
    }
}

fn exchange(at: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap();
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap())
}

impl Node {
    fn get(&self, host: &str) -> u16 {
        exchange(self.bind, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .0
    }

    /// How many of so many requests are let through.
    fn let_through(&self, count: usize) -> usize {
        (0..count).filter(|_| self.get("loja.example") == 200).count()
    }

    fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, text) = exchange(
            self.admin,
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer at-least-16-characters\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn seen(&self) -> Value {
        self.call("GET", "/v1/gateway/cluster", "").1
    }

    /// Waits until it shares by a Redis of this kind.
    fn shares_by(&self, kind: &str) {
        until(&format!("Redis is reached: {}", self.seen()), || self.seen()["redis"] == kind);
    }

    /// Waits until it refuses, one request at a time. How many were let through until then.
    fn until_refused(&self) -> usize {
        for let_through in 0..20 {
            if self.get("loja.example") == 429 {
                return let_through;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        20
    }

    fn seen_version(&self) -> u64 {
        self.call("GET", "/v1/gateway/status", "").1["version"].as_u64().unwrap()
    }

    fn upstream(&self, number: usize) -> Value {
        self.call("GET", "/v1/gateway/pools", "").1["pools"][0]["upstreams"][number].clone()
    }
}

#[tokio::test]
async fn nodes_count_one_clients_requests_together_and_houses_do_not_meet() {
    let redis = Redis::start(&[]);
    let mut fleet = Fleet::new(&format!("  redis_address: \"{}\"\n", redis.address())).await;
    let (a, b) = (fleet.node("a"), fleet.node("b"));
    fleet.secret = "the-secret-of-another-house";
    let stranger = fleet.node("c");
    for node in [&a, &b, &stranger] {
        node.shares_by("single");
    }
    assert_eq!(a.let_through(25), 20);
    assert!(b.until_refused() < 15, "what was used at the one is missing at the other");
    assert_eq!(stranger.let_through(25), 20, "another house on the same Redis counts by itself");

    let limits = || redis.ask(&["--raw", "KEYS", "*:limit:*"]).lines().count();
    until("both houses told what was used", || limits() == 2);
    let keys = redis.ask(&["--raw", "KEYS", "*"]);
    let limits: Vec<&str> = keys.lines().filter(|key| key.contains(":limit:")).collect();
    assert_eq!(limits.len(), 2, "{keys}");
    let house = |key: &str| key.split(['{', '.']).nth(1).unwrap().to_owned();
    assert_ne!(house(limits[0]), house(limits[1]), "{keys}");
    for key in keys.lines() {
        assert!(key.starts_with("portaria:{"), "{key}");
        assert!(
            redis.ask(&["PTTL", key]) != "-1" || key.ends_with(":term"),
            "{key} stays for ever"
        );
        // Nobody's address stands in a key.
        assert!(!key.contains("127.0.0.1"), "{key}");
    }
    assert!(limits.iter().all(|key| key.contains("}:tenant:loja:limit:")), "{keys}");
    // The stranger is no member, and sees none.
    let seen = |node: &Node| node.seen()["nodes"].as_array().map(Vec::len);
    until("each sees its own house", || {
        (seen(&a), seen(&b), seen(&stranger)) == (Some(2), Some(2), Some(1))
    });
}

#[tokio::test]
async fn a_redis_that_hangs_or_dies_is_not_noticed_by_clients() {
    let redis = Redis::start(&[]);
    let port = redis.port;
    let fleet = Fleet::new(&format!("  redis_address: \"{}\"\n", redis.address())).await;
    let node = fleet.node("a");
    node.shares_by("single");
    redis.hang();
    until("the node says so", || node.seen()["redis"].is_null());
    // By its own count.
    assert_eq!(node.let_through(25), 20);
    assert_eq!(node.get("other.example"), 200);
    assert!(node.seen()["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    redis.go_on();
    node.shares_by("single");
    drop(redis);
    until("the node says so", || node.seen()["redis"].is_null());
    assert_eq!(node.get("other.example"), 200);
    let figures =
        exchange(node.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").1;
    assert!(figures.contains("portaria_gateway_redis_up 0"), "{figures}");
    let again = Redis::on(port, &[]);
    node.shares_by("single");
    until("who is there is known again", || {
        node.seen()["nodes"].as_array().map(Vec::len) == Some(1)
    });
    drop(again);
    // A gateway also starts without its Redis.
    let late = fleet.node("b");
    assert_eq!(late.get("other.example"), 200);
}

#[tokio::test]
async fn what_one_node_is_told_all_nodes_do() {
    let redis = Redis::start(&[]);
    let fleet = Fleet::new(&format!("  redis_address: \"{}\"\n", redis.address())).await;
    let (a, b) = (fleet.node("a"), fleet.node("b"));
    for node in [&a, &b] {
        node.shares_by("single");
    }
    let address = a.upstream(0)["address"].as_str().unwrap().to_owned();
    let upstream = format!("/v1/gateway/pools/web/upstreams/{address}");
    assert_eq!(a.call("PATCH", &upstream, "{\"weight\": 7}").0, 200);
    until("the weight is known", || b.upstream(0)["weight"] == 7);
    assert_eq!(b.call("PATCH", &upstream, "{\"draining\": true}").0, 200);
    until("the drain is known", || a.upstream(0)["state"] == "draining");
    assert_eq!(a.upstream(0)["weight"], 7);
    assert_eq!(b.call("POST", "/api/tenants/loja/drain", "").0, 202);
    until("the tenant drains everywhere", || a.get("loja.example") == 503);
    let added = "{\"address\": \"127.0.0.1:9\", \"weight\": 0}";
    assert_eq!(a.call("POST", "/v1/gateway/pools/web/upstreams", added).0, 200);
    until("the upstream is there", || b.upstream(2)["address"] == "127.0.0.1:9");

    // A node that takes its file in again, as after a renewed certificate, does what it was told all the same.
    let version = a.seen_version();
    signal("-HUP", a.running.id());
    until("the file was taken in, and what was told on top of it", || {
        a.seen_version() > version && a.upstream(2)["address"] == "127.0.0.1:9"
    });
    assert_eq!(
        (&a.upstream(0)["weight"], &a.upstream(0)["state"]),
        (&json!(7), &json!("draining"))
    );
    // Who comes later, with the same routes and pools, does it all.
    let late = fleet.node("c");
    until("the late node catches up", || {
        late.upstream(0)["weight"] == 7
            && late.upstream(0)["state"] == "draining"
            && late.upstream(2)["address"] == "127.0.0.1:9"
            && late.get("loja.example") == 503
    });
    // Back to what the file says: the versions are counted by each for itself.
    assert_eq!(late.call("POST", "/v1/gateway/rollback", "{\"version\": 1}").0, 200);
    until("all are back", || {
        [&a, &b].iter().all(|node| node.upstream(0)["weight"] == 1 && node.upstream(2).is_null())
    });
    // A whole file is followed, too, unless it would carry a secret to where there is none.
    let text = |weight: u32, secret: &str| {
        format!(
            "{{global: {{bind_address: \"{}\", {secret}}}, pools: [{{name: web, backends: [{{address: \"{address}\", weight: {weight}}}]}}], routes: [{{host: \"*\", pool: web}}], cluster: {{redis_address: \"{}\", share_interval: 20ms}}}}",
            a.bind,
            redis.address()
        )
    };
    let (status, said) =
        a.call("PUT", "/v1/gateway/config", &text(3, "admin_token: at-least-16-characters"));
    assert_eq!(status, 422, "{said}");
    assert!(said["detail"].as_str().is_some_and(|why| why.contains("${VARIABLE}")), "{said}");
    assert_eq!(
        a.call("PUT", "/v1/gateway/config", &text(4, "admin_token: \"${GATEWAY_TEST_TOKEN}\"")).0,
        200
    );
    until("the file is followed", || b.upstream(0)["weight"] == 4);
    // Names and addresses are each node's own.
    assert_eq!((&a.seen()["node"], &b.seen()["node"]), (&json!("a"), &json!("b")));
    assert_eq!(b.get("other.example"), 200);
    let keys = redis.ask(&["--raw", "KEYS", "*:told:*"]);
    let list = keys.lines().find(|key| !key.ends_with(":all")).unwrap();
    let kept = redis.ask(&["--raw", "LRANGE", list, "0", "-1"]);
    assert!(kept.contains("PUT") && !kept.contains("at-least-16-characters"), "{kept}");
    assert_eq!(a.call("POST", "/v1/gateway/rollback", "{\"version\": 1}").0, 200);
    until("the file is taken back", || b.upstream(0)["weight"] == 1);
    // A dry run, and the drain of a node, are that node's alone.
    assert_eq!(a.call("POST", "/admin/drain", "").0, 202);
    assert_eq!(a.call("POST", "/v1/gateway/pools/web/upstreams", added).0, 200);
    until("the call after it is followed", || !b.upstream(2).is_null());
    assert_eq!(b.get("other.example"), 200);
}

#[tokio::test]
async fn there_is_one_leader_and_a_later_term_has_a_higher_number() {
    let redis = Redis::start(&[]);
    let fleet = Fleet::new(&format!("  redis_address: \"{}\"\n", redis.address())).await;
    let (a, b) = (fleet.node("a"), fleet.node("b"));
    until("two nodes agree on a leader", || {
        let seen = [a.seen(), b.seen()];
        let both = seen.iter().all(|seen| seen["nodes"].as_array().map(Vec::len) == Some(2));
        both && seen[0]["leader"] == seen[1]["leader"] && seen[0]["leader"].is_string()
    });
    let (leads, follows) = if a.seen()["leader"] == "a" { (&a, &b) } else { (&b, &a) };
    let term = follows.seen()["term"].as_u64().unwrap();
    signal("-STOP", leads.running.id());
    until("the other leads", || follows.seen()["leader"] == follows.name);
    let later = follows.seen()["term"].as_u64().unwrap();
    assert!(later > term, "{later} after {term}");
    signal("-CONT", leads.running.id());
    until("who slept follows", || leads.seen()["leader"] == follows.name);
    assert_eq!(leads.seen()["term"].as_u64(), Some(later));

    // Who leads and goes says so: nobody waits for the time to pass.
    let (goes, stays) = if follows.name == "a" { (a, b) } else { (b, a) };
    assert_eq!(goes.running.terminate(), Some(0));
    until("the one that stays leads", || stays.seen()["leader"] == stays.name);
    assert_eq!(stays.seen()["nodes"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_master_that_dies_is_followed_by_the_one_that_sentinels_name() {
    let (master, replica, sentinels) = watched();
    // As the guide has it: a sentinel's address, and the word for a cluster beside it.
    let fleet = Fleet::new(&format!(
        "  redis_address: [\"{}\", \"{}\"]\n  redis_cluster_mode: true\n  redis_password: of-the-servers-alone\n",
        sentinels[0].address(),
        sentinels[1].address()
    ))
    .await;
    let (a, b) = (fleet.node("a"), fleet.node("b"));
    for node in [&a, &b] {
        node.shares_by("sentinel");
    }
    drop(master);
    assert_eq!(a.get("other.example"), 200);
    until("the replica is the master", || replica.ask(&["ROLE"]).starts_with("master"));
    until("the nodes meet there", || {
        [&a, &b].iter().all(|node| node.seen()["nodes"].as_array().map(Vec::len) == Some(2))
    });
    assert_eq!(a.let_through(25), 20);
    assert!(b.until_refused() < 15);
    assert!(replica.ask(&["--raw", "KEYS", "*"]).contains(":limit:"));
}

#[tokio::test]
async fn a_cluster_that_loses_a_server_goes_on() {
    let mut servers = cluster();
    let addresses: Vec<String> = servers.iter().map(Redis::address).collect();
    let fleet = Fleet::new(&format!(
        "  redis_address: \"{}\"\n  redis_cluster_mode: true\n",
        addresses.join(",")
    ))
    .await;
    let (a, b) = (fleet.node("a"), fleet.node("b"));
    for node in [&a, &b] {
        node.shares_by("cluster");
    }
    assert_eq!(a.let_through(25), 20);
    assert!(b.until_refused() < 15);
    // The one that knows who is there.
    let holds = |server: &Redis| server.ask(&["--raw", "KEYS", "*:members"]).contains("members");
    let place = servers
        .iter()
        .position(|one| one.ask(&["ROLE"]).starts_with("master") && holds(one))
        .unwrap();
    drop(servers.remove(place));
    assert_eq!(a.get("other.example"), 200);
    until("a replica takes its place", || {
        servers.iter().any(|one| one.ask(&["ROLE"]).starts_with("master") && holds(one))
    });
    let (started, term) = (a.seen()["term"].as_u64().unwrap_or_default(), || {
        a.seen()["term"].as_u64().unwrap_or_default()
    });
    until("the nodes meet there", || {
        term() >= started
            && [&a, &b].iter().all(|node| node.seen()["nodes"].as_array().map(Vec::len) == Some(2))
    });
    let late = fleet.node("c");
    late.shares_by("cluster");
    until("a new node is seen by the others", || {
        a.seen()["nodes"].as_array().map(Vec::len) == Some(3)
    });
}
