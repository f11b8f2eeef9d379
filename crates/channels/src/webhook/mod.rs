//! The front doors of providers.

mod cloud;
mod evolution;
mod whaticket;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use messaging::Kind;
use serde_json::{Value, json};
use web::{Budget, Holding, Problem, Spooled, TrustedProxies, Unread};

use crate::intake::IntakeError;
use crate::{Entry, Intake, Taken, store};

/// Bounds of what a webhook may be.
#[derive(Clone)]
pub struct Limits {
    /// Bytes of a body; with base64 media these are large.
    pub body: usize,
    /// A body has to be whole after this long.
    pub time: Duration,
    /// Proxies whose word on the caller's address is believed.
    pub proxies: TrustedProxies,
    /// Memory and disk that bodies may take.
    pub budget: Budget,
    /// Where large bodies wait.
    pub folder: PathBuf,
}

/// All addresses of webhooks, under all the names that the guides give them.
pub const WEBHOOKS: [&str; 8] = [
    "/webhook",
    "/webhook/whatsapp",
    "/webhook/evolution",
    "/webhook/evolution/{event}",
    "/webhook/evolution/in/{token}",
    "/webhook/evolution/in/{token}/{event}",
    "/webhook/whaticket",
    "/webhook/whatsapp-cloud",
];

pub(crate) struct App {
    intake: Intake,
    limits: Limits,
}

/// Routes for webhooks of every kind, under all the names the guides give them.
pub fn webhooks(intake: Intake, limits: Limits) -> Router {
    Router::new()
        .route("/webhook", post(evolution::by_header))
        .route("/webhook/whatsapp", post(evolution::by_header))
        .route("/webhook/evolution", post(evolution::by_header))
        // `byEvents` servers append the event to the address.
        .route("/webhook/evolution/{event}", post(evolution::by_header))
        .route("/webhook/evolution/in/{token}", post(evolution::by_path))
        .route("/webhook/evolution/in/{token}/{event}", post(evolution::by_path_and_event))
        .route("/webhook/whaticket", post(whaticket::receive))
        .route("/webhook/whatsapp-cloud", get(cloud::challenge).post(cloud::receive))
        .with_state(Arc::new(App { intake, limits }))
}

/// What a call came to, and whose it was as far as that is known.
struct Outcome {
    tenant: String,
    result: Result<Vec<Taken>, Problem>,
}

impl App {
    /// Counts a call, and answers failed ones; what went well the caller answers.
    fn account(&self, kind: Kind, parts: &Parts, outcome: Outcome) -> Result<Vec<Taken>, Problem> {
        let Outcome { tenant, result } = outcome;
        // Whose tenant is known has proved that it speaks for it: what it sends may be of no use, and is no guess.
        let proved = !tenant.is_empty();
        let result = result.map_err(|problem| {
            match proved && problem.status() != StatusCode::UNAUTHORIZED {
                true => problem,
                false => self.strangers(parts, problem),
            }
        });
        let outcome = match &result {
            Ok(taken) => taken.iter().copied().max().map_or("ignored", Taken::name),
            Err(problem) => {
                let status = problem.status().as_u16();
                tracing::info!(event = "webhook_refused", tenant_id = tenant, status);
                let reason = match status {
                    400 | 422 => "unreadable",
                    401 | 403 => "unauthorized",
                    404 => "unknown_channel",
                    413 => "too_large",
                    429 => problem.code(),
                    503 => "unavailable",
                    _ => "failed",
                };
                metrics::counter!(
                    "portaria_channel_refused_total", "kind" => kind.name(), "reason" => reason
                )
                .increment(1);
                reason
            }
        };
        metrics::counter!("portaria_webhooks_total", "tenant" => tenant.clone(), "outcome" => outcome)
            .increment(1);
        // The name that the guide's dashboards know.
        metrics::counter!("secretaria_webhook_received_total", "company" => tenant, "status" => outcome)
            .increment(1);
        result
    }

    /// Calls that failed the door are counted by where they come from. Authentic ones never are:
    /// one server may speak for many tenants.
    fn strangers(&self, parts: &Parts, problem: Problem) -> Problem {
        if !matches!(problem.status().as_u16(), 400 | 401 | 403 | 404 | 422) {
            return problem;
        }
        let address = self
            .limits
            .proxies
            .client(&parts.headers, &parts.extensions)
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        match self.intake.limiter.failed(address, self.intake.clock.now()) {
            Ok(()) => problem,
            Err(wait) => Problem::too_many(
                "too_many_requests_ip",
                "too many failed calls from this address; see what the first ones were told",
                wait,
            ),
        }
    }

    /// The account of a call: what its body holds, until it is answered.
    fn holding(&self, parts: &Parts) -> Holding {
        parts.extensions.get::<Holding>().cloned().unwrap_or_else(|| {
            let proxies = &self.limits.proxies;
            self.limits.budget.open(proxies.client(&parts.headers, &parts.extensions))
        })
    }

    /// The body up to the limit, or up to what the provider sends at most; `seen` gets its pieces as they come. What is
    /// large waits on the disk. `Err` carries the answer.
    async fn body(
        &self,
        body: Body,
        most: usize,
        holding: &Holding,
        seen: impl FnMut(&[u8]),
    ) -> Result<Spooled, (Problem, usize)> {
        let limit = self.limits.body.min(most);
        let place = (holding, self.limits.folder.as_path());
        match web::spool(body, limit, self.limits.time, place, seen).await {
            Ok(spooled) => Ok(spooled),
            Err(Unread::TooLarge { seen }) => Err((
                Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too_large",
                    format!(
                        "the body is over the limit of {limit} bytes; raise webhooks.body_limit, or let \
                         the provider send media by address instead of base64"
                    ),
                ),
                seen,
            )),
            Err(other) => Err((unread(other), 0)),
        }
    }

    /// Shows on the channel that something too large was refused.
    async fn lost(&self, entry: &Entry, seen: usize) -> Result<(), Problem> {
        let alarm = format!(
            "a webhook of {seen} bytes was refused (limit {}): a message with a large file was not received",
            self.limits.body
        );
        let now = self.intake.clock.now();
        let mut tx = self.intake.db.begin(entry.tenant).await?;
        store::set_alarm(&mut tx, entry.id, &alarm, now).await?;
        tx.commit().await?;
        tracing::warn!(
            event = "channel_alarm", tenant_id = %entry.tenant, channel_id = %entry.id,
            state = "too_large", bytes = seen as u64,
        );
        Ok(())
    }
}

/// An archived tenant's channel takes nothing in.
fn open_tenant(entry: &Entry) -> Result<(), Problem> {
    if entry.state.rule().stores_inbound {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        "tenant_archived",
        "the tenant of this channel is archived",
    ))
}

/// 429 when one sender was too quick, whatever else the body brought.
fn limited(taken: &[Taken]) -> Result<(), Problem> {
    let wait = taken.iter().filter_map(|one| match one {
        Taken::Limited(wait) => Some(*wait),
        _ => None,
    });
    match wait.max() {
        None => Ok(()),
        Some(wait) => Err(Problem::too_many(
            "too_many_requests_number",
            "too many messages of one sender; the others' are taken",
            wait,
        )),
    }
}

/// What a body came to, in a word.
fn said(taken: &[Taken]) -> Value {
    let most = taken.iter().copied().max().unwrap_or(Taken::Ignored("empty"));
    let mut said = json!({ "status": most.name() });
    if let Taken::Ignored(reason) = most {
        said["reason"] = json!(reason);
    }
    said
}

/// The JSON of a body that is believed, with room for what is made of it.
fn json_of(spooled: Spooled, holding: &Holding) -> Result<Option<Value>, Problem> {
    let bytes = spooled.into_bytes(holding).map_err(unread)?;
    if bytes.len() > LARGE && parts_of(&bytes) > MOST_PARTS {
        return Ok(None);
    }
    Ok(messaging::json::read(&bytes))
}

/// Bodies from here on are counted before they are parsed: a list of a million empty lists takes fifty times its bytes.
const LARGE: usize = 1 << 20;
/// Things that a large body may consist of. A history of a thousand messages has some ten thousand.
const MOST_PARTS: usize = 300_000;

/// About how many values a text in JSON has.
fn parts_of(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count()
}

/// What is answered when a body was not read: never 4xx, since the provider is to send it again.
fn unread(why: Unread) -> Problem {
    match why {
        Unread::TooLarge { .. } => Problem::unavailable("the body is too large", 1),
        Unread::Broken => Problem::unavailable("the body did not arrive whole", 1),
        Unread::NoRoom(full) => full.into(),
        Unread::Disk(cause) => {
            tracing::error!(event = "http_failed", cause = %cause);
            Problem::unavailable("the body could not be kept; send it again", 30)
        }
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

fn accepted(body: Value) -> Response {
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
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
