//! `/livez`, `/readyz`, `/healthz`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::house::House;
use crate::redis;

/// A worker that was silent for longer is counted as gone.
const SILENT: Duration = Duration::from_secs(60);

/// Whether the process takes new work.
#[derive(Clone, Default)]
pub(crate) struct Readiness {
    draining: CancellationToken,
}

impl Readiness {
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }
}

/// Middleware: ends streams of events when the process drains. They have no end of their own, and their pages connect
/// again elsewhere.
pub(crate) async fn end_streams(
    State(readiness): State<Readiness>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let drained = readiness.draining.cancelled_owned();
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(drained)))
}

#[derive(Clone)]
struct App {
    house: House,
    readiness: Readiness,
    writes: Writes,
}

/// When a write was tried, and how it went.
type Write = Option<(Instant, Result<(), &'static str>)>;

/// Whether the database takes writes: looked at once in a while, however often it is asked.
#[derive(Clone, Default)]
struct Writes(Arc<tokio::sync::Mutex<Write>>);

/// A look is good for this long.
const FRESH: Duration = Duration::from_secs(1);
/// A write that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);

impl Writes {
    async fn look(&self, House { db, files, .. }: &House) -> Result<(), &'static str> {
        // A small write may still find room where a message does not.
        if db.engine() == db::Engine::Sqlite
            && files.disk().space().is_some_and(|space| space.is_used_up())
        {
            return Err("the disk is full");
        }
        let mut seen = self.0.lock().await;
        if let Some((at, outcome)) = *seen
            && at.elapsed() < FRESH
        {
            return outcome;
        }
        let outcome = match tokio::time::timeout(PATIENCE, db.write_probe()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(db::Error::Unavailable(_))) => Err("database unavailable"),
            Ok(Err(_)) => Err("the database takes no writes"),
            Err(_) => Err("the database does not answer in time"),
        };
        *seen = Some((Instant::now(), outcome));
        outcome
    }
}

pub(crate) fn routes(house: House, readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .with_state(App { house, readiness, writes: Writes::default() })
}

async fn livez() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<App>) -> Response {
    if app.readiness.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    // A read says nothing of a disk that is full.
    match app.writes.look(&app.house).await {
        Ok(()) => "ok".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
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
    for fault in tasks::faults().into_iter().filter(tasks::Health::is_ill) {
        let more = json!({
            "panics": fault.panics, "seconds_ago": fault.since.as_secs(), "place": fault.place,
        });
        report(&format!("task {}", fault.name), false, Duration::ZERO, more);
    }
    if let Some(space) = house.files.disk().space() {
        let (free, reserve) = (space.free >> 20, space.reserve >> 20);
        let more = json!({ "free_mib": free, "reserve_mib": reserve });
        report("disk", !space.is_low(), Duration::ZERO, more);
    }
    let status = if degraded { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({
        "status": if degraded { "degraded" } else { "ok" },
        "dependencies": dependencies,
        "descriptors": crate::front::descriptors(),
        "timestamp": house.clock.now().rfc3339(),
    });
    (status, axum::Json(body)).into_response()
}
