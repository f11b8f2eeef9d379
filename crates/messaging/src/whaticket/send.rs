//! Calls out, with the two kinds of token that servers take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::ChannelId;
use parking_lot::Mutex;
use reqwest::multipart::{Form, Part};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::attachment::Attachment;
use crate::http::{Outbound, address, astray, download, not_answered, read_bytes, retry_after};
use crate::{
    Accepted, Body, Capabilities, Endpoint, Kind, Link, LinkState, Login, Messenger, Next,
    Outgoing, SendError, Source,
};

/// A login's token lives 15 minutes and the answer does not say so.
const TOKEN_LIFE: Duration = Duration::from_secs(14 * 60);
/// Bytes of an answer at most; Whaticket answers one line.
const ANSWER_LIMIT: usize = 256 * 1024;

const WRONG_TOKEN: &str = "the server refuses this token for /api/messages/send. The right one is static: in \
     the community version the API token of the settings (userApiToken), in SaaS versions the token of the \
     connection; the token of a login opens only servers that were changed to take it";

/// Speaks to Whaticket servers.
#[derive(Clone)]
pub struct Whaticket {
    outbound: Outbound,
    /// Tokens of logins, by channel.
    tokens: Arc<Mutex<HashMap<ChannelId, Held>>>,
}

struct Held {
    token: String,
    /// Whose login it is of: a changed password asks anew.
    of: (String, String),
    until: std::time::Instant,
}

/// The base of an address that may be written with the path of its one call, as the guides do.
pub fn base_of(address: &str) -> &str {
    let address = address.trim().trim_end_matches('/');
    address.strip_suffix("/api/messages/send").unwrap_or(address)
}

impl Whaticket {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, tokens: Arc::default() }
    }

    /// Asks whether the server takes the token, without sending anything: a call without a number
    /// passes the door and is refused behind it.
    ///
    /// # Errors
    /// [`SendError::Refused`] says which token would be right.
    pub async fn probe(&self, endpoint: &Endpoint) -> Result<(), SendError> {
        let body = json!({ "number": "", "body": "" });
        match self.call(endpoint, Content::Json(&body)).await {
            Ok(_) => Ok(()),
            Err(SendError::Refused { code, .. }) if code == "400" || code == "invalid_contact" => {
                Ok(())
            }
            // The generic refusal of SaaS versions, and the crash of the community's.
            Err(SendError::Unreachable(text)) if text.contains("the server answered") => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn call(&self, endpoint: &Endpoint, content: Content<'_>) -> Result<(), SendError> {
        let (token, from_login) = self.token(endpoint).await?;
        match self.post(endpoint, &token, &content).await {
            // A login's token may have ended early: nothing was done, ask for another one once.
            Err(SendError::Refused { code, .. })
                if from_login && matches!(code.as_str(), "401" | "403") =>
            {
                self.tokens.lock().remove(&endpoint.channel);
                let (token, _) = self.token(endpoint).await?;
                let outcome = self.post(endpoint, &token, &content).await;
                if outcome.is_err() {
                    self.tokens.lock().remove(&endpoint.channel);
                }
                outcome
            }
            other => other,
        }
    }

    async fn token(&self, endpoint: &Endpoint) -> Result<(String, bool), SendError> {
        let Some(login) = endpoint.login.as_ref().filter(|_| endpoint.api_key.is_empty()) else {
            return Ok((endpoint.api_key.clone(), false));
        };
        let of = (login.email.clone(), login.password.clone());
        if let Some(held) = self.tokens.lock().get(&endpoint.channel)
            && held.of == of
            && held.until > std::time::Instant::now()
        {
            return Ok((held.token.clone(), true));
        }
        let token = self.login(endpoint, login).await?;
        let until = std::time::Instant::now() + TOKEN_LIFE;
        self.tokens.lock().insert(endpoint.channel, Held { token: token.clone(), of, until });
        Ok((token, true))
    }

    async fn login(&self, endpoint: &Endpoint, login: &Login) -> Result<String, SendError> {
        let url = address(&self.outbound, &endpoint.base_url, &["auth", "login"])?;
        let body = json!({ "email": login.email, "password": login.password });
        let request =
            self.outbound.client().post(url).json(&body).timeout(self.outbound.answer_within);
        // No message is in this call: whatever goes wrong, nothing was sent.
        let nothing = |what: &str| SendError::Unreachable(format!("login: {what}"));
        let response = request.send().await.map_err(|_| nothing("no answer"))?;
        let status = response.status();
        let answer = read_bytes(response, ANSWER_LIMIT)
            .await
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .unwrap_or_default();
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(SendError::Refused {
                code: status.as_u16().to_string(),
                reason: "the server refuses this e-mail and password".to_owned(),
                next: Next::Reconnect,
            });
        }
        answer["token"]
            .as_str()
            .filter(|_| status.is_success())
            .map(str::to_owned)
            .ok_or_else(|| nothing("no token in the answer"))
    }

    async fn post(
        &self,
        endpoint: &Endpoint,
        token: &str,
        content: &Content<'_>,
    ) -> Result<(), SendError> {
        let url = address(&self.outbound, &endpoint.base_url, &["api", "messages", "send"])?;
        let request = self
            .outbound
            .client()
            .post(url)
            .bearer_auth(token)
            .timeout(self.outbound.answer_within);
        let request = match content {
            Content::Json(body) => request.json(body),
            Content::File { number, body, name, mime, file } => {
                let part = Part::stream_with_length(file.body(), file.length())
                    .file_name((*name).to_owned())
                    .mime_str(mime)
                    .map_err(|_| SendError::Refused {
                        code: "mime".to_owned(),
                        reason: "the type of the file is not readable".to_owned(),
                        next: Next::Message,
                    })?;
                let form = Form::new()
                    .text("number", (*number).to_owned())
                    .text("body", (*body).to_owned())
                    .part("medias", part);
                request.multipart(form)
            }
        };
        let response = request.send().await.map_err(|error| not_answered(&error))?;
        self.outbound.clocks.heard(endpoint.channel, &response);
        if !response.status().is_success() {
            return Err(failure(response).await);
        }
        match read_bytes(response, ANSWER_LIMIT).await {
            // The community version answers an empty body.
            Some(bytes) if bytes.is_empty() => Ok(()),
            Some(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                Ok(answer) if answer["error"].is_null() => Ok(()),
                _ => Err(SendError::OutcomeUnknown("an answer that is not Whaticket's".to_owned())),
            },
            None => Err(SendError::OutcomeUnknown("an unreadable answer".to_owned())),
        }
    }
}

enum Content<'a> {
    Json(&'a Value),
    File { number: &'a str, body: &'a str, name: &'a str, mime: &'a str, file: &'a Attachment },
}

/// Codes by which the community version says that its phone is not ready: nothing was sent.
const NOT_READY: &[&str] = &[
    "ERR_WAPP_CHECK_CONTACT",
    "ERR_WAPP_NOT_INITIALIZED",
    "ERR_NO_DEF_WAPP_FOUND",
    "ERR_SENDING_WAPP_MSG",
];

async fn failure(response: Response) -> SendError {
    let status = response.status();
    if let Some(astray) = astray(&response) {
        return astray;
    }
    let wait = retry_after(&response);
    let body = read_bytes(response, ANSWER_LIMIT).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = body["error"].as_str().unwrap_or_default();
    let refused = |code: &str, reason: &str, next| SendError::Refused {
        code: code.to_owned(),
        reason: reason.to_owned(),
        next,
    };
    match status {
        StatusCode::UNAUTHORIZED => refused("401", WRONG_TOKEN, Next::Reconnect),
        StatusCode::FORBIDDEN => refused("403", WRONG_TOKEN, Next::Reconnect),
        StatusCode::NOT_FOUND => {
            refused("404", "there is no /api/messages/send at this address", Next::Reconnect)
        }
        StatusCode::TOO_MANY_REQUESTS => SendError::Throttled {
            code: "429".to_owned(),
            retry_after: wait.unwrap_or(Duration::from_secs(30)),
        },
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            SendError::OutcomeUnknown(format!("a proxy answered {}", status.as_u16()))
        }
        status if status.is_server_error() => {
            SendError::Unreachable(format!("the server answered {}", status.as_u16()))
        }
        _ if said == "ERR_WAPP_INVALID_CONTACT" => {
            refused("invalid_contact", "este número não está no WhatsApp", Next::Recipient)
        }
        _ if NOT_READY.contains(&said) => {
            SendError::Unreachable(format!("the server answered {said}"))
        }
        // SaaS versions say this of wrong numbers and of passing trouble alike.
        _ if said.starts_with("Não foi possível enviar") => {
            SendError::Unreachable("the server answered that it could not send".to_owned())
        }
        status => refused(
            &status.as_u16().to_string(),
            if said.is_empty() { "refused without a reason" } else { said },
            Next::Message,
        ),
    }
}

#[async_trait]
impl Messenger for Whaticket {
    fn kind(&self) -> Kind {
        Kind::Whaticket
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            templates_required: false,
            buttons: false,
            media: true,
            typing: false,
            read_marks: false,
            statuses: false,
            ids: false,
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
        let number = outgoing.to;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SendError::Refused {
                code: "no_number".to_owned(),
                reason: "o número desta pessoa não é conhecido, e o Whaticket só envia a números"
                    .to_owned(),
                next: Next::Recipient,
            });
        }
        match outgoing.body {
            Body::Media { mime, file_name, caption, source, kind } => {
                let file = match source {
                    Source::Bytes(bytes) => Attachment::of(bytes.clone()),
                    // Whaticket takes no addresses.
                    Source::Link(link) => download(&self.outbound, link).await?,
                };
                let name = file_name.as_deref().unwrap_or(kind.name());
                let body = caption.as_deref().unwrap_or("");
                let content = Content::File { number, body, name, mime, file: &file };
                self.call(endpoint, content).await?;
            }
            Body::Template { .. } => return Err(SendError::unsupported("templates")),
            other => {
                let mut body = json!({ "number": number, "body": other.as_text() });
                if let Some(line) =
                    endpoint.account.as_deref().and_then(|id| id.parse::<u64>().ok())
                {
                    body["whatsappId"] = json!(line);
                }
                self.call(endpoint, Content::Json(&body)).await?;
            }
        }
        Ok(Accepted::default())
    }

    async fn link(&self, endpoint: &Endpoint) -> Result<Link, SendError> {
        match self.probe(endpoint).await {
            Ok(()) => Ok(Link { state: LinkState::Connected, reason: None, owner: None }),
            Err(SendError::Refused { reason, .. }) => {
                Ok(Link { state: LinkState::Error, reason: Some(reason), owner: None })
            }
            Err(other) => Err(other),
        }
    }
}
