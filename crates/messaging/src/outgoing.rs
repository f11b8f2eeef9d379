//! What may be sent, in our words, with the limits that WhatsApp sets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A message that is to leave.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// What the provider calls the recipient: digits or a JID.
    pub to: &'a str,
    /// Our own id of the message. Providers that echo a correlation key get it.
    pub key: &'a str,
    /// The provider's id of the message that is answered.
    pub reply_to: Option<&'a str>,
    pub body: &'a Body,
}

/// Its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    Text {
        text: String,
    },
    Media {
        kind: MediaKind,
        mime: String,
        file_name: Option<String>,
        caption: Option<String>,
        source: Source,
    },
    Buttons {
        text: String,
        buttons: Vec<Choice>,
    },
    List {
        text: String,
        /// The label that opens the list.
        button: String,
        rows: Vec<ListRow>,
    },
    Template {
        name: String,
        language: String,
        /// As Meta's API takes them.
        components: Value,
    },
}

/// How WhatsApp shows a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    /// An audio shown as recorded on the spot.
    Voice,
    Document,
}

impl MediaKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio | Self::Voice => "audio",
            Self::Document => "document",
        }
    }

    /// The kind that fits a type such as `image/png`.
    pub fn of_mime(mime: &str) -> Self {
        match mime.split('/').next() {
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::Document,
        }
    }

    /// The largest file of this kind that WhatsApp takes, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Image => 5 * 1024 * 1024,
            Self::Video | Self::Audio | Self::Voice => 16 * 1024 * 1024,
            Self::Document => 100 * 1024 * 1024,
        }
    }
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Link(String),
    Bytes(Vec<u8>),
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub id: String,
    /// 1 to 20 characters.
    pub title: String,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRow {
    pub id: String,
    /// 1 to 24 characters.
    pub title: String,
    /// Up to 72 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A body that WhatsApp would not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct BadBody {
    pub field: &'static str,
    pub reason: String,
}

/// Characters of a text at most.
const TEXT: usize = 4096;
const CAPTION: usize = 1024;

fn length(field: &'static str, text: &str, least: usize, most: usize) -> Result<(), BadBody> {
    let count = text.chars().count();
    if (least..=most).contains(&count) {
        return Ok(());
    }
    Err(BadBody { field, reason: format!("must have {least} to {most} characters, has {count}") })
}

fn distinct<'a>(field: &'static str, ids: impl Iterator<Item = &'a str>) -> Result<(), BadBody> {
    let mut seen = std::collections::HashSet::new();
    for id in ids {
        length(field, id, 1, 200)?;
        if !seen.insert(id) {
            return Err(BadBody { field, reason: format!("the id `{id}` stands twice") });
        }
    }
    Ok(())
}

impl Body {
    /// Checks it against WhatsApp's limits.
    ///
    /// # Errors
    /// The field at fault and what is allowed.
    pub fn check(&self) -> Result<(), BadBody> {
        match self {
            Self::Text { text } => length("text", text, 1, TEXT),
            Self::Media { caption, source, mime, kind, .. } => {
                if let Some(caption) = caption {
                    length("media.caption", caption, 0, CAPTION)?;
                }
                if !mime.contains('/') {
                    let reason = "must be a type such as image/png".to_owned();
                    return Err(BadBody { field: "media.mime", reason });
                }
                match source {
                    Source::Bytes(bytes) if bytes.len() > kind.limit() => Err(BadBody {
                        field: "media",
                        reason: format!(
                            "{} bytes are over the limit of {} for {}",
                            bytes.len(),
                            kind.limit(),
                            kind.name()
                        ),
                    }),
                    _ => Ok(()),
                }
            }
            Self::Buttons { text, buttons } => {
                length("text", text, 1, 1024)?;
                if !(1..=3).contains(&buttons.len()) {
                    let reason = format!("1 to 3 buttons are allowed, not {}", buttons.len());
                    return Err(BadBody { field: "buttons", reason });
                }
                buttons.iter().try_for_each(|b| length("buttons.title", &b.title, 1, 20))?;
                distinct("buttons.id", buttons.iter().map(|b| b.id.as_str()))
            }
            Self::List { text, button, rows } => {
                length("text", text, 1, TEXT)?;
                length("list.button", button, 1, 20)?;
                if !(1..=10).contains(&rows.len()) {
                    let reason = format!("1 to 10 rows are allowed, not {}", rows.len());
                    return Err(BadBody { field: "list.rows", reason });
                }
                for row in rows {
                    length("list.rows.title", &row.title, 1, 24)?;
                    length(
                        "list.rows.description",
                        row.description.as_deref().unwrap_or(""),
                        0,
                        72,
                    )?;
                }
                distinct("list.rows.id", rows.iter().map(|r| r.id.as_str()))
            }
            Self::Template { name, language, components } => {
                length("template.name", name, 1, 512)?;
                length("template.language", language, 2, 15)?;
                if components.is_array() {
                    return Ok(());
                }
                let reason = "must be a list, as Meta's API takes it".to_owned();
                Err(BadBody { field: "template.components", reason })
            }
        }
    }

    /// What kind of content the inbox shows.
    pub fn content(&self) -> &'static str {
        match self {
            Self::Text { .. } | Self::Buttons { .. } | Self::List { .. } => "text",
            Self::Media { kind, .. } => kind.name(),
            Self::Template { .. } => "template",
        }
    }

    /// What the inbox shows of it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Media { caption, .. } => caption.clone().unwrap_or_default(),
            Self::Buttons { .. } | Self::List { .. } => self.as_text(),
            Self::Template { name, components, .. } => {
                let mut texts = Vec::new();
                parameters(components, &mut texts);
                if texts.is_empty() {
                    name.clone()
                } else {
                    format!("{name}: {}", texts.join(", "))
                }
            }
        }
    }

    /// The same as plain text, for senders without buttons.
    pub fn as_text(&self) -> String {
        let numbered = |text: &str, lines: Vec<String>| {
            let lines: Vec<String> =
                lines.iter().enumerate().map(|(at, line)| format!("{}. {line}", at + 1)).collect();
            format!("{text}\n\n{}", lines.join("\n"))
        };
        match self {
            Self::Buttons { text, buttons } => {
                numbered(text, buttons.iter().map(|b| b.title.clone()).collect())
            }
            Self::List { text, rows, .. } => {
                let line = |row: &ListRow| match &row.description {
                    Some(more) => format!("{}: {more}", row.title),
                    None => row.title.clone(),
                };
                numbered(text, rows.iter().map(line).collect())
            }
            other => other.shown(),
        }
    }
}

fn parameters(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| parameters(one, out)),
        Value::Object(fields) => {
            if let Some(text) = fields.get("text").and_then(Value::as_str) {
                out.push(text.to_owned());
            }
            if let Some(list) = fields.get("parameters") {
                parameters(list, out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(id: &str, title: &str) -> Choice {
        Choice { id: id.to_owned(), title: title.to_owned() }
    }

    #[test]
    fn limits_name_the_field_and_what_is_allowed() {
        let text = |n: usize| Body::Text { text: "x".repeat(n) };
        assert!(text(4096).check().is_ok());
        let bad = text(4097).check().unwrap_err();
        assert_eq!(bad.to_string(), "text: must have 1 to 4096 characters, has 4097");
        assert!(text(0).check().is_err());
        let buttons = |list: Vec<Choice>| Body::Buttons { text: "?".to_owned(), buttons: list };
        assert!(buttons(vec![choice("a", "Sim"), choice("b", "Não")]).check().is_ok());
        for (list, field) in [
            (vec![], "buttons"),
            (
                vec![choice("a", "1"), choice("b", "2"), choice("c", "3"), choice("d", "4")],
                "buttons",
            ),
            (vec![choice("a", &"x".repeat(21))], "buttons.title"),
            (vec![choice("a", "Sim"), choice("a", "Não")], "buttons.id"),
        ] {
            assert_eq!(buttons(list).check().unwrap_err().field, field);
        }
        let large = Body::Media {
            kind: MediaKind::Image,
            mime: "image/png".to_owned(),
            file_name: None,
            caption: None,
            source: Source::Bytes(vec![0; 5 * 1024 * 1024 + 1]),
        };
        assert_eq!(large.check().unwrap_err().field, "media");
    }

    #[test]
    fn buttons_become_a_numbered_text() {
        let body = Body::Buttons {
            text: "Confirma?".to_owned(),
            buttons: vec![choice("a", "Sim"), choice("b", "Não")],
        };
        assert_eq!(body.as_text(), "Confirma?\n\n1. Sim\n2. Não");
    }
}
