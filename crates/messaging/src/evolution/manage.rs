//! Calls about instances, numbers and media: what connecting a number needs beside sending.
//!
//! Bodies differ between versions 1 and 2 and between the published documents and the code; every
//! form that was seen is read.

use reqwest::Method;
use serde_json::{Value, json};

use super::send::Evolution;
use crate::{Accepted, Endpoint, SendError};

/// What an instance says of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    Open,
    /// The phone reads this picture, or its owner types the code.
    Pairing {
        qr: Option<String>,
        code: Option<String>,
    },
}

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

/// A number as WhatsApp knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub number: String,
    pub exists: bool,
    /// Where to send: may differ from the number in Brazil's ninth digit.
    pub jid: String,
}

/// A file to send, by address or base64.
#[derive(Debug, Clone)]
pub struct OutgoingMedia<'a> {
    pub to: &'a str,
    /// `image`, `video`, `document` or `audio`.
    pub kind: &'a str,
    pub mime: &'a str,
    pub caption: &'a str,
    pub media: &'a str,
    pub file_name: &'a str,
}

/// Where events go, and the header that proves them.
#[derive(Debug, Clone)]
pub struct Webhook<'a> {
    pub url: &'a str,
    pub header: (&'a str, &'a str),
    /// Names such as `MESSAGES_UPSERT`; none would subscribe to all.
    pub events: &'a [&'a str],
}

impl Webhook<'_> {
    fn body(&self) -> Value {
        json!({
            "enabled": true, "url": self.url, "headers": { (self.header.0): self.header.1 },
            "byEvents": false, "base64": true, "events": self.events,
        })
    }
}

impl Evolution {
    /// Makes the instance with its webhook. That it exists already is no error.
    ///
    /// # Errors
    /// When the server refuses or is not reached.
    pub async fn create_instance(
        &self,
        endpoint: &Endpoint,
        number: &str,
        webhook: &Webhook<'_>,
    ) -> Result<Created, SendError> {
        let body = json!({
            "instanceName": endpoint.instance, "integration": "WHATSAPP-BAILEYS", "qrcode": true,
            "number": number, "groupsIgnore": true, "webhook": webhook.body(),
        });
        match self.call(endpoint, Method::POST, "instance/create", false, Some(&body)).await {
            Ok(answer) => {
                let hash = &answer["hash"];
                let token = hash.as_str().or_else(|| hash["apikey"].as_str()).map(str::to_owned);
                Ok(Created::New { token, connection: connection(&answer["qrcode"]) })
            }
            Err(SendError::Refused { code, reason })
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
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, SendError> {
        let answer = self.call(endpoint, Method::GET, "instance/connect", true, None).await?;
        if answer["error"] == Value::Bool(true) {
            let reason = answer["message"].as_str().unwrap_or("refused").to_owned();
            return Err(SendError::Refused { code: "200".to_owned(), reason });
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
    pub async fn logout(&self, endpoint: &Endpoint) -> Result<(), SendError> {
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
        let body = json!({ "webhook": webhook.body() });
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
                })
            })
            .collect())
    }

    /// The file of a message: its type and base64.
    ///
    /// # Errors
    /// When the server refuses, as it does for files that expired.
    pub async fn media(
        &self,
        endpoint: &Endpoint,
        provider_id: &str,
    ) -> Result<(String, String), SendError> {
        let body = json!({ "message": { "key": { "id": provider_id } }, "convertToMp4": false });
        let path = "chat/getBase64FromMediaMessage";
        let answer = self.call(endpoint, Method::POST, path, true, Some(&body)).await?;
        match (answer["mimetype"].as_str(), answer["base64"].as_str()) {
            (Some(mime), Some(base64)) => Ok((mime.to_owned(), base64.to_owned())),
            _ => Err(SendError::Unreachable("an answer without the file".to_owned())),
        }
    }

    /// Sends a file.
    ///
    /// # Errors
    /// As [`crate::Messenger::send_text`].
    pub async fn send_media(
        &self,
        endpoint: &Endpoint,
        media: &OutgoingMedia<'_>,
    ) -> Result<Accepted, SendError> {
        let body = json!({
            "number": media.to, "mediatype": media.kind, "mimetype": media.mime,
            "caption": media.caption, "media": media.media, "fileName": media.file_name,
        });
        accepted(&self.call(endpoint, Method::POST, "message/sendMedia", true, Some(&body)).await?)
    }

    /// Sends a voice note, by address or base64.
    ///
    /// # Errors
    /// As [`crate::Messenger::send_text`].
    pub async fn send_voice(
        &self,
        endpoint: &Endpoint,
        to: &str,
        audio: &str,
    ) -> Result<Accepted, SendError> {
        let body = json!({ "number": to, "audio": audio, "encoding": true });
        let path = "message/sendWhatsAppAudio";
        accepted(&self.call(endpoint, Method::POST, path, true, Some(&body)).await?)
    }
}

fn connection(answer: &Value) -> Connection {
    if answer["instance"]["state"] == "open" {
        return Connection::Open;
    }
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Connection::Pairing { qr: text("base64"), code: text("pairingCode") }
}

/// The id by which a provider will speak of a message it accepted.
pub(super) fn accepted(answer: &Value) -> Result<Accepted, SendError> {
    match answer["key"]["id"].as_str() {
        Some(id) => Ok(Accepted { provider_id: id.to_owned() }),
        None => Err(SendError::OutcomeUnknown("an answer without a message id".to_owned())),
    }
}
