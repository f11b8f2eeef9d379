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
use crate::hosted;
use crate::secrets::Secrets;
use crate::shared::{Beside, Shared};
use crate::sharing::{self, Call};
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
        let origin = sharing::digest(&config);
        past.push_back(Past { version, at, by, config, origin });
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
        let done = apply(shared, config, "admin API");
        if let Ok(version) = done
            && shared.outside.is_carried()
            && config::holds_secret(body)
        {
            let note = "other nodes were not told: the text holds a secret; name it by ${VARIABLE}, or change their files";
            return json_answer(StatusCode::OK, &json!({"version": version, "note": note}));
        }
        return applied(done);
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

/// Back to a version that was in place: `{"version": N}`, or, since each node counts for itself, `{"origin": NAME}`.
/// It becomes a new version.
pub(crate) fn rollback(shared: &Shared, body: &[u8]) -> Response<Bytes> {
    let version = field(body, "version").and_then(|value| value.as_u64());
    let origin = field(body, "origin").and_then(|value| value.as_str().map(ToOwned::to_owned));
    if version.is_none() && origin.is_none() {
        return problem(
            StatusCode::BAD_REQUEST,
            "send {\"version\": N} with one of GET /v1/gateway/versions",
        );
    }
    let config = {
        let past = shared.history.0.lock();
        let found = past.iter().rev().find(|past| match (version, &origin) {
            (Some(version), _) => past.version == version,
            (None, origin) => Some(&past.origin) == origin.as_ref(),
        });
        found.map(|past| past.config.clone())
    };
    match config {
        Some(config) => applied(apply(shared, config, "rollback")),
        None => {
            problem(StatusCode::NOT_FOUND, "this version is not kept; see GET /v1/gateway/versions")
        }
    }
}

/// How a call that changed something here is told to other nodes; `None` for what concerns this one alone.
pub(crate) fn to_tell(shared: &Shared, method: &Method, uri: &Uri, body: &[u8]) -> Option<Call> {
    let path = uri.path();
    let dry = uri.query() == Some("dry_run=true");
    // What nodes tell each other is kept where no secret is to be.
    let secret = path == "/v1/gateway/config" && config::holds_secret(body);
    if method == Method::GET || path == "/admin/drain" || dry || secret {
        return None;
    }
    let body = if path == "/v1/gateway/rollback" {
        let past = shared.history.0.lock();
        json!({"origin": past.back()?.origin}).to_string()
    } else {
        String::from_utf8_lossy(body).into_owned()
    };
    Some(Call { method: method.to_string(), path: uri.to_string(), body })
}

/// A status, and what to do.
type Refused = (StatusCode, &'static str);

fn field(body: &[u8], name: &str) -> Option<Value> {
    serde_json::from_slice::<Value>(body).ok()?.get(name).cloned()
}

/// The serving configuration with one pool changed.
fn with_pool(
    shared: &Shared,
    pool: &str,
    edit: impl FnOnce(&mut config::Pool) -> Result<(), Refused>,
) -> Response<Bytes> {
    let _turn = shared.changing.lock();
    let Some(mut config) = shared.history.newest() else {
        return problem(StatusCode::CONFLICT, "nothing is in place yet");
    };
    let Some(found) = config.pools.iter_mut().find(|known| known.name == pool) else {
        let detail = if shared.table.load().pools.contains_key(pool) {
            "this pool comes from a tenant's domain; change the domain"
        } else {
            "there is no pool of this name"
        };
        return problem(StatusCode::NOT_FOUND, detail);
    };
    if let Err((status, detail)) = edit(found) {
        return problem(status, detail);
    }
    applied(apply_in_turn(shared, config, "admin API"))
}

/// Adds an upstream: `{"address": "HOST:PORT", "weight": 1}`. Checks are those of the pool's first member.
pub(crate) fn add(shared: &Shared, pool: &str, body: &[u8]) -> Response<Bytes> {
    let address = field(body, "address").and_then(|value| value.as_str().map(ToOwned::to_owned));
    let Some(address) = address else {
        return problem(
            StatusCode::BAD_REQUEST,
            "send {\"address\": \"HOST:PORT\", \"weight\": 1}",
        );
    };
    let (scheme, address) = match config::parse_address(&address) {
        Ok(parsed) => parsed,
        Err(reason) => {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, &format!("address {reason}"));
        }
    };
    let weight = match weight_of(body) {
        Ok(weight) => weight.unwrap_or(1),
        Err((status, detail)) => return problem(status, detail),
    };
    with_pool(shared, pool, |pool| {
        if pool.backends.iter().any(|backend| backend.address == address) {
            return Err((StatusCode::CONFLICT, "the pool has this upstream already"));
        }
        pool.backends.push(config::Backend {
            weight,
            health: pool.backends.first().and_then(|backend| backend.health.clone()),
            line: pool.line,
            ..config::Backend::plain(scheme, address)
        });
        Ok(())
    })
}

fn weight_of(body: &[u8]) -> Result<Option<u32>, Refused> {
    match field(body, "weight") {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(weight @ 0..=10_000) => Ok(Some(weight as u32)),
            _ => {
                Err((StatusCode::UNPROCESSABLE_ENTITY, "weight is a whole number from 0 to 10000"))
            }
        },
    }
}

/// Changes an upstream: `{"weight": N}`, `{"draining": true}`, or both. Who drains finishes what it has, keeps
/// its sticky clients, and gets nobody new.
pub(crate) fn patch(shared: &Shared, pool: &str, address: &str, body: &[u8]) -> Response<Bytes> {
    let weight = match weight_of(body) {
        Ok(weight) => weight,
        Err((status, detail)) => return problem(status, detail),
    };
    let draining = match field(body, "draining") {
        None => None,
        Some(Value::Bool(draining)) => Some(draining),
        Some(_) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "draining is true or false"),
    };
    if weight.is_none() && draining.is_none() {
        return problem(StatusCode::BAD_REQUEST, "send {\"weight\": N} or {\"draining\": true}");
    }
    with_pool(shared, pool, |pool| {
        let found = pool.backends.iter_mut().find(|backend| backend.address == address);
        let Some(backend) = found else {
            return Err((StatusCode::NOT_FOUND, "the pool has no upstream at this address"));
        };
        backend.weight = weight.unwrap_or(backend.weight);
        backend.draining = draining.unwrap_or(backend.draining);
        Ok(())
    })
}

pub(crate) fn remove(shared: &Shared, pool: &str, address: &str) -> Response<Bytes> {
    with_pool(shared, pool, |pool| {
        let count = pool.backends.len();
        pool.backends.retain(|backend| backend.address != address);
        if pool.backends.len() == count {
            return Err((StatusCode::NOT_FOUND, "the pool has no upstream at this address"));
        }
        Ok(())
    })
}
