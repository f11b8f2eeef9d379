//! The block `global.waf`.

use super::read::Map;
use crate::waf;

/// A firewall for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waf {
    /// Whether a match is refused, or only told.
    pub block: bool,
    pub level: WafLevel,
    /// Bytes of a body that are looked at.
    pub body: usize,
    /// Prefixes of paths that are not looked at.
    pub without_paths: Vec<String>,
    pub without_rules: Vec<u16>,
    pub log: bool,
}

/// How much is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WafLevel {
    Basic,
    Standard,
    Strict,
}

/// What a route makes of the firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WafMode {
    Off,
    Detect,
    Block,
}

pub(super) fn read(block: Map<'_>) -> Option<Waf> {
    let enabled = block.flag("enabled").unwrap_or(true);
    let mode = block.one_of("mode", &[("detect", false), ("block", true)]);
    let level = block.one_of(
        "level",
        &[
            ("basic", WafLevel::Basic),
            ("standard", WafLevel::Standard),
            ("strict", WafLevel::Strict),
        ],
    );
    let mut without_rules = Vec::new();
    for text in block.texts("exclude_rules") {
        match text.parse::<u16>() {
            Ok(id) if waf::is_rule(id) => without_rules.push(id),
            _ => block.fault("exclude_rules", format!("has {text:?}, which is no rule's number")),
        }
    }
    let body = block.size("body_limit").unwrap_or(128 << 10);
    if body > 16 << 20 {
        block.fault("body_limit", format!("is {body} bytes; use 16MiB at most"));
    }
    // Protection that somebody counts on and that is not there must be said before it is missed.
    if enabled && block.text("ruleset_path").is_some_and(|path| !path.is_empty()) {
        block.fault(
            "ruleset_path",
            "names rules of its own, which are not read here; take it away to use the built-in ones (docs/gateway.md)",
        );
    }
    let waf = Waf {
        block: mode.or(block.flag("blocking_mode")).unwrap_or(true),
        level: level.unwrap_or(WafLevel::Standard),
        body: body as usize,
        without_paths: block.texts("exclude_paths"),
        without_rules,
        log: block.flag("log_violations").unwrap_or(true),
    };
    block.pass(&["logging", "blocking_mode", "ruleset_path"]);
    block.finish();
    enabled.then_some(waf)
}

/// A route's own word.
pub(super) fn mode(map: &Map<'_>) -> Option<WafMode> {
    map.one_of(
        "waf",
        &[("off", WafMode::Off), ("detect", WafMode::Detect), ("block", WafMode::Block)],
    )
}
