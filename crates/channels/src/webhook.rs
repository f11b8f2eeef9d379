//! The front door of providers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use messaging::evolution;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tenancy::hash_token;
use web::Problem;

use crate::intake::IntakeError;
use crate::{Entry, Intake, Taken, store};

/// Bounds of what a webhook may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body; with base64 media these are large.
    pub body: usize,
}

struct App {
    intake: Intake,
    limits: Limits,
}

/// Routes for Evolution webhooks, under all the names the guides give them.
pub fn webhooks(intake: Intake, limits: Limits) -> Router {
    Router::new()
        .route("/webhook", post(by_header))
        .route("/webhook/whatsapp", post(by_header))
        .route("/webhook/evolution", post(by_header))
        // `byEvents` servers append the event to the address.
        .route("/webhook/evolution/{event}", post(by_header))
        .route("/webhook/evolution/in/{token}", post(by_path))
        .route("/webhook/evolution/in/{token}/{event}", post(by_path_and_event))
        .with_state(Arc::new(App { intake, limits }))
}

async fn by_header(State(app): State<Arc<App>>, request: Request) -> Response {
    let token = request
        .headers()
        .get("x-webhook-token")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    answer(&app, token, request.into_body()).await
}

async fn by_path(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    answer(&app, Some(token), request.into_body()).await
}

async fn by_path_and_event(
    State(app): State<Arc<App>>,
    Path((token, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    answer(&app, Some(token), request.into_body()).await
}

async fn answer(app: &App, token: Option<String>, body: Body) -> Response {
    let mut tenant = String::new();
    let result = serve(app, token, body, &mut tenant).await;
    let (outcome, response) = match result {
        Ok(taken) => {
            let most = taken.iter().copied().max().unwrap_or(Taken::Ignored("empty"));
            let mut said = json!({ "status": most.name() });
            if let Taken::Ignored(reason) = most {
                said["reason"] = json!(reason);
            }
            (most.name(), (StatusCode::ACCEPTED, axum::Json(said)).into_response())
        }
        Err(problem) => {
            let status = problem.status().as_u16();
            tracing::info!(event = "webhook_refused", tenant_id = tenant, status);
            let outcome = match status {
                401 => "unauthorized",
                404 => "unknown_instance",
                413 => "too_large",
                422 => "not_json",
                503 => "unavailable",
                _ => "failed",
            };
            (outcome, problem.into_response())
        }
    };
    metrics::counter!("portaria_webhooks_total", "tenant" => tenant.clone(), "outcome" => outcome)
        .increment(1);
    // The name that the guide's dashboards know.
    metrics::counter!("secretaria_webhook_received_total", "company" => tenant, "status" => outcome)
        .increment(1);
    response
}

async fn serve(
    app: &App,
    token: Option<String>,
    body: Body,
    tenant: &mut String,
) -> Result<Vec<Taken>, Problem> {
    let intake = &app.intake;
    let unauthorized =
        || Problem::unauthorized("wrong or missing webhook token (header X-Webhook-Token)");
    let token = token.filter(|token| !token.is_empty()).ok_or_else(unauthorized)?;
    // Before anything is read: a stranger must not fill the memory.
    if !intake.directory.knows_token(&token).await? {
        return Err(unauthorized());
    }
    let bytes = match read(body, app.limits.body).await {
        Ok(bytes) => bytes,
        Err(Unread::Broken) => {
            // Not 4xx: the provider is to send it again.
            return Err(Problem::unavailable("the body did not arrive whole", 1));
        }
        Err(Unread::TooLarge { seen }) => {
            too_large(intake, &token, seen, app.limits.body, tenant).await?;
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!(
                    "the body is over the limit of {} bytes; raise webhooks.body_limit, or let the \
                     provider send media by address instead of base64",
                    app.limits.body
                ),
            ));
        }
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_json", "the body is not JSON")
    })?;
    let Some(parsed) = evolution::parse(&value) else {
        // No instance to go by: only a token that belongs to one channel tells whose it is.
        let entry = intake.directory.by_token(&token).await?.ok_or_else(unauthorized)?;
        *tenant = entry.slug.to_string();
        intake.keep(&entry, "", "no instance name", &value).await?;
        return Ok(vec![Taken::Kept]);
    };
    let found = intake.directory.by_instance(&parsed.instance).await?;
    let entry: Arc<Entry> = found.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_instance",
            "no channel has this instance name; add it with `portaria channel add evolution`",
        )
    })?;
    if !bool::from(hash_token(&token).as_bytes().ct_eq(entry.token_hash.as_bytes())) {
        return Err(unauthorized());
    }
    entry.slug.as_str().clone_into(tenant);
    if !entry.state.rule().stores_inbound {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "tenant_archived",
            "the tenant of this channel is archived",
        ));
    }
    Ok(intake.take(&entry, &parsed, &value).await?)
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Storage(error) => error.into(),
            IntakeError::File(cause) => {
                tracing::error!(event = "http_failed", cause = %cause);
                Self::unavailable("the file of this message could not be kept; send it again", 30)
            }
        }
    }
}

/// Why a body was not read.
enum Unread {
    TooLarge {
        seen: usize,
    },
    /// It stopped half-way, or took too long.
    Broken,
}

/// Reads a body up to the limit. What is over it is read and thrown away: a connection closed on
/// a sender that still writes would lose the answer on its way.
async fn read(body: Body, limit: usize) -> Result<Bytes, Unread> {
    use axum::body::HttpBody as _;
    let mut body = std::pin::pin!(body);
    let hint = body.size_hint().exact().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut bytes: Vec<u8> = Vec::with_capacity(hint.min(limit));
    let mut seen = 0;
    let drain = async {
        loop {
            let frame = match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            seen += data.len();
            if seen <= limit {
                bytes.extend_from_slice(&data);
            } else if seen > limit.saturating_mul(8) {
                return true;
            }
        }
    };
    let whole = tokio::time::timeout(Duration::from_secs(60), drain).await.unwrap_or(false);
    if seen > limit {
        Err(Unread::TooLarge { seen })
    } else if whole {
        Ok(bytes.into())
    } else {
        Err(Unread::Broken)
    }
}

/// Shows the loss on the channel, if the token tells which.
async fn too_large(
    intake: &Intake,
    token: &str,
    seen: usize,
    limit: usize,
    tenant: &mut String,
) -> Result<(), Problem> {
    let Some(entry) = intake.directory.by_token(token).await? else { return Ok(()) };
    *tenant = entry.slug.to_string();
    let alarm = format!(
        "a webhook of {seen} bytes was refused (limit {limit}): a message with a large file was not received"
    );
    let now = intake.clock.now();
    let mut tx = intake.db.begin(entry.tenant).await?;
    store::set_alarm(&mut tx, entry.id, &alarm, now).await?;
    tx.commit().await?;
    tracing::warn!(
        event = "channel_alarm", tenant_id = %entry.tenant, channel_id = %entry.id,
        state = "too_large", bytes = seen as u64,
    );
    Ok(())
}
