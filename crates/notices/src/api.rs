//! `/v1/notices`, and the stream of who waits.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts as _, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use inbox::{Act, ConversationView};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use web::permission::{InboxRead, InboxWrite};
use web::{Access, Api, Built, Caller, Door, Json, Problem, Scope};

use crate::store::{self, ActNotice, Recipients};

/// Between two looks at who waits.
const LOOK: Duration = Duration::from_secs(2);
/// Conversations of one event at most; the count is of all up to this.
const MOST: usize = 100;

/// The routes of notices.
pub fn routes(door: Door) -> Built {
    let read = Access::Scope("inbox:read");
    let write = Access::Scope("inbox:write");
    Api::<Door>::default()
        .get::<Recipients, _, _>(
            "/v1/notices",
            read,
            "Show who is told when a contact waits for a person",
            show,
        )
        .body::<RecipientsIn, Recipients, _, _>(
            Method::PUT,
            "/v1/notices",
            write,
            "Set who is told when a contact waits for a person",
            set,
        )
        .get::<String, _, _>(
            "/v1/waiting/events",
            read,
            "Stream who waits for a person, as server-sent events `waiting`",
            events,
        )
        .build(door)
}

async fn show(scope: Scope<InboxRead>) -> Result<Json<Recipients>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(store::recipients(&mut tx).await?))
}

/// Who is told from now on; what is left out stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecipientsIn {
    /// E-mail addresses, ten at most.
    emails: Vec<String>,
    on_call: Option<Vec<String>>,
    acts: Option<BTreeMap<Act, ActNotice>>,
}

async fn set(
    scope: Scope<InboxWrite>,
    Json(body): Json<RecipientsIn>,
) -> Result<Json<Recipients>, Problem> {
    let mut tx = scope.begin().await?;
    let before = store::recipients(&mut tx).await?;
    let after = Recipients {
        emails: body.emails,
        on_call: body.on_call.unwrap_or(before.on_call),
        acts: body.acts.unwrap_or(before.acts),
    };
    after.check().map_err(|bad| Problem::field(bad.field(), bad.to_string()))?;
    store::set_recipients(&mut tx, &after).await?;
    tx.commit().await?;
    Ok(Json(after))
}

struct Watch {
    door: Door,
    /// The request, by which rights are looked at again.
    parts: Parts,
    scope: Scope<InboxRead>,
    /// What was told last.
    told: Option<String>,
}

/// A page asks again after this long, and its key is looked at again.
const HOLDS: Duration = Duration::from_secs(300);

impl Watch {
    /// Whether the caller still may: a key is revoked, a membership ends.
    async fn still_may(&self) -> bool {
        let mut parts = self.parts.clone();
        // Who called was looked up when the stream began.
        parts.extensions.remove::<Caller>();
        match Scope::<InboxRead>::from_request_parts(&mut parts, &self.door).await {
            Ok(_) => true,
            Err(problem) => problem.status().is_server_error(),
        }
    }
}

async fn events(
    State(door): State<Door>,
    parts: Parts,
    scope: Scope<InboxRead>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let watch = Watch { door, parts, scope, told: None };
    let until = tokio::time::Instant::now() + HOLDS;
    let stream = stream::unfold(watch, move |mut watch| async move {
        loop {
            if tokio::time::Instant::now() > until {
                return None;
            }
            if watch.told.is_some() {
                tokio::time::sleep(LOOK).await;
                if !watch.still_may().await {
                    return None;
                }
            }
            let Ok(mut tx) = watch.scope.read().await else {
                // The database is away for a moment: the page keeps what it has.
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let Ok(waiting) = inbox::waiting(&mut tx, MOST).await else {
                drop(tx);
                tokio::time::sleep(LOOK).await;
                continue;
            };
            drop(tx);
            let data = said(&waiting);
            if watch.told.as_ref() != Some(&data) {
                watch.told = Some(data.clone());
                return Some((Ok(Event::default().event("waiting").data(data)), watch));
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn said(waiting: &[ConversationView]) -> String {
    let list: Vec<_> = waiting
        .iter()
        .map(|view| {
            json!({ "conversation": view.id, "name": view.contact_name, "since": view.owner_since,
                "reason": view.handoff_reason })
        })
        .collect();
    json!({ "count": list.len(), "conversations": list }).to_string()
}
