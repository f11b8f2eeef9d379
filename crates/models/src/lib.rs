//! Language and embedding models: a small trait, one adapter a file, and a breaker in front.

mod breaker;
mod gemini;
mod openai;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use breaker::{Breakers, Permit};

use messaging::http::Outbound;

/// Which API a model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// OpenAI and everything that speaks its chat API: Ollama, vLLM, llama.cpp …
    #[serde(rename = "openai")]
    OpenAi,
    Gemini,
}

impl Provider {
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Gemini => "gemini",
        }
    }

    /// Where the provider is when the tenant names no address.
    pub fn base_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta",
        }
    }

    /// The model used when the tenant names none.
    pub fn default_model(self) -> &'static str {
        match self {
            Self::OpenAi => "gpt-4o-mini",
            Self::Gemini => "gemini-2.5-flash",
        }
    }

    /// The model that writes recordings down when the tenant names none.
    pub fn default_speech_model(self) -> &'static str {
        match self {
            Self::OpenAi => "whisper-1",
            Self::Gemini => "gemini-2.5-flash",
        }
    }

    pub fn default_embedding_model(self) -> &'static str {
        match self {
            Self::OpenAi => "text-embedding-3-small",
            Self::Gemini => "gemini-embedding-001",
        }
    }
}

impl std::str::FromStr for Provider {
    type Err = UnknownProvider;
    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "gemini" => Ok(Self::Gemini),
            other => Err(UnknownProvider(other.to_owned())),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown model provider `{0}`; use openai (also for Ollama, vLLM and others that speak its API) or gemini"
)]
pub struct UnknownProvider(String);

/// One model of one tenant. Not printable: it holds the key.
#[derive(Clone)]
pub struct ModelRef {
    pub provider: Provider,
    pub base_url: String,
    pub api_key: String,
    pub model: String,
}

/// Who said a line of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub system: String,
    pub lines: Vec<(Role, String)>,
    /// 0 to 2.
    pub temperature: f64,
    pub max_tokens: u32,
    pub timeout: Duration,
}

/// How a model came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    Stop,
    /// Its limit of tokens was reached in the middle.
    Length,
    /// A filter of the provider ended it.
    Filtered,
    /// It called a tool that nobody offered.
    OtherTool,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub text: String,
    /// The model called the hand-off tool, with this reason.
    pub hand_off: Option<String>,
    pub finish: Finish,
    pub tokens_in: u64,
    pub tokens_out: u64,
}

/// Split by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The key, the model's name or the request is wrong: asking again changes nothing.
    #[error("the model refused: {0}")]
    Refused(String),
    /// Out of quota or too many calls.
    #[error("the model is throttled: {0}")]
    Throttled(String),
    #[error("the model did not answer: {0}")]
    Unavailable(String),
    /// It answered nothing usable: filtered, cut off, empty.
    #[error("the model gave no answer: {0}")]
    Empty(String),
}

impl ModelError {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Throttled(_) => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::Empty(_) => "empty",
        }
    }

    /// Whether it says something about the provider's health, rather than about this question.
    pub fn counts_against_provider(&self) -> bool {
        !matches!(self, Self::Empty(_))
    }
}

/// A recording.
#[derive(Debug, Clone)]
pub struct Audio {
    /// Such as `audio/ogg`.
    pub mime: String,
    pub bytes: Vec<u8>,
    /// BCP 47, such as `pt-BR`: what is probably spoken.
    pub language: String,
}

/// Asks models over HTTP.
#[derive(Clone)]
pub struct Models {
    outbound: Outbound,
}

/// Anything that completes a prompt. The real one is [`Models`].
#[async_trait]
pub trait LanguageModel: Send + Sync {
    async fn complete(&self, model: &ModelRef, prompt: &Prompt) -> Result<Completion, ModelError>;

    /// What is said in a recording.
    async fn transcribe(&self, model: &ModelRef, audio: &Audio) -> Result<String, ModelError>;

    /// Vectors of texts, in their order.
    async fn embed(&self, model: &ModelRef, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError>;
}

impl Models {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }
}

#[async_trait]
impl LanguageModel for Models {
    async fn complete(&self, model: &ModelRef, prompt: &Prompt) -> Result<Completion, ModelError> {
        let base = self
            .outbound
            .check(&model.base_url)
            .map_err(|bad| ModelError::Refused(bad.to_string()))?;
        match model.provider {
            Provider::OpenAi => openai::complete(&self.outbound, &base, model, prompt).await,
            Provider::Gemini => gemini::complete(&self.outbound, &base, model, prompt).await,
        }
    }

    async fn transcribe(&self, model: &ModelRef, audio: &Audio) -> Result<String, ModelError> {
        let base = self
            .outbound
            .check(&model.base_url)
            .map_err(|bad| ModelError::Refused(bad.to_string()))?;
        match model.provider {
            Provider::OpenAi => openai::transcribe(&self.outbound, &base, model, audio).await,
            Provider::Gemini => gemini::transcribe(&self.outbound, &base, model, audio).await,
        }
    }

    async fn embed(&self, model: &ModelRef, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let base = self
            .outbound
            .check(&model.base_url)
            .map_err(|bad| ModelError::Refused(bad.to_string()))?;
        match model.provider {
            Provider::OpenAi => openai::embed(&self.outbound, &base, model, texts).await,
            Provider::Gemini => gemini::embed(&self.outbound, &base, model, texts).await,
        }
    }
}

/// The hand-off tool, as both providers describe it to the model.
pub const HAND_OFF: &str = "hand_off_to_person";
pub(crate) const HAND_OFF_DESCRIPTION: &str = "Call a person of the business into the conversation. \
     Use it when the customer asks for a person, complains, or needs something that you may not do.";
