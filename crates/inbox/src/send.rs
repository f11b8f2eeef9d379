//! A message leaves: marked before the call, settled after it, never repeated in doubt.

use db::{Error, TenantTx, args};
use hooks::Event as Told;
use kernel::{ChannelId, ConversationId, MessageId, Moment};
use serde_json::json;

use crate::handoff::{self, Event, needs_person};
use crate::ids;
use crate::journey::{self, Note};
use crate::people::{Handles, learn_for};
use crate::{Owner, Reason};

/// A queued message of which an earlier try may have left (table `messages AS m`).
pub(crate) const TRIED: &str = "(m.state = 'queued' AND EXISTS (SELECT 1 FROM message_events e \
     WHERE e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.state = 'queued' \
     AND e.code IS NOT NULL))";

/// A message that may leave, with all that its sender needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    pub channel: ChannelId,
    pub conversation: ConversationId,
    pub address: String,
    pub content: String,
    pub body: String,
    pub payload: Option<String>,
    pub media: Option<String>,
    /// The provider's id of the message that it answers.
    pub reply_to: Option<String>,
    /// When the contact wrote last.
    pub last_inbound_at: Moment,
    /// Nobody wrote from this number yet, and it was not checked.
    pub first_contact: bool,
    pub queued_at: Moment,
}

/// Whether a queued message may leave now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    Go(Box<Leaving>),
    /// New text or a person came first, or it is settled already.
    Skip,
    /// A worker died between the call and its answer: nobody knows. Recorded as such.
    Interrupted {
        channel: ChannelId,
        conversation: ConversationId,
    },
}

/// Marks the message as leaving. Commit before the provider is called.
///
/// # Errors
/// When the database refuses.
pub async fn begin_send(
    tx: &mut TenantTx,
    message: MessageId,
    now: Moment,
) -> Result<Begin, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE messages SET state = 'sending', state_at = $1 \
             WHERE tenant_id = $2 AND id = $3 AND state = 'queued' \
             RETURNING channel_id, conversation_id, body, seq, from_seq, cancellable, content, payload, \
             media, reply_to, at",
            args![now, tenant, message],
        )
        .await?;
    let Some(row) = rows.first() else {
        return interrupted(tx, message, now).await;
    };
    let conversation: ConversationId = row.get(1)?;
    let (upto, from): (i64, i64) = (row.get(3)?, row.get(4)?);
    let cancellable: bool = row.get(5)?;
    let Some(mut thread) = thread_of(tx, conversation).await? else { return Ok(Begin::Skip) };
    // Text that comes after this look came after the answer left.
    if cancellable && thread.get::<i64>(2)? > upto {
        if superseded(tx, message, conversation, (from, upto), now).await? {
            return Ok(Begin::Skip);
        }
        // That may have waited for somebody who took the conversation over.
        let Some(again) = thread_of(tx, conversation).await? else { return Ok(Begin::Skip) };
        thread = again;
    }
    if cancellable && Owner::parse(&thread.get::<String>(1)?) != Owner::Bot {
        cancel(tx, conversation, (from, upto), "person", now).await?;
        return Ok(Begin::Skip);
    }
    Ok(Begin::Go(Box::new(Leaving {
        channel: row.get(0)?,
        conversation,
        address: thread.get(0)?,
        content: row.get(6)?,
        body: row.get::<Option<String>>(2)?.unwrap_or_default(),
        payload: row.get(7)?,
        media: row.get(8)?,
        reply_to: row.get(9)?,
        last_inbound_at: thread.get(3)?,
        first_contact: thread.get::<Moment>(3)?.0 == 0
            && thread.get::<i64>(2)? == 0
            && thread.get::<i64>(4)? == 0,
        queued_at: row.get(10)?,
    })))
}

/// Where the conversation's messages go, who owns it, and how many came in.
async fn thread_of(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Option<db::Row>, Error> {
    let tenant = tx.tenant();
    // A take-over that is being written is waited for, and one that comes later waits for this look:
    // nothing of the assistant leaves after it.
    let lock = if tx.is_postgres() { "FOR SHARE" } else { "" };
    tx.fetch_opt(
        &format!(
            "SELECT address, owner, inbound_seq, last_inbound_at, number_checked FROM conversations \
             WHERE tenant_id = $1 AND id = $2 {lock}"
        ),
        args![tenant, conversation],
    )
    .await
}

/// Whether new text came before any part of the answer left. Then the whole answer is cancelled,
/// and a turn is set that answers old and new text together.
async fn superseded(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    (from, upto): (i64, i64),
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    // One statement decides: a turn that is stored at the same time cannot slip in between.
    let moved = tx
        .execute(
            "UPDATE conversations SET answered_seq = $1, cancels = 1 \
             WHERE tenant_id = $2 AND id = $3 AND owner = 'bot' AND answered_seq = $4 \
             AND inbound_seq > $4 AND cancels = 0 AND NOT EXISTS (SELECT 1 FROM messages m \
             WHERE m.tenant_id = $2 AND m.conversation_id = $3 AND m.author = 'assistant' \
             AND m.from_seq = $1 AND m.seq = $4 AND m.id <> $5 AND m.state NOT IN ('queued', 'cancelled'))",
            args![from, tenant, conversation, upto, message],
        )
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    cancel(tx, conversation, (from, upto), "new_text", now).await?;
    let rules = crate::store::rules(tx).await?;
    crate::receive::schedule_turn(tx, conversation, now + rules.quiet, now).await?;
    Ok(true)
}

/// Cancels all parts of an answer that have not left.
async fn cancel(
    tx: &mut TenantTx,
    conversation: ConversationId,
    (from, upto): (i64, i64),
    reason: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE messages SET state = 'cancelled', state_at = $1, reason = $2 \
             WHERE tenant_id = $3 AND conversation_id = $4 AND cancellable = 1 \
             AND from_seq = $5 AND seq = $6 AND state IN ('queued', 'sending') RETURNING id",
            args![now, reason, tenant, conversation, from, upto],
        )
        .await?;
    let ids: Vec<MessageId> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    journey::note_all(tx, &ids, "cancelled", Note { code: Some(reason), detail: None }, now).await
}

async fn interrupted(tx: &mut TenantTx, message: MessageId, now: Moment) -> Result<Begin, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE messages SET state = 'unknown', state_at = $1, reason = 'interrupted' \
             WHERE tenant_id = $2 AND id = $3 AND state = 'sending' RETURNING conversation_id, channel_id",
            args![now, tenant, message],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(Begin::Skip) };
    let conversation: ConversationId = row.get(0)?;
    journey::note(tx, message, "unknown", Note { code: Some("interrupted"), detail: None }, now)
        .await?;
    needs_person(tx, conversation, Reason::SendUnknown, now).await?;
    Ok(Begin::Interrupted { channel: row.get(1)?, conversation })
}

/// What the provider said of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Sent {
        /// Some providers name none.
        provider_id: Option<String>,
        /// Where it really went, if that differs.
        address: Option<String>,
    },
    /// It will be tried again.
    Later {
        code: String,
        /// Why, where there is more to say than the code does.
        detail: Option<String>,
    },
    Failed {
        code: String,
        reason: String,
    },
    Unknown {
        reason: String,
    },
}

/// Writes down how a send ended.
///
/// # Errors
/// When the database refuses.
pub async fn end_send(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    outcome: &Outcome,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let (state, id, code, reason) = match outcome {
        Outcome::Sent { provider_id, .. } => ("sent", provider_id.as_deref(), None, None),
        Outcome::Later { code, .. } => ("queued", None, Some(code.as_str()), None),
        Outcome::Failed { code, reason } => {
            ("failed", None, Some(code.as_str()), Some(reason.as_str()))
        }
        Outcome::Unknown { reason } => ("unknown", None, None, Some(reason.as_str())),
    };
    if let Outcome::Sent { address, .. } = outcome {
        if let Some(provider_id) = id {
            echo_was_ours(tx, message, conversation, provider_id, now).await?;
        }
        tx.execute(
            "UPDATE conversations SET cancels = 0, number_checked = 1, address = COALESCE($1, address) \
             WHERE tenant_id = $2 AND id = $3 AND (cancels <> 0 OR number_checked = 0 OR $1 IS NOT NULL)",
            args![address.as_deref(), tenant, conversation],
        )
        .await?;
    }
    let moved = tx
        .execute(
            // A customer may have written under the id before we knew it.
            "UPDATE messages SET state = $1, state_at = $2, provider_id = CASE WHEN EXISTS \
             (SELECT 1 FROM messages o WHERE o.tenant_id = $5 AND o.channel_id = messages.channel_id \
             AND o.provider_id = $3) THEN provider_id ELSE COALESCE($3, provider_id) END, reason = $4 \
             WHERE tenant_id = $5 AND id = $6 AND state = 'sending'",
            args![state, now, id, reason, tenant, message],
        )
        .await?;
    if moved == 0 {
        // A status or an echo was quicker and knows more.
        return Ok(());
    }
    let detail = match outcome {
        Outcome::Later { detail, .. } => detail.as_deref(),
        _ => reason,
    };
    journey::note(tx, message, state, Note { code, detail }, now).await?;
    match outcome {
        Outcome::Unknown { .. } => needs_person(tx, conversation, Reason::SendUnknown, now).await,
        Outcome::Failed { .. } => failed(tx, message, conversation, (code, reason), now).await,
        Outcome::Sent { .. } | Outcome::Later { .. } => Ok(()),
    }
}

/// The provider's echo may have been taken for a person before its answer named the id.
async fn echo_was_ours(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    provider_id: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let mistaken = tx
        .fetch_all(
            "DELETE FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
             AND provider_id = $3 AND id <> $4 AND direction = 'out' RETURNING id",
            args![tenant, conversation, provider_id, message],
        )
        .await?;
    if mistaken.is_empty() {
        return Ok(());
    }
    for row in &mistaken {
        tx.execute(
            "DELETE FROM message_events WHERE tenant_id = $1 AND message_id = $2",
            args![tenant, row.get::<MessageId>(0)?],
        )
        .await?;
    }
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM conversations WHERE tenant_id = $1 AND id = $2 AND handoff_reason = $3",
            args![tenant, conversation, Event::PhoneEcho.name()],
        )
        .await?;
    if row.is_some() {
        handoff::apply(tx, conversation, Event::EchoWasOurs, now).await?;
    }
    Ok(())
}

/// A message did not reach its person: somebody must see it.
pub(crate) async fn failed(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    (code, reason): (Option<&str>, Option<&str>),
    now: Moment,
) -> Result<(), Error> {
    needs_person(tx, conversation, Reason::SendFailed, now).await?;
    let told =
        json!({ "message": message, "conversation": conversation, "code": code, "reason": reason });
    hooks::emit(tx, Told::MessageFailed, told, now).await
}

/// How far a provider reports one of our messages to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Sent,
    Delivered,
    Read,
    Failed,
}

/// A provider's report on a message.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub channel: ChannelId,
    pub provider_id: &'a str,
    pub status: Status,
    pub at: Option<Moment>,
    pub code: Option<&'a str>,
    pub reason: Option<&'a str>,
    /// Our own id, where the provider echoes it: tells what became of a send without an answer.
    pub key: Option<MessageId>,
    /// Addresses of the person it went to.
    pub handles: Handles<'a>,
}

/// Moves a message of ours forward. `false` when we know no such message, or it is further already.
///
/// # Errors
/// When the database refuses.
pub async fn apply_status(
    tx: &mut TenantTx,
    report: &Report<'_>,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let (state, from) = match report.status {
        Status::Sent => ("sent", "('sending', 'unknown')"),
        Status::Delivered => ("delivered", "('sending', 'unknown', 'sent')"),
        Status::Read => ("read", "('sending', 'unknown', 'sent', 'delivered')"),
        Status::Failed => ("failed", "('sending', 'unknown', 'sent')"),
    };
    let note = Note { code: report.code, detail: report.reason };
    let at = report.at.unwrap_or(now).min(now);
    let mut rows = tx
        .fetch_all(
            &format!(
                "UPDATE messages SET state = $1, state_at = $2, reason = $3 WHERE tenant_id = $4 \
                 AND channel_id = $5 AND provider_id = $6 AND direction = 'out' AND state IN {from} \
                 RETURNING id, conversation_id"
            ),
            args![state, now, report.reason, tenant, report.channel, report.provider_id],
        )
        .await?;
    if let (true, Some(key)) = (rows.is_empty(), report.key) {
        // The answer of the call never came, or is still on its way: the id comes with the status.
        // It may even come while the message waits for another try, which is spared then.
        let tried =
            if report.status == Status::Failed { String::new() } else { format!(" OR {TRIED}") };
        ids::make_room(tx, report.channel, report.provider_id).await?;
        rows = tx
            .fetch_all(
                &format!(
                    "UPDATE messages AS m SET state = $1, state_at = $2, reason = $3, provider_id = $4 \
                     WHERE m.tenant_id = $5 AND m.channel_id = $6 AND m.id = $7 AND m.provider_id IS NULL \
                     AND m.direction = 'out' AND (m.state IN {from}{tried}) \
                     RETURNING id, conversation_id"
                ),
                args![state, now, report.reason, report.provider_id, tenant, report.channel, key],
            )
            .await?;
    }
    if let Some(row) = rows.first() {
        let (message, conversation): (MessageId, ConversationId) = (row.get(0)?, row.get(1)?);
        journey::note(tx, message, state, note, at).await?;
        learn_for(tx, conversation, report.handles, now).await?;
        if report.key.is_some() {
            handoff::known_again(tx, conversation).await?;
        }
        if report.status == Status::Failed {
            failed(tx, message, conversation, (report.code, report.reason), now).await?;
        }
        return Ok(true);
    }
    // Out of order: the line has it all the same.
    let known = tx
        .fetch_opt(
            "SELECT id FROM messages WHERE tenant_id = $1 AND channel_id = $2 AND provider_id = $3 \
             AND direction = 'out'",
            args![tenant, report.channel, report.provider_id],
        )
        .await?;
    if let Some(row) = known {
        let message: MessageId = row.get(0)?;
        if report.status != Status::Failed && !journey::has(tx, message, state).await? {
            journey::note(tx, message, state, note, at).await?;
        }
    }
    Ok(false)
}

/// The contact edited or deleted a message. `false` when we know no such message in a chat with
/// whom these handles are of, without handles the id alone decides; or when it is an edit of what left from here.
///
/// # Errors
/// When the database refuses.
pub async fn edited(
    tx: &mut TenantTx,
    channel: ChannelId,
    (provider_id, handles): (&str, Handles<'_>),
    body: Option<&str>,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let note = if body.is_some() { "edited" } else { "deleted_by_contact" };
    let mut carriers = ids::carriers(tx, channel, provider_id, "in").await?;
    // A person of the business changes their own words on the phone, or another program its own. Providers do not say
    // who changed it: the words of what left from here stay as they left.
    carriers.extend(ids::carriers(tx, channel, provider_id, "out").await?);
    let Some(message) = ids::changed(tx, &carriers, handles).await? else { return Ok(false) };
    let moved = tx
        .execute(
            "UPDATE messages SET body = COALESCE($1, body), reason = $2, state_at = $3 \
             WHERE tenant_id = $4 AND id = $5 \
             AND ($1 IS NULL OR direction = 'in' OR author IN ('phone', 'integration'))",
            args![body, note, now, tenant, message],
        )
        .await?;
    Ok(moved == 1)
}

/// A first contact's number is known to WhatsApp, perhaps under another form.
///
/// # Errors
/// When the database refuses.
pub async fn number_checked(
    tx: &mut TenantTx,
    conversation: ConversationId,
    address: &str,
    lid: Option<&str>,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE conversations SET number_checked = 1, address = $1 WHERE tenant_id = $2 AND id = $3",
        args![address, tenant, conversation],
    )
    .await?;
    learn_for(tx, conversation, Handles { lid, ..Handles::default() }, now).await
}
