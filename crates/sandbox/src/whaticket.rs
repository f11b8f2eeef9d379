//! A Whaticket server without WhatsApp behind it, and the signed webhooks of its kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::faults::{Gate, gate, hang_up};
use crate::{Fault, Faults, Sent, Server};

/// Which version the server speaks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Community,
    Saas,
}

#[derive(Clone)]
struct App {
    token: Arc<Mutex<String>>,
    version: Version,
    sent: Arc<Mutex<Vec<Sent>>>,
    faults: Faults,
    /// E-mail and password; set: the token of a login is taken for sending, too.
    login: Arc<Mutex<Option<(String, String)>>>,
    logins: Arc<AtomicU64>,
    /// The token of the latest login.
    session: Arc<Mutex<String>>,
}

/// The server, and what it saw.
pub struct WhaticketSandbox {
    server: Server,
    app: App,
}

impl WhaticketSandbox {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(token: &str, version: Version) -> std::io::Result<Self> {
        let app = App {
            token: Arc::new(Mutex::new(token.to_owned())),
            version,
            sent: Arc::default(),
            faults: Faults::default(),
            login: Arc::default(),
            logins: Arc::default(),
            session: Arc::default(),
        };
        let router = Router::new()
            .route("/api/messages/send", post(send))
            .route("/auth/login", post(login))
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

    pub fn faults(&self) -> &Faults {
        &self.app.faults
    }

    /// Takes the token of a login for sending, as changed servers do.
    pub fn takes_login(&self, email: &str, password: &str) {
        *self.app.login.lock() = Some((email.to_owned(), password.to_owned()));
    }

    /// How often somebody logged in.
    pub fn logins(&self) -> u64 {
        self.app.logins.load(Ordering::SeqCst)
    }

    /// The latest login's token ends now.
    pub fn end_session(&self) {
        self.app.session.lock().clear();
    }

    /// From now on only this token is right.
    pub fn rotate(&self, token: &str) {
        token.clone_into(&mut self.app.token.lock());
    }
}

/// The headers that sign a webhook body.
pub fn whaticket_signature(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length fits");
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// The body by which Whaticket reports a customer's text.
pub fn whaticket_message(phone: &str, name: &str, text: &str, id: &str, at_seconds: i64) -> Value {
    json!({
        "key": { "remoteJid": format!("{phone}@s.whatsapp.net"), "fromMe": false, "id": id },
        "messageTimestamp": at_seconds, "pushName": name, "broadcast": false,
        "message": { "conversation": text },
    })
}

fn error(status: u16, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": text }))).into_response()
}

fn fail(status: u16, retry_after: Option<u64>) -> Response {
    let mut response = error(status, "Internal server error");
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

async fn login(State(app): State<App>, Json(body): Json<Value>) -> Response {
    let known = app.login.lock().clone();
    let fits = known.is_some_and(|(email, password)| {
        body["email"] == json!(email) && body["password"] == json!(password)
    });
    if !fits {
        return error(401, "ERR_INVALID_CREDENTIALS");
    }
    let count = app.logins.fetch_add(1, Ordering::SeqCst) + 1;
    let token = format!("login-token-{count}");
    app.session.lock().clone_from(&token);
    Json(
        json!({ "token": token, "user": { "id": 1, "name": "Administrador", "profile": "admin" } }),
    )
    .into_response()
}

async fn send(State(app): State<App>, headers: HeaderMap, request: Request) -> Response {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(str::to_owned);
    let Some(bearer) = bearer else {
        return error(401, "ERR_SESSION_EXPIRED");
    };
    let session = app.session.lock().clone();
    let by_login = app.login.lock().is_some() && !session.is_empty() && bearer == session;
    if bearer != *app.token.lock() && !by_login {
        return match app.version {
            Version::Community => {
                error(403, "Invalid token. We'll try to assign a new one on next request")
            }
            Version::Saas => error(401, "Acesso não permitido"),
        };
    }
    let multipart = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("multipart/form-data"));
    let read = if multipart { read_form(request).await } else { read_json(request).await };
    let Some(mut sent) = read else { return error(500, "Internal server error") };
    let digits = !sent.number.is_empty() && sent.number.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return match app.version {
            Version::Community => error(400, "number is a required field"),
            Version::Saas => error(
                400,
                "Não foi possível enviar a mensagem, tente novamente em alguns instantes",
            ),
        };
    }
    let fault = app.faults.take();
    match (&fault, gate(fault.as_ref())) {
        (Some(Fault::Named(name)), _) => return error(400, name),
        (Some(Fault::NotOnWhatsApp), _) => return error(400, "ERR_WAPP_INVALID_CONTACT"),
        (_, Gate::Answer(status, wait)) => return fail(status, wait),
        (_, Gate::HangUp) => return hang_up(),
        (_, Gate::Stall(wait)) => {
            tokio::time::sleep(wait).await;
            return hang_up();
        }
        (_, Gate::Do) => {}
    }
    {
        let mut all = app.sent.lock();
        sent.provider_id = format!("sandbox-{}", all.len() + 1);
        all.push(sent);
    }
    match (&fault, app.version) {
        (None, Version::Community) => StatusCode::OK.into_response(),
        _ => {
            let answer = json!({ "mensagem": "Mensagem enviada" });
            crate::faults::after(fault, answer, StatusCode::OK, fail).await
        }
    }
}

async fn read_json(request: Request) -> Option<Sent> {
    let bytes = Bytes::from_request(request, &()).await.ok()?;
    let body: Value = serde_json::from_slice(&bytes).ok()?;
    Some(Sent {
        instance: String::new(),
        number: body["number"].as_str()?.to_owned(),
        text: body["body"].as_str().unwrap_or_default().to_owned(),
        provider_id: String::new(),
        kind: "text".to_owned(),
        file: None,
    })
}

async fn read_form(request: Request) -> Option<Sent> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let mut sent = Sent {
        instance: String::new(),
        number: String::new(),
        text: String::new(),
        provider_id: String::new(),
        kind: "file".to_owned(),
        file: None,
    };
    while let Some(field) = form.next_field().await.ok()? {
        match field.name().unwrap_or_default() {
            "number" => sent.number = field.text().await.ok()?,
            "body" => sent.text = field.text().await.ok()?,
            "medias" => {
                let mime = field.content_type().unwrap_or_default().to_owned();
                sent.kind = mime.split('/').next().unwrap_or("file").to_owned();
                let bytes = field.bytes().await.ok()?;
                sent.file = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            _ => {}
        }
    }
    Some(sent)
}
