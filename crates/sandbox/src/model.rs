//! An OpenAI-compatible server without a model behind it: it answers from what it is told to say,
//! or with the first source of the prompt.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{Fault, Faults, Server};

#[derive(Clone)]
struct App {
    replies: Arc<Mutex<VecDeque<Value>>>,
    /// The body of every answer, whatever is asked.
    always: Arc<Mutex<Option<Value>>>,
    heard: Arc<Mutex<VecDeque<String>>>,
    asked: Arc<Mutex<Vec<Value>>>,
    faults: Faults,
}

/// The server, and what it was asked.
pub struct ModelSandbox {
    server: Server,
    app: App,
}

impl ModelSandbox {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let app = App {
            replies: Arc::default(),
            always: Arc::default(),
            heard: Arc::default(),
            asked: Arc::default(),
            faults: Faults::default(),
        };
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1beta/models/{call}", post(generate))
            .route("/v1/embeddings", post(embeddings))
            .route("/v1/audio/transcriptions", post(transcribe))
            .with_state(app.clone());
        Ok(Self { server: Server::start(router).await?, app })
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address)
    }

    /// The next answer says this.
    pub fn will_say(&self, text: &str) {
        self.app.replies.lock().push_back(json!({ "role": "assistant", "content": text }));
    }

    /// Every answer has this body from now on.
    pub fn always_answers(&self, body: Value) {
        *self.app.always.lock() = Some(body);
    }

    /// Where it speaks Gemini's API.
    pub fn gemini_url(&self) -> String {
        format!("http://{}/v1beta", self.server.address)
    }

    /// In the next recording it hears this.
    pub fn will_hear(&self, text: &str) {
        self.app.heard.lock().push_back(text.to_owned());
    }

    /// The next answer calls the hand-off tool.
    pub fn will_hand_off(&self, reason: &str) {
        self.app.replies.lock().push_back(json!({
            "role": "assistant", "content": null,
            "tool_calls": [{ "id": "call_1", "type": "function", "function": {
                "name": "hand_off_to_person", "arguments": json!({ "reason": reason }).to_string() } }],
        }));
    }

    /// Bodies of the calls, in order.
    pub fn asked(&self) -> Vec<Value> {
        self.app.asked.lock().clone()
    }

    pub fn faults(&self) -> &Faults {
        &self.app.faults
    }
}

fn error(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ "error": { "message": "sandbox fault", "type": code, "param": null, "code": code } });
    (status, Json(body)).into_response()
}

async fn chat(State(app): State<App>, Json(body): Json<Value>) -> Response {
    app.asked.lock().push(body.clone());
    match app.faults.take() {
        Some(Fault::Status(status) | Fault::DoneButStatus(status)) => {
            return error(
                status,
                if status == 429 { "rate_limit_exceeded" } else { "server_error" },
            );
        }
        Some(Fault::Garbage) => return (StatusCode::OK, "<html>").into_response(),
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        _ => {}
    }
    if let Some(body) = app.always.lock().clone() {
        return Json(body).into_response();
    }
    let told = app.replies.lock().pop_front();
    let message =
        told.unwrap_or_else(|| json!({ "role": "assistant", "content": first_source(&body) }));
    let finish = if message["tool_calls"].is_array() { "tool_calls" } else { "stop" };
    Json(json!({
        "id": "chatcmpl-sandbox", "object": "chat.completion", "created": 1_767_268_800,
        "model": body["model"],
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
        "usage": { "prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140 },
    }))
    .into_response()
}

async fn generate(State(app): State<App>, Json(body): Json<Value>) -> Response {
    app.asked.lock().push(body);
    let text = "NAO_SEI";
    let answer = app.always.lock().clone().unwrap_or_else(|| {
        json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] }, "finishReason": "STOP" }] })
    });
    Json(answer).into_response()
}

/// What a well-behaved model would say: the first source, or that there is none.
fn first_source(body: &Value) -> String {
    let system = body["messages"][0]["content"].as_str().unwrap_or_default();
    match system.split_once("[1] ").and_then(|(_, rest)| rest.split_once('\n')) {
        Some((_, rest)) => rest.split("\n\n").next().unwrap_or_default().to_owned(),
        None => "NAO_SEI".to_owned(),
    }
}

async fn embeddings(State(app): State<App>, Json(body): Json<Value>) -> Response {
    if let Some(Fault::Status(status)) = app.faults.take() {
        return error(status, "server_error");
    }
    let texts: Vec<String> = match &body["input"] {
        Value::Array(list) => {
            list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        }
        Value::String(text) => vec![text.clone()],
        _ => return error(400, "invalid_request_error"),
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": vector(text) }))
        .collect();
    let usage = json!({ "prompt_tokens": 1, "total_tokens": 1 });
    Json(json!({ "object": "list", "data": data, "model": body["model"], "usage": usage }))
        .into_response()
}

/// Words hashed into 64 places: texts that share words are near each other.
fn vector(text: &str) -> Vec<f32> {
    let mut out = vec![0f32; 64];
    for word in kernel::text::fold_words(text).split(' ') {
        let hash = word.bytes().fold(5381u32, |h, b| h.wrapping_mul(33) ^ u32::from(b));
        out[(hash % 64) as usize] += 1.0;
    }
    out
}

async fn transcribe(State(app): State<App>, mut form: Multipart) -> Response {
    let mut fields = json!({});
    while let Ok(Some(field)) = form.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let Ok(bytes) = field.bytes().await else { return error(400, "invalid_request_error") };
        fields[&name] = match file {
            Some(file) => json!({ "name": file, "bytes": bytes.len() }),
            None => json!(String::from_utf8_lossy(&bytes)),
        };
    }
    app.asked.lock().push(fields);
    if let Some(Fault::Status(status)) = app.faults.take() {
        return error(status, "server_error");
    }
    let text = app.heard.lock().pop_front().unwrap_or_default();
    Json(json!({ "text": text })).into_response()
}
