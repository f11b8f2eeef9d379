//! `/v1/channels` and `/v1/raw-events`.

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use messaging::evolution;
use messaging::http::Outbound;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenancy::Vault;
use web::permission::{ChannelsRead, ChannelsWrite};
use web::{Access, Api, Built, Door, Json, Page, PageQuery, PathId, Problem, Query, Scope};

use crate::store::{self, Channel, ChannelError, NewChannel, RawEvent, Rotation};
use crate::{Intake, Taken};

#[derive(Clone)]
struct App {
    door: Door,
    vault: Vault,
    outbound: Outbound,
    intake: Intake,
}

impl axum::extract::FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of channels.
pub fn routes(door: Door, vault: Vault, outbound: Outbound, intake: Intake) -> Built {
    let read = Access::Scope("channels:read");
    let write = Access::Scope("channels:write");
    Api::<App>::default()
        .get::<Vec<Channel>, _, _>("/v1/channels", read, "List channels", list)
        .body::<ChannelIn, Channel, _, _>(
            Method::POST,
            "/v1/channels",
            write,
            "Connect an Evolution instance",
            add,
        )
        .bodyless::<(), _, _>(
            Method::DELETE,
            "/v1/channels/{id}",
            write,
            "Remove a channel",
            remove,
        )
        .body::<RotationIn, Channel, _, _>(
            Method::POST,
            "/v1/channels/{id}/rotate",
            write,
            "Replace the API key or webhook token at once",
            rotate,
        )
        .get::<Page<RawEvent>, _, _>(
            "/v1/raw-events",
            read,
            "List webhooks that could not be read",
            raw_events,
        )
        .bodyless::<ReplayOut, _, _>(
            Method::POST,
            "/v1/raw-events/{id}/replay",
            write,
            "Read a kept webhook again",
            replay,
        )
        .build(App { door, vault, outbound, intake })
}

impl From<ChannelError> for Problem {
    fn from(error: ChannelError) -> Self {
        use ChannelError as E;
        match error {
            E::InstanceTaken(_) => {
                Self::new(StatusCode::CONFLICT, "instance_taken", error.to_string())
            }
            E::Instance => Self::field("instance", error.to_string()),
            E::EmptySecret(_) => Self::field("secret", error.to_string()),
            E::Address(_) => Self::field("base_url", error.to_string()),
            E::NoSuchChannel => Self::not_found("channel"),
            E::Vault(error) => error.into(),
            E::Storage(error) => error.into(),
        }
    }
}

async fn list(scope: Scope<ChannelsRead>) -> Result<Json<Vec<Channel>>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(store::list(&mut tx).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChannelIn {
    /// `evolution`.
    kind: String,
    instance: String,
    base_url: String,
    api_key: String,
    webhook_token: String,
}

async fn add(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Json(body): Json<ChannelIn>,
) -> Result<(StatusCode, Json<Channel>), Problem> {
    if body.kind != store::EVOLUTION {
        return Err(Problem::field("kind", "the only kind of channel is `evolution`"));
    }
    let new = NewChannel {
        instance: body.instance,
        base_url: body.base_url,
        api_key: body.api_key,
        webhook_token: body.webhook_token,
    };
    let mut tx = scope.begin().await?;
    let now = app.door.clock.now();
    let channel = store::add(&mut tx, &app.vault, &app.outbound, &new, now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(channel)))
}

async fn remove(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let mut tx = scope.begin().await?;
    store::remove(&mut tx, &app.vault, &name).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotationIn {
    api_key: Option<String>,
    webhook_token: Option<String>,
}

async fn rotate(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
    Json(body): Json<RotationIn>,
) -> Result<Json<Channel>, Problem> {
    let rotation = Rotation { api_key: body.api_key, webhook_token: body.webhook_token };
    let mut tx = scope.begin().await?;
    let now = app.door.clock.now();
    let channel = store::rotate(&mut tx, &app.vault, &name, &rotation, now).await?;
    tx.commit().await?;
    Ok(Json(channel))
}

async fn raw_events(
    scope: Scope<ChannelsRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RawEvent>>, Problem> {
    let limit = page.limit()?;
    let before = page.position()?;
    let mut tx = scope.read().await?;
    let found = store::raw_events(&mut tx, before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |e| format!("{}_{}", e.received_at.0, e.id))))
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReplayOut {
    /// What it was this time, thing by thing: `stored`, `duplicate`, `ignored`, `kept` …
    outcomes: Vec<String>,
}

async fn replay(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::RawEventKind>,
) -> Result<Json<ReplayOut>, Problem> {
    let mut tx = scope.read().await?;
    let kept = store::raw_body(&mut tx, id).await?;
    drop(tx);
    let (channel, body) = kept.ok_or_else(|| Problem::not_found("raw event"))?;
    let entry = app
        .intake
        .directory
        .by_id(scope.tenant().id, channel)
        .await?
        .ok_or_else(|| Problem::not_found("channel"))?;
    let body: serde_json::Value =
        serde_json::from_str(&body).map_err(|cause| Problem::internal(&cause))?;
    let taken = match evolution::parse(&body) {
        // Still unreadable: it stays as it is, and is not kept a second time.
        None => vec![Taken::Kept],
        Some(mut parsed) => {
            let before = parsed.items.len();
            parsed.items.retain(|item| !matches!(item, messaging::Inbound::Unknown(_)));
            let mut taken = app.intake.take(&entry, &parsed, &body).await?;
            taken.extend(vec![Taken::Kept; before - parsed.items.len()]);
            taken
        }
    };
    if taken.iter().all(|one| *one != Taken::Kept) {
        let mut tx = scope.begin().await?;
        store::mark_replayed(&mut tx, id).await?;
        tx.commit().await?;
    }
    let outcomes = taken.iter().map(|one| one.name().to_owned()).collect();
    Ok(Json(ReplayOut { outcomes }))
}
