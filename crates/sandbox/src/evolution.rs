//! An Evolution API v2 server without WhatsApp behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{Fault, Faults, Server};

/// A text that a customer's phone received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub instance: String,
    pub number: String,
    pub text: String,
    pub provider_id: String,
}

#[derive(Clone)]
struct App {
    api_key: Arc<str>,
    sent: Arc<Mutex<Vec<Sent>>>,
    presences: Arc<Mutex<Vec<(String, String)>>>,
    faults: Faults,
    counter: Arc<AtomicU64>,
    arrived: Arc<Notify>,
    /// Instances that exist; empty: all do.
    instances: Arc<Mutex<HashMap<String, String>>>,
}

/// The server, and what it saw.
pub struct EvolutionSandbox {
    server: Server,
    app: App,
}

impl EvolutionSandbox {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(api_key: &str) -> std::io::Result<Self> {
        let app = App {
            api_key: api_key.into(),
            sent: Arc::default(),
            presences: Arc::default(),
            faults: Faults::default(),
            counter: Arc::default(),
            arrived: Arc::default(),
            instances: Arc::default(),
        };
        let router = Router::new()
            .route("/", get(version))
            .route("/message/sendText/{instance}", post(send_text))
            .route("/chat/sendPresence/{instance}", post(send_presence))
            .route("/instance/connectionState/{instance}", get(state))
            .with_state(app.clone());
        Ok(Self { server: Server::start(router).await?, app })
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Texts that left, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.app.sent.lock().clone()
    }

    /// Numbers that were shown "typing…", with the kind of presence.
    pub fn presences(&self) -> Vec<(String, String)> {
        self.app.presences.lock().clone()
    }

    pub fn faults(&self) -> &Faults {
        &self.app.faults
    }

    /// Knows only these instances from now on, with their state.
    pub fn only_instances(&self, instances: &[(&str, &str)]) {
        *self.app.instances.lock() = instances
            .iter()
            .map(|(name, state)| ((*name).to_owned(), (*state).to_owned()))
            .collect();
    }

    /// Waits until at least this many texts left. Returns them all.
    pub async fn wait_for(&self, count: usize, longest: Duration) -> Vec<Sent> {
        let deadline = tokio::time::Instant::now() + longest;
        loop {
            let arrived = self.app.arrived.notified();
            let sent = self.sent();
            if sent.len() >= count || tokio::time::Instant::now() >= deadline {
                return sent;
            }
            let _ = tokio::time::timeout_at(deadline, arrived).await;
        }
    }
}

/// The webhook body by which Evolution 2.3 reports a customer's text.
pub fn customer_message(
    instance: &str,
    phone: &str,
    name: &str,
    text: &str,
    id: &str,
    at_seconds: i64,
) -> Value {
    json!({
        "event": "messages.upsert",
        "instance": instance,
        "data": {
            "key": { "remoteJid": format!("{phone}@s.whatsapp.net"), "fromMe": false, "id": id },
            "pushName": name,
            "status": "DELIVERY_ACK",
            "message": { "conversation": text },
            "messageType": "conversation",
            "messageTimestamp": at_seconds,
            "instanceId": "00000000-0000-4000-8000-000000000000",
            "source": "android",
        },
        "destination": "http://127.0.0.1/webhook/evolution",
        "date_time": "2026-01-01T12:00:00.000Z",
        "sender": "5511900000099@s.whatsapp.net",
        "server_url": "http://127.0.0.1",
        "apikey": "00000000-0000-4000-8000-000000000000",
    })
}

async fn version() -> Json<Value> {
    Json(
        json!({ "status": 200, "message": "sandbox", "version": "2.3.6", "clientName": "sandbox" }),
    )
}

fn error(status: StatusCode, name: &str, message: Value) -> Response {
    let body =
        json!({ "status": status.as_u16(), "error": name, "response": { "message": message } });
    (status, Json(body)).into_response()
}

/// The refusal of a call that may not be made.
fn refusal(app: &App, headers: &HeaderMap, instance: &str) -> Option<Response> {
    let key = headers.get("apikey").and_then(|value| value.to_str().ok());
    if key != Some(&*app.api_key) {
        return Some(error(StatusCode::UNAUTHORIZED, "Unauthorized", json!("Unauthorized")));
    }
    let instances = app.instances.lock();
    if !instances.is_empty() && !instances.contains_key(instance) {
        let text = format!("The \"{instance}\" instance does not exist");
        return Some(error(StatusCode::NOT_FOUND, "Not Found", json!([text])));
    }
    None
}

/// Ends the connection without a word, as a crashing server does.
fn hang_up() -> Response {
    let broken =
        futures_util::stream::iter([Err::<bytes::Bytes, _>(std::io::Error::other("gone"))]);
    Response::builder()
        .status(201)
        .header("content-length", "1000")
        .body(axum::body::Body::from_stream(broken))
        .expect("a valid response")
}

async fn send_text(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let (Some(number), Some(text)) = (body["number"].as_str(), body["text"].as_str()) else {
        let lines = json!([[
            "instance requires property \"number\"",
            "instance requires property \"text\""
        ]]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", lines);
    };
    let fault = app.faults.take();
    match &fault {
        Some(Fault::Status(status)) => return fail(*status),
        Some(Fault::Silent) => return hang_up(),
        Some(Fault::NotOnWhatsApp) => {
            let jid = format!("{number}@s.whatsapp.net");
            let message = json!([{ "jid": jid, "exists": false, "number": number }]);
            return error(StatusCode::BAD_REQUEST, "Bad Request", message);
        }
        _ => {}
    }
    let id = format!("3EB0{:016X}", app.counter.fetch_add(1, Ordering::SeqCst) + 1);
    app.sent.lock().push(Sent {
        instance,
        number: number.to_owned(),
        text: text.to_owned(),
        provider_id: id.clone(),
    });
    app.arrived.notify_waiters();
    match fault {
        Some(Fault::DoneButStatus(status)) => return fail(status),
        Some(Fault::DoneButSilent) => return hang_up(),
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::Garbage) => return (StatusCode::OK, "<html>?</html>").into_response(),
        _ => {}
    }
    let jid =
        if number.contains('@') { number.to_owned() } else { format!("{number}@s.whatsapp.net") };
    let answer = json!({
        "key": { "remoteJid": jid, "fromMe": true, "id": id },
        "pushName": "Você", "status": "PENDING", "message": { "conversation": text },
        "contextInfo": null, "messageType": "conversation", "messageTimestamp": 1_767_268_800,
        "instanceId": "00000000-0000-4000-8000-000000000000", "source": "web",
    });
    (StatusCode::CREATED, Json(answer)).into_response()
}

fn fail(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error(status, status.canonical_reason().unwrap_or("Error"), json!(["sandbox fault"]))
}

async fn send_presence(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let complete = body["number"].is_string() && body["delay"].is_u64();
    let Some(presence) = body["presence"].as_str().filter(|_| complete) else {
        let lines = json!([["instance requires property \"delay\""]]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", lines);
    };
    let number = body["number"].as_str().unwrap_or_default().to_owned();
    app.presences.lock().push((number, presence.to_owned()));
    (StatusCode::CREATED, Json(json!({ "presence": presence }))).into_response()
}

async fn state(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let state = app.instances.lock().get(&instance).cloned().unwrap_or_else(|| "open".to_owned());
    Json(json!({ "instance": { "instanceName": instance, "state": state } })).into_response()
}
