//! Webhook bodies in: entries, changes, and what each change says.

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::{Moment, Phone};
use serde_json::Value;
use sha2::Sha256;

use super::codes;
use crate::inbound::Health;
use crate::{Chat, ChatKind, Content, Inbound, InboundMessage, Media, Progress, SendState};

/// Whether `X-Hub-Signature-256` holds for a raw body under an app secret, looked at while the body comes.
pub struct Check<'a> {
    secret: &'a str,
    mac: Hmac<Sha256>,
    given: Vec<u8>,
}

impl<'a> Check<'a> {
    /// `None` when it cannot hold: an empty secret, or what is no signature.
    pub fn new(app_secret: &'a str, header: &str) -> Option<Self> {
        let given = crate::whaticket::decode(header.trim().strip_prefix("sha256=")?)?;
        if app_secret.is_empty() {
            return None;
        }
        let mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).ok()?;
        Some(Self { secret: app_secret, mac, given })
    }

    /// The next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.mac.update(piece);
    }

    /// The secret, if the signature holds under it, after the last piece.
    pub fn signer(self) -> Option<String> {
        self.mac.verify_slice(&self.given).is_ok().then(|| self.secret.to_owned())
    }
}

/// One change of a webhook.
#[derive(Debug, Clone)]
pub struct Change {
    /// The business account it belongs to.
    pub account: String,
    pub field: String,
    /// The number it is about; changes of the whole account name none.
    pub phone_number_id: Option<String>,
    /// The number itself: digits.
    pub owner: Option<String>,
    pub items: Vec<Inbound>,
    /// The provider's own form, for replay.
    pub raw: Value,
}

/// Reads a body. `None` when it is none of Meta's.
pub fn changes(body: &Value) -> Option<Vec<Change>> {
    if body["object"] != "whatsapp_business_account" {
        return None;
    }
    let mut out = Vec::new();
    for entry in body["entry"].as_array()? {
        let account = text(&entry["id"]).unwrap_or_default();
        for change in entry["changes"].as_array().into_iter().flatten() {
            out.push(one(&account, change));
        }
    }
    Some(out)
}

fn one(account: &str, change: &Value) -> Change {
    let value = &change["value"];
    let field = text(&change["field"]).unwrap_or_default();
    let metadata = &value["metadata"];
    let number =
        text(&metadata["display_phone_number"]).or_else(|| text(&value["display_phone_number"]));
    let items = match field.as_str() {
        "messages" => messages(value),
        "smb_message_echoes" => list(&value["message_echoes"]).map(|m| echo(m, value)).collect(),
        "message_template_status_update"
        | "message_template_quality_update"
        | "template_category_update"
        | "phone_number_quality_update"
        | "phone_number_name_update"
        | "account_update"
        | "account_alerts"
        | "account_review_update"
        | "business_capability_update"
        | "security" => vec![health(&field, value)],
        "smb_app_state_sync"
        | "history"
        | "message_template_components_update"
        | "user_preferences"
        | "account_settings_update"
        | "group_lifecycle_update"
        | "group_participants_update"
        | "group_settings_update"
        | "group_status_update"
        | "flows"
        | "tracking_events"
        | "partner_solutions"
        | "payment_configuration_update" => vec![Inbound::Ignored("no_use")],
        other => vec![Inbound::Unknown(format!("field `{other}`"))],
    };
    Change {
        account: account.to_owned(),
        phone_number_id: text(&metadata["phone_number_id"]),
        owner: number.and_then(|n| n.parse::<Phone>().ok()).map(|p| p.digits().to_owned()),
        field,
        items,
        raw: change.clone(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Times are texts of seconds.
fn seconds(value: &Value) -> Option<Moment> {
    text(value)?.parse().ok().filter(|at| *at > 0).map(Moment::from_seconds)
}

fn messages(value: &Value) -> Vec<Inbound> {
    let mut items: Vec<Inbound> = list(&value["messages"]).map(|m| message(m, value)).collect();
    items.extend(list(&value["statuses"]).map(|s| status(s, value)));
    if items.is_empty() {
        items.extend(list(&value["errors"]).map(trouble));
    }
    if items.is_empty() {
        items.push(Inbound::Unknown("a change of messages without messages".to_owned()));
    }
    items
}

/// The person behind a number or a user id, with the name the change gives them.
fn person(phone: &Value, user: &Value, value: &Value) -> Option<(Chat, Option<String>)> {
    let number = text(phone);
    let phone: Option<Phone> = number.as_deref().and_then(|number| number.parse().ok());
    let profile = list(&value["contacts"]).find(|contact| {
        (number.is_some() && text(&contact["wa_id"]) == number)
            || (text(user).is_some() && text(&contact["user_id"]) == text(user))
    });
    let bsuid = text(user).or_else(|| text(&profile?["user_id"]));
    let name = profile.and_then(|contact| text(&contact["profile"]["name"]));
    let address = match (&phone, &bsuid) {
        (Some(_), _) => number?,
        (None, Some(id)) => id.clone(),
        (None, None) => return None,
    };
    Some((Chat { kind: ChatKind::Person, address, phone, lid: None, bsuid }, name))
}

fn message(message: &Value, value: &Value) -> Inbound {
    let Some(provider_id) = text(&message["id"]) else {
        return Inbound::Unknown("a message without an id".to_owned());
    };
    match message["type"].as_str().unwrap_or_default() {
        "system" => return system(message),
        "edit" => return edit(message, value),
        _ => {}
    }
    let Some((mut chat, name)) = person(&message["from"], &message["from_user_id"], value) else {
        return Inbound::Unknown("a message without a sender".to_owned());
    };
    if let Some(group) = text(&message["group_id"]) {
        (chat.kind, chat.address) = (ChatKind::Group, group);
    }
    Inbound::Message(Box::new(read(provider_id, chat, name, message, false)))
}

/// A person of the business wrote from the phone that shares the number.
fn echo(message: &Value, value: &Value) -> Inbound {
    let found = person(&message["to"], &message["to_user_id"], value);
    match (text(&message["id"]), found) {
        (Some(provider_id), Some((chat, _))) => {
            Inbound::Message(Box::new(read(provider_id, chat, None, message, true)))
        }
        _ => Inbound::Unknown("an echo without id or recipient".to_owned()),
    }
}

fn read(
    provider_id: String,
    chat: Chat,
    name: Option<String>,
    message: &Value,
    from_me: bool,
) -> InboundMessage {
    let (content, body, media) = content(message);
    InboundMessage {
        provider_id,
        chat,
        from_me,
        name,
        at: seconds(&message["timestamp"]),
        content,
        text: body.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
        media,
        raw: (content != Content::Text).then(|| message.clone()),
    }
}

fn content(message: &Value) -> (Content, Option<String>, Option<Media>) {
    let kind = message["type"].as_str().unwrap_or_default();
    let inner = &message[kind];
    let file = |content: Content| {
        let media = Media {
            mime: text(&inner["mime_type"]).unwrap_or_default(),
            file_name: text(&inner["filename"]),
            base64: None,
            reference: text(&inner["id"]),
        };
        (content, text(&inner["caption"]), Some(media))
    };
    match kind {
        "text" => (Content::Text, text(&inner["body"]), None),
        "button" => (Content::Text, text(&inner["text"]).or_else(|| text(&inner["payload"])), None),
        "interactive" => {
            let reply = &inner[inner["type"].as_str().unwrap_or_default()];
            let said = text(&reply["title"]).or_else(|| text(&reply["body"]));
            (Content::Text, said.or_else(|| text(&reply["id"])), None)
        }
        "image" => file(Content::Image),
        "video" => file(Content::Video),
        "audio" => file(Content::Audio),
        "document" => file(Content::Document),
        "sticker" => file(Content::Sticker),
        "location" => {
            (Content::Location, text(&inner["name"]).or_else(|| text(&inner["address"])), None)
        }
        "contacts" => (Content::Contact, text(&inner[0]["name"]["formatted_name"]), None),
        "reaction" => (Content::Reaction, text(&inner["emoji"]), None),
        "order" => (Content::Order, text(&inner["text"]), None),
        _ => (Content::Unsupported, None, None),
    }
}

fn system(message: &Value) -> Inbound {
    let system = &message["system"];
    let phone = |value: &Value| text(value)?.parse::<Phone>().ok().map(Chat::of_phone);
    match (phone(&message["from"]), phone(&system["wa_id"]).or_else(|| phone(&system["new_wa_id"])))
    {
        (Some(from), Some(to)) if from.phone != to.phone => {
            Inbound::Moved { from: Box::new(from), to: Box::new(to) }
        }
        _ => Inbound::Ignored("system"),
    }
}

fn edit(message: &Value, value: &Value) -> Inbound {
    let edit = &message["edit"];
    let (_, body, _) = content(&edit["message"]);
    match (text(&edit["original_message_id"]), body) {
        (Some(provider_id), Some(text)) => {
            let chat = person(&message["from"], &message["from_user_id"], value);
            let chat = chat.map(|(chat, _)| Box::new(chat));
            Inbound::Edited { provider_id, chat, text }
        }
        _ => Inbound::Unknown("an edit without id or text".to_owned()),
    }
}

fn status(status: &Value, value: &Value) -> Inbound {
    let Some(provider_id) = text(&status["id"]) else {
        return Inbound::Unknown("a status without an id".to_owned());
    };
    let state = match status["status"].as_str().unwrap_or_default() {
        "sent" => SendState::Sent,
        "delivered" => SendState::Delivered,
        "read" | "played" => SendState::Read,
        "failed" => SendState::Failed,
        "deleted" | "warning" => return Inbound::Ignored("status"),
        other => return Inbound::Unknown(format!("message status `{other}`")),
    };
    let error = &status["errors"][0];
    let code = error["code"].as_i64().filter(|_| state == SendState::Failed);
    let title = error["title"].as_str().unwrap_or_default();
    Inbound::Status(Progress {
        provider_id,
        state,
        at: seconds(&status["timestamp"]),
        code: code.map(|code| code.to_string()),
        reason: code.map(|code| codes::reason(code, title)),
        stops: code.and_then(codes::stops),
        key: text(&status["biz_opaque_callback_data"]),
        chat: person(&status["recipient_id"], &status["recipient_user_id"], value)
            .map(|(chat, _)| chat)
            .filter(|chat| chat.bsuid.is_some()),
    })
}

fn trouble(error: &Value) -> Inbound {
    let code = error["code"].as_i64().unwrap_or_default();
    let said = codes::reason(code, error["title"].as_str().unwrap_or_default());
    Inbound::Health(Box::new(Health {
        field: "messages".to_owned(),
        event: "error".to_owned(),
        value: Some(code.to_string()),
        alarm: Some(said),
        raw: error.clone(),
    }))
}

/// What Meta says of the sender's standing.
fn health(field: &str, value: &Value) -> Inbound {
    let event = text(&value["event"]).unwrap_or_else(|| field.to_owned()).to_lowercase();
    let named = |name: &str| text(&value[name]);
    let template = named("message_template_name");
    let (shown, alarm) = match field {
        "phone_number_quality_update" => {
            let limit =
                named("current_limit").or_else(|| named("max_daily_conversations_per_business"));
            let worse = matches!(event.as_str(), "flagged" | "downgrade");
            (limit, worse.then(|| "a Meta baixou a qualidade ou o limite deste número".to_owned()))
        }
        "message_template_status_update" => {
            let bad = matches!(event.as_str(), "rejected" | "paused" | "disabled" | "flagged");
            let name = template.clone().unwrap_or_default();
            (template, bad.then(|| format!("o modelo `{name}` está {}", pt(&event))))
        }
        "message_template_quality_update" => {
            let quality = named("new_quality_score");
            let bad = matches!(quality.as_deref(), Some("RED"));
            let name = template.unwrap_or_default();
            (quality, bad.then(|| format!("o modelo `{name}` tem qualidade baixa")))
        }
        "template_category_update" => (named("new_category"), None),
        "account_update" => {
            let said = match event.as_str() {
                "account_restriction" => Some("a Meta restringiu esta conta do WhatsApp"),
                "account_violation" => Some("a Meta registrou uma violação das regras nesta conta"),
                "disabled_update" if value["ban_info"]["waba_ban_state"] == "REINSTATE" => None,
                "disabled_update" => Some("a Meta desativou esta conta do WhatsApp"),
                "account_deleted" => Some("esta conta do WhatsApp foi apagada na Meta"),
                _ => None,
            };
            let detail = text(&value["ban_info"]["waba_ban_state"])
                .or_else(|| text(&value["restriction_info"][0]["restriction_type"]))
                .or_else(|| text(&value["violation_info"]["violation_type"]));
            (detail, said.map(str::to_owned))
        }
        _ => (None, None),
    };
    Inbound::Health(Box::new(Health {
        field: field.to_owned(),
        event,
        value: shown,
        alarm,
        raw: value.clone(),
    }))
}

fn pt(event: &str) -> &str {
    match event {
        "rejected" => "recusado",
        "paused" => "pausado",
        "disabled" => "desativado",
        "flagged" => "em observação",
        other => other,
    }
}
