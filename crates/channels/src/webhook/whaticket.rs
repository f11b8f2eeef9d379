//! Whaticket: signed bodies, and the company's domain in a header.
//!
//! Answers have the shapes that integrations written for the guide's receiver know.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use messaging::{Inbound, Kind, Parsed, whaticket};
use serde_json::json;
use sha2::{Digest, Sha256};
use web::Problem;

use super::{App, Outcome, accepted, header, json_of, limited, open_tenant};
use crate::Taken;
use crate::store::domain_of;

pub(super) async fn receive(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut tenant = String::new();
    let result = serve(&app, &parts, body, &mut tenant).await;
    match app.account(Kind::Whaticket, &parts, Outcome { tenant, result }) {
        Ok(_) => accepted(json!({ "queued": true })),
        Err(problem) => refuse(&problem),
    }
}

/// The guide's words for a refusal, with ours beside them.
fn refuse(problem: &Problem) -> Response {
    let word = match problem.status().as_u16() {
        400 => "invalid payload",
        401 if problem.code() == "invalid_token" => "invalid token",
        401 => "invalid signature",
        404 => "company_not_found",
        413 => "payload_too_large",
        _ => problem.code(),
    };
    let body = json!({ "error": word, "code": problem.code(), "details": problem.detail() });
    let mut response = (problem.status(), axum::Json(body)).into_response();
    if let Some(seconds) = problem.retry_after() {
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, seconds.into());
    }
    response
}

async fn serve(
    app: &App,
    parts: &Parts,
    body: axum::body::Body,
    tenant: &mut String,
) -> Result<Vec<Taken>, Problem> {
    let intake = &app.intake;
    let holding = app.holding(parts);
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "company_not_found",
            "no channel has this domain; send it in X-Company-Domain, and add it with \
             `portaria channel add whaticket --domain`",
        )
    };
    let named = header(parts, "x-company-domain").or_else(|| header(parts, "host"));
    let domain = named.or_else(|| parts.uri.host()).and_then(domain_of).ok_or_else(unknown)?;
    let entry =
        intake.directory.by_instance(Kind::Whaticket, &domain).await?.ok_or_else(unknown)?;
    let forged = |text: &str| Problem::new(StatusCode::UNAUTHORIZED, "invalid_signature", text);
    let (timestamp, signature) = (header(parts, "x-timestamp"), header(parts, "x-signature"));
    // Before the body is read: without these it cannot hold, whatever it says.
    if timestamp.is_none() || signature.is_none() {
        return Err(forged("the headers X-Timestamp and X-Signature are needed"));
    }
    let checking = whaticket::Check::new(&entry.secret, timestamp, signature, intake.clock.now());
    let mut check = checking.map_err(|why| forged(&why.to_string()))?;
    let spooled = match app.body(body, usize::MAX, &holding, |piece| check.update(piece)).await {
        Ok(spooled) => spooled,
        Err((problem, seen)) => {
            if problem.status() == StatusCode::PAYLOAD_TOO_LARGE {
                tracing::info!(event = "webhook_refused", status = 413, bytes = seen as u64);
            }
            return Err(problem);
        }
    };
    check.holds().map_err(|why| forged(&why.to_string()))?;
    holding.belongs_to(entry.tenant)?;
    entry.slug.as_str().clone_into(tenant);
    if !entry.token_hash.is_empty() {
        let token = header(parts, "x-webhook-token").unwrap_or_default();
        if !entry.takes_token(token, intake.clock.now()) {
            let text = "wrong or missing webhook token (header X-Webhook-Token)";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", text));
        }
    }
    open_tenant(&entry)?;
    let unreadable = |text: String| Problem::new(StatusCode::BAD_REQUEST, "invalid_payload", text);
    let value =
        json_of(spooled, &holding)?.ok_or_else(|| unreadable("the body is not JSON".to_owned()))?;
    // Several forms name no id. The signature covers time and body: the same call again is the
    // same message, the same words a second later are another.
    let fallback = || {
        let digest = Sha256::digest(signature.unwrap_or_default().trim().to_ascii_lowercase());
        let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        format!("signed-{hex}")
    };
    let message = match whaticket::parse(&value, fallback) {
        Ok(message) => message,
        // Signed and well, and nothing to answer: sending it again would not help.
        Err(whaticket::Unreadable::Nothing) => return Ok(vec![Taken::Ignored("no_content")]),
        Err(why) => return Err(unreadable(why.to_string())),
    };
    let parsed = Parsed {
        instance: domain,
        event: "message".to_owned(),
        owner: None,
        items: vec![Inbound::Message(Box::new(message))],
    };
    let taken = intake.take(&entry, &parsed, &value).await?;
    limited(&taken)?;
    Ok(taken)
}
