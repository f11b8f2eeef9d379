//! Who the assistant is and which models it asks.

use std::collections::BTreeMap;

use db::{Error, TenantTx, args};
use kernel::Moment;
use models::Provider;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenancy::{Vault, VaultError};
use understanding::Act;

use crate::acts::is_for_a_person;

/// Names of the sealed keys.
pub const MODEL_KEY: &str = "model_api_key";
pub const FALLBACK_KEY: &str = "fallback_api_key";
/// The name of the speech model that turns writing down off.
pub(crate) const SPEECH_OFF: &str = "off";

/// How it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Formal,
    #[default]
    Casual,
    Technical,
}

impl std::str::FromStr for Tone {
    type Err = SettingsError;
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        match text {
            "formal" => Ok(Self::Formal),
            "casual" => Ok(Self::Casual),
            "technical" | "tecnico" => Ok(Self::Technical),
            other => Err(SettingsError::new(
                "tone",
                format!("`{other}` is no tone; use formal, casual or technical"),
            )),
        }
    }
}

/// A model to ask. Its key is sealed apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    pub provider: Provider,
    pub base_url: String,
    pub model: String,
}

/// The assistant of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What it calls itself; empty: "assistente virtual".
    pub name: String,
    pub tone: Tone,
    /// First words of the first answer; empty: made from hour, name and business.
    pub greeting: String,
    /// What it must and must not do, in the owner's words.
    pub rules: String,
    pub model: Option<ModelSettings>,
    /// Asked when the first does not answer.
    pub fallback: Option<ModelSettings>,
    /// Writes voice messages down, at the first model's provider. Empty: the provider's own for
    /// speech; `off`: voice messages go to a person.
    pub speech_model: String,
    /// 0 to 2.
    pub temperature: f64,
    /// 16 to 4096.
    pub max_tokens: u32,
    /// Earlier messages a turn reads, 0 to 50.
    pub history: usize,
    /// Paragraphs leave as messages of their own.
    pub split: bool,
    /// In which the prices and the budget are given (ISO 4217, such as `BRL`); empty: nobody said.
    pub currency: String,
    /// Price of a million tokens in and out, to show what answers cost.
    pub price_in: Option<f64>,
    pub price_out: Option<f64>,
    /// What models may cost in a calendar month. Once it is spent no model is
    /// asked until the next month, and the knowledge's own sentences answer.
    pub monthly_budget: Option<f64>,
    /// What is done otherwise than by default when a message is one of these acts, such as `complaint` or `booking`.
    pub acts: BTreeMap<Act, ActRule>,
}

/// What is done for an act, where that is not the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActRule {
    /// Said instead of the assistant's own words, at most 300 characters; empty: those. In an emergency it is said before
    /// the number to call.
    pub reply: String,
    /// Whether a person is called; left out: as by default.
    pub calls: Option<bool>,
}

/// Characters of a reply to an act.
const REPLY: usize = 300;

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            tone: Tone::default(),
            greeting: String::new(),
            rules: String::new(),
            model: None,
            fallback: None,
            speech_model: String::new(),
            temperature: 0.2,
            max_tokens: 500,
            history: 10,
            split: false,
            currency: String::new(),
            price_in: None,
            price_out: None,
            monthly_budget: None,
            acts: BTreeMap::new(),
        }
    }
}

/// A setting that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct SettingsError {
    pub field: &'static str,
    pub reason: String,
}

impl SettingsError {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

impl Settings {
    /// # Errors
    /// Names the first field that is out of range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let fail = |field, reason: &str| Err(SettingsError::new(field, reason));
        if !(0.0..=2.0).contains(&self.temperature) {
            return fail("temperature", "must be 0 to 2");
        }
        if !(16..=4096).contains(&self.max_tokens) {
            return fail("max_tokens", "must be 16 to 4096");
        }
        if self.history > 50 {
            return fail("history", "must be 0 to 50");
        }
        if self.name.chars().count() > 60 {
            return fail("name", "must have at most 60 characters");
        }
        if !kernel::line::is_one_line(&self.name) {
            return fail("name", "must be one line");
        }
        if self.greeting.chars().count() > 500 {
            return fail("greeting", "must have at most 500 characters");
        }
        if self.rules.chars().count() > 4000 {
            return fail("rules", "must have at most 4000 characters");
        }
        let code = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        if !self.currency.is_empty() && !code(&self.currency) {
            return fail("currency", "must be three capital letters, such as USD or BRL");
        }
        let negative = |price: Option<f64>| price.is_some_and(|p| !p.is_finite() || p < 0.0);
        if negative(self.price_in) || negative(self.price_out) {
            return fail("price_in", "prices must not be negative");
        }
        if negative(self.monthly_budget) {
            return fail("monthly_budget", "must not be negative");
        }
        if self.monthly_budget.is_some() && (self.price_in.is_none() || self.price_out.is_none()) {
            return fail(
                "monthly_budget",
                "needs price_in and price_out: without them nobody knows what is spent",
            );
        }
        for (act, rule) in &self.acts {
            if *act == Act::Stop {
                return fail("acts", "stop: what is said then stands in the consent texts");
            }
            if matches!(act, Act::Harm | Act::Person) && rule.calls == Some(false) {
                let why = format!("{}: a person is always called", act.name());
                return Err(SettingsError::new("acts", why));
            }
            if rule.reply.chars().count() > REPLY {
                return Err(SettingsError::new(
                    "acts",
                    format!("{}: a reply has at most {REPLY} characters", act.name()),
                ));
            }
        }
        Ok(())
    }

    /// The reply that the tenant wrote for an act.
    pub(crate) fn reply_to(&self, act: Act) -> Option<&str> {
        self.acts.get(&act).map(|rule| rule.reply.trim()).filter(|reply| !reply.is_empty())
    }

    /// Whether a person is called for an act.
    pub(crate) fn calls_for(&self, act: Act) -> bool {
        let own = self.acts.get(&act).and_then(|rule| rule.calls);
        own.unwrap_or_else(|| is_for_a_person(act))
    }
}

/// What became of a model's sealed key when its settings changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFate {
    Same,
    Written,
    /// A key goes only to the server that it was given for.
    Removed,
}

/// Writes a model's key, or removes it when the model's provider or address changed without one.
///
/// # Errors
/// When a provider's own address has no key, or the database refuses.
pub async fn keep_key(
    tx: &mut TenantTx,
    vault: &Vault,
    name: &'static str,
    key: Option<String>,
    (before, after): (Option<&ModelSettings>, Option<&ModelSettings>),
    now: Moment,
) -> Result<KeyFate, KeyError> {
    if key.as_ref().is_some_and(|key| key.trim().is_empty()) {
        let reason = "must not be empty; leave it out to keep the one that is set";
        return Err(SettingsError::new(name, reason).into());
    }
    let same = match (before, after) {
        (Some(a), Some(b)) => a.provider == b.provider && a.base_url == b.base_url,
        _ => false,
    };
    let fate = if let Some(key) = key {
        vault.put(tx, name, &key, now).await?;
        KeyFate::Written
    } else if same || !vault.has(tx, name).await? {
        KeyFate::Same
    } else {
        vault.remove(tx, name).await?;
        KeyFate::Removed
    };
    // Servers of one's own may want no key; the providers' always do.
    if before != after
        && let Some(model) = after
        && model.base_url.trim_end_matches('/') == model.provider.base_url()
        && !vault.has(tx, name).await?
    {
        let reason = format!("{} answers nobody without a key; give it", model.provider.name());
        return Err(SettingsError::new(name, reason).into());
    }
    Ok(fate)
}

/// Why a key was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Writes a new tenant's assistant.
///
/// # Errors
/// When the database refuses.
pub async fn seed(tx: &mut TenantTx, now: Moment) -> Result<(), Error> {
    save(tx, &Settings::default(), now).await
}

/// The tenant's assistant.
///
/// # Errors
/// When the database cannot be read.
pub async fn load(tx: &mut TenantTx) -> Result<Settings, Error> {
    let tenant = tx.tenant();
    let row =
        tx.fetch_opt("SELECT settings FROM assistants WHERE tenant_id = $1", args![tenant]).await?;
    let Some(row) = row else { return Ok(Settings::default()) };
    serde_json::from_str(&row.get::<String>(0)?)
        .map_err(|_| Error::Corrupt { column: 0, expected: "assistant settings" })
}

/// Replaces the tenant's assistant.
///
/// # Errors
/// When the database refuses.
pub async fn save(tx: &mut TenantTx, settings: &Settings, now: Moment) -> Result<(), Error> {
    let tenant = tx.tenant();
    let json = serde_json::to_string(settings)
        .map_err(|cause| Error::Setup(format!("assistant settings: {cause}")))?;
    tx.execute(
        "INSERT INTO assistants (tenant_id, settings, updated_at) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at",
        args![tenant, json, now],
    )
    .await?;
    tx.settings_changed();
    Ok(())
}
