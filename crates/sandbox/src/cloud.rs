//! Meta's Graph API without WhatsApp behind it, and the signed webhooks of its kind.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::faults::{Gate, gate, hang_up};
use crate::{Fault, Faults, Sent, Server};

/// Type and bytes.
type Blob = (String, Vec<u8>);

#[derive(Clone)]
struct App {
    address: Arc<Mutex<String>>,
    token: Arc<Mutex<String>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    bodies: Arc<Mutex<Vec<Value>>>,
    reads: Arc<Mutex<Vec<Value>>>,
    faults: Faults,
    counter: Arc<AtomicU64>,
    /// Files by id.
    files: Arc<Mutex<HashMap<String, Blob>>>,
    aliases: Arc<Mutex<HashMap<String, String>>>,
}

/// The server, and what it saw.
pub struct CloudSandbox {
    server: Server,
    app: App,
}

impl CloudSandbox {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(token: &str) -> std::io::Result<Self> {
        let app = App {
            address: Arc::default(),
            token: Arc::new(Mutex::new(token.to_owned())),
            sent: Arc::default(),
            bodies: Arc::default(),
            reads: Arc::default(),
            faults: Faults::default(),
            counter: Arc::default(),
            files: Arc::default(),
            aliases: Arc::default(),
        };
        let router = Router::new()
            .route("/{id}/messages", post(messages))
            .route("/{id}/media", post(upload))
            .route("/{id}", get(node))
            .route("/files/{id}", get(download))
            .layer(DefaultBodyLimit::max(200 * 1024 * 1024))
            .with_state(app.clone());
        let server = Server::start(router).await?;
        *app.address.lock() = format!("http://{}", server.address);
        Ok(Self { server, app })
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Texts and files that left, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.app.sent.lock().clone()
    }

    /// Bodies of the messages that left, as they were posted.
    pub fn bodies(&self) -> Vec<Value> {
        self.app.bodies.lock().clone()
    }

    /// Bodies by which messages were marked as read, or "typing…" was shown.
    pub fn reads(&self) -> Vec<Value> {
        self.app.reads.lock().clone()
    }

    pub fn faults(&self) -> &Faults {
        &self.app.faults
    }

    /// The file behind an id.
    pub fn file(&self, id: &str, mime: &str, bytes: &[u8]) {
        self.app.files.lock().insert(id.to_owned(), (mime.to_owned(), bytes.to_vec()));
    }

    /// WhatsApp knows this number under another form.
    pub fn alias(&self, number: &str, known_as: &str) {
        self.app.aliases.lock().insert(number.to_owned(), known_as.to_owned());
    }

    /// From now on only this token is right.
    pub fn rotate(&self, token: &str) {
        token.clone_into(&mut self.app.token.lock());
    }
}

/// The value of `X-Hub-Signature-256` for a body.
pub fn cloud_signature(app_secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("any key length fits");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// One change of field `messages`, with this value.
pub fn cloud_change(phone_number_id: &str, value: &Value) -> Value {
    let mut value = value.clone();
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({ "display_phone_number": "551130000001", "phone_number_id": phone_number_id });
    json!({ "field": "messages", "value": value })
}

/// A webhook body of these changes.
pub fn cloud_event(account: &str, changes: &[Value]) -> Value {
    json!({ "object": "whatsapp_business_account",
        "entry": [{ "id": account, "changes": changes }] })
}

/// The webhook body by which Meta reports a customer's text.
pub fn cloud_message(
    phone_number_id: &str,
    phone: &str,
    name: &str,
    text: &str,
    id: &str,
    at_seconds: i64,
) -> Value {
    let value = json!({
        "contacts": [{ "profile": { "name": name }, "wa_id": phone }],
        "messages": [{ "from": phone, "id": id, "timestamp": at_seconds.to_string(),
            "type": "text", "text": { "body": text } }],
    });
    cloud_event("102290129340398", &[cloud_change(phone_number_id, &value)])
}

/// The webhook body by which Meta reports how far a message of ours is.
pub fn cloud_status(
    phone_number_id: &str,
    provider_id: &str,
    status: &str,
    key: Option<&str>,
    at_seconds: i64,
) -> Value {
    let mut one = json!({ "id": provider_id, "status": status, "timestamp": at_seconds.to_string(),
        "recipient_id": "5511900000001" });
    if let Some(key) = key {
        one["biz_opaque_callback_data"] = json!(key);
    }
    cloud_event("102290129340398", &[cloud_change(phone_number_id, &json!({ "statuses": [one] }))])
}

fn graph_error(status: u16, code: i64, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ "error": { "message": format!("(#{code}) {message}"), "type": "OAuthException",
        "code": code, "error_data": { "messaging_product": "whatsapp", "details": message },
        "fbtrace_id": "sandbox" } });
    (status, Json(body)).into_response()
}

fn fail(status: u16, retry_after: Option<u64>) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match status {
        429 => graph_error(429, 130_429, "Rate limit hit"),
        // As a proxy of Meta's answers: not in Meta's own words.
        _ => (code, "upstream error").into_response(),
    };
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn wrong_token(app: &App, headers: &HeaderMap) -> Option<Response> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    (bearer != Some(app.token.lock().as_str()))
        .then(|| graph_error(401, 190, "Invalid OAuth access token"))
}

async fn messages(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = wrong_token(&app, &headers) {
        return refused;
    }
    if body["messaging_product"] != "whatsapp" {
        return graph_error(400, 100, "The parameter messaging_product is required.");
    }
    if body["status"] == "read" {
        app.reads.lock().push(body);
        return Json(json!({ "success": true })).into_response();
    }
    let kind = body["type"].as_str().unwrap_or_default().to_owned();
    let (Some(number), true) = (body["to"].as_str(), body[&kind].is_object()) else {
        return graph_error(400, 131_008, "Required parameter is missing");
    };
    let fault = app.faults.take();
    match (&fault, gate(fault.as_ref())) {
        (Some(Fault::Code(code, status)), _) => {
            return graph_error(*status, *code, "sandbox fault");
        }
        (Some(Fault::NotOnWhatsApp), _) => {
            return graph_error(400, 131_026, "Message undeliverable");
        }
        (_, Gate::Answer(status, wait)) => return fail(status, wait),
        (_, Gate::HangUp) => return hang_up(),
        (_, Gate::Stall(wait)) => {
            tokio::time::sleep(wait).await;
            return hang_up();
        }
        (_, Gate::Do) => {}
    }
    let count = app.counter.fetch_add(1, Ordering::SeqCst) + 1;
    let provider_id = format!("wamid.SANDBOX{count:08}");
    let inner = &body[&kind];
    let said = [&inner["body"], &inner["caption"], &inner["body"]["text"], &inner["name"]]
        .into_iter()
        .find_map(Value::as_str);
    let file = inner["id"].as_str().or_else(|| inner["link"].as_str());
    let wa_id = app.aliases.lock().get(number).cloned().unwrap_or_else(|| number.to_owned());
    app.sent.lock().push(Sent {
        instance: id,
        number: number.to_owned(),
        text: said.unwrap_or_default().to_owned(),
        provider_id: provider_id.clone(),
        kind: kind.clone(),
        file: file.map(str::to_owned),
    });
    let answer = json!({ "messaging_product": "whatsapp",
        "contacts": [{ "input": number, "wa_id": wa_id }], "messages": [{ "id": provider_id }] });
    app.bodies.lock().push(body);
    crate::faults::after(fault, answer, StatusCode::OK, fail).await
}

async fn upload(State(app): State<App>, headers: HeaderMap, mut form: Multipart) -> Response {
    if let Some(refused) = wrong_token(&app, &headers) {
        return refused;
    }
    let mut file = None;
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() == Some("file") {
            let mime = field.content_type().unwrap_or_default().to_owned();
            file = field.bytes().await.ok().map(|bytes| (mime, bytes.to_vec()));
        }
    }
    let Some(file) = file else { return graph_error(400, 131_008, "file is missing") };
    let id = format!("{}", 4_490_000_000 + app.counter.fetch_add(1, Ordering::SeqCst));
    app.files.lock().insert(id.clone(), file);
    Json(json!({ "id": id })).into_response()
}

/// A number, or a file.
async fn node(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = wrong_token(&app, &headers) {
        return refused;
    }
    if let Some((mime, bytes)) = app.files.lock().get(&id) {
        let url = format!("{}/files/{id}", app.address.lock());
        return Json(json!({ "messaging_product": "whatsapp", "id": id, "mime_type": mime,
            "file_size": bytes.len().to_string(), "url": url }))
        .into_response();
    }
    if id.len() > 20 {
        return graph_error(404, 100, "Object does not exist");
    }
    Json(json!({ "id": id, "display_phone_number": "+55 11 3000-0001", "quality_rating": "GREEN" }))
        .into_response()
}

async fn download(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if wrong_token(&app, &headers).is_some() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(Fault::Status(status)) = app.faults.take() {
        return fail(status, None);
    }
    match app.files.lock().get(&id) {
        Some((mime, bytes)) => {
            ([(header::CONTENT_TYPE, mime.clone())], bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
