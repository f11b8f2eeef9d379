//! Blocks that belong to other parts of the platform: noted with where they are set, never in the way of a start.

use super::read::{Map, Reading};
use crate::yaml::{Node, Value};

/// Blocks of the same file, and where what they say belongs now.
const ELSEWHERE: &[(&str, &str)] = &[
    ("api", "is the admin API's address, set by global.admin_address and global.admin_token"),
    ("auth", "belongs to sign-in, which portaria.toml and the panel set"),
    ("oidc", "belongs to sign-in: set oidc.* in portaria.toml (docs/sign-in.md)"),
    ("billing", "belongs to billing, not to the gateway; it changes nothing here"),
    (
        "orchestration",
        "belongs to dedicated instances, not to the gateway; it changes nothing here",
    ),
    (
        "tenant",
        "belongs to the platform: tenants are made in the panel or by `portaria tenant create`",
    ),
    (
        "tenants",
        "belongs to the platform, but for region_routing: tenants are made in the panel or by `portaria tenant create`",
    ),
    ("metrics", "needs no block: figures are at global.metrics_address, under /metrics"),
];

pub(super) fn read(root: &Map<'_>) {
    for (name, place) in ELSEWHERE {
        if let Some(node) = root.node(name) {
            sound(root.reading(), node, name);
            root.reading().note(root.line_of(name), name, *place);
        }
    }
}

/// Keys of `global` that give defaults or belong elsewhere.
pub(super) fn defaults(map: &Map<'_>) {
    if map.node("ai").is_some() {
        map.reading().note(
            map.line_of("ai"),
            &map.at("ai"),
            "is needed no more: choose `algorithm: ewma` for a pool, which learns from latency and errors",
        );
    }
    // The pools' reader looks at it.
    map.pass(&["health_check"]);
}

/// Even a block that is read past must be a block.
fn sound(reading: &Reading<'_>, node: &Node, name: &str) {
    if matches!(node.value, Value::Scalar(_)) {
        reading.fault(node.line, name, "must be a block of keys");
    }
}
