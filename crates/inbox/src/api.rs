//! `/v1/conversations` and `/v1/messages`.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use kernel::ConversationId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::permission::{InboxRead, InboxWrite};
use web::{Access, Api, Built, Door, Json, Page, PageQuery, PathId, Problem, Query, Scope};

use crate::{
    Author, ConversationView, Journey, MessageView, NewOutgoing, OwnerChange, Refused, To,
    Unsettled, store,
};

/// The routes of the inbox.
pub fn routes(door: Door) -> Built {
    let read = Access::Scope("inbox:read");
    let write = Access::Scope("inbox:write");
    Api::<Door>::default()
        .get::<Page<ConversationView>, _, _>(
            "/v1/conversations",
            read,
            "List conversations, the most recent first",
            list,
        )
        .get::<ConversationView, _, _>("/v1/conversations/{id}", read, "Show a conversation", show)
        .get::<Page<MessageView>, _, _>(
            "/v1/conversations/{id}/messages",
            read,
            "List messages, the newest first",
            messages,
        )
        .body::<ReplyIn, ReplyOut, _, _>(
            Method::POST,
            "/v1/conversations/{id}/messages",
            write,
            "Reply as a person; the assistant keeps quiet from then on",
            reply,
        )
        .bodyless::<ConversationView, _, _>(
            Method::POST,
            "/v1/conversations/{id}/take-over",
            write,
            "Take the conversation over from the assistant",
            take_over,
        )
        .bodyless::<ConversationView, _, _>(
            Method::POST,
            "/v1/conversations/{id}/give-back",
            write,
            "Give the conversation back to the assistant",
            give_back,
        )
        .get::<MessageView, _, _>(
            "/v1/messages/{id}",
            read,
            "Show a message, an answer with its sources",
            message,
        )
        .get::<Vec<ConversationView>, _, _>(
            "/v1/waiting",
            read,
            "List conversations that wait for a person, the longest wait first",
            waiting,
        )
        .get::<Vec<OwnerChange>, _, _>(
            "/v1/conversations/{id}/owner-changes",
            read,
            "List who owned a conversation when, and why it changed",
            owner_changes,
        )
        .get::<Journey, _, _>(
            "/v1/messages/{id}/journey",
            read,
            "Show every state a message passed, with time and provider code",
            journey,
        )
        .get::<Vec<Unsettled>, _, _>(
            "/v1/unsettled-messages",
            read,
            "List messages without a final state, the oldest first",
            unsettled,
        )
        .get::<RulesBody, _, _>(
            "/v1/inbox-rules",
            read,
            "Show when a burst is answered and which words call a person",
            show_rules,
        )
        .body::<RulesBody, RulesBody, _, _>(
            Method::PUT,
            "/v1/inbox-rules",
            write,
            "Set when a burst is answered and which words call a person",
            set_rules,
        )
        .build(door.clone())
        .merge(crate::people_api::routes(door))
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RulesBody {
    /// Silence after which a burst is answered, 0 to 300.
    quiet_seconds: f64,
    /// Longest wait for that silence, at least `quiet_seconds`, at most 300.
    longest_wait_seconds: f64,
    /// Phrases that ask for a person; a single word counts only when nothing else is said.
    handoff_words: Vec<String>,
    /// Keep messages of groups. They are never answered.
    store_groups: bool,
}

async fn show_rules(scope: Scope<InboxRead>) -> Result<Json<RulesBody>, Problem> {
    let mut tx = scope.read().await?;
    let rules = store::rules(&mut tx).await?;
    Ok(Json(RulesBody {
        quiet_seconds: rules.quiet.as_secs_f64(),
        longest_wait_seconds: rules.longest_wait.as_secs_f64(),
        handoff_words: rules.handoff_words,
        store_groups: rules.store_groups,
    }))
}

async fn set_rules(
    scope: Scope<InboxWrite>,
    Json(body): Json<RulesBody>,
) -> Result<Json<RulesBody>, Problem> {
    if !(0.0..=300.0).contains(&body.quiet_seconds) {
        return Err(Problem::field("quiet_seconds", "must be 0 to 300"));
    }
    if !(body.quiet_seconds..=300.0).contains(&body.longest_wait_seconds) {
        return Err(Problem::field("longest_wait_seconds", "must be quiet_seconds to 300"));
    }
    let rules = crate::Rules {
        quiet: std::time::Duration::from_secs_f64(body.quiet_seconds),
        longest_wait: std::time::Duration::from_secs_f64(body.longest_wait_seconds),
        handoff_words: body.handoff_words.iter().map(|w| kernel::text::fold_words(w)).collect(),
        store_groups: body.store_groups,
    };
    let mut tx = scope.begin().await?;
    store::set_rules(&mut tx, &rules).await?;
    tx.commit().await?;
    Ok(Json(RulesBody { handoff_words: rules.handoff_words, ..body }))
}

async fn list(
    scope: Scope<InboxRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ConversationView>>, Problem> {
    let limit = page.limit()?;
    let before = page.position()?;
    let mut tx = scope.read().await?;
    let found = store::conversations(&mut tx, before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |c| format!("{}_{}", c.last_message_at.0, c.id))))
}

async fn show(
    scope: Scope<InboxRead>,
    PathId(id): PathId<kernel::id::ConversationKind>,
) -> Result<Json<ConversationView>, Problem> {
    let mut tx = scope.read().await?;
    found(&mut tx, id).await
}

async fn found(
    tx: &mut db::TenantTx,
    id: ConversationId,
) -> Result<Json<ConversationView>, Problem> {
    let view = store::conversation(tx, id).await?;
    view.map(Json).ok_or_else(|| Problem::not_found("conversation"))
}

async fn messages(
    scope: Scope<InboxRead>,
    PathId(id): PathId<kernel::id::ConversationKind>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<MessageView>>, Problem> {
    let limit = page.limit()?;
    let before = page.position()?;
    let mut tx = scope.read().await?;
    found(&mut tx, id).await?;
    let list = store::messages(&mut tx, id, before, limit + 1).await?;
    Ok(Json(Page::of(list, limit, |m| format!("{}_{}", m.at.0, m.id))))
}

async fn message(
    scope: Scope<InboxRead>,
    PathId(id): PathId<kernel::id::MessageKind>,
) -> Result<Json<MessageView>, Problem> {
    let mut tx = scope.read().await?;
    let view = store::message(&mut tx, id).await?;
    view.map(Json).ok_or_else(|| Problem::not_found("message"))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReplyIn {
    /// 1 to 4,096 characters.
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReplyOut {
    message: kernel::MessageId,
    /// `queued`; `held` while the tenant is suspended: it leaves when the tenant is active again.
    state: String,
}

async fn reply(
    scope: Scope<InboxWrite>,
    State(door): State<Door>,
    PathId(id): PathId<kernel::id::ConversationKind>,
    Json(body): Json<ReplyIn>,
) -> Result<(StatusCode, Json<ReplyOut>), Problem> {
    let text = body.text.trim();
    if text.is_empty() || text.chars().count() > 4096 {
        return Err(Problem::field("text", "text must have 1 to 4096 characters"));
    }
    let rule = scope.tenant().state.rule();
    if !rule.stores_inbound {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "tenant_archived",
            "this tenant is archived: nothing can be written",
        ));
    }
    let new = NewOutgoing {
        to: To::Conversation(id),
        author: Author::Person,
        content: "text",
        body: text,
        payload: None,
        media: None,
        reply_to: None,
        // Looked at when it leaves, where the channel's kind is known.
        needs_window: false,
    };
    let mut tx = scope.begin().await?;
    let message = crate::outgoing(&mut tx, &new, door.clock.now()).await??.message;
    tx.commit().await?;
    let state = if rule.sends { "queued" } else { "held" }.to_owned();
    Ok((StatusCode::ACCEPTED, Json(ReplyOut { message, state })))
}

async fn take_over(
    scope: Scope<InboxWrite>,
    State(door): State<Door>,
    PathId(id): PathId<kernel::id::ConversationKind>,
) -> Result<Json<ConversationView>, Problem> {
    let mut tx = scope.begin().await?;
    crate::take_over(&mut tx, id, door.clock.now()).await?;
    let view = found(&mut tx, id).await?;
    tx.commit().await?;
    Ok(view)
}

async fn give_back(
    scope: Scope<InboxWrite>,
    State(door): State<Door>,
    PathId(id): PathId<kernel::id::ConversationKind>,
) -> Result<Json<ConversationView>, Problem> {
    let mut tx = scope.begin().await?;
    crate::give_back(&mut tx, id, door.clock.now()).await?;
    let view = found(&mut tx, id).await?;
    tx.commit().await?;
    Ok(view)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoSuchConversation => Self::not_found("conversation"),
            Refused::NoSuchContact => Self::not_found("contact"),
            Refused::NoSuchReply => Self::field("reply_to", refused.to_string()),
            Refused::NoAddress => Self::field("contact", refused.to_string()),
            Refused::WindowShut => {
                Self::new(StatusCode::CONFLICT, "window_shut", refused.to_string())
            }
            Refused::OwnedByPerson => {
                Self::new(StatusCode::CONFLICT, "owned_by_person", refused.to_string())
            }
            Refused::OptedOut => Self::new(StatusCode::CONFLICT, "opted_out", refused.to_string()),
        }
    }
}

async fn waiting(scope: Scope<InboxRead>) -> Result<Json<Vec<ConversationView>>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(store::waiting(&mut tx, 200).await?))
}

async fn owner_changes(
    scope: Scope<InboxRead>,
    PathId(id): PathId<kernel::id::ConversationKind>,
) -> Result<Json<Vec<OwnerChange>>, Problem> {
    let mut tx = scope.read().await?;
    found(&mut tx, id).await?;
    Ok(Json(crate::owner_changes(&mut tx, id, 200).await?))
}

async fn journey(
    scope: Scope<InboxRead>,
    PathId(id): PathId<kernel::id::MessageKind>,
) -> Result<Json<Journey>, Problem> {
    let mut tx = scope.read().await?;
    let journey = crate::journey(&mut tx, id).await?;
    journey.map(Json).ok_or_else(|| Problem::not_found("message"))
}

async fn unsettled(
    scope: Scope<InboxRead>,
    State(door): State<Door>,
) -> Result<Json<Vec<Unsettled>>, Problem> {
    let mut tx = scope.read().await?;
    Ok(Json(crate::unsettled(&mut tx, door.clock.now(), 200).await?))
}
