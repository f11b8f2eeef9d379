//! Sending one message: `POST /v1/messages`, the address that Whaticket clients call, and files of
//! messages.

use axum::body::Body as HttpBody;
use axum::extract::{FromRef, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use files::Files;
use inbox::{Attachment, Author, NewOutgoing, To};
use kernel::{ContactId, ConversationId, MessageId, Moment, Phone, TenantId};
use messaging::{BadBody, Body, Choice, Kind, ListRow, MediaKind, Messengers, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenancy::Tenant;
use web::permission::{InboxRead, InboxWrite};
use web::{Access, Api, BodySize, Built, Door, Json, PathId, Problem, Scope};

use crate::media::plain;
use crate::store::{self, Channel, ChannelError};

#[derive(Clone)]
struct App {
    door: Door,
    sender: Sender,
}

/// Takes messages that somebody else than the assistant wants to send.
#[derive(Clone)]
pub struct Sender {
    messengers: Messengers,
    outbound: messaging::http::Outbound,
    files: Files,
}

impl FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of single messages.
pub fn routes(door: Door, sender: Sender) -> Built {
    let read = Access::Scope("inbox:read");
    let write = Access::Scope("inbox:write");
    Api::<App>::default()
        .body::<MessageIn, Posted, _, _>(
            Method::POST,
            "/v1/messages",
            write,
            "Send one message: text, media, buttons, list or template",
            post,
        )
        .takes(BodySize::Upload)
        .body::<WhaticketIn, Posted, _, _>(
            Method::POST,
            "/api/messages/send",
            write,
            "Send a text as Whaticket's clients do",
            whaticket,
        )
        .get::<String, _, _>(
            "/v1/messages/{id}/media",
            read,
            "Download the file of a message",
            media,
        )
        .build(App { door, sender })
}

/// A message to send, and to whom: exactly one of `to`, `contact` and `conversation`, and exactly
/// one of `text` alone, `media`, `template`, `text` with `buttons`, `text` with `list`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageIn {
    /// A phone number with its country code.
    pub to: Option<String>,
    pub contact: Option<ContactId>,
    pub conversation: Option<ConversationId>,
    /// The channel's id or the provider's name of it. Needed where the tenant has several and none
    /// follows from the conversation.
    pub channel: Option<String>,
    /// 1 to 4,096 characters.
    pub text: Option<String>,
    pub media: Option<MediaIn>,
    pub template: Option<TemplateIn>,
    /// 1 to 3; a numbered text where the channel has no buttons.
    pub buttons: Option<Vec<Choice>>,
    pub list: Option<ListIn>,
    /// A message of the same conversation.
    pub reply_to: Option<MessageId>,
    /// `integration` (as when absent): leaves whoever owns the conversation. `person`: the assistant
    /// keeps quiet from then on. `bot`: refused while a person owns the conversation.
    pub author: Option<AuthorIn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorIn {
    Person,
    Integration,
    Bot,
}

/// A file: by address or as base64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MediaIn {
    pub url: Option<String>,
    pub base64: Option<String>,
    /// Such as `image/png`.
    pub mime: String,
    pub file_name: Option<String>,
    /// Up to 1,024 characters.
    pub caption: Option<String>,
    /// How it is shown; by its type when absent. `voice` shows an audio as recorded on the spot.
    pub kind: Option<MediaKind>,
}

/// An approved template, as Meta's API takes it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateIn {
    pub name: String,
    /// Such as `pt_BR`.
    pub language: String,
    #[serde(default = "no_components")]
    pub components: Value,
}

fn no_components() -> Value {
    json!([])
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListIn {
    /// The label that opens the list, 1 to 20 characters.
    pub button: String,
    /// 1 to 10.
    pub rows: Vec<ListRow>,
}

/// Which person of the team writes, and by which form: an id that the form keeps when it is sent again.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    pub person: kernel::PersonId,
    pub once: &'a str,
}

/// What was enqueued.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Posted {
    pub message: MessageId,
    pub conversation: ConversationId,
    /// `queued`; `held` while the tenant is suspended: it leaves when the tenant is active again.
    pub state: String,
    /// Where to see what became of it.
    pub journey: String,
}

fn problem(bad: &BadBody) -> Problem {
    Problem::field(bad.field, bad.reason.clone())
}

impl Sender {
    /// The content, checked against what WhatsApp takes.
    fn body(&self, message: &MessageIn) -> Result<Body, Problem> {
        let text = message.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let text = text.map(str::to_owned);
        let given = [
            message.media.is_some(),
            message.template.is_some(),
            message.buttons.is_some(),
            message.list.is_some(),
        ];
        if given.iter().filter(|one| **one).count() > 1 {
            let why = "send one of media, template, buttons, list";
            return Err(Problem::field("text", why));
        }
        let needs_text = || Problem::field("text", "text must have 1 to 4096 characters");
        let body = if let Some(media) = &message.media {
            if text.is_some() {
                let why = "the text of a file goes into media.caption";
                return Err(Problem::field("text", why));
            }
            self.media(media)?
        } else if let Some(template) = &message.template {
            if text.is_some() {
                let why = "a template brings its own text: put its variables into components";
                return Err(Problem::field("text", why));
            }
            Body::Template {
                name: template.name.clone(),
                language: template.language.clone(),
                components: template.components.clone(),
            }
        } else if let Some(buttons) = &message.buttons {
            Body::Buttons { text: text.ok_or_else(needs_text)?, buttons: buttons.clone() }
        } else if let Some(list) = &message.list {
            Body::List {
                text: text.ok_or_else(needs_text)?,
                button: list.button.clone(),
                rows: list.rows.clone(),
            }
        } else {
            Body::Text { text: text.ok_or_else(needs_text)? }
        };
        body.check().map_err(|bad| problem(&bad))?;
        Ok(body)
    }

    fn media(&self, media: &MediaIn) -> Result<Body, Problem> {
        let source = match (&media.url, &media.base64) {
            (Some(url), None) => {
                let url = self
                    .outbound
                    .check(url)
                    .map_err(|bad| Problem::field("media.url", bad.to_string()))?;
                Source::Link(url)
            }
            (None, Some(text)) => {
                let engine = base64::engine::general_purpose::STANDARD;
                let bytes = engine.decode(text.trim()).map_err(|_| {
                    Problem::field("media.base64", "must be base64 without a data: prefix")
                })?;
                Source::Bytes(bytes)
            }
            _ => return Err(Problem::field("media", "give exactly one of url and base64")),
        };
        let mime = plain(&media.mime);
        let broken = |name: &String| name.parse::<kernel::line::Line<200>>().err();
        if let Some(bad) = media.file_name.as_ref().and_then(broken) {
            return Err(Problem::field("media.file_name", bad.to_string()));
        }
        Ok(Body::Media {
            kind: media.kind.unwrap_or_else(|| MediaKind::of_mime(&mime)),
            mime,
            file_name: media.file_name.clone(),
            caption: media.caption.clone().filter(|caption| !caption.is_empty()),
            source,
        })
    }
}

/// The channel a message leaves by.
async fn channel_of(tx: &mut db::TenantTx, message: &MessageIn) -> Result<Channel, Problem> {
    if let Some(id) = message.conversation {
        let view = inbox::conversation(tx, id).await?;
        let view = view.ok_or_else(|| Problem::not_found("conversation"))?;
        return find(tx, &view.channel.to_string()).await;
    }
    if let Some(name) = &message.channel {
        return find(tx, name).await;
    }
    let mut channels = store::list(tx).await?;
    match channels.len() {
        0 => Err(Problem::new(
            StatusCode::CONFLICT,
            "no_channel",
            "this tenant has no channel yet; add one with `portaria channel add`",
        )),
        1 => Ok(channels.remove(0)),
        _ => {
            let names: Vec<&str> = channels.iter().map(|c| c.instance.as_str()).collect();
            let why = format!(
                "this tenant has several channels; name one (`channel`, or --channel): {}",
                names.join(", ")
            );
            Err(Problem::field("channel", why))
        }
    }
}

async fn find(tx: &mut db::TenantTx, name: &str) -> Result<Channel, Problem> {
    match store::find(tx, name).await {
        Err(ChannelError::NoSuchChannel) => Err(Problem::field("channel", "no such channel")),
        other => Ok(other?),
    }
}

impl Sender {
    pub fn new(messengers: Messengers, outbound: messaging::http::Outbound, files: Files) -> Self {
        Self { messengers, outbound, files }
    }

    /// Stores a message and enqueues it, through the rules of window and owner.
    ///
    /// # Errors
    /// What is not acceptable, by field.
    pub async fn post(
        &self,
        db: &db::Db,
        tenant: &Tenant,
        now: Moment,
        message: &MessageIn,
    ) -> Result<Posted, Problem> {
        self.post_signed(db, tenant, now, message, None).await
    }

    /// As [`Sender::post`], by a person of the team in a conversation: refused while another one
    /// attends it, and stored once however often the form is sent.
    ///
    /// # Errors
    /// What is not acceptable, by field.
    pub async fn post_signed(
        &self,
        db: &db::Db,
        tenant: &Tenant,
        now: Moment,
        message: &MessageIn,
        signature: Option<&Signature<'_>>,
    ) -> Result<Posted, Problem> {
        let rule = tenant.state.rule();
        if !rule.stores_inbound {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "tenant_archived",
                "this tenant is archived: nothing can be written",
            ));
        }
        let body = self.body(message)?;
        let phone = match &message.to {
            None => None,
            Some(text) => {
                Some(text.parse::<Phone>().map_err(|bad| Problem::field("to", bad.to_string()))?)
            }
        };
        let whom = [phone.is_some(), message.contact.is_some(), message.conversation.is_some()];
        if whom.iter().filter(|one| **one).count() != 1 {
            let why = "give exactly one of to, contact and conversation";
            return Err(Problem::field("to", why));
        }
        let mut tx = db.read(tenant.id).await?;
        let channel = channel_of(&mut tx, message).await?;
        drop(tx);
        let kind: Kind = channel.kind.parse().map_err(|bad| Problem::internal(&bad))?;
        let can = self.messengers.of(kind).capabilities();
        let template = matches!(body, Body::Template { .. });
        if template && !can.templates_required {
            let why = format!(
                "channels of kind {kind} have no templates; send a text",
                kind = kind.name()
            );
            return Err(Problem::field("template", why));
        }
        let media = self.keep(tenant.id, &body).await?;
        let media = media.map(|file| json!(file).to_string());
        let payload = match &body {
            Body::Text { .. } | Body::Media { .. } => None,
            other => Some(json!(other).to_string()),
        };
        let content = match &body {
            Body::Media { kind: MediaKind::Voice, .. } => "voice",
            other => other.content(),
        };
        let to = match (phone.as_ref(), message.contact, message.conversation) {
            (Some(phone), _, _) => To::Phone { phone, channel: channel.id },
            (_, Some(contact), _) => To::Contact { contact, channel: channel.id },
            (_, _, Some(conversation)) => To::Conversation(conversation),
            _ => {
                return Err(Problem::field(
                    "to",
                    "give exactly one of to, contact and conversation",
                ));
            }
        };
        let new = NewOutgoing {
            to,
            author: match message.author {
                Some(AuthorIn::Person) => Author::Person,
                Some(AuthorIn::Bot) => Author::Bot,
                Some(AuthorIn::Integration) | None => Author::Integration,
            },
            content,
            body: &body.shown(),
            payload: payload.as_deref(),
            media: media.as_deref(),
            reply_to: message.reply_to,
            needs_window: can.templates_required && !template,
        };
        let posted = |message: MessageId, conversation| Posted {
            message,
            conversation,
            state: if rule.sends { "queued" } else { "held" }.to_owned(),
            journey: format!("/v1/messages/{message}/journey"),
        };
        let mut tx = db.begin(tenant.id).await?;
        if let (Some(signature), Some(conversation)) = (signature, message.conversation) {
            // A write first: two who reply at once take turns.
            if inbox::attend(&mut tx, conversation, signature.person).await?.is_err() {
                return Err(Problem::new(
                    StatusCode::CONFLICT,
                    "attended",
                    "somebody else attends this conversation; take it over first",
                ));
            }
            if let Some(message) = inbox::sent_once(&mut tx, signature.once).await? {
                return Ok(posted(message, conversation));
            }
        }
        let enqueued = inbox::outgoing(&mut tx, &new, now).await??;
        if let Some(signature) = signature {
            inbox::sign(&mut tx, enqueued.message, signature.person, signature.once).await?;
        }
        tx.commit().await?;
        Ok(posted(enqueued.message, enqueued.conversation))
    }

    /// The file of a message with what is known of it.
    ///
    /// # Errors
    /// 404 without one, 409 while it is not here.
    pub async fn file(
        &self,
        db: &db::Db,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<(Attachment, Vec<u8>), Problem> {
        let mut tx = db.read(tenant).await?;
        let found = inbox::attachment(&mut tx, message).await?;
        drop(tx);
        let file = found.ok_or_else(|| Problem::not_found("file of a message"))?.file;
        let Some(path) = &file.path else {
            let why = file.reason.unwrap_or_else(|| format!("the file is {}", file.state));
            return Err(Problem::new(StatusCode::CONFLICT, "no_file", why));
        };
        let read = self.files.read(tenant, path).await;
        let bytes = read.map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound => Problem::not_found("file of a message"),
            _ => Problem::internal(&cause),
        })?;
        Ok((file, bytes))
    }

    /// Keeps the file that is to be sent.
    async fn keep(&self, tenant: TenantId, body: &Body) -> Result<Option<Attachment>, Problem> {
        let Body::Media { mime, file_name, source, .. } = body else { return Ok(None) };
        let mut file = Attachment {
            mime: mime.clone(),
            file_name: file_name.clone(),
            state: "stored".to_owned(),
            ..Attachment::default()
        };
        match source {
            Source::Link(link) => file.link = Some(link.clone()),
            Source::Bytes(bytes) => {
                file.size = Some(bytes.len() as u64);
                let name = MessageId::generate().to_string();
                let kept =
                    self.files.keep(tenant, files::Origin::Tenant, &name, bytes.clone()).await;
                file.path = Some(kept.map_err(|cause| match cause {
                    full if full.is_full() => {
                        Problem::new(StatusCode::INSUFFICIENT_STORAGE, "no_room", full.to_string())
                    }
                    files::KeepError::Storage(cause) => cause.into(),
                    other => Problem::internal(&other),
                })?);
            }
        }
        Ok(Some(file))
    }
}

async fn post(
    scope: Scope<InboxWrite>,
    State(app): State<App>,
    Json(body): Json<MessageIn>,
) -> Result<(StatusCode, Json<Posted>), Problem> {
    let now = app.door.clock.now();
    let posted = app.sender.post(&app.door.db, scope.tenant(), now, &body).await?;
    Ok((StatusCode::ACCEPTED, Json(posted)))
}

/// As Whaticket's documents have it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhaticketIn {
    number: String,
    body: String,
    /// The channel's id or name, where the tenant has several.
    #[serde(rename = "whatsappId")]
    whatsapp_id: Option<Value>,
}

async fn whaticket(
    scope: Scope<InboxWrite>,
    State(app): State<App>,
    Json(body): Json<WhaticketIn>,
) -> Result<Json<Posted>, Problem> {
    let channel = body.whatsapp_id.map(|id| match id {
        Value::String(text) => text,
        other => other.to_string(),
    });
    let message =
        MessageIn { to: Some(body.number), text: Some(body.body), channel, ..MessageIn::default() };
    let now = app.door.clock.now();
    // 200, as the clients of that address expect.
    Ok(Json(app.sender.post(&app.door.db, scope.tenant(), now, &message).await?))
}

async fn media(
    scope: Scope<InboxRead>,
    State(app): State<App>,
    PathId(id): PathId<kernel::id::MessageKind>,
) -> Result<Response, Problem> {
    let (file, bytes) = app.sender.file(&app.door.db, scope.tenant().id, id).await?;
    let mut response = Response::new(HttpBody::from(bytes));
    let headers = response.headers_mut();
    // What a stranger sent is never shown as a page of ours.
    let kind = HeaderValue::from_str(&file.mime);
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(response)
}
