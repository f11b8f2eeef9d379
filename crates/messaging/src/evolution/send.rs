//! Calls out.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::manage::accepted;
use crate::http::{Outbound, read_json};
use crate::{Accepted, Endpoint, Messenger, OutgoingText, SendError};

/// How long an Evolution server may take to accept a message.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long "typing…" shows; the call blocks for as long.
const TYPING_MS: u64 = 1200;

/// Speaks to Evolution servers.
#[derive(Clone)]
pub struct Evolution {
    outbound: Outbound,
}

impl Evolution {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }

    /// Makes a call and returns what it answered, if it answered well. `per_instance` calls have
    /// the instance's name at the end of their path.
    pub(super) async fn call(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        per_instance: bool,
        body: Option<&Value>,
    ) -> Result<Value, SendError> {
        let url = self.url(endpoint, path, per_instance)?;
        let mut request = self
            .outbound
            .client()
            .request(method, url)
            .header("apikey", &endpoint.api_key)
            .timeout(TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| not_answered(&error))?;
        if !response.status().is_success() {
            return Err(failure(response).await);
        }
        read_json(response)
            .await
            .ok_or_else(|| SendError::OutcomeUnknown("an unreadable answer".to_owned()))
    }

    fn url(
        &self,
        endpoint: &Endpoint,
        path: &str,
        per_instance: bool,
    ) -> Result<url::Url, SendError> {
        let refuse = |reason: String| SendError::Refused { code: "address".to_owned(), reason };
        let base =
            self.outbound.check(&endpoint.base_url).map_err(|bad| refuse(bad.to_string()))?;
        let mut url = url::Url::parse(&base).map_err(|bad| refuse(bad.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| refuse("the base address cannot have a path".to_owned()))?
            .pop_if_empty()
            .extend(path.split('/'))
            .extend(per_instance.then_some(&endpoint.instance));
        Ok(url)
    }
}

/// Told apart by whether anything may have left: only a failed connect is surely nothing.
fn not_answered(error: &reqwest::Error) -> SendError {
    // The text of the error may hold the address; its kind is enough.
    if error.is_connect() || error.is_builder() {
        SendError::Unreachable("connection failed".to_owned())
    } else if error.is_timeout() {
        SendError::OutcomeUnknown("no answer in time".to_owned())
    } else {
        SendError::OutcomeUnknown("the connection broke".to_owned())
    }
}

/// The provider's message in any of its four shapes: text, list, list of lists, list of objects.
fn message_of(body: &Value) -> String {
    fn flatten(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::String(text) => out.push(text.clone()),
            Value::Array(list) => list.iter().for_each(|one| flatten(one, out)),
            Value::Object(object) if object.get("exists") == Some(&Value::Bool(false)) => {
                out.push("the number is not on WhatsApp".to_owned());
            }
            Value::Object(_) => out.push("refused without a reason".to_owned()),
            _ => {}
        }
    }
    let mut out = Vec::new();
    flatten(&body["response"]["message"], &mut out);
    if out.is_empty() {
        flatten(&body["message"], &mut out);
    }
    let text = out.join("; ");
    text.chars().take(300).collect()
}

async fn failure(response: Response) -> SendError {
    let status = response.status();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(3600)));
    let body = read_json(response).await.unwrap_or_default();
    let not_on_whatsapp = body["response"]["message"][0]["exists"] == Value::Bool(false);
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            SendError::Throttled { retry_after: retry_after.unwrap_or(Duration::from_secs(30)) }
        }
        // A proxy in front gave up waiting: the server behind it may have sent.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            SendError::OutcomeUnknown(format!("a proxy answered {status}"))
        }
        status if status.is_server_error() => {
            SendError::Unreachable(format!("the server answered {}", status.as_u16()))
        }
        StatusCode::BAD_REQUEST if not_on_whatsapp => SendError::Refused {
            code: "not_on_whatsapp".to_owned(),
            reason: "the number is not on WhatsApp".to_owned(),
        },
        status => {
            SendError::Refused { code: status.as_u16().to_string(), reason: message_of(&body) }
        }
    }
}

#[async_trait]
impl Messenger for Evolution {
    async fn send_text(
        &self,
        endpoint: &Endpoint,
        text: &OutgoingText<'_>,
    ) -> Result<Accepted, SendError> {
        let path = "message/sendText";
        let body = json!({ "number": text.to, "text": text.body });
        let answer = self.call(endpoint, Method::POST, path, true, Some(&body)).await;
        let answer = match answer {
            // Version 1 says so when its own form is missing; nothing was sent.
            Err(SendError::Refused { code, reason })
                if code == "400" && reason.contains("textMessage") =>
            {
                let body = json!({ "number": text.to, "textMessage": { "text": text.body } });
                self.call(endpoint, Method::POST, path, true, Some(&body)).await?
            }
            other => other?,
        };
        accepted(&answer)
    }

    async fn show_typing(&self, endpoint: &Endpoint, to: &str) -> Result<(), SendError> {
        let body = json!({ "number": to, "presence": "composing", "delay": TYPING_MS });
        self.call(endpoint, Method::POST, "chat/sendPresence", true, Some(&body)).await.map(|_| ())
    }

    async fn state(&self, endpoint: &Endpoint) -> Result<String, SendError> {
        let path = "instance/connectionState";
        let answer = self.call(endpoint, Method::GET, path, true, None).await?;
        Ok(answer["instance"]["state"].as_str().unwrap_or("unknown").to_owned())
    }
}
