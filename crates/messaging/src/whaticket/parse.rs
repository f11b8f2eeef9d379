//! Webhook bodies in: Baileys' own form, the older form with a contact, and the minimal one.

use std::borrow::Cow;

use kernel::Phone;
use serde_json::Value;

use crate::evolution::{content, message, unwrap};
use crate::{Chat, Content, InboundMessage};

/// A body that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No family explains it.
    #[error("{0}")]
    Shape(&'static str),
    /// A message of somebody, without text and file.
    #[error("no text and no file")]
    Nothing,
}

/// Reads a body. Several forms name no message id; what `fallback` makes stands for it there.
///
/// # Errors
/// When it names no sender or says nothing.
pub fn parse(body: &Value, fallback: impl Fn() -> String) -> Result<InboundMessage, Unreadable> {
    if !body.is_object() {
        return Err(Unreadable::Shape("the body is no JSON object"));
    }
    for proto in [body, &body["messages"][0], &body["data"]] {
        if proto["key"]["remoteJid"].is_string() {
            return baileys(proto, fallback);
        }
    }
    loose(body, fallback)
}

fn baileys(proto: &Value, fallback: impl Fn() -> String) -> Result<InboundMessage, Unreadable> {
    let mut proto = Cow::Borrowed(proto);
    if proto["key"]["id"].as_str().is_none_or(str::is_empty) {
        proto.to_mut()["key"]["id"] = Value::String(fallback());
    }
    let mut read = message(&proto).map_err(Unreadable::Shape)?;
    if read.content == Content::Unsupported && read.text.is_none() {
        // A bare text beside an empty message, as some forks write it.
        if let Some(text) = bare_text(&proto) {
            read.content = Content::Text;
            read.text = Some(text);
            read.raw = None;
        }
    }
    no_reference(&mut read);
    Ok(read)
}

/// Whaticket offers no way to fetch a file.
fn no_reference(message: &mut InboundMessage) {
    if let Some(media) = &mut message.media {
        media.reference = None;
    }
}

/// Whether a body tells what became of a message, and is none.
fn is_receipt(body: &Value) -> bool {
    let about = ["messageId", "id", "ids"].iter().any(|name| !body[*name].is_null());
    about && ["ack", "status", "receipt"].iter().any(|name| !body[*name].is_null())
}

fn loose(body: &Value, fallback: impl Fn() -> String) -> Result<InboundMessage, Unreadable> {
    let contact = &body["contact"];
    let number =
        [&body["number"], &contact["number"], &contact["phone"], &body["from"], &body["phone"]]
            .into_iter()
            .find_map(|value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .ok_or(match is_receipt(body) {
                true => Unreadable::Nothing,
                false => {
                    Unreadable::Shape("no sender: neither key.remoteJid, number nor contact.number")
                }
            })?;
    let group = body["isGroup"] == Value::Bool(true) || number.ends_with("@g.us");
    if group || number.ends_with("@broadcast") || number.ends_with("@newsletter") {
        return Err(Unreadable::Nothing);
    }
    let digits = number.split('@').next().unwrap_or_default();
    let phone: Phone = digits
        .parse()
        .map_err(|_| Unreadable::Shape("the sender is no international phone number"))?;
    let listed = match &body["message"] {
        Value::Array(list) => list.first().unwrap_or(&Value::Null),
        Value::Null => &body["messages"][0]["message"],
        one => one,
    };
    let inner = unwrap(listed);
    let (mut kind, mut text, media) = match inner {
        Value::Object(_) => content(inner, &listed["base64"]),
        Value::String(text) => (Content::Text, Some(text.clone()), None),
        _ => (Content::Unsupported, None, None),
    };
    if kind == Content::Unsupported
        && let Some(bare) = bare_text(body)
    {
        (kind, text) = (Content::Text, Some(bare));
    }
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if kind == Content::Unsupported || (kind == Content::Text && text.is_none()) {
        return Err(Unreadable::Nothing);
    }
    let named =
        |value: &Value| value.as_str().filter(|name| !name.trim().is_empty()).map(str::to_owned);
    let name =
        [&contact["name"], &contact["pushName"], &body["pushName"], &body["name"], &body["nome"]]
            .into_iter()
            .find_map(named);
    let id = [&body["id"], &body["messageId"]].into_iter().find_map(named);
    let mut read = InboundMessage {
        provider_id: id.unwrap_or_else(fallback),
        chat: Chat::of_phone(phone),
        from_me: body["fromMe"].as_bool().unwrap_or(false),
        name,
        at: None,
        content: kind,
        text,
        media,
        raw: (kind != Content::Text).then(|| inner.clone()),
    };
    no_reference(&mut read);
    Ok(read)
}

fn bare_text(body: &Value) -> Option<String> {
    [
        &body["text"],
        &body["body"],
        &body["caption"],
        &body["message"]["text"],
        &body["message"]["body"],
    ]
    .into_iter()
    .find_map(|value| value.as_str().map(str::trim).filter(|text| !text.is_empty()))
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_well_and_no_message_is_nothing() {
        for body in [
            json!({ "number": "120363041234567890@g.us", "isGroup": true, "message": { "conversation": "oi" } }),
            json!({ "number": "status@broadcast", "message": { "conversation": "oi" } }),
            json!({ "event": "message.ack", "messageId": "X", "ack": 3 }),
            json!({ "id": "X", "status": "READ" }),
            json!({ "number": "5511900000001" }),
        ] {
            assert_eq!(parse(&body, || "x".to_owned()).unwrap_err(), Unreadable::Nothing, "{body}");
        }
    }

    #[test]
    fn bodies_without_sender_or_words_are_refused() {
        for (body, why) in [
            (json!([]), "no JSON object"),
            (json!({}), "no sender"),
            (json!({ "number": "abc", "text": "oi" }), "no international phone"),
            (json!({ "number": "5511900000001" }), "no text"),
            (json!({ "number": "5511900000001", "text": "   " }), "no text"),
            (json!({ "number": "5511900000001", "message": { "conversation": "" } }), "no text"),
        ] {
            let refused = parse(&body, || "x".to_owned()).unwrap_err().to_string();
            assert!(refused.contains(why), "{body}: {refused}");
        }
    }

    #[test]
    fn forms_without_an_id_get_the_one_that_is_given() {
        let body = json!({ "number": 5_511_900_000_001_i64, "kind": "text", "text": " oi " });
        let read = parse(&body, || "sig-1".to_owned()).unwrap();
        assert_eq!((read.provider_id.as_str(), read.text.as_deref()), ("sig-1", Some("oi")));
    }
}
