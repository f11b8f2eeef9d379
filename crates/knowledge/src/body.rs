//! What was read of a document, as its row keeps it: indexing again needs no file.

use serde::{Deserialize, Serialize};

use crate::read::Item;

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    text: String,
}

pub(crate) fn encode(items: &[Item]) -> String {
    let stored: Vec<Stored> = items
        .iter()
        .map(|item| match item.clone() {
            Item::Pair { question, answer, category } => {
                Stored { question: Some(question), heading: None, category, text: answer }
            }
            Item::Section { heading, text } => {
                Stored { question: None, heading, category: None, text }
            }
        })
        .collect();
    serde_json::to_string(&stored).expect("texts become JSON")
}

pub(crate) fn decode(body: &str) -> Vec<Item> {
    let stored: Vec<Stored> = serde_json::from_str(body).unwrap_or_default();
    stored
        .into_iter()
        .map(|s| match s.question {
            Some(question) => Item::Pair { question, answer: s.text, category: s.category },
            None => Item::Section { heading: s.heading, text: s.text },
        })
        .collect()
}
