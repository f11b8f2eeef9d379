//! `Idempotency-Key` on writes: a repeat gets the first answer and has no second effect.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use db::{Db, Error, args};
use kernel::{Moment, TenantId};
use sha2::{Digest, Sha256};

use crate::{Anyone, Door, Holding, Problem, WhyCut};

/// Keys are remembered this long.
const REMEMBERED: Duration = Duration::from_secs(48 * 3600);
/// A request that was not finished after this long never will be: its process died.
const UNFINISHED: Duration = Duration::from_secs(300);
/// Bodies of keyed requests are held in memory to compare them.
const BODY_LIMIT: usize = 33 * 1024 * 1024;

/// Middleware for `/v1`: replays the answer of a write that came with the same key before.
pub async fn idempotency(State(door): State<Door>, request: Request, next: Next) -> Response {
    let key = request
        .headers()
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let writes =
        matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    match key {
        Some(key) if writes => {
            keyed(&door, &key, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn keyed(door: &Door, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
    if key.is_empty() || key.len() > 200 {
        return Err(Problem::field("Idempotency-Key", "the key must have 1 to 200 characters"));
    }
    let (parts, body) = request.into_parts();
    // Operators' keys live under the nil tenant, which no business has.
    let caller = door.who(&parts).await?;
    let tenant = match &caller.may {
        Anyone::Operator { acting_for: Some(slug) } => tenancy::by_slug(&door.db, slug).await?.id,
        Anyone::Operator { acting_for: None } | Anyone::Machine { .. } => nil(),
        Anyone::Key { tenant, .. } => *tenant,
    };
    if let Some(holding) = parts.extensions.get::<Holding>() {
        holding.belongs_to(tenant)?;
    }
    let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        WhyCut::of(&parts.extensions).unwrap_or_else(|| {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is over the limit")
        })
    })?;
    // An answer is repeated to whom it was given, for the same request, while they may still do as much.
    let hash = Sha256::new().chain_update(&bytes).chain_update([0]).chain_update(caller.scopes());
    let hash: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let target = parts.uri.path_and_query().map_or(parts.uri.path(), |target| target.as_str());
    let route = format!("{} {target}", parts.method);
    let key = format!("{} {key}", caller.mark);
    let key = key.as_str();
    let now = door.clock.now();
    if let Some(earlier) = begin(&door.db, tenant, key, &route, &hash, now).await? {
        return replay(earlier, &route, &hash);
    }
    // In a task of its own: a caller that hangs up must not leave the key half done.
    let (db, key) = (door.db.clone(), key.to_owned());
    let serving = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
        let secret = SHOWN_ONCE.iter().any(|part| route.contains(part));
        let kept = (!secret).then(|| String::from_utf8_lossy(&bytes).into_owned());
        finish(&db, tenant, &key, head.status, kept).await?;
        Ok(Response::from_parts(head, Body::from(bytes)))
    });
    serving.await.unwrap_or_else(|cause| Err(Problem::internal(&cause)))
}

/// Routes whose answers carry a secret: those are never written down.
const SHOWN_ONCE: [&str; 3] = ["/api-keys", "/webhook-endpoints", "/connect"];

fn nil() -> TenantId {
    "00000000-0000-0000-0000-000000000000".parse().expect("a UUID")
}

struct Earlier {
    route: String,
    hash: String,
    status: Option<i64>,
    response: Option<String>,
}

fn replay(earlier: Earlier, route: &str, hash: &str) -> Result<Response, Problem> {
    let conflict =
        |code, detail: &str| Err(Problem::new(StatusCode::CONFLICT, code, detail.to_owned()));
    if earlier.route != route || earlier.hash != hash {
        return conflict(
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request; use a new key",
        );
    }
    let Some(status) = earlier.status else {
        return conflict("in_progress", "the first request with this key is still being served");
    };
    let Some(body) = earlier.response else {
        return conflict(
            "secret_shown_once",
            "this was done already; its secret is shown only once",
        );
    };
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::OK);
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

async fn begin(
    db: &Db,
    tenant: TenantId,
    key: &str,
    route: &str,
    hash: &str,
    now: Moment,
) -> Result<Option<Earlier>, Error> {
    let mut tx = db.begin(tenant).await?;
    let fresh = tx
        .execute(
            "INSERT INTO idempotency_keys (tenant_id, key, route, body_hash, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, key) DO UPDATE \
             SET created_at = excluded.created_at WHERE idempotency_keys.status IS NULL \
             AND idempotency_keys.created_at < $6 AND idempotency_keys.body_hash = excluded.body_hash",
            args![tenant, key, route, hash, now, now - UNFINISHED],
        )
        .await?;
    if fresh == 1 {
        tx.commit().await?;
        return Ok(None);
    }
    let row = tx
        .fetch_opt(
            "SELECT route, body_hash, status, response FROM idempotency_keys \
             WHERE tenant_id = $1 AND key = $2",
            args![tenant, key],
        )
        .await?
        .ok_or(Error::Corrupt { column: 0, expected: "an idempotency key" })?;
    Ok(Some(Earlier {
        route: row.get(0)?,
        hash: row.get(1)?,
        status: row.get(2)?,
        response: row.get(3)?,
    }))
}

async fn finish(
    db: &Db,
    tenant: TenantId,
    key: &str,
    status: StatusCode,
    response: Option<String>,
) -> Result<(), Error> {
    let mut tx = db.begin(tenant).await?;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        // Nothing happened, as far as we know: the caller may try again with the same key.
        tx.execute(
            "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key = $2",
            args![tenant, key],
        )
        .await?;
    } else {
        tx.execute(
            "UPDATE idempotency_keys SET status = $1, response = $2 WHERE tenant_id = $3 AND key = $4",
            args![i64::from(status.as_u16()), response, tenant, key],
        )
        .await?;
    }
    tx.commit().await
}

/// Forgets keys older than 48 hours.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &Db, now: Moment) -> Result<u64, Error> {
    let mut tx = db.begin_system().await?;
    let gone = tx
        .execute("DELETE FROM idempotency_keys WHERE created_at < $1", args![now - REMEMBERED])
        .await?;
    tx.commit().await?;
    Ok(gone)
}
