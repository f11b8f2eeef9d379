//! WhatsApp Cloud API: Meta signs the body with the app's secret, and names numbers inside.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header as names};
use axum::response::{IntoResponse, Response};
use messaging::cloud::{self, Change};
use messaging::{Kind, Parsed};
use serde::Deserialize;
use web::Problem;

use super::{App, Outcome, header, json_of, limited, open_tenant, said};
use crate::{Entry, Taken, store};

/// What Meta asks when the address is set up.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Challenge {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// Bytes of a body: Meta's own bound is 3 MB, files never come along.
const MOST: usize = 4 * 1024 * 1024;

pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    Query(asked): Query<Challenge>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let result = async {
        let known = asked.mode == "subscribe"
            && !asked.token.is_empty()
            && app.intake.directory.knows_token(Kind::WhatsAppCloud, &asked.token).await?;
        if known {
            return Ok(Vec::new());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "wrong_verify_token",
            "no channel has this verify token; it is the one given to `portaria channel add whatsapp-cloud`",
        ))
    };
    let outcome = Outcome { tenant: String::new(), result: result.await };
    match app.account(Kind::WhatsAppCloud, &parts, outcome) {
        // Plain text: Meta compares it byte by byte.
        Ok(_) => {
            let headers =
                [(names::CONTENT_TYPE, "text/plain"), (names::X_CONTENT_TYPE_OPTIONS, "nosniff")];
            (headers, asked.challenge).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

pub(super) async fn receive(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut tenant = String::new();
    let result = serve(&app, &parts, body, &mut tenant).await;
    match app.account(Kind::WhatsAppCloud, &parts, Outcome { tenant, result }) {
        Ok(taken) => (StatusCode::OK, axum::Json(said(&taken))).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn serve(
    app: &App,
    parts: &Parts,
    body: axum::body::Body,
    tenant: &mut String,
) -> Result<Vec<Taken>, Problem> {
    let forged = || {
        Problem::unauthorized(
            "wrong or missing signature (header X-Hub-Signature-256, under the app secret)",
        )
    };
    let signature = header(parts, "x-hub-signature-256").unwrap_or_default().trim();
    let formed = signature.strip_prefix("sha256=").is_some_and(|hex| hex.len() == 64);
    if !formed {
        return Err(forged());
    }
    // Under each of them the body is looked at as it comes: it may wait on the disk.
    let secrets = app.intake.directory.app_secrets().await?;
    let mut checks: Vec<_> =
        secrets.iter().filter_map(|one| cloud::Check::new(one, signature)).collect();
    let holding = app.holding(parts);
    let seen = |piece: &[u8]| checks.iter_mut().for_each(|check| check.update(piece));
    let spooled = app.body(body, MOST, &holding, seen).await.map_err(|(problem, _)| problem)?;
    // Before it is read: a stranger's body costs its bytes and nothing more.
    let signer = checks.into_iter().find_map(cloud::Check::signer).ok_or_else(forged)?;
    let value = json_of(spooled, &holding)?
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "not_json", "the body is not JSON"))?;
    let changes = cloud::changes(&value).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "not_meta",
            "the body is no event of a WhatsApp business account",
        )
    })?;
    let mut taken = Vec::new();
    let mut trouble = None;
    for change in &changes {
        // One app may serve many numbers, and one body several apps' would-be numbers: each change is believed under
        // the secret of its own channel only. The others' are taken, and Meta sends the whole again until this one's
        // secret is right. An account that others claim to have, too, is the business of those who prove it.
        let (own, others): (Vec<_>, Vec<_>) =
            owners(app, change).await?.into_iter().partition(|entry| entry.secret == signer);
        if own.is_empty() && !others.is_empty() {
            trouble.get_or_insert_with(forged);
        }
        for entry in own {
            if open_tenant(&entry).is_err() {
                taken.push(Taken::Ignored("tenant_archived"));
                continue;
            }
            entry.slug.as_str().clone_into(tenant);
            holding.belongs_to(entry.tenant)?;
            match take(app, &entry, change).await {
                Ok(some) => taken.extend(some),
                // The others' are taken all the same; Meta sends the whole again, and what was
                // taken is known then.
                Err(problem) => trouble = Some(problem),
            }
        }
    }
    if let Some(problem) = trouble {
        return Err(problem);
    }
    limited(&taken)?;
    if taken.is_empty() {
        // From Meta, but of numbers that are not connected here: sending it again would not help.
        taken.push(Taken::Ignored("unknown_number"));
    }
    Ok(taken)
}

/// The channels that a change is about.
async fn owners(app: &App, change: &Change) -> Result<Vec<Arc<Entry>>, Problem> {
    let directory = &app.intake.directory;
    match &change.phone_number_id {
        Some(id) => Ok(directory.by_instance(Kind::WhatsAppCloud, id).await?.into_iter().collect()),
        None => {
            let mut entries = directory.of_account(&change.account).await?;
            if let Some(owner) = &change.owner {
                // About one number of the account.
                entries.retain(|e| e.own_number.as_ref().is_none_or(|own| own == owner));
            }
            Ok(entries)
        }
    }
}

async fn take(app: &App, entry: &Arc<Entry>, change: &Change) -> Result<Vec<Taken>, Problem> {
    let learns = !change.account.is_empty() && entry.endpoint.account.is_none();
    if change.phone_number_id.is_some() && learns {
        let mut tx = app.intake.db.begin(entry.tenant).await?;
        store::set_account(&mut tx, entry.id, &change.account).await?;
        tx.commit().await?;
    }
    let parsed = Parsed {
        instance: entry.endpoint.instance.clone(),
        event: change.field.clone(),
        owner: change.owner.clone(),
        items: change.items.clone(),
    };
    Ok(app.intake.take(entry, &parsed, &change.raw).await?)
}
