//! `/v1/webhook-endpoints` and `/v1/webhook-deliveries`.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use kernel::{DeliveryId, HookId};
use messaging::http::Outbound;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::Vault;
use web::permission::{HooksRead, HooksWrite};
use web::{Access, Api, Built, Door, Json, Page, PageQuery, PathId, Problem, Query, Scope};

use crate::Event;
use crate::store::{self, Delivery, Endpoint, HookError, NewEndpoint};

#[derive(Clone)]
struct App {
    door: Door,
    vault: Vault,
    outbound: Outbound,
}

impl axum::extract::FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of outgoing webhooks.
pub fn routes(door: Door, vault: Vault, outbound: Outbound) -> Built {
    let read = Access::Scope("hooks:read");
    let write = Access::Scope("hooks:write");
    Api::<App>::default()
        .get::<Vec<Endpoint>, _, _>(
            "/v1/webhook-endpoints",
            read,
            "List the addresses that are told of events",
            list,
        )
        .body::<EndpointIn, EndpointOut, _, _>(
            Method::POST,
            "/v1/webhook-endpoints",
            write,
            "Add an address; its secret is shown this once",
            add,
        )
        .bodyless::<(), _, _>(
            Method::DELETE,
            "/v1/webhook-endpoints/{id}",
            write,
            "Remove an address",
            remove,
        )
        .bodyless::<Queued, _, _>(
            Method::POST,
            "/v1/webhook-endpoints/{id}/test",
            write,
            "Send a test event to an address",
            test,
        )
        .get::<Page<Delivery>, _, _>(
            "/v1/webhook-deliveries",
            read,
            "List deliveries, the newest first",
            deliveries,
        )
        .bodyless::<Queued, _, _>(
            Method::POST,
            "/v1/webhook-deliveries/{id}/replay",
            write,
            "Make a delivery again",
            replay,
        )
        .build(App { door, vault, outbound })
}

impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        use HookError as E;
        match error {
            E::Address(_) => Self::field("url", error.to_string()),
            E::Event(_) => Self::field("events", error.to_string()),
            E::TooMany => Self::new(StatusCode::CONFLICT, "too_many_endpoints", error.to_string()),
            E::NoSuchEndpoint => Self::not_found("webhook endpoint"),
            E::NoSuchDelivery => Self::not_found("delivery"),
            E::Vault(error) => error.into(),
            E::Storage(error) => error.into(),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndpointIn {
    url: String,
    /// Names such as `message.received`; empty or absent: all.
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EndpointOut {
    #[serde(flatten)]
    endpoint: Endpoint,
    /// Verifies signatures by the Standard Webhooks specification. Not shown again.
    secret: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Queued {
    delivery: DeliveryId,
}

async fn list(scope: Scope<HooksRead>) -> Result<Json<Vec<Endpoint>>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(store::list(&mut tx).await?))
}

async fn add(
    scope: Scope<HooksWrite>,
    State(app): State<App>,
    Json(body): Json<EndpointIn>,
) -> Result<(StatusCode, Json<EndpointOut>), Problem> {
    let new = NewEndpoint { url: body.url, events: body.events };
    let mut tx = scope.begin().await?;
    let now = app.door.clock.now();
    let (endpoint, secret) = store::add(&mut tx, &app.vault, &app.outbound, &new, now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(EndpointOut { endpoint, secret })))
}

async fn remove(
    scope: Scope<HooksWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::HookKind>,
) -> Result<StatusCode, Problem> {
    let mut tx = scope.begin().await?;
    store::remove(&mut tx, &app.vault, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn test(
    scope: Scope<HooksWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::HookKind>,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let now = app.door.clock.now();
    let mut tx = scope.begin().await?;
    let known: Option<HookId> = store::list(&mut tx).await?.iter().map(|e| e.id).find(|e| *e == id);
    let endpoint = known.ok_or_else(|| Problem::not_found("webhook endpoint"))?;
    let event = Event::Test.name();
    let body = json!({ "type": event, "timestamp": now.rfc3339(),
        "data": { "tenant": scope.tenant().slug } });
    let delivery = store::enqueue(&mut tx, endpoint, event, &body.to_string(), now).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(Queued { delivery })))
}

async fn deliveries(
    scope: Scope<HooksRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let limit = page.limit()?;
    let before = page.position()?;
    let mut tx = scope.read().await?;
    let found = store::deliveries(&mut tx, before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |d| format!("{}_{}", d.created_at.0, d.id))))
}

async fn replay(
    scope: Scope<HooksWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::DeliveryKind>,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let mut tx = scope.begin().await?;
    store::replay(&mut tx, id, app.door.clock.now()).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(Queued { delivery: id })))
}
