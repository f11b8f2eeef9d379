//! `/livez`, `/readyz`, `/healthz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::house::House;
use crate::redis;

/// A worker that was silent for longer is counted as gone.
const SILENT: Duration = Duration::from_secs(60);

/// Whether the process takes new work.
#[derive(Clone, Default)]
pub(crate) struct Readiness {
    draining: Arc<AtomicBool>,
}

impl Readiness {
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct App {
    house: House,
    readiness: Readiness,
}

pub(crate) fn routes(house: House, readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .with_state(App { house, readiness })
}

async fn livez() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<App>) -> Response {
    if app.readiness.draining.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    match app.house.db.ping().await {
        Ok(_) => "ok".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "database unavailable").into_response(),
    }
}

fn ms(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 100_000.0).round() / 100.0
}

async fn healthz(State(app): State<App>) -> Response {
    let house = &app.house;
    let mut dependencies = Map::new();
    let mut degraded = false;
    let mut report = |name: &str, up: bool, elapsed: Duration, more: Value| {
        degraded |= !up;
        let mut line =
            json!({ "status": if up { "ok" } else { "down" }, "latency_ms": ms(elapsed) });
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        dependencies.insert(name.to_owned(), line);
    };
    let started = Instant::now();
    let up = house.db.ping().await.is_ok();
    report("database", up, started.elapsed(), json!({ "engine": house.db.engine().name() }));
    if let Some(address) = &house.config.redis_url {
        let started = Instant::now();
        let pong = redis::ping(address).await;
        let more = pong.as_ref().err().map_or(json!({}), |error| json!({ "error": error }));
        report("redis", pong.is_ok(), started.elapsed(), more);
    }
    let started = Instant::now();
    let age = queue::heartbeat_age(&house.db, house.clock.now()).await.ok().flatten();
    let alive = age.is_some_and(|age| age < SILENT);
    let more = json!({ "heartbeat_age_seconds": age.map(|age| age.as_secs()) });
    report("worker", alive, started.elapsed(), more);
    let status = if degraded { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({
        "status": if degraded { "degraded" } else { "ok" },
        "dependencies": dependencies,
        "timestamp": house.clock.now().rfc3339(),
    });
    (status, axum::Json(body)).into_response()
}
