//! What the assistant says, and where it comes from.

use inbox::Reason;
use knowledge::{Hit, SURELY};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use understanding::Plain;

use crate::model_turn;

/// Where a sentence of the reply comes from.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Source {
    /// Name of the document.
    pub title: String,
    pub heading: Option<String>,
    pub text: String,
}

impl From<Hit> for Source {
    fn from(hit: Hit) -> Self {
        Self { title: hit.title, heading: hit.heading, text: hit.text }
    }
}

/// What the assistant says.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Empty: nothing needs saying.
    pub text: String,
    pub sources: Vec<Source>,
    /// 0 to 1: how well the knowledge supports it.
    pub confidence: f64,
    pub declined: bool,
    pub hand_over: Option<Reason>,
    /// How it came about, for people who ask.
    pub trace: Value,
    pub intent: &'static str,
    /// What becomes of messages that the contact did not ask for.
    pub unasked: Option<Unasked>,
}

/// A contact's word on messages that were not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    Stop,
    Resume,
}

/// What the assistant would say, for people and programs that ask outside of any conversation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Said {
    pub answer: String,
    pub sources: Vec<Source>,
    /// 0 to 1.
    pub confidence: f64,
    pub handed_over: bool,
    /// The model's name; `knowledge`, `fixed` or `declined` when no model worded it.
    pub answered_by: String,
    /// What each model that was asked in vain came to: `timeout`, `refused`, `circuit_open`,
    /// `not_in_evidence` …
    pub models_failed: Vec<ModelFailure>,
}

/// A model that gave no usable answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelFailure {
    pub model: String,
    pub outcome: String,
}

impl From<Reply> for Said {
    fn from(reply: Reply) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let models_failed = reply.trace["models"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| ModelFailure { model: text(&one["model"]), outcome: text(&one["outcome"]) })
            .filter(|one| !model_turn::USABLE.contains(&one.outcome.as_str()))
            .collect();
        Self {
            answered_by: text(&reply.trace["answered_by"]),
            answer: reply.text,
            sources: reply.sources,
            confidence: reply.confidence,
            handed_over: reply.hand_over.is_some(),
            models_failed,
        }
    }
}

impl Reply {
    /// Whether the knowledge surely has the answer.
    pub(crate) fn is_sure(&self) -> bool {
        !self.declined && !self.sources.is_empty() && self.confidence >= SURELY
    }

    pub(crate) fn handing_over(mut self, reason: Reason) -> Self {
        self.hand_over = Some(reason);
        self
    }
}

/// What a text is that is none of the acts.
pub(crate) const QUESTION: &str = "question";

pub(crate) fn fixed(intent: &'static str, text: String) -> Reply {
    Reply {
        text,
        sources: Vec::new(),
        confidence: 1.0,
        declined: false,
        hand_over: None,
        trace: json!({ "answered_by": "fixed", "intent": intent }),
        intent,
        unasked: None,
    }
}

pub(crate) fn declined(sources: Vec<Source>, confidence: f64) -> Reply {
    Reply {
        text: String::new(),
        trace: json!({ "answered_by": "declined", "nearest": sources, "confidence": confidence }),
        sources: Vec::new(),
        confidence,
        declined: true,
        hand_over: None,
        intent: QUESTION,
        unasked: None,
    }
}

pub(crate) fn outcome(reply: &Reply) -> &'static str {
    match (reply.hand_over, reply.declined, reply.text.is_empty()) {
        (Some(_), _, _) => "handed_over",
        (None, true, _) => "declined",
        (None, false, true) => "silent",
        (None, false, false) => "answered",
    }
}

/// Whether a text is more than a greeting, thanks and the like.
pub(crate) fn asks(text: &str) -> bool {
    let plain = Plain::of(text);
    let small = understanding::small_talk(&plain);
    small.is_none() && !plain.line.trim().is_empty()
}
