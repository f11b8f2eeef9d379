//! An Evolution API v2 server without WhatsApp behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use kernel::Clock;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::faults::{Gate, gate};
use crate::{Fault, Faults, Server, hang_up};

/// A text or file that a customer's phone received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub instance: String,
    pub number: String,
    pub text: String,
    pub provider_id: String,
    /// `text`, `image`, `audio` … as the phone shows it.
    pub kind: String,
    /// Of a file: its bytes, or where it is.
    pub file: Option<String>,
}

#[derive(Clone)]
struct App {
    clock: Clock,
    api_key: Arc<str>,
    sent: Arc<Mutex<Vec<Sent>>>,
    presences: Arc<Mutex<Vec<(String, String)>>>,
    faults: Faults,
    counter: Arc<AtomicU64>,
    arrived: Arc<Notify>,
    /// Instances that exist; empty: all do.
    instances: Arc<Mutex<HashMap<String, String>>>,
    webhooks: Arc<Mutex<HashMap<String, Value>>>,
    /// Messages as the server has stored them, oldest first, by instance.
    stored: Arc<Mutex<Vec<(String, Value)>>>,
    /// Whether it stores messages, as DATABASE_SAVE_DATA_NEW_MESSAGE says.
    stores: Arc<AtomicBool>,
    /// Files of messages: type and base64 by message id.
    files: Arc<Mutex<HashMap<String, (String, String)>>>,
    /// Numbers that are not on WhatsApp, and those that it knows under another form.
    strangers: Arc<Mutex<Vec<String>>>,
    aliases: Arc<Mutex<HashMap<String, String>>>,
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
        Self::start_at(api_key, Clock::System).await
    }

    /// The same under a clock of the caller's.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_at(api_key: &str, clock: Clock) -> std::io::Result<Self> {
        let app = App {
            clock,
            api_key: api_key.into(),
            sent: Arc::default(),
            presences: Arc::default(),
            faults: Faults::default(),
            counter: Arc::default(),
            arrived: Arc::default(),
            instances: Arc::default(),
            webhooks: Arc::default(),
            stored: Arc::default(),
            stores: Arc::new(AtomicBool::new(true)),
            files: Arc::default(),
            strangers: Arc::default(),
            aliases: Arc::default(),
        };
        let router = Router::new()
            .route("/", get(version))
            .route("/message/sendText/{instance}", post(send_text))
            .route("/message/sendMedia/{instance}", post(send_media))
            .route("/message/sendWhatsAppAudio/{instance}", post(send_audio))
            .route("/chat/sendPresence/{instance}", post(send_presence))
            .route("/chat/whatsappNumbers/{instance}", post(numbers))
            .route("/chat/findMessages/{instance}", post(find_messages))
            .route("/chat/getBase64FromMediaMessage/{instance}", post(file_of))
            .route("/instance/create", post(create))
            .route("/instance/connect/{instance}", get(connect))
            .route("/instance/fetchInstances", get(fetch_instances))
            .route("/instance/connectionState/{instance}", get(state))
            .route("/instance/logout/{instance}", delete(logout))
            .route("/webhook/set/{instance}", post(set_webhook))
            .layer(DefaultBodyLimit::max(200 * 1024 * 1024))
            .with_state(app.clone());
        Ok(Self { server: Server::start(router).await?, app })
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Texts and files that left, in order.
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

    /// The phone reads the code: the instance is connected.
    pub fn pair(&self, instance: &str) {
        self.app.instances.lock().insert(instance.to_owned(), "open".to_owned());
    }

    /// The phone is away: the instance is closed.
    pub fn close(&self, instance: &str) {
        self.app.instances.lock().insert(instance.to_owned(), "close".to_owned());
    }

    /// Where an instance's events go, as it was told.
    pub fn webhook_of(&self, instance: &str) -> Option<Value> {
        self.app.webhooks.lock().get(instance).cloned()
    }

    /// Whether messages are stored and can be found afterwards.
    pub fn stores(&self, stores: bool) {
        self.app.stores.store(stores, Ordering::SeqCst);
    }

    /// A message that WhatsApp brought, stored whether its webhook arrives or not.
    pub fn remember(&self, webhook: &Value) {
        let instance = webhook["instance"].as_str().unwrap_or_default().to_owned();
        self.app.stored.lock().push((instance, webhook["data"].clone()));
    }

    /// The file behind a message.
    pub fn file(&self, message: &str, mime: &str, bytes: &[u8]) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.app.files.lock().insert(message.to_owned(), (mime.to_owned(), encoded));
    }

    /// This number is not on WhatsApp.
    pub fn stranger(&self, number: &str) {
        self.app.strangers.lock().push(number.to_owned());
    }

    /// WhatsApp knows this number under another form.
    pub fn alias(&self, number: &str, known_as: &str) {
        self.app.aliases.lock().insert(number.to_owned(), known_as.to_owned());
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

fn wrong_key(app: &App, headers: &HeaderMap) -> Option<Response> {
    let key = headers.get("apikey").and_then(|value| value.to_str().ok());
    (key != Some(&*app.api_key))
        .then(|| error(StatusCode::UNAUTHORIZED, "Unauthorized", json!("Unauthorized")))
}

/// The refusal of a call that may not be made.
fn refusal(app: &App, headers: &HeaderMap, instance: &str) -> Option<Response> {
    if let Some(refused) = wrong_key(app, headers) {
        return Some(refused);
    }
    let instances = app.instances.lock();
    if !instances.is_empty() && !instances.contains_key(instance) {
        let text = format!("The \"{instance}\" instance does not exist");
        return Some(error(StatusCode::NOT_FOUND, "Not Found", json!([text])));
    }
    None
}

fn fail(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response =
        error(status, status.canonical_reason().unwrap_or("Error"), json!(["sandbox fault"]));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

async fn send_text(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (Some(number), Some(text)) = (body["number"].as_str(), body["text"].as_str()) else {
        let lines = json!([[
            "instance requires property \"number\"",
            "instance requires property \"text\""
        ]]);
        return refusal(&app, &headers, &instance)
            .unwrap_or_else(|| error(StatusCode::BAD_REQUEST, "Bad Request", lines));
    };
    let message = json!({ "conversation": text });
    let going = Going { number, text, kind: "text", file: None, message };
    send(&app, &instance, &headers, going).await
}

async fn send_media(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let kind = body["mediatype"].as_str().unwrap_or_default();
    let known = ["image", "video", "document", "audio"].contains(&kind);
    let (Some(number), Some(file), true) = (body["number"].as_str(), body["media"].as_str(), known)
    else {
        let lines = json!([["instance requires property \"mediatype\""]]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", lines);
    };
    let text = body["caption"].as_str().unwrap_or_default();
    let message = json!({ (format!("{kind}Message")): {
        "caption": text, "mimetype": body["mimetype"], "fileName": body["fileName"] } });
    let going = Going { number, text, kind, file: Some(file), message };
    send(&app, &instance, &headers, going).await
}

async fn send_audio(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (Some(number), Some(file)) = (body["number"].as_str(), body["audio"].as_str()) else {
        let lines = json!([["instance requires property \"audio\""]]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", lines);
    };
    let message = json!({ "audioMessage": { "ptt": true, "mimetype": "audio/ogg; codecs=opus" } });
    let going = Going { number, text: "", kind: "voice", file: Some(file), message };
    send(&app, &instance, &headers, going).await
}

struct Going<'a> {
    number: &'a str,
    text: &'a str,
    kind: &'a str,
    file: Option<&'a str>,
    message: Value,
}

async fn send(app: &App, instance: &str, headers: &HeaderMap, going: Going<'_>) -> Response {
    if let Some(refused) = refusal(app, headers, instance) {
        return refused;
    }
    let number = going.number;
    let closed = app.instances.lock().get(instance).is_some_and(|state| state != "open");
    if closed {
        let text = json!(["Error: Connection Closed"]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", text);
    }
    let fault = app.faults.take();
    let absent = fault == Some(Fault::NotOnWhatsApp)
        || app.strangers.lock().iter().any(|stranger| stranger == number);
    if absent {
        let jid = format!("{number}@s.whatsapp.net");
        let message = json!([{ "jid": jid, "exists": false, "number": number }]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", message);
    }
    match gate(fault.as_ref()) {
        Gate::Answer(status, wait) => return fail(status, wait),
        Gate::HangUp => return hang_up(),
        Gate::Stall(wait) => {
            tokio::time::sleep(wait).await;
            return hang_up();
        }
        Gate::Do => {}
    }
    let id = format!("3EB0{:016X}", app.counter.fetch_add(1, Ordering::SeqCst) + 1);
    let jid =
        if number.contains('@') { number.to_owned() } else { format!("{number}@s.whatsapp.net") };
    let answer = json!({
        "key": { "remoteJid": jid, "fromMe": true, "id": id },
        "pushName": "Você", "status": "PENDING", "message": going.message,
        "contextInfo": null, "messageType": "conversation", "messageTimestamp": app.clock.now().0.div_euclid(1_000_000),
        "instanceId": "00000000-0000-4000-8000-000000000000", "source": "web",
    });
    app.sent.lock().push(Sent {
        instance: instance.to_owned(),
        number: number.to_owned(),
        text: going.text.to_owned(),
        provider_id: id,
        kind: going.kind.to_owned(),
        file: going.file.map(str::to_owned),
    });
    app.stored.lock().push((instance.to_owned(), answer.clone()));
    app.arrived.notify_waiters();
    crate::faults::after(fault, answer, StatusCode::CREATED, fail).await
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

async fn create(State(app): State<App>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refused) = wrong_key(&app, &headers) {
        return refused;
    }
    let Some(name) = body["instanceName"].as_str() else {
        let lines = json!([["instance requires property \"instanceName\""]]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", lines);
    };
    let mut instances = app.instances.lock();
    if instances.contains_key(name) {
        let text = json!([format!("This name \"{name}\" is already in use.")]);
        return error(StatusCode::FORBIDDEN, "Forbidden", text);
    }
    instances.insert(name.to_owned(), "close".to_owned());
    if body["webhook"].is_object() {
        app.webhooks.lock().insert(name.to_owned(), body["webhook"].clone());
    }
    let answer = json!({ "instance": { "instanceName": name, "status": "connecting" },
        "hash": "00000000-FAKE-FAKE-FAKE-000000000000", "qrcode": qr(name) });
    (StatusCode::CREATED, Json(answer)).into_response()
}

fn qr(instance: &str) -> Value {
    json!({ "pairingCode": null, "code": format!("2@sandbox-code-of-{instance}"), "count": 1,
        "base64": "data:image/png;base64,iVBORw0KGgo=" })
}

async fn connect(
    State(app): State<App>,
    Path(instance): Path<String>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    if let Some(Fault::Garbage) = app.faults.take() {
        return Json(json!({ "error": true, "message": "sandbox fault" })).into_response();
    }
    let mut instances = app.instances.lock();
    if instances.get(&instance).is_some_and(|state| state == "open") {
        let body = json!({ "instance": { "instanceName": instance, "state": "open" } });
        return Json(body).into_response();
    }
    instances.insert(instance.clone(), "connecting".to_owned());
    let mut answer = qr(&instance);
    if asked.contains_key("number") {
        answer["pairingCode"] = json!("WZYEH1YY");
    }
    Json(answer).into_response()
}

async fn fetch_instances(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(refused) = wrong_key(&app, &headers) {
        return refused;
    }
    let instances = app.instances.lock();
    let rows: Vec<Value> = instances
        .iter()
        .map(|(name, state)| {
            let owner = (state == "open").then_some("5511900000099@s.whatsapp.net");
            json!({ "name": name, "connectionStatus": state, "ownerJid": owner, "token": "SECRET" })
        })
        .collect();
    Json(rows).into_response()
}

async fn logout(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let mut instances = app.instances.lock();
    if instances.get(&instance).is_some_and(|state| state == "close") {
        let text = json!([format!("The \"{instance}\" instance is not connected")]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", text);
    }
    instances.insert(instance, "close".to_owned());
    let body = json!({ "status": "SUCCESS", "error": false, "response": { "message": "Instance logged out" } });
    Json(body).into_response()
}

async fn set_webhook(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let webhook = &body["webhook"];
    if !webhook["enabled"].is_boolean() || !webhook["url"].is_string() {
        let lines = json!([["instance requires property \"webhook\""]]);
        return error(StatusCode::BAD_REQUEST, "Bad Request", lines);
    }
    app.webhooks.lock().insert(instance, webhook.clone());
    let row = json!({ "id": "sandbox", "url": webhook["url"], "enabled": true,
        "events": webhook["events"], "webhookByEvents": false, "webhookBase64": true });
    (StatusCode::CREATED, Json(row)).into_response()
}

async fn numbers(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let asked = body["numbers"].as_array().cloned().unwrap_or_default();
    let rows: Vec<Value> = asked
        .iter()
        .filter_map(Value::as_str)
        .map(|number| {
            let exists = !app.strangers.lock().iter().any(|stranger| stranger == number);
            let known =
                app.aliases.lock().get(number).cloned().unwrap_or_else(|| number.to_owned());
            json!({ "jid": format!("{known}@s.whatsapp.net"), "exists": exists, "number": number })
        })
        .collect();
    Json(rows).into_response()
}

/// Seconds of an ISO date such as `2026-01-05T12:00:00Z`.
fn seconds(date: &Value) -> Option<i64> {
    let date: jiff::Timestamp = date.as_str()?.parse().ok()?;
    Some(date.as_second())
}

async fn find_messages(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    let filter = &body["where"];
    let range = &filter["messageTimestamp"];
    let (from, to) = (seconds(&range["gte"]), seconds(&range["lte"]));
    let key = &filter["key"];
    let mut found: Vec<Value> = Vec::new();
    if app.stores.load(Ordering::SeqCst) {
        for (of, message) in app.stored.lock().iter().rev() {
            let at = message["messageTimestamp"].as_i64().unwrap_or_default();
            let fits = *of == instance
                && from.is_none_or(|from| at >= from)
                && to.is_none_or(|to| at <= to)
                && (key["remoteJid"].is_null() || key["remoteJid"] == message["key"]["remoteJid"])
                && (key["fromMe"] != json!(true) || message["key"]["fromMe"] == json!(true));
            if fits {
                found.push(message.clone());
            }
        }
    }
    let size = body["offset"].as_u64().unwrap_or(50).max(1);
    let page = body["page"].as_u64().unwrap_or(1).max(1);
    let total = found.len() as u64;
    let skip = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
    let take = usize::try_from(size).unwrap_or(usize::MAX);
    let records: Vec<Value> = found.into_iter().skip(skip).take(take).collect();
    Json(json!({ "messages": { "total": total, "pages": total.div_ceil(size), "currentPage": page,
        "records": records } }))
    .into_response()
}

async fn file_of(
    State(app): State<App>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = refusal(&app, &headers, &instance) {
        return refused;
    }
    if let Some(Fault::Status(status)) = app.faults.take() {
        return fail(status, None);
    }
    let id = body["message"]["key"]["id"].as_str().unwrap_or_default();
    match app.files.lock().get(id) {
        Some((mime, encoded)) => {
            let answer = json!({ "mediaType": "audioMessage", "fileName": "x", "mimetype": mime,
                "base64": encoded });
            (StatusCode::CREATED, Json(answer)).into_response()
        }
        None => error(StatusCode::BAD_REQUEST, "Bad Request", json!(["Message not found"])),
    }
}
