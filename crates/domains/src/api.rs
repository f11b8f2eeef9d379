//! `/v1/tenants/{slug}/domains` for operators, `/v1/domains` for a tenant to see its own.

use axum::extract::{FromRef, Path, State};
use axum::http::{Method, StatusCode};
use kernel::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::permission::{TenantRead, TenantsRead, TenantsWrite};
use web::{Access, Api, Built, Door, Json, Operator, Problem, Scope};

use crate::domain::{Domain, DomainError, NewDomain, Purpose};
use crate::store;

#[derive(Clone)]
struct App {
    door: Door,
    /// Whether upstreams may be on private networks.
    private: bool,
}

impl FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of domains. `private`: whether upstreams may be on private networks.
pub fn routes(door: Door, private: bool) -> Built {
    let reads = Access::Operator("tenants:read");
    let writes = Access::Operator("tenants:write");
    Api::<App>::default()
        .get::<Vec<DomainOut>, _, _>(
            "/v1/domains",
            Access::Scope("tenant:read"),
            "List the domains of this key's tenant",
            own,
        )
        .get::<Vec<DomainOut>, _, _>(
            "/v1/tenants/{slug}/domains",
            reads,
            "List a tenant's domains",
            list,
        )
        .body::<DomainIn, DomainOut, _, _>(
            Method::POST,
            "/v1/tenants/{slug}/domains",
            writes,
            "Give a tenant a domain; the gateway serves it within a second",
            add,
        )
        .bodyless::<(), _, _>(
            Method::DELETE,
            "/v1/tenants/{slug}/domains/{host}",
            writes,
            "Take a domain away from a tenant",
            remove,
        )
        .build(App { door, private })
}

#[derive(Debug, Serialize, JsonSchema)]
struct DomainOut {
    host: String,
    purpose: Purpose,
    upstream: Option<String>,
    region: Option<String>,
    created_at: Moment,
}

impl From<Domain> for DomainOut {
    fn from(domain: Domain) -> Self {
        Self {
            host: domain.host,
            purpose: domain.purpose,
            upstream: domain.upstream,
            region: domain.region,
            created_at: domain.created_at,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DomainIn {
    /// A name without port or path, such as `painel.loja.com.br`.
    host: String,
    /// `site` (pages), `api` (no pages) or `panel`.
    purpose: Purpose,
    /// A server of the tenant's own: `http://HOST:PORT` or `https://HOST`. Left out: this house.
    upstream: Option<String>,
    /// Prefers upstreams of this region.
    region: Option<String>,
}

impl From<DomainError> for Problem {
    fn from(error: DomainError) -> Self {
        match (error.field(), error) {
            (_, DomainError::Storage(error)) => error.into(),
            (_, taken @ DomainError::Taken(_)) => {
                Self::new(StatusCode::CONFLICT, "domain_taken", taken.to_string())
            }
            (field, error) => Self::field(field.unwrap_or("host"), error.to_string()),
        }
    }
}

fn shown(domains: Vec<Domain>) -> Json<Vec<DomainOut>> {
    Json(domains.into_iter().map(DomainOut::from).collect())
}

async fn own(scope: Scope<TenantRead>) -> Result<Json<Vec<DomainOut>>, Problem> {
    let mut tx = scope.read().await?;
    Ok(shown(store::list(&mut tx).await?))
}

async fn list(
    operator: Operator<TenantsRead>,
    Path(slug): Path<String>,
) -> Result<Json<Vec<DomainOut>>, Problem> {
    let tenant = tenancy::by_slug(&operator.db, &slug).await?;
    let mut tx = operator.db.read(tenant.id).await?;
    Ok(shown(store::list(&mut tx).await?))
}

async fn add(
    operator: Operator<TenantsWrite>,
    State(app): State<App>,
    Path(slug): Path<String>,
    Json(body): Json<DomainIn>,
) -> Result<(StatusCode, Json<DomainOut>), Problem> {
    let tenant = tenancy::by_slug(&operator.db, &slug).await?;
    let DomainIn { host, purpose, upstream, region } = body;
    let new = NewDomain { host, purpose, upstream, region };
    let mut tx = operator.db.begin(tenant.id).await?;
    let made = store::add(&mut tx, &new, app.private, app.door.clock.now()).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

async fn remove(
    operator: Operator<TenantsWrite>,
    Path((slug, host)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let tenant = tenancy::by_slug(&operator.db, &slug).await?;
    let mut tx = operator.db.begin(tenant.id).await?;
    if store::remove(&mut tx, &host).await?.is_none() {
        return Err(Problem::not_found("domain"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
