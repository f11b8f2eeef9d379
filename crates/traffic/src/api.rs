//! `/v1/gateway`: the gateways of the house for operators. What concerns one node is asked of it.

use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::permission::{GatewayRead, GatewayWrite};
use web::{Access, Api, Built, Door, Json, Operator, Problem, Query};

use crate::store::Desk;

#[derive(Clone)]
struct App {
    door: Door,
    desk: Desk,
}

impl FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of gateways.
pub fn routes(door: Door) -> Built {
    let desk = Desk { db: door.db.clone(), clock: door.clock.clone() };
    let reads = Access::Operator("gateway:read");
    let writes = Access::Operator("gateway:write");
    Api::<App>::default()
        .get::<Vec<NodeOut>, _, _>(
            "/v1/gateway/nodes",
            reads,
            "List the gateways that are there, each with its pools, routes and certificates",
            nodes,
        )
        .get::<Value, _, _>(
            "/v1/gateway/outlook",
            reads,
            "What is expected of tenants' requests in the next hour, what is odd, and what to do",
            outlook,
        )
        .get::<Value, _, _>(
            "/v1/gateway/explain",
            reads,
            "Why a request would go where it would go: ?host=, path=, method=, node=",
            explain,
        )
        .get::<Value, _, _>("/v1/gateway/pools", reads, "Pools and upstreams of a node", pools)
        .get::<Value, _, _>("/v1/gateway/routes", reads, "Routes of a node", listed_routes)
        .get::<Value, _, _>(
            "/v1/gateway/versions",
            reads,
            "Tables of routes that a node served",
            versions,
        )
        .body::<UpstreamIn, Value, _, _>(
            Method::POST,
            "/v1/gateway/pools/{pool}/upstreams",
            writes,
            "Add an upstream to a pool, on all nodes with the same file",
            add,
        )
        .body::<ChangeIn, Value, _, _>(
            Method::PATCH,
            "/v1/gateway/pools/{pool}/upstreams/{address}",
            writes,
            "Weigh or drain an upstream, on all nodes with the same file",
            change,
        )
        .bodyless::<Value, _, _>(
            Method::DELETE,
            "/v1/gateway/pools/{pool}/upstreams/{address}",
            writes,
            "Remove an upstream, on all nodes with the same file",
            remove,
        )
        .bodyless::<Value, _, _>(
            Method::POST,
            "/v1/gateway/tenants/{slug}/drain",
            writes,
            "Take nothing new for a tenant",
            drain,
        )
        .bodyless::<Value, _, _>(
            Method::DELETE,
            "/v1/gateway/tenants/{slug}/drain",
            writes,
            "Serve a tenant again",
            undrain,
        )
        .body::<PurgeIn, Value, _, _>(
            Method::POST,
            "/v1/gateway/cache/purge",
            writes,
            "Forget kept answers, on all nodes",
            purge,
        )
        .body::<RollbackIn, Value, _, _>(
            Method::POST,
            "/v1/gateway/rollback",
            writes,
            "Put a table of routes back that a node served before",
            rollback,
        )
        .build(App { door, desk })
}

#[derive(Debug, Serialize, JsonSchema)]
struct NodeOut {
    node: String,
    seen_at: kernel::Moment,
    /// What it says of itself: status, pools, routes, certificates; of each the first two hundred.
    report: Value,
}

#[derive(Debug, Deserialize)]
struct Which {
    /// A node's name; any without it.
    node: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Explained {
    host: Option<String>,
    path: Option<String>,
    method: Option<String>,
    node: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpstreamIn {
    /// `HOST:PORT`, `http://HOST:PORT` or `https://HOST`.
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    /// It finishes what it has and gets nobody new.
    #[serde(skip_serializing_if = "Option::is_none")]
    draining: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PurgeIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// With `host`: this path of it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RollbackIn {
    /// One of the node's `GET /v1/gateway/versions`.
    version: u64,
}

impl App {
    /// Asks a node, and answers as it does.
    async fn ask(
        &self,
        node: Option<&str>,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Response, Problem> {
        let nodes = self.desk.nodes().await?;
        let found = match node {
            Some(name) => nodes.iter().find(|one| one.node == name),
            None => nodes.first(),
        };
        let Some(found) = found else {
            return Err(match node {
                Some(_) => Problem::not_found("node that was heard of in the last 20 seconds"),
                None => Problem::unavailable(
                    "no gateway of this house was heard of in the last 20 seconds; start one with `portaria serve --role gateway`",
                    20,
                ),
            });
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let Some(said) = self.desk.ask(&found.node, method, path, &body).await? else {
            return Err(Problem::unavailable("the node did not answer; look at its log", 5));
        };
        let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let kind =
            if status.is_success() { "application/json" } else { "application/problem+json" };
        // Counts and versions are each node's own.
        let fields = [
            (header::CONTENT_TYPE, kind),
            (HeaderName::from_static("x-portaria-node"), &*found.node),
        ];
        Ok((status, fields, said.body).into_response())
    }
}

fn part(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn nodes(
    _: Operator<GatewayRead>,
    State(app): State<App>,
) -> Result<Json<Vec<NodeOut>>, Problem> {
    let nodes = app.desk.nodes().await?;
    let out = nodes.into_iter();
    Ok(Json(
        out.map(|one| NodeOut { node: one.node, seen_at: one.seen_at, report: one.report })
            .collect(),
    ))
}

async fn outlook(_: Operator<GatewayRead>, State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(Json(app.desk.outlook().await?))
}

async fn explain(
    _: Operator<GatewayRead>,
    State(app): State<App>,
    Query(wanted): Query<Explained>,
) -> Result<Response, Problem> {
    let Some(host) = &wanted.host else {
        return Err(Problem::field("host", "is missing; name the host of the request"));
    };
    let mut path = format!("/v1/gateway/explain?host={}", part(host));
    for (name, value) in [("path", &wanted.path), ("method", &wanted.method)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", part(value)));
        }
    }
    app.ask(wanted.node.as_deref(), "GET", &path, &Value::Null).await
}

async fn pools(
    _: Operator<GatewayRead>,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    app.ask(which.node.as_deref(), "GET", "/v1/gateway/pools", &Value::Null).await
}

async fn listed_routes(
    _: Operator<GatewayRead>,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    app.ask(which.node.as_deref(), "GET", "/v1/gateway/routes", &Value::Null).await
}

async fn versions(
    _: Operator<GatewayRead>,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    app.ask(which.node.as_deref(), "GET", "/v1/gateway/versions", &Value::Null).await
}

async fn add(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Path(pool): Path<String>,
    Query(which): Query<Which>,
    Json(body): Json<UpstreamIn>,
) -> Result<Response, Problem> {
    let path = format!("/v1/gateway/pools/{}/upstreams", part(&pool));
    app.ask(which.node.as_deref(), "POST", &path, &json!(body)).await
}

async fn change(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Path((pool, address)): Path<(String, String)>,
    Query(which): Query<Which>,
    Json(body): Json<ChangeIn>,
) -> Result<Response, Problem> {
    let path = format!("/v1/gateway/pools/{}/upstreams/{}", part(&pool), part(&address));
    app.ask(which.node.as_deref(), "PATCH", &path, &json!(body)).await
}

async fn remove(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Path((pool, address)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let path = format!("/v1/gateway/pools/{}/upstreams/{}", part(&pool), part(&address));
    app.ask(which.node.as_deref(), "DELETE", &path, &Value::Null).await
}

async fn drain(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    app.ask(None, "POST", &format!("/api/tenants/{}/drain", part(&slug)), &Value::Null).await
}

async fn undrain(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    app.ask(None, "DELETE", &format!("/api/tenants/{}/drain", part(&slug)), &Value::Null).await
}

async fn purge(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Json(body): Json<PurgeIn>,
) -> Result<Response, Problem> {
    app.ask(None, "POST", "/v1/gateway/cache/purge", &json!(body)).await
}

async fn rollback(
    _: Operator<GatewayWrite>,
    State(app): State<App>,
    Query(which): Query<Which>,
    Json(body): Json<RollbackIn>,
) -> Result<Response, Problem> {
    app.ask(which.node.as_deref(), "POST", "/v1/gateway/rollback", &json!(body)).await
}
