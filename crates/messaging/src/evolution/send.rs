//! Calls out.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::manage::accepted;
use crate::attachment::Attachment;
use crate::http::{
    ANSWER_LIMIT, Outbound, address, astray, download, not_answered, read_bytes, read_json,
    retry_after,
};
use crate::{
    Accepted, Body, Capabilities, Connection, Endpoint, File, History, Kind, Known, Link,
    MediaKind, Messenger, Next, Outgoing, SendError, Source, Span, Webhook,
};

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
        self.call_up_to(endpoint, method, path, per_instance, body, ANSWER_LIMIT).await
    }

    /// The same with a file in one of the body's fields.
    async fn call_with(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: Value,
        (field, file): (&str, &Attachment),
    ) -> Result<Value, SendError> {
        let rest = body.to_string();
        let rest = rest.trim_end_matches('}');
        let body = file.base64_between(format!("{rest},\"{field}\":\""), "\"}".to_owned());
        let request = self.request(endpoint, Method::POST, path, true)?;
        let request = request.header("content-type", "application/json").body(body);
        self.answer(endpoint, request, ANSWER_LIMIT).await
    }

    /// The same for answers of another size.
    pub(super) async fn call_up_to(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        per_instance: bool,
        body: Option<&Value>,
        limit: usize,
    ) -> Result<Value, SendError> {
        let mut request = self.request(endpoint, method, path, per_instance)?;
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(endpoint, request, limit).await
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        per_instance: bool,
    ) -> Result<RequestBuilder, SendError> {
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let segments: Vec<&str> =
            path.split('/').chain(per_instance.then_some(endpoint.instance.as_str())).collect();
        let mut url = address(&self.outbound, &endpoint.base_url, &segments)?;
        url.set_query(query);
        let request = self.outbound.client().request(method, url);
        Ok(request.header("apikey", &endpoint.api_key).timeout(self.outbound.answer_within))
    }

    async fn answer(
        &self,
        endpoint: &Endpoint,
        request: RequestBuilder,
        limit: usize,
    ) -> Result<Value, SendError> {
        let response = request.send().await.map_err(|error| not_answered(&error))?;
        self.outbound.clocks.heard(endpoint.channel, &response);
        if !response.status().is_success() {
            return Err(failure(response).await);
        }
        read_bytes(response, limit)
            .await
            .and_then(|bytes| crate::json::read(&bytes))
            .ok_or_else(|| SendError::OutcomeUnknown("an unreadable answer".to_owned()))
    }
}

/// The provider's message in any of its four shapes: text, list, list of lists, list of objects.
pub(super) fn message_of(body: &Value) -> String {
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
    if let Some(astray) = astray(&response) {
        return astray;
    }
    let wait = retry_after(&response);
    let body = read_json(response).await.unwrap_or_default();
    let not_on_whatsapp = body["response"]["message"][0]["exists"] == Value::Bool(false);
    let text = message_of(&body);
    match status {
        StatusCode::TOO_MANY_REQUESTS => SendError::Throttled {
            code: "429".to_owned(),
            retry_after: wait.unwrap_or(Duration::from_secs(30)),
        },
        // A proxy in front gave up waiting: the server behind it may have sent.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            SendError::OutcomeUnknown(format!("a proxy answered {}", status.as_u16()))
        }
        status if status.is_server_error() => {
            SendError::Unreachable(format!("the server answered {}", status.as_u16()))
        }
        StatusCode::BAD_REQUEST if not_on_whatsapp => SendError::Refused {
            code: "not_on_whatsapp".to_owned(),
            reason: "este número não está no WhatsApp".to_owned(),
            next: Next::Recipient,
        },
        // The phone is away for a moment: the server sent nothing and says so.
        StatusCode::BAD_REQUEST if text.contains("Connection Closed") => {
            SendError::Unreachable("the phone is not connected".to_owned())
        }
        status => {
            let next = match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                    Next::Reconnect
                }
                _ => Next::Message,
            };
            let reason = match text.is_empty() {
                true => format!("o servidor recusou sem dizer por quê (HTTP {})", status.as_u16()),
                false => text,
            };
            SendError::Refused { code: status.as_u16().to_string(), reason, next }
        }
    }
}

impl Evolution {
    async fn text(&self, endpoint: &Endpoint, to: &str, text: &str) -> Result<Value, SendError> {
        let path = "message/sendText";
        let body = json!({ "number": to, "text": text });
        match self.call(endpoint, Method::POST, path, true, Some(&body)).await {
            // Version 1 says so when its own form is missing; nothing was sent.
            Err(SendError::Refused { code, reason, .. })
                if code == "400" && reason.contains("textMessage") =>
            {
                let body = json!({ "number": to, "textMessage": { "text": text } });
                self.call(endpoint, Method::POST, path, true, Some(&body)).await
            }
            other => other,
        }
    }
}

#[async_trait]
impl Messenger for Evolution {
    fn kind(&self) -> Kind {
        Kind::Evolution
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            templates_required: false,
            // WhatsApp shows buttons of unofficial senders on few phones only.
            buttons: false,
            media: true,
            typing: true,
            read_marks: false,
            statuses: true,
            ids: true,
            look_up: true,
            number_check: true,
            pairing: true,
        }
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        outgoing: &Outgoing<'_>,
    ) -> Result<Accepted, SendError> {
        let to = outgoing.to;
        let answer = match outgoing.body {
            Body::Media { kind, mime, file_name, caption, source } => {
                let file = match source {
                    // Fetched here: whom an address may belong to is checked here, and one server
                    // serves many tenants.
                    Source::Link(link) => download(&self.outbound, link).await?,
                    Source::Bytes(bytes) => Attachment::of(bytes.clone()),
                };
                if *kind == MediaKind::Voice {
                    let body = json!({ "number": to, "encoding": true });
                    self.call_with(endpoint, "message/sendWhatsAppAudio", body, ("audio", &file))
                        .await?
                } else {
                    let mut body = json!({
                        "number": to, "mediatype": kind.name(), "mimetype": mime,
                    });
                    if let Some(caption) = caption {
                        body["caption"] = json!(caption);
                    }
                    if let Some(name) = file_name {
                        body["fileName"] = json!(name);
                    }
                    self.call_with(endpoint, "message/sendMedia", body, ("media", &file)).await?
                }
            }
            Body::Template { .. } => return Err(SendError::unsupported("templates")),
            other => self.text(endpoint, to, &other.as_text()).await?,
        };
        accepted(&answer)
    }

    async fn link(&self, endpoint: &Endpoint) -> Result<Link, SendError> {
        let path = "instance/connectionState";
        let answer = self.call(endpoint, Method::GET, path, true, None).await?;
        let state = answer["instance"]["state"].as_str().unwrap_or("close");
        let mut link = super::parse::link(state, None);
        if state == "open" {
            // Best effort: servers that list nothing still connect.
            let list = self.instances(endpoint).await.unwrap_or_default();
            link.owner = list
                .into_iter()
                .find(|instance| instance.name == endpoint.instance)
                .and_then(|instance| super::parse::digits_of(&instance.owner?));
        }
        Ok(link)
    }

    async fn show_typing(
        &self,
        endpoint: &Endpoint,
        to: &str,
        _last: Option<&str>,
    ) -> Result<(), SendError> {
        let body = json!({ "number": to, "presence": "composing", "delay": TYPING_MS });
        self.call(endpoint, Method::POST, "chat/sendPresence", true, Some(&body)).await.map(|_| ())
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        number: Option<&str>,
        webhook: Option<&Webhook<'_>>,
    ) -> Result<Connection, SendError> {
        match self.create_instance(endpoint, number, webhook).await {
            Ok(_) => {}
            // An instance's own token makes no instances: it is there already, or pairing says so.
            Err(SendError::Refused { code, .. }) if matches!(code.as_str(), "401" | "403") => {}
            Err(error) => return Err(error),
        }
        if let Some(webhook) = webhook {
            // Also for an instance that was there already.
            self.set_webhook(endpoint, webhook).await?;
        }
        self.pair(endpoint, number).await
    }

    async fn logout(&self, endpoint: &Endpoint) -> Result<(), SendError> {
        match self.log_out(endpoint).await {
            // It says so when there is nothing to end.
            Err(SendError::Refused { code, reason, .. })
                if code == "400" && reason.contains("not connected") =>
            {
                Ok(())
            }
            other => other,
        }
    }

    async fn fetch_media(
        &self,
        endpoint: &Endpoint,
        reference: &str,
        limit: usize,
    ) -> Result<File, SendError> {
        self.media(endpoint, reference, limit).await
    }

    async fn check_number(
        &self,
        endpoint: &Endpoint,
        digits: &str,
    ) -> Result<Option<Known>, SendError> {
        Ok(self.numbers(endpoint, &[digits]).await?.into_iter().next())
    }

    async fn history(&self, endpoint: &Endpoint, span: &Span) -> Result<History, SendError> {
        self.find_messages(endpoint, span).await
    }
}
