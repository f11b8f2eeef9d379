//! CORS per tenant, off unless the tenant lists origins.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use db::args;

use crate::{Anyone, Door};

/// Middleware for `/v1`. A preflight has no key, so it is granted to an origin that some tenant
/// lists; the answer itself is readable only for the key's own tenant's origins.
pub async fn cors(State(door): State<Door>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let text = origin.to_str().unwrap_or_default().to_owned();
    if request.method() == Method::OPTIONS {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if listed_by_anyone(&door, &text).await {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"),
            );
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, idempotency-key"),
            );
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
        return response;
    }
    let (parts, body) = request.into_parts();
    let allowed = match door.who(&parts).await.map(|caller| caller.may) {
        Ok(Anyone::Key { tenant, .. }) => tenancy::by_id(&door.db, tenant)
            .await
            .ok()
            .flatten()
            .is_some_and(|tenant| tenant.cors_origins.contains(&text)),
        _ => false,
    };
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if allowed {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

async fn listed_by_anyone(door: &Door, origin: &str) -> bool {
    let found = async {
        let mut tx = door.db.read_system().await?;
        tx.fetch_opt(
            "SELECT 1 FROM tenants WHERE ' ' || cors_origins || ' ' LIKE '% ' || $1 || ' %' LIMIT 1",
            args![origin],
        )
        .await
    };
    !origin.contains(['%', '_', ' ']) && found.await.is_ok_and(|row| row.is_some())
}
