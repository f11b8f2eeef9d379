//! `/v1/assistant` and `/v1/chat`.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use db::TenantTx;
use messaging::http::Outbound;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tenancy::Vault;
use web::permission::{AssistantRead, AssistantWrite};
use web::{Access, Api, Built, Door, Json, Problem, Scope};

use crate::settings::{self, FALLBACK_KEY, MODEL_KEY, Settings};
use crate::{Answerer, Contexts, KeyError, Said, SettingsError};

#[derive(Clone)]
struct App {
    door: Door,
    vault: Vault,
    contexts: Contexts,
    answerer: Answerer,
    outbound: Outbound,
}

impl axum::extract::FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of the assistant.
pub fn routes(
    door: Door,
    vault: Vault,
    contexts: Contexts,
    answerer: Answerer,
    outbound: Outbound,
) -> Built {
    let read = Access::Scope("assistant:read");
    let write = Access::Scope("assistant:write");
    Api::<App>::default()
        .get::<SettingsOut, _, _>("/v1/assistant", read, "Show the assistant's settings", show)
        .body::<SettingsIn, SettingsOut, _, _>(
            Method::PUT,
            "/v1/assistant",
            write,
            "Replace the assistant's settings; keys are written, never shown",
            replace,
        )
        .body::<ChatIn, Said, _, _>(
            Method::POST,
            "/v1/chat",
            read,
            "Ask the assistant without any channel; nothing is stored or sent",
            chat,
        )
        .build(App { door, vault, contexts, answerer, outbound })
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        Self::field(error.field, error.reason)
    }
}

/// The settings, and whether keys are set; keys themselves are never shown.
#[derive(Debug, Serialize, JsonSchema)]
struct SettingsOut {
    #[serde(flatten)]
    settings: Settings,
    model_key_set: bool,
    fallback_key_set: bool,
}

impl SettingsOut {
    async fn of(vault: &Vault, tx: &mut TenantTx, settings: Settings) -> Result<Self, Problem> {
        Ok(Self {
            settings,
            model_key_set: vault.has(tx, MODEL_KEY).await?,
            fallback_key_set: vault.has(tx, FALLBACK_KEY).await?,
        })
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Settings(error) => error.into(),
            KeyError::Vault(error) => error.into(),
        }
    }
}

async fn show(
    scope: Scope<AssistantRead>,
    State(app): State<App>,
) -> Result<Json<SettingsOut>, Problem> {
    let mut tx = scope.read().await?;
    let settings = settings::load(&mut tx).await?;
    Ok(Json(SettingsOut::of(&app.vault, &mut tx, settings).await?))
}

#[derive(Debug, JsonSchema)]
struct SettingsIn {
    #[schemars(flatten)]
    settings: Settings,
    /// Key of the model; leave out to keep the one that is set.
    model_api_key: Option<String>,
    fallback_api_key: Option<String>,
}

impl<'de> Deserialize<'de> for SettingsIn {
    /// By hand: a derived one that flattens takes names that it does not know without a word.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut given = serde_json::Map::deserialize(deserializer)?;
        let mut key = |name| {
            let value = given.remove(name).unwrap_or_default();
            Option::<String>::deserialize(value)
                .map_err(|e| D::Error::custom(format!("{name}: {e}")))
        };
        let (model_api_key, fallback_api_key) = (key("model_api_key")?, key("fallback_api_key")?);
        // What was read may be sent back as it is.
        for shown in ["model_key_set", "fallback_key_set"] {
            given.remove(shown);
        }
        let settings =
            Settings::deserialize(serde_json::Value::Object(given)).map_err(D::Error::custom)?;
        Ok(Self { settings, model_api_key, fallback_api_key })
    }
}

async fn replace(
    scope: Scope<AssistantWrite>,
    State(app): State<App>,
    Json(body): Json<SettingsIn>,
) -> Result<Json<SettingsOut>, Problem> {
    let mut settings = body.settings;
    settings.check()?;
    for (field, model) in [("model", &mut settings.model), ("fallback", &mut settings.fallback)] {
        if let Some(model) = model {
            model.base_url = app
                .outbound
                .check(&model.base_url)
                .map_err(|e| Problem::field(field, e.to_string()))?;
        }
    }
    let now = app.door.clock.now();
    let mut tx = scope.begin().await?;
    let before = settings::load(&mut tx).await?;
    settings::save(&mut tx, &settings, now).await?;
    let keys = [
        (MODEL_KEY, body.model_api_key, before.model, &settings.model),
        (FALLBACK_KEY, body.fallback_api_key, before.fallback, &settings.fallback),
    ];
    for (name, key, before, after) in keys {
        settings::keep_key(&mut tx, &app.vault, name, key, (before.as_ref(), after.as_ref()), now)
            .await?;
    }
    let out = SettingsOut::of(&app.vault, &mut tx, settings).await?;
    tx.commit().await?;
    Ok(Json(out))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChatIn {
    /// 1 to 4,096 characters.
    text: String,
}

async fn chat(
    scope: Scope<AssistantRead>,
    State(app): State<App>,
    Json(body): Json<ChatIn>,
) -> Result<Json<Said>, Problem> {
    let text = body.text.trim();
    if text.is_empty() || text.chars().count() > 4096 {
        return Err(Problem::field("text", "text must have 1 to 4096 characters"));
    }
    if !scope.tenant().state.rule().answers {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "tenant_not_answering",
            format!("this tenant is {}: its assistant does not answer", scope.tenant().state),
        ));
    }
    let context =
        app.contexts.get(scope.tenant().id).await?.ok_or_else(|| Problem::not_found("tenant"))?;
    let reply = app.answerer.chat(&app.door.db, &context, text, false).await?;
    Ok(Json(reply.into()))
}
