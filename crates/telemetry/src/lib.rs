//! Logs and metrics for operators, with nothing personal in them.
//!
//! A log line is one JSON object: `level`, `timestamp` (RFC 3339, UTC), `tenant_id`, `component`,
//! `event` (one of [`EVENTS`]) and `metadata`.

mod events;
mod redact;

use std::fmt::Write as _;
use std::io::Write as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

pub use events::EVENTS;
pub use redact::redact;

/// Rooms of this house; anything else that logs is a library and must be at least a warning.
const ROOMS: &[&str] = &[
    "assistant",
    "channels",
    "db",
    "files",
    "gateway",
    "hooks",
    "identity",
    "inbox",
    "isolation",
    "kernel",
    "knowledge",
    "messaging",
    "models",
    "notices",
    "oidc",
    "panel",
    "passkeys",
    "portaria",
    "queue",
    "sandbox",
    "tasks",
    "telemetry",
    "tenancy",
    "ui",
    "web",
];

/// Sends log lines to standard error. Call once; a second call is ignored.
pub fn init_logs(level: Level) {
    let subscriber = tracing_subscriber::registry().with(JsonLines { level });
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct JsonLines {
    level: Level,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn enabled(&self, meta: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let room = meta.target().split("::").next().unwrap_or_default();
        let limit = if ROOMS.contains(&room) { self.level } else { Level::WARN };
        *meta.level() <= limit
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = line(event);
        // One write per line, so that lines of different threads do not mix.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

#[expect(clippy::disallowed_methods, reason = "log lines carry wall-clock time, not the test's")]
fn line(event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let meta = event.metadata();
    let component = meta.target().split("::").next().unwrap_or_default();
    let value = json!({
        "level": meta.level().as_str().to_lowercase(),
        "timestamp": jiff::Timestamp::now().to_string(),
        "tenant_id": fields.tenant.filter(|tenant| !tenant.is_empty()),
        "component": component,
        "event": fields.event.unwrap_or_else(|| "library_log".to_owned()),
        "metadata": fields.rest,
    });
    format!("{value}\n")
}

#[derive(Default)]
struct Fields {
    event: Option<String>,
    tenant: Option<String>,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let text = || value.as_str().unwrap_or_default().to_owned();
        match field.name() {
            "event" => self.event = Some(text()),
            "tenant_id" => self.tenant = Some(text()),
            name => {
                let value = match value {
                    Value::String(text) => Value::String(redact(&text)),
                    other => other,
                };
                self.rest.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.put(field, Value::String(text));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

/// Collects metrics for `/metrics`. Call once per process.
///
/// # Errors
/// When a recorder is installed already.
pub fn init_metrics() -> Result<PrometheusHandle, String> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0],
        )
        .map_err(|error| error.to_string())?
        .install_recorder()
        .map_err(|error| error.to_string())
}
