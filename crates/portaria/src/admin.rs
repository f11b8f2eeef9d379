//! `/v1/tenants`, `/v1/api-keys`, `/v1/queue`: what operators and owners administer.

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use kernel::line::Line;
use kernel::{ApiKeyId, JobId, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{NewTenant, OpeningHours, Scopes, State as TenantState, Tenant};
use web::permission::{
    AssistantRead, AssistantWrite, KeysWrite, QueueRead, QueueWrite, TenantRead, TenantsRead,
    TenantsWrite,
};
use web::{
    Access, Api, Built, Door, Json, Operator, Page, PageQuery, PathId, Problem, Query, Scope,
};

use crate::house::House;
use crate::tenants::{self, UseCaseError};

#[derive(Clone)]
struct App {
    house: House,
}

impl axum::extract::FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.house.door.clone()
    }
}

impl From<UseCaseError> for Problem {
    fn from(error: UseCaseError) -> Self {
        match error {
            UseCaseError::Tenant(error) => error.into(),
            UseCaseError::Vault(error) => error.into(),
            UseCaseError::Channel(error) => error.into(),
            UseCaseError::Domain(error) => error.into(),
            UseCaseError::Storage(error) => error.into(),
            UseCaseError::Files(error) => Self::internal(&error),
        }
    }
}

pub(crate) fn routes(house: House) -> Built {
    let reads = Access::Operator("tenants:read");
    let writes = Access::Operator("tenants:write");
    let queue_reads = Access::Operator("queue:read");
    let queue_writes = Access::Operator("queue:write");
    let keys = Access::Scope("keys:write");
    Api::<App>::default()
        .get::<Page<TenantOut>, _, _>("/v1/tenants", reads, "List tenants", list)
        .body::<TenantIn, TenantOut, _, _>(
            Method::POST,
            "/v1/tenants",
            writes,
            "Create a tenant with its defaults",
            create,
        )
        .get::<TenantOut, _, _>("/v1/tenants/{slug}", reads, "Show a tenant", show)
        .bodyless::<Vec<RemovedOut>, _, _>(
            Method::DELETE,
            "/v1/tenants/{slug}",
            writes,
            "Delete a tenant: rows, jobs, keys, index and files, with a count of each",
            delete,
        )
        .body::<StateIn, TenantOut, _, _>(
            Method::PUT,
            "/v1/tenants/{slug}/state",
            writes,
            "Move a tenant to another state of its life",
            set_state,
        )
        .get::<TenantOut, _, _>(
            "/v1/tenant",
            Access::Scope("tenant:read"),
            "Show the tenant of this key",
            own,
        )
        .body::<CorsIn, TenantOut, _, _>(
            Method::PUT,
            "/v1/tenant/cors",
            keys,
            "Set the origins that browsers may call the API from",
            set_cors,
        )
        .get::<HoursOut, _, _>(
            "/v1/opening-hours",
            Access::Scope("assistant:read"),
            "Show the opening hours",
            hours,
        )
        .body::<HoursIn, HoursOut, _, _>(
            Method::PUT,
            "/v1/opening-hours",
            Access::Scope("assistant:write"),
            "Set the opening hours; from then on the assistant may tell them",
            set_hours,
        )
        .get::<Vec<KeyOut>, _, _>("/v1/api-keys", keys, "List API keys", list_keys)
        .body::<KeyIn, NewKeyOut, _, _>(
            Method::POST,
            "/v1/api-keys",
            keys,
            "Make an API key; it is shown once",
            create_key,
        )
        .bodyless::<NewKeyOut, _, _>(
            Method::POST,
            "/v1/api-keys/{id}/rotate",
            keys,
            "Make a successor; the old key works for 24 hours more",
            rotate_key,
        )
        .bodyless::<(), _, _>(
            Method::DELETE,
            "/v1/api-keys/{id}",
            keys,
            "End an API key now",
            revoke_key,
        )
        .get::<Value, _, _>(
            "/v1/queue",
            queue_reads,
            "Depth of the queue by tenant and lane",
            depth,
        )
        .get::<Value, _, _>("/v1/queue/dead", queue_reads, "List dead letters", dead)
        .bodyless::<RequeuedOut, _, _>(
            Method::DELETE,
            "/v1/queue/{slug}/{lane}",
            queue_writes,
            "Remove what waits in a lane of a tenant, dead letters included",
            clear_lane,
        )
        .bodyless::<RequeuedOut, _, _>(
            Method::POST,
            "/v1/queue/dead/{id}/requeue",
            queue_writes,
            "Give a dead letter another life",
            requeue,
        )
        .build(App { house })
}

#[derive(Debug, Serialize, JsonSchema)]
struct TenantOut {
    id: String,
    slug: String,
    name: String,
    language: String,
    time_zone: String,
    state: TenantState,
    cors_origins: Vec<String>,
    created_at: Moment,
}

impl From<Tenant> for TenantOut {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            slug: tenant.slug.to_string(),
            name: tenant.name,
            language: tenant.language,
            time_zone: tenant.time_zone,
            state: tenant.state,
            cors_origins: tenant.cors_origins,
            created_at: tenant.created_at,
        }
    }
}

async fn list(
    operator: Operator<TenantsRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<TenantOut>>, Problem> {
    let limit = page.limit()?;
    let after = page.cursor.unwrap_or_default();
    let found = tenancy::list(&operator.db, &after, limit + 1).await?;
    let found = found.into_iter().map(TenantOut::from).collect();
    Ok(Json(Page::of(found, limit, |t: &TenantOut| t.slug.clone())))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TenantIn {
    /// 2 to 40 lower-case letters, digits or hyphens.
    slug: String,
    name: String,
    /// `pt-BR` (default) or `en`.
    language: Option<String>,
    /// IANA name; `America/Sao_Paulo` by default.
    time_zone: Option<String>,
    /// `active` by default.
    state: Option<TenantState>,
}

async fn create(
    _: Operator<TenantsWrite>,
    State(app): State<App>,
    Json(body): Json<TenantIn>,
) -> Result<(StatusCode, Json<TenantOut>), Problem> {
    let slug =
        body.slug.parse::<kernel::Slug>().map_err(|e| Problem::field("slug", e.to_string()))?;
    let new = NewTenant {
        slug,
        name: body.name,
        language: body.language.unwrap_or_else(|| "pt-BR".to_owned()),
        time_zone: body.time_zone.unwrap_or_else(|| "America/Sao_Paulo".to_owned()),
        state: body.state.unwrap_or(TenantState::Active),
    };
    let tenant = tenants::create(&app.house, new).await?;
    Ok((StatusCode::CREATED, Json(tenant.into())))
}

async fn show(
    operator: Operator<TenantsRead>,
    Path(slug): Path<String>,
) -> Result<Json<TenantOut>, Problem> {
    Ok(Json(tenancy::by_slug(&operator.db, &slug).await?.into()))
}

#[derive(Debug, Serialize, JsonSchema)]
struct RemovedOut {
    what: String,
    count: u64,
}

async fn delete(
    _: Operator<TenantsWrite>,
    State(app): State<App>,
    Path(slug): Path<String>,
) -> Result<Json<Vec<RemovedOut>>, Problem> {
    let removed = tenants::delete(&app.house, &slug).await?;
    let out = removed.into_iter().map(|r| RemovedOut { what: r.what, count: r.count }).collect();
    Ok(Json(out))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StateIn {
    state: TenantState,
}

async fn set_state(
    _: Operator<TenantsWrite>,
    State(app): State<App>,
    Path(slug): Path<String>,
    Json(body): Json<StateIn>,
) -> Result<Json<TenantOut>, Problem> {
    Ok(Json(tenants::set_state(&app.house, &slug, body.state).await?.into()))
}

async fn own(scope: Scope<TenantRead>) -> Json<TenantOut> {
    Json(scope.tenant().clone().into())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CorsIn {
    /// Such as `https://www.clinica.com.br`.
    origins: Vec<String>,
}

async fn set_cors(
    scope: Scope<KeysWrite>,
    Json(body): Json<CorsIn>,
) -> Result<Json<TenantOut>, Problem> {
    for origin in &body.origins {
        let ok =
            url::Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin);
        if !ok {
            return Err(Problem::field(
                "origins",
                format!(
                    "`{origin}` is no origin; write scheme and host, such as https://www.example.com"
                ),
            ));
        }
    }
    let mut tx = scope.begin().await?;
    tenancy::set_cors(&mut tx, &body.origins).await?;
    tx.commit().await?;
    Ok(Json(TenantOut { cors_origins: body.origins, ..scope.tenant().clone().into() }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct HoursOut {
    /// Until the owner sets them, nobody is told the default.
    confirmed: bool,
    hours: Vec<OpeningHours>,
}

async fn hours(scope: Scope<AssistantRead>) -> Result<Json<HoursOut>, Problem> {
    let mut tx = scope.read().await?;
    let (hours, confirmed) = tenancy::opening_hours(&mut tx).await?;
    Ok(Json(HoursOut { confirmed, hours }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HoursIn {
    hours: Vec<OpeningHours>,
}

async fn set_hours(
    scope: Scope<AssistantWrite>,
    Json(body): Json<HoursIn>,
) -> Result<Json<HoursOut>, Problem> {
    for span in &body.hours {
        let ok = (1..=7).contains(&span.weekday)
            && (0..1440).contains(&span.opens_minute)
            && span.closes_minute > span.opens_minute
            && span.closes_minute <= 1440;
        if !ok {
            return Err(Problem::field(
                "hours",
                "weekday is 1 (Monday) to 7, opens_minute before closes_minute, both within 0 to 1440",
            ));
        }
    }
    let mut tx = scope.begin().await?;
    tenancy::set_opening_hours(&mut tx, &body.hours).await?;
    tx.commit().await?;
    Ok(Json(HoursOut { confirmed: true, hours: body.hours }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct KeyOut {
    id: ApiKeyId,
    name: String,
    prefix: String,
    scopes: String,
    created_at: Moment,
    expires_at: Option<Moment>,
    revoked_at: Option<Moment>,
}

impl From<tenancy::ApiKey> for KeyOut {
    fn from(key: tenancy::ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.to_string(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct NewKeyOut {
    #[serde(flatten)]
    key: KeyOut,
    /// Shown now and never again.
    secret: String,
}

async fn list_keys(scope: Scope<KeysWrite>) -> Result<Json<Vec<KeyOut>>, Problem> {
    let mut tx = scope.read().await?;
    let keys = tenancy::list_keys(&mut tx).await?;
    Ok(Json(keys.into_iter().map(KeyOut::from).collect()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyIn {
    name: String,
    /// Scopes apart by spaces or commas; `*` is everything.
    scopes: Option<String>,
}

async fn create_key(
    scope: Scope<KeysWrite>,
    State(app): State<App>,
    Json(body): Json<KeyIn>,
) -> Result<(StatusCode, Json<NewKeyOut>), Problem> {
    let scopes: Scopes = body
        .scopes
        .as_deref()
        .unwrap_or("*")
        .parse()
        .map_err(|e: tenancy::UnknownScope| Problem::field("scopes", e.to_string()))?;
    if !scope.scopes().covers(&scopes) {
        return Err(beyond());
    }
    let name: Line<60> = body
        .name
        .parse()
        .map_err(|bad: kernel::line::NotALine| Problem::field("name", bad.to_string()))?;
    let mut tx = scope.begin().await?;
    let now = app.house.clock.now();
    // A key makes none that outlives it.
    let made = tenancy::create_key(&mut tx, &name, &scopes, scope.ends(), now).await?;
    tx.commit().await?;
    let out = NewKeyOut { key: made.key.into(), secret: made.secret };
    Ok((StatusCode::CREATED, Json(out)))
}

fn beyond() -> Problem {
    let detail = "a key cannot hand out scopes that it does not have itself";
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

async fn rotate_key(
    scope: Scope<KeysWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::ApiKeyKind>,
) -> Result<Json<NewKeyOut>, Problem> {
    let now = app.house.clock.now();
    let overlap = now + std::time::Duration::from_secs(24 * 3600);
    let mut tx = scope.begin().await?;
    let made = tenancy::rotate_key(&mut tx, id, overlap, now)
        .await?
        .ok_or_else(|| Problem::not_found("API key"))?;
    if !scope.scopes().covers(&made.key.scopes) {
        return Err(beyond());
    }
    tx.commit().await?;
    Ok(Json(NewKeyOut { key: made.key.into(), secret: made.secret }))
}

async fn revoke_key(
    scope: Scope<KeysWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::ApiKeyKind>,
) -> Result<StatusCode, Problem> {
    let mut tx = scope.begin().await?;
    if !tenancy::revoke_key(&mut tx, id, app.house.clock.now()).await? {
        return Err(Problem::not_found("API key"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn depth(operator: Operator<QueueRead>) -> Result<Json<Value>, Problem> {
    let stats = queue::depth(&operator.db).await?;
    Ok(Json(serde_json::to_value(stats).map_err(|e| Problem::internal(&e))?))
}

async fn dead(operator: Operator<QueueRead>) -> Result<Json<Value>, Problem> {
    let dead = queue::dead(&operator.db, None, 200).await?;
    Ok(Json(serde_json::to_value(dead).map_err(|e| Problem::internal(&e))?))
}

#[derive(Debug, Serialize, JsonSchema)]
struct RequeuedOut {
    /// Jobs that were touched.
    count: u64,
}

async fn clear_lane(
    _: Operator<QueueWrite>,
    State(app): State<App>,
    Path((slug, lane)): Path<(String, String)>,
) -> Result<Json<RequeuedOut>, Problem> {
    let lane =
        lane.parse::<queue::Lane>().map_err(|bad| Problem::field("lane", bad.to_string()))?;
    let count = tenants::clear_lane(&app.house, &slug, lane).await?;
    Ok(Json(RequeuedOut { count }))
}

async fn requeue(
    operator: Operator<QueueWrite>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<RequeuedOut>, Problem> {
    let id: JobId = id.parse().map_err(|_| Problem::not_found("dead letter"))?;
    let now = app.house.clock.now();
    let count = queue::requeue(&operator.db, None, Some(id), now).await?;
    if count == 0 {
        return Err(Problem::not_found("dead letter"));
    }
    Ok(Json(RequeuedOut { count }))
}
