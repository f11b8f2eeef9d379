//! Changes of the table while it serves: from the file, from the admin API, back to what was before. Each is made
//! whole first and put in place with one store, so that no request sees half of it; what is refused changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri};
use kernel::Moment;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::access::Sink;
use crate::admin::{json_answer, problem};
use crate::config::{self, Config, Fault};
use crate::edits::{self, Refused};
use crate::follow;
use crate::hosted;
use crate::secrets::Secrets;
use crate::shared::{Beside, Shared};
use crate::sharing::Call;
use crate::table::Table;

/// Versions that can be gone back to.
const KEPT: usize = 20;

/// The tables that were in place.
#[derive(Default)]
pub(crate) struct History(Mutex<VecDeque<Past>>);

struct Past {
    version: u64,
    at: Moment,
    by: &'static str,
    config: Config,
    /// A name that the same configuration has on other nodes.
    origin: String,
}

impl History {
    pub(crate) fn push(&self, version: u64, at: Moment, by: &'static str, config: Config) {
        let mut past = self.0.lock();
        if past.len() == KEPT {
            past.pop_front();
        }
        let origin = follow::digest(&config);
        past.push_back(Past { version, at, by, config, origin });
    }

    /// The name of what is in place.
    pub(crate) fn origin(&self) -> String {
        self.0.lock().back().map(|past| past.origin.clone()).unwrap_or_default()
    }

    /// Names what is in place after how it came to be.
    pub(crate) fn name(&self, origin: String) {
        if let Some(past) = self.0.lock().back_mut() {
            past.origin = origin;
        }
    }

    fn newest(&self) -> Option<Config> {
        self.0.lock().back().map(|past| past.config.clone())
    }
}

/// Puts a configuration in place. The new version, or what is wrong.
pub(crate) fn apply(shared: &Shared, config: Config, by: &'static str) -> Result<u64, Vec<Fault>> {
    let _turn = shared.changing.lock();
    apply_in_turn(shared, config, by)
}

/// Puts something else beside the file. The new version; the one that serves when nothing changed.
pub(crate) fn beside(
    shared: &Shared,
    by: &'static str,
    edit: impl FnOnce(&mut Beside),
) -> Result<u64, Vec<Fault>> {
    let _turn = shared.changing.lock();
    let serving = shared.table.load().version;
    let before = shared.beside.lock().clone();
    let mut after = before.clone();
    edit(&mut after);
    if after == before {
        return Ok(serving);
    }
    let Some(config) = shared.history.newest() else { return Ok(serving) };
    *shared.beside.lock() = after;
    let done = put_in_place(shared, config, by);
    if done.is_err() {
        *shared.beside.lock() = before;
    }
    done
}

fn apply_in_turn(shared: &Shared, config: Config, by: &'static str) -> Result<u64, Vec<Fault>> {
    let version = put_in_place(shared, config.clone(), by)?;
    shared.history.push(version, shared.wall.now(), by, config);
    Ok(version)
}

/// The table of a configuration and what is beside it.
pub(crate) fn table(
    config: Config,
    beside: &Beside,
    before: Option<&Table>,
    secrets: &Secrets,
) -> Result<Table, Vec<Fault>> {
    let (config, refused) = hosted::merge(config, &beside.hosted);
    for reason in refused {
        tracing::warn!(event = "gateway_domain_refused", reason);
    }
    Table::new(config, &beside.certified, before, secrets)
}

fn put_in_place(shared: &Shared, config: Config, by: &'static str) -> Result<u64, Vec<Fault>> {
    let before = shared.table.load_full();
    let beside = shared.beside.lock().clone();
    let table = match table(config, &beside, Some(&before), &shared.secrets) {
        Ok(table) => table,
        Err(faults) => {
            shared.house.reloads_refused.fetch_add(1, Ordering::Relaxed);
            return Err(faults);
        }
    };
    let version = table.version;
    for (what, same) in [
        ("global.bind_address", before.global.bind == table.global.bind),
        ("global.tls_bind_address", before.global.tls_bind == table.global.tls_bind),
        ("global.metrics_address", before.global.metrics == table.global.metrics),
        ("global.admin_address", before.global.admin == table.global.admin),
        ("global.workers", before.global.workers == table.global.workers),
        // Without a secret, what nodes share was decided at the start.
        (
            "cluster",
            before.cluster.is_some() == table.cluster.is_some() || shared.secrets.is_shared(),
        ),
        ("global.sticky_secret", before.global.sticky_secret == table.global.sticky_secret),
    ] {
        if !same {
            tracing::warn!(event = "gateway_restart_needed", setting = what);
        }
    }
    if before.global.access_log.as_ref().map(|log| &log.path)
        != table.global.access_log.as_ref().map(|log| &log.path)
        || before.global.access_log.as_ref().map(|log| (log.sample, log.client_ip))
            != table.global.access_log.as_ref().map(|log| (log.sample, log.client_ip))
    {
        open_log(shared, &table.global).map_err(|fault| vec![fault])?;
    }
    table.take_effect();
    shared.table.store(Arc::new(table));
    shared.version.store(version, Ordering::Release);
    shared.house.reloads.fetch_add(1, Ordering::Relaxed);
    tracing::info!(event = "gateway_table_changed", version, by);
    Ok(version)
}

pub(crate) fn open_log(shared: &Shared, global: &config::Global) -> Result<(), Fault> {
    let sink = match &global.access_log {
        None => None,
        Some(config) => {
            Some(Sink::open(config.clone(), shared.wall.clone()).map_err(|cause| Fault {
                line: 1,
                path: "global.access_log.path".to_owned(),
                reason: format!("cannot be written: {cause}"),
            })?)
        }
    };
    *shared.log.lock() = sink;
    shared.log_version.fetch_add(1, Ordering::Release);
    Ok(())
}

pub(crate) fn versions(shared: &Shared) -> Value {
    let past = shared.history.0.lock();
    let list: Vec<Value> = past
        .iter()
        .rev()
        .map(|past| {
            json!({
                "version": past.version,
                "at": past.at.rfc3339(),
                "by": past.by,
                "routes": past.config.routes.len(),
                "pools": past.config.pools.len(),
            })
        })
        .collect();
    json!({"serving": shared.table.load().version, "versions": list})
}

fn faults(found: &[Fault]) -> Response<Bytes> {
    let list: Vec<Value> = found
        .iter()
        .map(|fault| json!({"line": fault.line, "field": fault.path, "reason": fault.reason}))
        .collect();
    let value = json!({
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "the configuration has faults; nothing was changed",
        "faults": list,
    });
    json_answer(StatusCode::UNPROCESSABLE_ENTITY, &value)
}

/// Takes a whole file. With `?dry_run=true` it is only checked, and what would change is told.
pub(crate) fn put(shared: &Shared, uri: &Uri, body: &[u8]) -> Response<Bytes> {
    let dry = match uri.query().unwrap_or_default() {
        "" | "dry_run=false" => false,
        "dry_run=true" => true,
        _ => {
            return problem(
                StatusCode::BAD_REQUEST,
                "the only parameter is dry_run, true or false",
            );
        }
    };
    let Ok(text) = std::str::from_utf8(body) else {
        return problem(StatusCode::BAD_REQUEST, "the body is the text of a file, in UTF-8");
    };
    let report = config::check(text, &*shared.variables);
    let Some(config) = report.config else { return faults(&report.faults) };
    if !dry {
        // What nodes tell each other is kept where no secret is to be.
        if shared.outside.is_carried() && config::holds_secret(body) {
            return problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the text holds a secret, and other nodes are told of it; name secrets by ${VARIABLE}, or change the nodes' files; nothing was changed",
            );
        }
        // What is this node's own stays as its file says: other nodes take the same text in.
        let config = match shared.outside.base_config() {
            Some(base) if shared.outside.is_carried() => config.of_node(&base),
            _ => config,
        };
        return applied(apply(shared, config, "admin API"));
    }
    let before = shared.table.load_full();
    let beside = shared.beside.lock().clone();
    let table = match table(config, &beside, Some(&before), &shared.secrets) {
        Ok(table) => table,
        Err(found) => return faults(&found),
    };
    let missing = |from: &Table, to: &Table| -> Vec<String> {
        let labels = from.routes.iter().map(|route| &route.label);
        labels
            .filter(|label| !to.routes.iter().any(|other| other.label == **label))
            .cloned()
            .collect()
    };
    json_answer(
        StatusCode::OK,
        &json!({
            "dry_run": true,
            "routes_added": missing(&table, &before),
            "routes_removed": missing(&before, &table),
            "serving": before.version,
        }),
    )
}

fn applied(done: Result<u64, Vec<Fault>>) -> Response<Bytes> {
    match done {
        Ok(version) => json_answer(StatusCode::OK, &json!({"version": version})),
        Err(found) => faults(&found),
    }
}

/// Back to a version that was in place: `{"version": N}`. It becomes a new version.
pub(crate) fn rollback(shared: &Shared, body: &[u8]) -> Response<Bytes> {
    let Some(version) = edits::field(body, "version").and_then(|value| value.as_u64()) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "send {\"version\": N} with one of GET /v1/gateway/versions",
        );
    };
    let config = {
        let past = shared.history.0.lock();
        past.iter().find(|past| past.version == version).map(|past| past.config.clone())
    };
    match config {
        Some(config) => applied(apply(shared, config, "rollback")),
        None => {
            problem(StatusCode::NOT_FOUND, "this version is not kept; see GET /v1/gateway/versions")
        }
    }
}

/// How a call that is to change something here is told to other nodes; `None` for what concerns this one alone.
pub(crate) fn to_tell(shared: &Shared, method: &Method, uri: &Uri, body: &[u8]) -> Option<Call> {
    let path = uri.path();
    if method == Method::GET || path == "/admin/drain" || uri.query() == Some("dry_run=true") {
        return None;
    }
    let body = if path == "/v1/gateway/rollback" {
        // Each node counts versions for itself.
        let version = edits::field(body, "version")?.as_u64()?;
        let past = shared.history.0.lock();
        let target = past.iter().find(|past| past.version == version)?;
        json!({"origin": target.origin}).to_string()
    } else {
        String::from_utf8_lossy(body).into_owned()
    };
    Some(Call { method: method.to_string(), path: uri.to_string(), body })
}

/// Puts what came of calls to many nodes in place, unless it is already.
pub(crate) fn follow(shared: &Shared, config: Config, origin: &str) -> Result<(), Vec<Fault>> {
    let _turn = shared.changing.lock();
    if shared.history.origin() == origin {
        return Ok(());
    }
    apply_in_turn(shared, config, "other nodes")?;
    shared.history.name(origin.to_owned());
    Ok(())
}

/// The serving configuration with one pool changed.
fn with_pool(
    shared: &Shared,
    pool: &str,
    edit: impl FnOnce(&mut Config) -> Result<(), Refused>,
) -> Response<Bytes> {
    let _turn = shared.changing.lock();
    let Some(mut config) = shared.history.newest() else {
        return problem(StatusCode::CONFLICT, "nothing is in place yet");
    };
    if let Err((status, detail)) = edit(&mut config) {
        let hosted = status == StatusCode::NOT_FOUND
            && !config.pools.iter().any(|known| known.name == pool)
            && shared.table.load().pools.contains_key(pool);
        let detail = if hosted {
            "this pool comes from a tenant's domain; change the domain"
        } else {
            &detail
        };
        return problem(status, detail);
    }
    applied(apply_in_turn(shared, config, "admin API"))
}

pub(crate) fn add(shared: &Shared, pool: &str, body: &[u8]) -> Response<Bytes> {
    with_pool(shared, pool, |config| edits::add(config, pool, body))
}

pub(crate) fn patch(shared: &Shared, pool: &str, address: &str, body: &[u8]) -> Response<Bytes> {
    with_pool(shared, pool, |config| edits::patch(config, pool, address, body))
}

pub(crate) fn remove(shared: &Shared, pool: &str, address: &str) -> Response<Bytes> {
    with_pool(shared, pool, |config| edits::remove(config, pool, address))
}
