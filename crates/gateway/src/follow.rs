//! What many nodes were told, as one configuration: from what the file says, call after call, and put in place at once. So
//! all nodes come to the same, whenever they hear of what, and nothing on the way there is served.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use http::{Method, Uri};
use regex::Regex;
use sha2::{Digest as _, Sha256};

use crate::config::{self, Config};
use crate::shared::Shared;
use crate::sharing::Call;
use crate::{Gateway, admin, change, edits};

/// A name for routes and pools: nodes that have the same of both, on whatever lines, follow each other's calls.
pub(crate) fn digest(config: &Config) -> String {
    #[expect(clippy::expect_used, reason = "a constant")]
    static LINES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"line: \d+").expect("sound"));
    let text = format!("{:?}{:?}", config.pools, config.routes);
    short(LINES.replace_all(&text, "").as_bytes())
}

fn short(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of what comes of a call to something that has a name.
pub(crate) fn after(origin: &str, call: &Call) -> String {
    short(format!("{origin}\n{}\n{}\n{}", call.method, call.path, call.body).as_bytes())
}

impl Call {
    /// Whether it concerns every node, whatever its file: purges, and drains of tenants.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.path.starts_with("/api/tenants/") || self.path.starts_with("/v1/gateway/cache/")
    }
}

/// What a call makes of a configuration. `past` are those on the way, each with its name.
fn done(
    shared: &Shared,
    config: &Config,
    past: &[(String, Config)],
    call: &Call,
) -> Result<Config, String> {
    let uri: Uri = call.path.parse().map_err(|_| "its path is none".to_owned())?;
    let parts: Vec<String> = admin::segments(&uri);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let body = call.body.as_bytes();
    let mut config = config.clone();
    let edited = match (call.method.as_str(), &parts[..]) {
        ("POST", ["v1", "gateway", "pools", pool, "upstreams"]) => {
            edits::add(&mut config, pool, body)
        }
        ("PATCH", ["v1", "gateway", "pools", pool, "upstreams", address]) => {
            edits::patch(&mut config, pool, address, body)
        }
        ("DELETE", ["v1", "gateway", "pools", pool, "upstreams", address]) => {
            edits::remove(&mut config, pool, address)
        }
        ("PUT", ["v1", "gateway", "config"]) => {
            let report = config::check(&call.body, &*shared.variables);
            let Some(made) = report.config else {
                let first = report.faults.first().map(ToString::to_string);
                return Err(first.unwrap_or_else(|| "it has faults".to_owned()));
            };
            return Ok(past.first().map_or(made.clone(), |(_, base)| made.of_node(base)));
        }
        ("POST", ["v1", "gateway", "rollback"]) => {
            let wanted = edits::field(body, "origin");
            let wanted = wanted.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
            let found = past.iter().rev().find(|(origin, _)| origin == wanted);
            return found
                .map(|(_, config)| config.clone())
                .ok_or_else(|| "what it goes back to is not known here".to_owned());
        }
        _ => return Err("it is none that is followed".to_owned()),
    };
    edited.map(|()| config).map_err(|(_, detail)| detail.into_owned())
}

impl Gateway {
    /// Serves what all nodes with the same file were told, in this order; what this one was told and nobody else knows
    /// comes last. What cannot be done, with its reason.
    #[must_use]
    pub fn follow(&self, told: &[Call]) -> Vec<(Call, String)> {
        let shared = &self.shared;
        let _order = shared.outside.order.lock();
        let Some(base) = shared.outside.base_config() else { return Vec::new() };
        let pending = shared.outside.pending();
        let mut origin = digest(&base);
        let mut past = vec![(origin.clone(), base.clone())];
        let (mut config, mut refused) = (base, Vec::new());
        for call in told.iter().chain(&pending).filter(|call| !call.is_for_all()) {
            match done(shared, &config, &past, call) {
                Ok(made) => config = made,
                Err(reason) => {
                    refused.push((call.clone(), reason));
                    continue;
                }
            }
            origin = after(&origin, call);
            past.push((origin.clone(), config.clone()));
        }
        if let Err(faults) = change::follow(shared, config, &origin) {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            if let Some(last) = told.last() {
                refused.push((last.clone(), faults.join("; ")));
            }
        }
        refused
    }

    /// The same of what all nodes were told, whatever their file: tenants that drain, by all that was told, and what is to be
    /// forgotten, by what is new.
    pub fn follow_all(&self, told: &[Call], new: &[Call]) {
        let shared = &self.shared;
        let _order = shared.outside.order.lock();
        let pending = shared.outside.pending();
        let mut draining: HashSet<String> = HashSet::new();
        for call in told.iter().chain(&pending) {
            let Ok(uri) = call.path.parse::<Uri>() else { continue };
            let parts = admin::segments(&uri);
            if let [api, tenants, tenant, drain] = &parts[..]
                && (api.as_str(), tenants.as_str(), drain.as_str()) == ("api", "tenants", "drain")
            {
                if call.method == "POST" {
                    draining.insert(tenant.clone());
                } else {
                    draining.remove(tenant);
                }
            }
        }
        if **shared.tenants.load() != draining {
            shared.tenants.store(Arc::new(draining));
        }
        for call in new.iter().filter(|call| call.path.starts_with("/v1/gateway/cache/")) {
            if let Ok(uri) = call.path.parse::<Uri>() {
                let _ = admin::act(shared, &Method::POST, &uri, call.body.as_bytes());
            }
        }
    }
}
