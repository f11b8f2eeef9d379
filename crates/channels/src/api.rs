//! `/v1/channels` and `/v1/raw-events`.

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use messaging::{Inbound, Kind, LinkState, Parsed, SendError, cloud, evolution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use web::permission::{ChannelsRead, ChannelsWrite};
use web::{Access, Api, Built, Door, Json, Page, PageQuery, PathId, Problem, Query, Scope};

use crate::kept::{self, HealthView, RawEvent};
use crate::keys;
use crate::store::{self, Channel, ChannelError, LEAST_TOKEN, NewChannel, NewLogin, Rotation};
use crate::{Entry, Intake, Manage, Paired, Status, Taken};

#[derive(Clone)]
struct App {
    door: Door,
    intake: Intake,
    manage: Manage,
}

impl axum::extract::FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of channels.
pub fn routes(door: Door, intake: Intake, manage: Manage) -> Built {
    let read = Access::Scope("channels:read");
    let write = Access::Scope("channels:write");
    Api::<App>::default()
        .get::<Vec<Channel>, _, _>("/v1/channels", read, "List channels", list)
        .body::<ChannelIn, Channel, _, _>(
            Method::POST,
            "/v1/channels",
            write,
            "Add a sender: an Evolution instance, a Whaticket company, or a Cloud API number",
            add,
        )
        .bodyless::<(), _, _>(
            Method::DELETE,
            "/v1/channels/{id}",
            write,
            "Remove a channel",
            remove,
        )
        .bodyless::<Status, _, _>(
            Method::POST,
            "/v1/channels/{id}/status",
            write,
            "Ask the provider how a channel stands",
            status,
        )
        .body::<ConnectIn, Paired, _, _>(
            Method::POST,
            "/v1/channels/{id}/connect",
            write,
            "Pair the phone: a QR code, or a code to type for a number",
            connect,
        )
        .get::<PairingOut, _, _>(
            "/v1/channels/{id}/pairing",
            write,
            "Show the latest code by which the phone is paired",
            pairing,
        )
        .bodyless::<Channel, _, _>(
            Method::POST,
            "/v1/channels/{id}/logout",
            write,
            "End the pairing with the phone",
            logout,
        )
        .get::<Vec<HealthView>, _, _>(
            "/v1/channels/{id}/health",
            read,
            "List what the provider said of a sender's standing, the newest first",
            health,
        )
        .body::<RotationIn, Channel, _, _>(
            Method::POST,
            "/v1/channels/{id}/rotate",
            write,
            "Replace a channel's key, token or secret at once",
            rotate,
        )
        .get::<Page<RawEvent>, _, _>(
            "/v1/raw-events",
            read,
            "List webhooks that could not be read",
            raw_events,
        )
        .bodyless::<ReplayOut, _, _>(
            Method::POST,
            "/v1/raw-events/{id}/replay",
            write,
            "Read a kept webhook again",
            replay,
        )
        .build(App { door, intake, manage })
}

impl From<ChannelError> for Problem {
    fn from(error: ChannelError) -> Self {
        use ChannelError as E;
        match error {
            E::InstanceTaken(_) => {
                Self::new(StatusCode::CONFLICT, "instance_taken", error.to_string())
            }
            E::Instance(_) => Self::field("instance", error.to_string()),
            E::EmptySecret(_) | E::ShortSecret | E::NoSuchSecret(..) => {
                Self::field("secret", error.to_string())
            }
            E::ShortToken => Self::field("webhook_token", error.to_string()),
            E::Address(_) => Self::field("base_url", error.to_string()),
            E::NoSuchChannel => Self::not_found("channel"),
            E::Probe(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused_by_server", error.to_string())
            }
            E::Vault(error) => error.into(),
            E::Storage(error) => error.into(),
        }
    }
}

/// A provider's refusal of a call that somebody waits for.
fn provider(error: &SendError) -> Problem {
    let code = match error {
        SendError::Refused { .. } => "refused_by_provider",
        SendError::Throttled { .. } => "throttled_by_provider",
        SendError::Unreachable(_) | SendError::Postponed(_) | SendError::OutcomeUnknown(_) => {
            "provider_not_reached"
        }
    };
    Problem::new(StatusCode::BAD_GATEWAY, code, error.to_string())
}

async fn list(scope: Scope<ChannelsRead>) -> Result<Json<Vec<Channel>>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(store::list(&mut tx).await?))
}

/// A sender of any kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields)]
enum ChannelIn {
    #[serde(rename = "evolution")]
    Evolution {
        instance: String,
        base_url: String,
        api_key: String,
        /// 8 characters or more; one is made when it is left out, and shown in the answer.
        webhook_token: Option<String>,
    },
    #[serde(rename = "whaticket")]
    Whaticket {
        /// As webhooks name it in X-Company-Domain, or in Host.
        domain: String,
        base_url: String,
        /// The static bearer; may be left out with a login.
        #[serde(default)]
        token: String,
        shared_secret: String,
        #[serde(default)]
        webhook_token: String,
        login: Option<LoginIn>,
        whatsapp_id: Option<u64>,
        /// Ask the server whether it takes the token; true when absent.
        #[serde(default = "yes")]
        probe: bool,
    },
    #[serde(rename = "whatsapp-cloud")]
    Cloud {
        phone_number_id: String,
        #[serde(default = "graph")]
        base_url: String,
        access_token: String,
        app_secret: String,
        verify_token: String,
        business_account_id: Option<String>,
    },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LoginIn {
    email: String,
    password: String,
}

fn yes() -> bool {
    true
}
fn graph() -> String {
    messaging::cloud::BASE_URL.to_owned()
}

impl From<ChannelIn> for (NewChannel, bool) {
    fn from(body: ChannelIn) -> Self {
        match body {
            ChannelIn::Evolution { instance, base_url, api_key, webhook_token } => {
                let token = webhook_token.unwrap_or_else(tenancy::fresh_token);
                (NewChannel::evolution(&instance, &base_url, &api_key, &token), false)
            }
            ChannelIn::Whaticket {
                domain,
                base_url,
                token,
                shared_secret,
                webhook_token,
                login,
                whatsapp_id,
                probe,
            } => {
                let new = NewChannel {
                    kind: Kind::Whaticket,
                    instance: domain,
                    base_url,
                    api_key: token,
                    webhook_token,
                    secret: shared_secret,
                    login: login.map(|l| NewLogin { email: l.email, password: l.password }),
                    account: whatsapp_id.map(|id| id.to_string()),
                };
                (new, probe)
            }
            ChannelIn::Cloud {
                phone_number_id,
                base_url,
                access_token,
                app_secret,
                verify_token,
                business_account_id,
            } => {
                let new = NewChannel {
                    kind: Kind::WhatsAppCloud,
                    instance: phone_number_id,
                    base_url,
                    api_key: access_token,
                    webhook_token: verify_token,
                    secret: app_secret,
                    login: None,
                    account: business_account_id,
                };
                (new, false)
            }
        }
    }
}

async fn add(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Json(body): Json<ChannelIn>,
) -> Result<(StatusCode, Json<ChannelMade>), Problem> {
    let makes = matches!(&body, ChannelIn::Evolution { webhook_token: None, .. });
    let (new, probe): (NewChannel, bool) = body.into();
    // Meta's verify token opens nothing.
    if new.kind != Kind::WhatsAppCloud {
        long_enough(&new.webhook_token)?;
    }
    let channel = app.manage.add(scope.tenant().id, &new, probe).await?;
    let webhook_token = makes.then_some(new.webhook_token);
    Ok((StatusCode::CREATED, Json(ChannelMade { channel, webhook_token })))
}

/// A channel, and the webhook token that was made for it: it is shown this once.
#[derive(Debug, Serialize, JsonSchema)]
struct ChannelMade {
    #[serde(flatten)]
    channel: Channel,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_token: Option<String>,
}

fn long_enough(token: &str) -> Result<(), ChannelError> {
    if !token.is_empty() && token.chars().count() < LEAST_TOKEN {
        return Err(ChannelError::ShortToken);
    }
    Ok(())
}

async fn status(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Status>, Problem> {
    Ok(Json(app.manage.status(scope.tenant().id, &name).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectIn {
    /// The phone's number: asks for a code to type instead of a QR code.
    number: Option<String>,
}

async fn connect(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
    Json(body): Json<ConnectIn>,
) -> Result<Json<Paired>, Problem> {
    let number: Option<kernel::Phone> = body
        .number
        .map(|text| text.parse())
        .transpose()
        .map_err(|bad: kernel::phone::NotAPhone| Problem::field("number", bad.to_string()))?;
    let number = number.as_ref().map(kernel::Phone::digits);
    let paired = app.manage.connect(scope.tenant().id, &name, number).await?;
    paired.map(Json).map_err(|error| provider(&error))
}

#[derive(Debug, Serialize, JsonSchema)]
struct PairingOut {
    state: LinkState,
    /// A picture as a `data:` address.
    qr: Option<String>,
    text: Option<String>,
    code: Option<String>,
    /// When the code came; QR codes live about 40 seconds.
    at: Option<kernel::Moment>,
}

async fn pairing(
    scope: Scope<ChannelsWrite>,
    Path(name): Path<String>,
) -> Result<Json<PairingOut>, Problem> {
    let mut tx = scope.read().await?;
    let channel = store::find(&mut tx, &name).await?;
    let (value, at) = match store::pairing(&mut tx, channel.id).await? {
        Some((value, at)) => (value, Some(at)),
        None => (Value::Null, None),
    };
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let (qr, plain, code) = (text("qr"), text("text"), text("code"));
    Ok(Json(PairingOut { state: channel.state, qr, text: plain, code, at }))
}

async fn logout(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Channel>, Problem> {
    let channel = app.manage.logout(scope.tenant().id, &name).await?;
    channel.map(Json).map_err(|error| provider(&error))
}

async fn health(
    scope: Scope<ChannelsRead>,
    Path(name): Path<String>,
) -> Result<Json<Vec<HealthView>>, Problem> {
    let mut tx = scope.read().await?;
    let channel = store::find(&mut tx, &name).await?;
    Ok(Json(kept::health(&mut tx, channel.id, 200).await?))
}

async fn remove(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let mut tx = scope.begin().await?;
    store::remove(&mut tx, &app.manage.vault, &name).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotationIn {
    /// Evolution's key, Whaticket's static bearer, Meta's access token.
    api_key: Option<String>,
    /// Evolution's and Whaticket's webhook token, Meta's verify token.
    webhook_token: Option<String>,
    /// Have a webhook token made; it is shown in the answer.
    #[serde(default)]
    new_webhook_token: bool,
    /// Whaticket's shared secret, Meta's app secret.
    secret: Option<String>,
    /// The webhook token before ends now, instead of a day later.
    #[serde(default)]
    at_once: bool,
}

async fn rotate(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    Path(name): Path<String>,
    Json(body): Json<RotationIn>,
) -> Result<Json<ChannelMade>, Problem> {
    let made = body.new_webhook_token.then(tenancy::fresh_token);
    let rotation = Rotation {
        api_key: body.api_key,
        webhook_token: made.clone().or(body.webhook_token),
        secret: body.secret,
        at_once: body.at_once,
    };
    long_enough(rotation.webhook_token.as_deref().unwrap_or_default())?;
    let mut tx = scope.begin().await?;
    let now = app.door.clock.now();
    let channel = keys::rotate(&mut tx, &app.manage.vault, &name, &rotation, now).await?;
    tx.commit().await?;
    Ok(Json(ChannelMade { channel, webhook_token: made }))
}

async fn raw_events(
    scope: Scope<ChannelsRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RawEvent>>, Problem> {
    let limit = page.limit()?;
    let before = page.position()?;
    let mut tx = scope.read().await?;
    let found = kept::raw_events(&mut tx, before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |e| format!("{}_{}", e.received_at.0, e.id))))
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReplayOut {
    /// What it was this time, thing by thing: `stored`, `duplicate`, `ignored`, `kept` …
    outcomes: Vec<String>,
}

async fn replay(
    scope: Scope<ChannelsWrite>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::RawEventKind>,
) -> Result<Json<ReplayOut>, Problem> {
    let mut tx = scope.read().await?;
    let kept = kept::raw_body(&mut tx, id).await?;
    drop(tx);
    let (channel, body) = kept.ok_or_else(|| Problem::not_found("raw event"))?;
    let entry = app
        .intake
        .directory
        .by_id(scope.tenant().id, channel)
        .await?
        .ok_or_else(|| Problem::not_found("channel"))?;
    let body: Value = serde_json::from_str(&body).map_err(|cause| Problem::internal(&cause))?;
    let taken = match reparse(&entry, &body) {
        // Still unreadable: it stays as it is, and is not kept a second time.
        None => vec![Taken::Kept],
        Some(mut parsed) => {
            let before = parsed.items.len();
            parsed.items.retain(|item| !matches!(item, Inbound::Unknown(_)));
            let mut taken = app.intake.take(&entry, &parsed, &body).await?;
            taken.extend(vec![Taken::Kept; before - parsed.items.len()]);
            taken
        }
    };
    if taken.iter().all(|one| *one != Taken::Kept) {
        let mut tx = scope.begin().await?;
        kept::mark_replayed(&mut tx, id).await?;
        tx.commit().await?;
    }
    let outcomes = taken.iter().map(|one| one.name().to_owned()).collect();
    Ok(Json(ReplayOut { outcomes }))
}

/// A kept body, read by its channel's kind.
fn reparse(entry: &Entry, body: &Value) -> Option<Parsed> {
    match entry.kind {
        Kind::Evolution => evolution::parse(body),
        // Its unreadable bodies are refused, not kept.
        Kind::Whaticket => None,
        Kind::WhatsAppCloud => {
            // Kept change by change.
            let whole = serde_json::json!({ "object": "whatsapp_business_account",
                "entry": [{ "id": "", "changes": [body] }] });
            let change = cloud::changes(&whole)?.into_iter().next()?;
            Some(Parsed {
                instance: entry.endpoint.instance.clone(),
                event: change.field,
                owner: None,
                items: change.items,
            })
        }
    }
}
