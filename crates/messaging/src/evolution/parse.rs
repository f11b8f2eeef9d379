//! Webhook bodies in.

use kernel::{Moment, Phone};
use serde_json::Value;

use crate::{
    Chat, ChatKind, Content, Inbound, InboundMessage, Link, LinkState, Media, Parsed, Progress,
    SendState,
};

/// Messages inside these are the message; Evolution does not unwrap them.
const WRAPPERS: &[&str] = &[
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "deviceSentMessage",
];

/// Reads a body that is JSON. `None` when there is no instance name to tell whose it is.
pub fn parse(body: &Value) -> Option<Parsed> {
    let instance = match &body["instance"] {
        Value::String(name) => name.clone(),
        // Some relays pass the instance as an object.
        Value::Object(object) => object.get("instanceName")?.as_str()?.to_owned(),
        _ => return None,
    };
    // By-event webhooks of some relays write MESSAGES_UPSERT.
    let event = body["event"].as_str().unwrap_or_default().to_lowercase().replace('_', ".");
    let data = &body["data"];
    let items = match (event.as_str(), data) {
        ("messages.upsert" | "send.message", Value::Array(list)) => {
            list.iter().map(|one| message_event(&event, one)).collect()
        }
        // Baileys' own shape: a list of messages inside.
        ("messages.upsert", Value::Object(object)) if object.contains_key("messages") => {
            let list = object["messages"].as_array().cloned().unwrap_or_default();
            list.iter().map(|one| message_event(&event, one)).collect()
        }
        ("messages.upsert" | "send.message", one) => vec![message_event(&event, one)],
        ("messages.update", Value::Array(list)) => list.iter().map(status).collect(),
        ("messages.update", one) => vec![status(one)],
        ("messages.delete", one) => vec![match id_of(one) {
            Some(provider_id) => Inbound::Deleted { provider_id, chat: chat_of(one) },
            None => Inbound::Unknown("messages.delete without an id".to_owned()),
        }],
        ("messages.edited", one) => vec![edited(one)],
        ("connection.update", one) => vec![connection(&one["state"], &one["statusReason"], one)],
        ("status.instance", one) => {
            vec![connection(&one["status"], &one["disconnectionReasonCode"], one)]
        }
        ("logout.instance" | "remove.instance", _) => vec![Inbound::Connection(Link {
            state: LinkState::Disconnected,
            reason: Some(LOGGED_OUT.to_owned()),
            owner: None,
        })],
        ("qrcode.updated", one) if one["statusCode"].is_number() => {
            vec![Inbound::Connection(link("refused", None))]
        }
        ("qrcode.updated", one) => vec![pairing(one)],
        ("presence.update", _) => vec![Inbound::Ignored("presence")],
        ("call", _) => vec![Inbound::Ignored("call")],
        (
            "contacts.set"
            | "contacts.upsert"
            | "contacts.update"
            | "chats.set"
            | "chats.upsert"
            | "chats.update"
            | "chats.delete"
            | "messages.set"
            | "groups.upsert"
            | "groups.update"
            | "group.update"
            | "group.participants.update"
            | "labels.edit"
            | "labels.association"
            | "application.startup"
            | "instance.create"
            | "instance.delete"
            | "typebot.start"
            | "typebot.change.status",
            _,
        ) => vec![Inbound::Ignored("no_use")],
        (other, _) => vec![Inbound::Unknown(format!("event `{other}`"))],
    };
    let owner = body["sender"].as_str().and_then(digits_of);
    Some(Parsed { instance, event, owner, items })
}

/// The digits of a phone's JID.
pub(super) fn digits_of(jid: &str) -> Option<String> {
    let (user, domain) = jid.split_once('@').unwrap_or((jid, "s.whatsapp.net"));
    let user = user.split(':').next().unwrap_or(user);
    let phone = matches!(domain, "s.whatsapp.net" | "c.us");
    phone.then(|| user.parse::<Phone>().ok().map(|phone| phone.digits().to_owned())).flatten()
}

const LOGGED_OUT: &str = "the phone was logged out: connect the channel again";

fn pairing(data: &Value) -> Inbound {
    let code = &data["qrcode"];
    let text = |name: &str| code[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let (qr, plain, typed) = (text("base64"), text("code"), text("pairingCode"));
    if qr.is_none() && plain.is_none() && typed.is_none() {
        return Inbound::Unknown("qrcode.updated without a code".to_owned());
    }
    Inbound::Pairing { qr, text: plain, code: typed }
}

fn message_event(event: &str, data: &Value) -> Inbound {
    match message(data) {
        Ok(message) if event == "send.message" => Inbound::Sent(Box::new(message)),
        Ok(message) => Inbound::Message(Box::new(message)),
        Err(reason) => Inbound::Unknown(reason.to_owned()),
    }
}

pub(crate) fn message(data: &Value) -> Result<InboundMessage, &'static str> {
    let key = &data["key"];
    let provider_id = key["id"].as_str().filter(|id| !id.is_empty()).ok_or("no key.id")?.to_owned();
    let chat = chat(key)?;
    let inner = unwrap(&data["message"]);
    let (content, text, mut media) = match inner.as_object() {
        Some(_) => content(inner, &data["message"]["base64"]),
        // v2 sends no `message` for what it could not decrypt.
        None => (Content::Unsupported, None, None),
    };
    if let Some(media) = media.as_mut().filter(|media| media.base64.is_none()) {
        media.reference = Some(provider_id.clone());
    }
    Ok(InboundMessage {
        provider_id,
        chat,
        from_me: key["fromMe"].as_bool().unwrap_or(false),
        name: data["pushName"].as_str().filter(|name| !name.trim().is_empty()).map(str::to_owned),
        at: long(&data["messageTimestamp"]).filter(|at| *at > 0).map(seconds_or_millis),
        content,
        text: text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()),
        media,
        raw: (content != Content::Text).then(|| without_bytes(inner)),
    })
}

/// A message without the file, pictures of it, and what only WhatsApp's own encryption uses.
fn without_bytes(message: &Value) -> Value {
    const BYTES: &[&str] = &["base64", "jpegThumbnail", "waveform", "messageContextInfo"];
    match message {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !BYTES.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), without_bytes(value)))
            .collect(),
        other => other.clone(),
    }
}

fn seconds_or_millis(at: i64) -> Moment {
    if at > 100_000_000_000 { Moment(at.saturating_mul(1000)) } else { Moment::from_seconds(at) }
}

fn chat(key: &Value) -> Result<Chat, &'static str> {
    let jid = key["remoteJid"].as_str().filter(|jid| !jid.is_empty()).ok_or("no key.remoteJid")?;
    let (user, domain) = jid.split_once('@').unwrap_or((jid, "s.whatsapp.net"));
    let kind = match domain {
        "g.us" => ChatKind::Group,
        "newsletter" => ChatKind::Newsletter,
        "broadcast" if user == "status" => ChatKind::Status,
        "broadcast" => ChatKind::Broadcast,
        "s.whatsapp.net" | "c.us" | "lid" | "hosted" | "hosted.lid" => ChatKind::Person,
        _ => return Err("remoteJid of an unknown kind"),
    };
    let mut phone = None;
    let mut digits = None;
    let mut lid = None;
    // The phone is in any of these, by version; the JID itself may be phone or LID.
    for field in ["remoteJid", "remoteJidAlt", "senderPn", "senderLid", "previousRemoteJid"] {
        let Some(jid) = key[field].as_str() else { continue };
        let (user, domain) = jid.split_once('@').unwrap_or((jid, ""));
        let user = user.split(':').next().unwrap_or(user);
        match domain {
            "s.whatsapp.net" | "c.us" if phone.is_none() => {
                phone = user.parse::<Phone>().ok();
                digits = phone.as_ref().map(|_| user.to_owned());
            }
            "lid" | "hosted.lid" if lid.is_none() => lid = Some(user.to_owned()),
            _ => {}
        }
    }
    if kind == ChatKind::Person && phone.is_none() && lid.is_none() {
        return Err("a person without phone or LID");
    }
    let address = digits.unwrap_or_else(|| jid.to_owned());
    Ok(Chat { kind, address, phone, lid, bsuid: None })
}

/// The message inside its wrappers.
pub(crate) fn unwrap(message: &Value) -> &Value {
    let mut inner = message;
    for _ in 0..4 {
        match WRAPPERS.iter().find_map(|name| inner.get(name)?.get("message")) {
            Some(deeper) => inner = deeper,
            None => return inner,
        }
    }
    inner
}

pub(crate) fn content(message: &Value, base64: &Value) -> (Content, Option<String>, Option<Media>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(body) = text(&message["conversation"]) {
        return (Content::Text, Some(body), None);
    }
    if let Some(body) = text(&message["extendedTextMessage"]["text"]) {
        return (Content::Text, Some(body), None);
    }
    for (field, kind) in [
        ("imageMessage", Content::Image),
        ("videoMessage", Content::Video),
        ("ptvMessage", Content::Video),
        ("audioMessage", Content::Audio),
        ("documentMessage", Content::Document),
        ("stickerMessage", Content::Sticker),
    ] {
        let media = &message[field];
        if media.is_object() {
            let file = Media {
                mime: text(&media["mimetype"]).unwrap_or_default(),
                file_name: text(&media["fileName"]),
                base64: text(base64).or_else(|| text(&message["base64"])),
                reference: None,
            };
            return (kind, text(&media["caption"]), Some(file));
        }
    }
    let reply = &message["buttonsResponseMessage"];
    if reply.is_object() {
        let body = text(&reply["selectedDisplayText"]).or_else(|| text(&reply["selectedButtonId"]));
        return (Content::Text, body, None);
    }
    let reply = &message["templateButtonReplyMessage"];
    if reply.is_object() {
        let body = text(&reply["selectedDisplayText"]).or_else(|| text(&reply["selectedId"]));
        return (Content::Text, body, None);
    }
    let reply = &message["listResponseMessage"];
    if reply.is_object() {
        let body =
            text(&reply["title"]).or_else(|| text(&reply["singleSelectReply"]["selectedRowId"]));
        return (Content::Text, body, None);
    }
    let reply = &message["interactiveResponseMessage"];
    if reply.is_object() {
        let params = reply["nativeFlowResponseMessage"]["paramsJson"]
            .as_str()
            .and_then(|json| serde_json::from_str::<Value>(json).ok())
            .unwrap_or_default();
        let body = text(&reply["body"]["text"])
            .filter(|t| !t.is_empty())
            .or_else(|| text(&params["display_text"]))
            .or_else(|| text(&params["id"]));
        return (Content::Text, body, None);
    }
    let place = &message["locationMessage"];
    if place.is_object() || message["liveLocationMessage"].is_object() {
        let body = text(&place["name"]).or_else(|| text(&place["address"]));
        return (Content::Location, body, None);
    }
    if message["contactMessage"].is_object() || message["contactsArrayMessage"].is_object() {
        return (Content::Contact, text(&message["contactMessage"]["displayName"]), None);
    }
    if message["reactionMessage"].is_object() {
        return (Content::Reaction, text(&message["reactionMessage"]["text"]), None);
    }
    (Content::Unsupported, None, None)
}

fn id_of(data: &Value) -> Option<String> {
    [&data["keyId"], &data["key"]["id"], &data["id"]]
        .into_iter()
        .find_map(|id| id.as_str().filter(|id| !id.is_empty()).map(str::to_owned))
}

/// The chat of a change, whose key is the data itself or in it.
fn chat_of(data: &Value) -> Option<Box<Chat>> {
    chat(if data["key"].is_object() { &data["key"] } else { data }).ok().map(Box::new)
}

fn status(data: &Value) -> Inbound {
    let Some(provider_id) = id_of(data) else {
        return Inbound::Unknown("messages.update without an id".to_owned());
    };
    let name = data["status"].as_str().or_else(|| data["update"]["status"].as_str());
    let state = match name.unwrap_or_default() {
        "SERVER_ACK" => SendState::Sent,
        "DELIVERY_ACK" => SendState::Delivered,
        "READ" | "PLAYED" => SendState::Read,
        "ERROR" => SendState::Failed,
        "PENDING" => return Inbound::Ignored("pending"),
        // Also what Evolution says for edits: no proof that anything was deleted.
        "DELETED" => return Inbound::Ignored("deleted_status"),
        other => return Inbound::Unknown(format!("message status `{other}`")),
    };
    // The address may be the phone's at one time and WhatsApp's own id at another.
    let jid =
        serde_json::json!({ "remoteJid": data["remoteJid"], "remoteJidAlt": data["remoteJidAlt"] });
    let chat = chat(&jid).ok().filter(|chat| chat.kind == ChatKind::Person && chat.lid.is_some());
    let failed = state == SendState::Failed;
    Inbound::Status(Progress {
        code: failed.then(|| "ERROR".to_owned()),
        reason: failed.then(|| "o WhatsApp não conseguiu enviar a mensagem".to_owned()),
        chat,
        ..Progress::of(provider_id, state)
    })
}

fn edited(data: &Value) -> Inbound {
    let (_, text, _) = content(unwrap(&data["editedMessage"]), &Value::Null);
    match (id_of(data), text) {
        (Some(provider_id), Some(text)) => {
            Inbound::Edited { provider_id, chat: chat_of(data), text }
        }
        _ => Inbound::Unknown("messages.edited without id or text".to_owned()),
    }
}

fn connection(state: &Value, reason: &Value, data: &Value) -> Inbound {
    let Some(state) = state.as_str() else {
        return Inbound::Unknown("connection without a state".to_owned());
    };
    let owner = data["wuid"].as_str().and_then(digits_of);
    Inbound::Connection(Link { owner, ..link(state, reason.as_i64()) })
}

/// Evolution's state and Baileys' reason code in our words.
pub(super) fn link(state: &str, reason: Option<i64>) -> Link {
    let (state, text) = match (state, reason) {
        ("open", _) => (LinkState::Connected, None),
        ("connecting", _) => (LinkState::Pending, None),
        ("refused", _) => {
            (LinkState::Error, Some("the QR code ran out: ask for a new one".to_owned()))
        }
        (_, Some(401)) => (LinkState::Disconnected, Some(LOGGED_OUT.to_owned())),
        (_, Some(402 | 403)) => {
            (LinkState::Error, Some("WhatsApp blocked this number: see the phone".to_owned()))
        }
        (_, Some(406)) => (
            LinkState::Error,
            Some("WhatsApp refused this connection: update the Evolution server".to_owned()),
        ),
        (_, Some(code)) => (
            LinkState::Disconnected,
            Some(format!("the connection to WhatsApp is closed (reason {code})")),
        ),
        (_, None) => {
            (LinkState::Disconnected, Some("the connection to WhatsApp is closed".to_owned()))
        }
    };
    Link { state, reason: text, owner: None }
}

/// Numbers come as numbers, as text, or as the two halves of a 64-bit integer.
fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Object(halves) => {
            let low = halves.get("low")?.as_i64()?;
            let high = halves.get("high")?.as_i64()?;
            Some((high << 32) | (low & 0xffff_ffff))
        }
        _ => None,
    }
}
