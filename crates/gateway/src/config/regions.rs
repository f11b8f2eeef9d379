//! Places: the GeoIP database, and which region a tenant's requests go to.

use std::collections::HashMap;
use std::path::PathBuf;

use super::read::Map;
use super::{Geo, Regions, Route};

/// `global.geoip`.
pub(super) fn geoip(global: &Map<'_>) -> Option<Geo> {
    let block = global.block("geoip")?;
    // The file is looked at once a minute; how often it is replaced is the operator's affair.
    block.pass(&["update_interval", "license_key", "account_id"]);
    let enabled = block.flag("enabled").unwrap_or(true);
    let path = block.text("database_path").filter(|path| !path.is_empty());
    let mut blocked = Vec::new();
    for text in block.texts("block_countries") {
        match country(&text) {
            Some(code) => blocked.push(code),
            None => block.fault("block_countries", wrong(&text)),
        }
    }
    if enabled && path.is_none() {
        block.fault("database_path", "is missing; name a MaxMind file, such as GeoLite2-City.mmdb");
    }
    block.finish();
    let path = PathBuf::from(path.filter(|_| enabled)?);
    Some(Geo { path, blocked })
}

fn wrong(text: &str) -> String {
    format!("has {text:?}; use two-letter country codes, such as BR")
}

fn country(text: &str) -> Option<String> {
    let code = text.to_ascii_uppercase();
    (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
}

/// A route's list of countries.
pub(super) fn countries(map: &Map<'_>, key: &'static str) -> Vec<String> {
    let mut found = Vec::new();
    for text in map.texts(key) {
        match country(&text) {
            Some(code) => found.push(code),
            None => map.fault(key, wrong(&text)),
        }
    }
    found
}

/// `tenants.region_routing`.
pub(super) fn tenants(root: &Map<'_>) -> Regions {
    let none = Regions::default();
    let Some(node) = root.node("tenants") else { return none };
    if !matches!(node.value, crate::yaml::Value::Map(_)) {
        return none;
    }
    let map = root.reading().map(node, "tenants");
    let Some(block) = map.block("region_routing") else { return none };
    let enabled = block.flag("enabled").unwrap_or(true);
    let default = block.text("default_region").filter(|region| !region.is_empty());
    let by_tenant: HashMap<String, String> = block
        .pairs("tenant_region_mapping")
        .into_iter()
        .map(|(tenant, region, _)| (tenant, region))
        .collect();
    block.finish();
    if enabled { Regions { default, by_tenant } } else { none }
}

impl Regions {
    /// The region of a tenant's requests.
    pub(crate) fn of(&self, tenant: Option<&str>) -> Option<String> {
        let named = self.by_tenant.get(tenant?);
        named.or(self.default.as_ref()).cloned()
    }
}

/// Gives each route its tenant's region.
pub(super) fn assign(routes: &mut [Route], regions: &Regions) {
    for route in routes {
        route.region = regions.of(route.tenant.as_deref());
    }
}
