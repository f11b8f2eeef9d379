//! `/v1/assistant` and `/v1/chat`.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use messaging::http::Outbound;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenancy::Vault;
use web::permission::{AssistantRead, AssistantWrite};
use web::{Access, Api, Built, Door, Json, Problem, Scope};

use crate::settings::{self, FALLBACK_KEY, MODEL_KEY, Settings};
use crate::{Answerer, Contexts, SettingsError, Source};

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
        .get::<Settings, _, _>("/v1/assistant", read, "Show the assistant's settings", show)
        .body::<SettingsIn, Settings, _, _>(
            Method::PUT,
            "/v1/assistant",
            write,
            "Replace the assistant's settings; keys are written, never shown",
            replace,
        )
        .body::<ChatIn, ChatOut, _, _>(
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

async fn show(scope: Scope<AssistantRead>) -> Result<Json<Settings>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(settings::load(&mut tx).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SettingsIn {
    #[serde(flatten)]
    settings: Settings,
    /// Key of the model; leave out to keep the one that is set.
    model_api_key: Option<String>,
    fallback_api_key: Option<String>,
}

async fn replace(
    scope: Scope<AssistantWrite>,
    State(app): State<App>,
    Json(body): Json<SettingsIn>,
) -> Result<Json<Settings>, Problem> {
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
    for (name, key, before, after) in [
        (MODEL_KEY, body.model_api_key, before.model, &settings.model),
        (FALLBACK_KEY, body.fallback_api_key, before.fallback, &settings.fallback),
    ] {
        if let Some(key) = key {
            app.vault.put(&mut tx, name, &key, now).await?;
        } else if !settings::keeps_key(before.as_ref(), after.as_ref()) {
            app.vault.remove(&mut tx, name).await?;
        }
    }
    tx.commit().await?;
    Ok(Json(settings))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChatIn {
    /// 1 to 4,096 characters.
    text: String,
}

/// What the assistant would say.
#[derive(Debug, Serialize, JsonSchema)]
struct ChatOut {
    answer: String,
    sources: Vec<Source>,
    /// 0 to 1.
    confidence: f64,
    handed_over: bool,
}

async fn chat(
    scope: Scope<AssistantRead>,
    State(app): State<App>,
    Json(body): Json<ChatIn>,
) -> Result<Json<ChatOut>, Problem> {
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
    let reply = app.answerer.chat(&context, text).await?;
    Ok(Json(ChatOut {
        answer: reply.text,
        sources: reply.sources,
        confidence: reply.confidence,
        handed_over: reply.hand_over.is_some(),
    }))
}
