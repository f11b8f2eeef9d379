//! Calls out.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::codes;
use crate::http::{Outbound, address, astray, not_answered, read_bytes, read_json, retry_after};
use crate::{
    Accepted, Body, Capabilities, Endpoint, File, Kind, Link, LinkState, MediaKind, Messenger,
    Next, Outgoing, SendError, Source,
};

/// The version that an address of Meta without one gets.
const VERSION: &str = "v23.0";

/// Speaks to Meta's Graph API.
#[derive(Clone)]
pub struct Cloud {
    outbound: Outbound,
}

/// Where Meta's Graph API is.
pub const BASE_URL: &str = "https://graph.facebook.com";

/// The base address with a version, if it is Meta's own and has none.
pub fn base_of(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    match url::Url::parse(address) {
        Ok(url) if url.host_str() == Some("graph.facebook.com") && url.path() == "/" => {
            format!("{address}/{VERSION}")
        }
        _ => address.to_owned(),
    }
}

impl Cloud {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: RequestBuilder,
    ) -> Result<Value, SendError> {
        let request = request.bearer_auth(&endpoint.api_key).timeout(self.outbound.answer_within);
        let response = request.send().await.map_err(|error| not_answered(&error))?;
        self.outbound.clocks.heard(endpoint.channel, &response);
        if !response.status().is_success() {
            return Err(failure(response).await);
        }
        read_json(response)
            .await
            .ok_or_else(|| SendError::OutcomeUnknown("an unreadable answer".to_owned()))
    }

    async fn post(&self, endpoint: &Endpoint, body: &Value) -> Result<Value, SendError> {
        let url = address(&self.outbound, &endpoint.base_url, &[&endpoint.instance, "messages"])?;
        self.exchange(endpoint, self.outbound.client().post(url).json(body)).await
    }

    async fn upload(
        &self,
        endpoint: &Endpoint,
        name: &str,
        mime: &str,
        bytes: &[u8],
    ) -> Result<String, SendError> {
        let url = address(&self.outbound, &endpoint.base_url, &[&endpoint.instance, "media"])?;
        let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned()).mime_str(mime);
        let part = part.map_err(|_| SendError::Refused {
            code: "mime".to_owned(),
            reason: "o tipo do arquivo não é válido".to_owned(),
            next: Next::Message,
        })?;
        let form = Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", mime.to_owned())
            .part("file", part);
        let request = self.outbound.client().post(url).multipart(form);
        match self.exchange(endpoint, request).await {
            Ok(answer) => answer["id"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| SendError::Unreachable("an upload without an id".to_owned())),
            // Nobody has seen a file that was only uploaded.
            Err(SendError::OutcomeUnknown(cause)) => Err(SendError::Unreachable(cause)),
            Err(other) => Err(other),
        }
    }

    async fn message(&self, endpoint: &Endpoint, body: &Body) -> Result<Value, SendError> {
        Ok(match body {
            Body::Text { text } => {
                json!({ "type": "text", "text": { "body": text, "preview_url": false } })
            }
            Body::Media { kind, mime, file_name, caption, source } => {
                let mut file = match source {
                    Source::Link(link) => json!({ "link": link }),
                    Source::Bytes(bytes) => {
                        let name = file_name.as_deref().unwrap_or(kind.name());
                        json!({ "id": self.upload(endpoint, name, mime, bytes).await? })
                    }
                };
                let audio = matches!(kind, MediaKind::Audio | MediaKind::Voice);
                if let Some(caption) = caption.as_deref().filter(|c| !audio && !c.is_empty()) {
                    file["caption"] = json!(caption);
                }
                if let Some(name) = file_name.as_deref().filter(|_| *kind == MediaKind::Document) {
                    file["filename"] = json!(name);
                }
                json!({ "type": kind.name(), (kind.name()): file })
            }
            Body::Buttons { text, buttons } => {
                let buttons: Vec<Value> = buttons
                    .iter()
                    .map(|b| json!({ "type": "reply", "reply": { "id": b.id, "title": b.title } }))
                    .collect();
                json!({ "type": "interactive", "interactive": { "type": "button",
                    "body": { "text": text }, "action": { "buttons": buttons } } })
            }
            Body::List { text, button, rows } => {
                json!({ "type": "interactive", "interactive": { "type": "list",
                    "body": { "text": text },
                    "action": { "button": button, "sections": [{ "rows": rows }] } } })
            }
            Body::Template { name, language, components } => {
                json!({ "type": "template", "template": { "name": name,
                    "language": { "code": language }, "components": components } })
            }
        })
    }
}

async fn failure(response: Response) -> SendError {
    let status = response.status();
    if let Some(astray) = astray(&response) {
        return astray;
    }
    let wait = retry_after(&response);
    let body = read_json(response).await.unwrap_or_default();
    let error = &body["error"];
    if let Some(code) = error["code"].as_i64() {
        let title = error["error_data"]["details"].as_str().or_else(|| error["message"].as_str());
        let transient = error["is_transient"] == Value::Bool(true);
        return match codes::failure(code, title.unwrap_or_default(), transient) {
            SendError::Throttled { code, retry_after } => {
                SendError::Throttled { code, retry_after: wait.unwrap_or(retry_after) }
            }
            other => other,
        };
    }
    match status.as_u16() {
        429 => SendError::Throttled {
            code: "429".to_owned(),
            retry_after: wait.unwrap_or(Duration::from_secs(30)),
        },
        503 => SendError::Unreachable("Meta answered 503".to_owned()),
        // Without Meta's own code nobody knows how far the message came.
        500.. => SendError::OutcomeUnknown(format!("Meta answered {}", status.as_u16())),
        status => SendError::Refused {
            code: status.to_string(),
            reason: format!("a Meta recusou a chamada (HTTP {status})"),
            next: if matches!(status, 401 | 403 | 404) { Next::Reconnect } else { Next::Message },
        },
    }
}

/// Whether the token may be shown to this host: Meta's file servers, or where the API itself is.
fn trusted(url: &url::Url, base_url: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let own = url::Url::parse(base_url).ok();
    let same = own.is_some_and(|own| own.host_str() == Some(host) && own.port() == url.port());
    same || [".fbsbx.com", ".facebook.com", ".whatsapp.net", ".fbcdn.net"]
        .iter()
        .any(|end| url.scheme() == "https" && host.ends_with(end))
}

#[async_trait]
impl Messenger for Cloud {
    fn kind(&self) -> Kind {
        Kind::WhatsAppCloud
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            templates_required: true,
            buttons: true,
            media: true,
            typing: true,
            read_marks: true,
            statuses: true,
            ids: true,
            look_up: false,
            number_check: false,
            pairing: false,
        }
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        outgoing: &Outgoing<'_>,
    ) -> Result<Accepted, SendError> {
        let mut body = self.message(endpoint, outgoing.body).await?;
        body["messaging_product"] = json!("whatsapp");
        body["recipient_type"] = json!("individual");
        body["to"] = json!(outgoing.to);
        // Comes back with each status: the only way to tell what became of a call without answer.
        body["biz_opaque_callback_data"] = json!(outgoing.key);
        if let Some(id) = outgoing.reply_to {
            body["context"] = json!({ "message_id": id });
        }
        let answer = self.post(endpoint, &body).await?;
        let id = answer["messages"][0]["id"].as_str().ok_or_else(|| {
            SendError::no_id(answer["error"]["message"].as_str().unwrap_or_default())
        })?;
        let address = answer["contacts"][0]["wa_id"].as_str();
        Ok(Accepted {
            provider_id: Some(id.to_owned()),
            address: address.filter(|a| *a != outgoing.to).map(str::to_owned),
        })
    }

    async fn link(&self, endpoint: &Endpoint) -> Result<Link, SendError> {
        let mut url = address(&self.outbound, &endpoint.base_url, &[&endpoint.instance])?;
        url.set_query(Some("fields=id,display_phone_number,quality_rating,status"));
        match self.exchange(endpoint, self.outbound.client().get(url)).await {
            Ok(answer) => {
                let owner = answer["display_phone_number"].as_str();
                let owner = owner.and_then(|n| n.parse::<kernel::Phone>().ok());
                Ok(Link {
                    state: LinkState::Connected,
                    reason: None,
                    owner: owner.map(|phone| phone.digits().to_owned()),
                })
            }
            Err(SendError::Refused { reason, .. }) => {
                Ok(Link { state: LinkState::Error, reason: Some(reason), owner: None })
            }
            Err(other) => Err(other),
        }
    }

    async fn show_typing(
        &self,
        endpoint: &Endpoint,
        _to: &str,
        last: Option<&str>,
    ) -> Result<(), SendError> {
        // Shown for a message, and marks it as read.
        let Some(id) = last else { return Ok(()) };
        let body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": id,
            "typing_indicator": { "type": "text" } });
        self.post(endpoint, &body).await.map(|_| ())
    }

    async fn mark_read(
        &self,
        endpoint: &Endpoint,
        _to: &str,
        provider_id: &str,
    ) -> Result<(), SendError> {
        let body =
            json!({ "messaging_product": "whatsapp", "status": "read", "message_id": provider_id });
        self.post(endpoint, &body).await.map(|_| ())
    }

    async fn fetch_media(
        &self,
        endpoint: &Endpoint,
        reference: &str,
        limit: usize,
    ) -> Result<File, SendError> {
        let url = address(&self.outbound, &endpoint.base_url, &[reference])?;
        let about = self.exchange(endpoint, self.outbound.client().get(url)).await?;
        let refused = |reason: &str| SendError::Refused {
            code: "media".to_owned(),
            reason: reason.to_owned(),
            next: Next::Message,
        };
        // The size comes as a text or as a number.
        let size = match &about["file_size"] {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        if size.is_some_and(|size| size > limit as u64) {
            return Err(refused("o arquivo é maior que o limite"));
        }
        let link =
            about["url"].as_str().ok_or_else(|| refused("a Meta não deu o endereço do arquivo"))?;
        let url =
            url::Url::parse(link).map_err(|_| refused("o endereço do arquivo não é válido"))?;
        self.outbound.check(link).map_err(|bad| refused(&bad.to_string()))?;
        if !trusted(&url, &endpoint.base_url) {
            return Err(refused("o endereço do arquivo não é da Meta"));
        }
        let request = self
            .outbound
            .client()
            .get(url)
            .bearer_auth(&endpoint.api_key)
            .timeout(self.outbound.answer_within);
        let response = request.send().await.map_err(|error| not_answered(&error))?;
        if !response.status().is_success() {
            // Addresses of files live five minutes; the next try asks for a new one.
            return Err(SendError::Unreachable(
                "the file's address answers with an error".to_owned(),
            ));
        }
        let mime = about["mime_type"].as_str().unwrap_or("application/octet-stream").to_owned();
        let bytes = read_bytes(response, limit)
            .await
            .ok_or_else(|| refused("o arquivo é maior que o limite ou chegou cortado"))?;
        Ok(File { mime, bytes })
    }
}
