//! Evolution: a token in a header or in the path, and the instance's name in the body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use messaging::{Kind, evolution};
use web::{Holding, Problem};

use super::{App, Outcome, accepted, header, json_of, limited, open_tenant, said};
use crate::{Entry, Taken};

pub(super) async fn by_header(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, None, request).await
}

pub(super) async fn by_path(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    answer(&app, Some(token), request).await
}

pub(super) async fn by_path_and_event(
    State(app): State<Arc<App>>,
    Path((token, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    answer(&app, Some(token), request).await
}

async fn answer(app: &App, token: Option<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let token = token.or_else(|| header(&parts, "x-webhook-token").map(str::to_owned));
    let mut tenant = String::new();
    let holding = app.holding(&parts);
    let result = serve(app, token, body, &holding, &mut tenant).await;
    match app.account(Kind::Evolution, &parts, Outcome { tenant, result }) {
        Ok(taken) => accepted(said(&taken)),
        Err(problem) => problem.into_response(),
    }
}

async fn serve(
    app: &App,
    token: Option<String>,
    body: Body,
    holding: &Holding,
    tenant: &mut String,
) -> Result<Vec<Taken>, Problem> {
    let intake = &app.intake;
    let directory = &intake.directory;
    let unauthorized =
        || Problem::unauthorized("wrong or missing webhook token (header X-Webhook-Token)");
    let token = token.filter(|token| !token.is_empty()).ok_or_else(unauthorized)?;
    // Before anything is read: a stranger must not fill the memory.
    if !directory.knows_token(Kind::Evolution, &token).await? {
        return Err(unauthorized());
    }
    let spooled = match app.body(body, usize::MAX, holding, |_| {}).await {
        Ok(spooled) => spooled,
        Err((problem, seen)) => {
            if problem.status() == StatusCode::PAYLOAD_TOO_LARGE
                && let Some(entry) = directory.by_token(&token).await?
            {
                *tenant = entry.slug.to_string();
                app.lost(&entry, seen).await?;
            }
            return Err(problem);
        }
    };
    let value = json_of(spooled, holding)?.ok_or_else(|| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_json", "the body is not JSON")
    })?;
    let Some(parsed) = evolution::parse(&value) else {
        // No instance to go by: only a token that belongs to one channel tells whose it is.
        let entry = directory.by_token(&token).await?.ok_or_else(unauthorized)?;
        *tenant = entry.slug.to_string();
        open_tenant(&entry)?;
        intake.keep(&entry, "", "no instance name", &value).await?;
        return Ok(vec![Taken::Kept]);
    };
    let mut found: Option<Arc<Entry>> =
        directory.by_instance(Kind::Evolution, &parsed.instance).await?;
    if let (None, Some(owner)) = (&found, &parsed.owner) {
        // Renamed at the server: the number it speaks from may still tell whose it is.
        found = directory.by_owner(&token, owner).await?;
    }
    // One answer for another's instance and for none: nobody learns which there are.
    let own = found.filter(|entry| entry.takes_token(&token, intake.clock.now()));
    let entry = own.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_instance",
            "no channel has this instance name and token; add it with `portaria channel add evolution`",
        )
    })?;
    entry.slug.as_str().clone_into(tenant);
    holding.belongs_to(entry.tenant)?;
    open_tenant(&entry)?;
    let taken = intake.take(&entry, &parsed, &value).await?;
    limited(&taken)?;
    Ok(taken)
}
