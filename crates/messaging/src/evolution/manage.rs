//! Calls about instances, numbers and media: what connecting a number needs beside sending.
//!
//! Bodies differ between versions 1 and 2 and between the published documents and the code; every
//! form that was seen is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use super::send::{Evolution, message_of};
use crate::{
    Accepted, Connection, Endpoint, File, History, Inbound, Known, Next, SendError, Span, Webhook,
};

/// An instance of an Evolution server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    pub state: String,
    /// The owner's digits, once paired.
    pub owner: Option<String>,
}

/// Whether making an instance made one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// With its own key, if the server gave one.
    New {
        token: Option<String>,
        connection: Connection,
    },
    Exists,
}

fn webhook_body(webhook: &Webhook<'_>) -> Value {
    json!({
        "enabled": true, "url": webhook.url,
        "headers": { (webhook.header.0): webhook.header.1 },
        "byEvents": false, "base64": true, "events": webhook.events,
    })
}

impl Evolution {
    /// Makes the instance with its webhook. That it exists already is no error.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn create_instance(
        &self,
        endpoint: &Endpoint,
        number: Option<&str>,
        webhook: Option<&Webhook<'_>>,
    ) -> Result<Created, SendError> {
        let mut body = json!({
            "instanceName": endpoint.instance, "integration": "WHATSAPP-BAILEYS", "qrcode": true,
            "groupsIgnore": true,
        });
        if let Some(number) = number {
            body["number"] = json!(number);
        }
        if let Some(webhook) = webhook {
            body["webhook"] = webhook_body(webhook);
        }
        match self.call(endpoint, Method::POST, "instance/create", false, Some(&body)).await {
            Ok(answer) => {
                let hash = &answer["hash"];
                let token = hash.as_str().or_else(|| hash["apikey"].as_str()).map(str::to_owned);
                Ok(Created::New { token, connection: connection(&answer["qrcode"]) })
            }
            Err(SendError::Refused { code, reason, .. })
                if code == "403" && reason.contains("already in use") =>
            {
                Ok(Created::Exists)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for a QR code or, with a number, a pairing code.
    ///
    /// # Errors
    /// When the server refuses, also when it does so with status 200.
    pub async fn pair(
        &self,
        endpoint: &Endpoint,
        number: Option<&str>,
    ) -> Result<Connection, SendError> {
        let path = match number {
            // A pairing code comes only for a number.
            Some(number) => format!("instance/connect?number={number}"),
            None => "instance/connect".to_owned(),
        };
        let answer = self.call(endpoint, Method::GET, &path, true, None).await?;
        if answer["error"] == Value::Bool(true) {
            let reason = answer["message"].as_str().unwrap_or("refused").to_owned();
            let next = Next::Reconnect;
            return Err(SendError::Refused { code: "200".to_owned(), reason, next });
        }
        Ok(connection(&answer))
    }

    /// The server's instances. The keys that version 2 lists in clear are left out.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn instances(&self, endpoint: &Endpoint) -> Result<Vec<Instance>, SendError> {
        let answer =
            self.call(endpoint, Method::GET, "instance/fetchInstances", false, None).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let rows = answer.as_array().cloned().unwrap_or_default();
        Ok(rows
            .iter()
            .filter_map(|row| {
                let v1 = &row["instance"];
                let owner = text(&row["ownerJid"]).or_else(|| text(&v1["owner"]));
                Some(Instance {
                    name: text(&row["name"]).or_else(|| text(&v1["instanceName"]))?,
                    state: text(&row["connectionStatus"])
                        .or_else(|| text(&v1["status"]))
                        .unwrap_or_default(),
                    owner: owner.and_then(|jid| jid.split('@').next().map(str::to_owned)),
                })
            })
            .collect())
    }

    /// Ends the pairing with the phone.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn log_out(&self, endpoint: &Endpoint) -> Result<(), SendError> {
        self.call(endpoint, Method::DELETE, "instance/logout", true, None).await.map(|_| ())
    }

    /// Removes the instance.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn delete_instance(&self, endpoint: &Endpoint) -> Result<(), SendError> {
        self.call(endpoint, Method::DELETE, "instance/delete", true, None).await.map(|_| ())
    }

    /// Points the instance's events here. Returns the events it subscribed to.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn set_webhook(
        &self,
        endpoint: &Endpoint,
        webhook: &Webhook<'_>,
    ) -> Result<Vec<String>, SendError> {
        // Version 2 takes it only nested; its documents show it flat.
        let body = json!({ "webhook": webhook_body(webhook) });
        let answer = self.call(endpoint, Method::POST, "webhook/set", true, Some(&body)).await?;
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        Ok(events.iter().filter_map(|event| event.as_str().map(str::to_owned)).collect())
    }

    /// Which numbers are on WhatsApp.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn numbers(
        &self,
        endpoint: &Endpoint,
        numbers: &[&str],
    ) -> Result<Vec<Known>, SendError> {
        let body = json!({ "numbers": numbers });
        let answer =
            self.call(endpoint, Method::POST, "chat/whatsappNumbers", true, Some(&body)).await?;
        let rows = answer.as_array().cloned().unwrap_or_default();
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(Known {
                    number: row["number"].as_str()?.to_owned(),
                    exists: row["exists"].as_bool()?,
                    jid: row["jid"].as_str()?.to_owned(),
                    lid: row["lid"]
                        .as_str()
                        .map(|lid| lid.split('@').next().unwrap_or(lid).to_owned()),
                })
            })
            .collect())
    }

    /// The file of a message, up to `limit` bytes.
    ///
    /// # Errors
    /// When the server refuses, as it does for files that expired, or the file is too large.
    pub async fn media(
        &self,
        endpoint: &Endpoint,
        provider_id: &str,
        limit: usize,
    ) -> Result<File, SendError> {
        let body = json!({ "message": { "key": { "id": provider_id } }, "convertToMp4": false });
        let path = "chat/getBase64FromMediaMessage";
        // A third more than the file, and what stands around it.
        let most = limit / 3 * 4 + 64 * 1024;
        let answer = self.call_up_to(endpoint, Method::POST, path, true, Some(&body), most).await?;
        let (Some(mime), Some(encoded)) = (answer["mimetype"].as_str(), answer["base64"].as_str())
        else {
            return Err(SendError::Unreachable("an answer without the file".to_owned()));
        };
        let bytes = BASE64
            .decode(encoded.trim())
            .map_err(|_| SendError::Unreachable("an unreadable file".to_owned()))?;
        Ok(File { mime: mime.to_owned(), bytes })
    }

    /// A page of what the server has stored, newest first.
    ///
    /// # Errors
    /// When the server refuses; one that stores nothing answers an empty list.
    pub(super) async fn find_messages(
        &self,
        endpoint: &Endpoint,
        span: &Span,
    ) -> Result<History, SendError> {
        let mut filter = json!({ "messageTimestamp": {
            "gte": span.from.rfc3339(), "lte": span.to.rfc3339(),
        } });
        if span.sent_only {
            filter["key"] = json!({ "fromMe": true });
        }
        let body = json!({ "where": filter, "page": span.page, "offset": PAGE });
        let answer = self
            .call_up_to(endpoint, Method::POST, "chat/findMessages", true, Some(&body), PAGE_BYTES)
            .await?;
        let found = &answer["messages"];
        let records = found["records"].as_array().ok_or_else(|| {
            SendError::unsupported("list of past messages in a form that is known")
        })?;
        let items = records
            .iter()
            .map(|record| match super::message(record) {
                // What a person typed names the phone's system; what left by the API does not.
                Ok(message) if message.from_me && !typed(record) => {
                    Inbound::Sent(Box::new(message))
                }
                Ok(message) => Inbound::Message(Box::new(message)),
                Err(reason) => Inbound::Unknown(reason.to_owned()),
            })
            .collect();
        Ok(History { items, more: found["pages"].as_u64() > Some(u64::from(span.page)) })
    }
}

fn typed(record: &Value) -> bool {
    matches!(record["source"].as_str(), Some("android" | "ios" | "desktop"))
}

/// Messages of one page of the past.
const PAGE: u32 = 100;
/// Bytes of such a page at most: its pictures' previews come as lists of numbers, ten times their size.
const PAGE_BYTES: usize = 32 * 1024 * 1024;

fn connection(answer: &Value) -> Connection {
    if answer["instance"]["state"] == "open" {
        return Connection::Open;
    }
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Connection::Pairing { qr: text("base64"), text: text("code"), code: text("pairingCode") }
}

/// The id by which a provider will speak of a message it accepted.
pub(super) fn accepted(answer: &Value) -> Result<Accepted, SendError> {
    match answer["key"]["id"].as_str() {
        Some(id) => Ok(Accepted { provider_id: Some(id.to_owned()), address: None }),
        None => Err(SendError::no_id(&message_of(answer))),
    }
}
