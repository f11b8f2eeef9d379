//! The block `cluster`, and those of the replaced gateway that name the same Redis.

use std::time::Duration;

use super::read::Map;
use super::{Cluster, Token};

/// How long Redis is waited for, and how often there is news, unless the file says otherwise.
const SHARE: Duration = Duration::from_millis(200);
const HEARTBEAT: Duration = Duration::from_secs(5);
const LEADER: Duration = Duration::from_secs(15);

pub(super) fn read(root: &Map<'_>) -> Option<Cluster> {
    let mut cluster = Cluster {
        servers: Vec::new(),
        username: None,
        password: None,
        db: 0,
        tls: false,
        sentinel_master: None,
        is_cluster: false,
        prefix: "portaria".to_owned(),
        node: None,
        share: SHARE,
        heartbeat: HEARTBEAT,
        leader: LEADER,
        limits_only: false,
    };
    // What is closer to its use has the last word: redis, then global.rate_limit, then cluster.
    let redis = root.block("redis");
    if let Some(block) = &redis {
        cluster.servers = servers(block, "address");
        if let Some(password) = block.text("password") {
            cluster.password = secret(password);
        }
        cluster.db = block.number("db", 0, 1_000_000).unwrap_or(0) as u32;
        prefix(block, &mut cluster);
        // One connection carries all of it.
        block.pass(&["pool_size"]);
        if let Some(sentinel) = block.block("sentinel") {
            if sentinel.flag("enabled").unwrap_or(true) {
                cluster.servers = servers(&sentinel, "addresses");
                cluster.sentinel_master = sentinel.text("master_name");
            } else {
                sentinel.pass(&["addresses", "master_name"]);
            }
            sentinel.finish();
        }
    }
    let limited = root.block("global").and_then(|global| global.block("rate_limit"));
    let shares_limits = limited.is_some_and(|block| {
        let named = servers(&block, "redis_address");
        let any = !named.is_empty();
        if any {
            cluster.servers = named;
        }
        any
    });
    if let Some(redis) = redis {
        redis.finish();
    }
    let Some(block) = root.block("cluster") else {
        cluster.limits_only = true;
        return shares_limits.then_some(cluster);
    };
    let enabled = block.flag("enabled").unwrap_or(true);
    let named = servers(&block, "redis_address");
    if !named.is_empty() {
        cluster.servers = named;
    }
    if let Some(name) = block.text("redis_username") {
        cluster.username = Some(name).filter(|name| !name.is_empty());
    }
    if let Some(password) = block.text("redis_password") {
        cluster.password = secret(password);
    }
    if let Some(db) = block.number("redis_db", 0, 1_000_000) {
        cluster.db = db as u32;
    }
    cluster.tls = block.flag("redis_tls").unwrap_or(false);
    cluster.is_cluster = block.flag("redis_cluster_mode").unwrap_or(false);
    if let Some(name) = block.text("redis_sentinel_master") {
        cluster.sentinel_master = Some(name).filter(|name| !name.is_empty());
    }
    prefix(&block, &mut cluster);
    cluster.node = block.parsed("node_id", |text| {
        let fine =
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fine.then(|| text.to_owned()).ok_or_else(|| {
            format!("is {text:?}; use up to 64 letters, digits and signs, without spaces")
        })
    });
    for (key, field) in [
        ("share_interval", &mut cluster.share),
        ("heartbeat_interval", &mut cluster.heartbeat),
        ("leader_timeout", &mut cluster.leader),
    ] {
        if let Some(span) = block.span(key) {
            *field = span;
        }
    }
    if cluster.leader < cluster.heartbeat * 2 {
        block.fault(
            "leader_timeout",
            "is shorter than two heartbeats; a leader would lose its place for nothing",
        );
    }
    if block.node("sync_interval").is_some() {
        block.reading().note(
            block.line_of("sync_interval"),
            "cluster.sync_interval",
            "is needed no more: nodes share what they count every share_interval (200ms)",
        );
    }
    if enabled && cluster.servers.is_empty() {
        block.reading().note(
            block.line,
            "cluster",
            "names no redis_address; the one of redis.url in portaria.toml is used",
        );
    }
    // The pools' reader looks at it.
    block.pass(&["geo_routing"]);
    block.finish();
    enabled.then_some(cluster)
}

/// `HOST:PORT`, `redis://…` or `rediss://…`; several as a list, or with commas.
fn servers(map: &Map<'_>, key: &'static str) -> Vec<String> {
    let mut found = Vec::new();
    for text in map.texts(key) {
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            let url = if one.contains("://") { one.to_owned() } else { format!("redis://{one}") };
            let sound = url::Url::parse(&url).is_ok_and(|url| {
                matches!(url.scheme(), "redis" | "rediss")
                    && url.host_str().is_some_and(|host| !host.is_empty())
            });
            if sound {
                found.push(url);
            } else {
                // Not the text itself: a password may stand in it.
                map.fault(key, "is no address of a Redis; write HOST:PORT, redis://HOST:PORT or rediss://HOST:PORT");
            }
        }
    }
    found
}

fn secret(text: String) -> Option<Token> {
    Some(text).filter(|text| !text.is_empty()).map(Token)
}

fn prefix(map: &Map<'_>, cluster: &mut Cluster) {
    let read = map.parsed("key_prefix", |text| {
        let text = text.trim_end_matches(':');
        let fine = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        fine.then(|| text.to_owned())
            .ok_or_else(|| "uses up to 64 letters, digits and - _ . :".to_owned())
    });
    if let Some(prefix) = read {
        cluster.prefix = prefix;
    }
}
