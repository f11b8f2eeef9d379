//! Changes of one pool in a configuration, as the admin API is asked for them.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::Value;

use crate::config::{self, Config};

/// A status, and what to do.
pub(crate) type Refused = (StatusCode, Cow<'static, str>);

/// A field of a JSON body.
pub(crate) fn field(body: &[u8], name: &str) -> Option<Value> {
    serde_json::from_slice::<Value>(body).ok()?.get(name).cloned()
}

fn refused<T>(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Result<T, Refused> {
    Err((status, detail.into()))
}

fn pool<'c>(config: &'c mut Config, name: &str) -> Result<&'c mut config::Pool, Refused> {
    let found = config.pools.iter_mut().find(|known| known.name == name);
    found.ok_or((StatusCode::NOT_FOUND, "there is no pool of this name".into()))
}

/// Adds an upstream: `{"address": "HOST:PORT", "weight": 1}`. Checks are those of the pool's first member.
pub(crate) fn add(config: &mut Config, name: &str, body: &[u8]) -> Result<(), Refused> {
    let address = field(body, "address").and_then(|value| value.as_str().map(ToOwned::to_owned));
    let Some(address) = address else {
        return refused(
            StatusCode::BAD_REQUEST,
            "send {\"address\": \"HOST:PORT\", \"weight\": 1}",
        );
    };
    let (scheme, address) = match config::parse_address(&address) {
        Ok(parsed) => parsed,
        Err(reason) => {
            return refused(StatusCode::UNPROCESSABLE_ENTITY, format!("address {reason}"));
        }
    };
    let weight = weight_of(body)?.unwrap_or(1);
    let pool = pool(config, name)?;
    if pool.backends.iter().any(|backend| backend.address == address) {
        return refused(StatusCode::CONFLICT, "the pool has this upstream already");
    }
    pool.backends.push(config::Backend {
        weight,
        health: pool.backends.first().and_then(|backend| backend.health.clone()),
        line: pool.line,
        ..config::Backend::plain(scheme, address)
    });
    Ok(())
}

fn weight_of(body: &[u8]) -> Result<Option<u32>, Refused> {
    match field(body, "weight").map(|value| value.as_u64()) {
        None => Ok(None),
        Some(Some(weight @ 0..=10_000)) => Ok(Some(weight as u32)),
        Some(_) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, "weight is a whole number from 0 to 10000")
        }
    }
}

/// Changes an upstream: `{"weight": N}`, `{"draining": true}`, or both. Who drains finishes what it has, keeps
/// its sticky clients, and gets nobody new.
pub(crate) fn patch(
    config: &mut Config,
    name: &str,
    address: &str,
    body: &[u8],
) -> Result<(), Refused> {
    let weight = weight_of(body)?;
    let draining = match field(body, "draining") {
        None => None,
        Some(Value::Bool(draining)) => Some(draining),
        Some(_) => {
            return refused(StatusCode::UNPROCESSABLE_ENTITY, "draining is true or false");
        }
    };
    if weight.is_none() && draining.is_none() {
        return refused(StatusCode::BAD_REQUEST, "send {\"weight\": N} or {\"draining\": true}");
    }
    let pool = pool(config, name)?;
    let found = pool.backends.iter_mut().find(|backend| backend.address == address);
    let Some(backend) = found else {
        return refused(StatusCode::NOT_FOUND, "the pool has no upstream at this address");
    };
    backend.weight = weight.unwrap_or(backend.weight);
    backend.draining = draining.unwrap_or(backend.draining);
    Ok(())
}

/// Removes an upstream.
pub(crate) fn remove(config: &mut Config, name: &str, address: &str) -> Result<(), Refused> {
    let pool = pool(config, name)?;
    let count = pool.backends.len();
    pool.backends.retain(|backend| backend.address != address);
    if pool.backends.len() == count {
        return refused(StatusCode::NOT_FOUND, "the pool has no upstream at this address");
    }
    Ok(())
}
