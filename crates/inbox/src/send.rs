//! A message leaves: marked before the call, settled after it, never repeated in doubt.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ConversationId, MessageId, Moment};

use crate::turn::enqueue_send;
use crate::{Owner, Reason};

/// Whether a queued message may leave now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    Go {
        channel: ChannelId,
        conversation: ConversationId,
        address: String,
        body: String,
    },
    /// New text or a person came first, or it is settled already.
    Skip,
    /// A worker died between the call and its answer: nobody knows. Recorded as such.
    Interrupted {
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
             RETURNING channel_id, conversation_id, body, seq, from_seq, cancellable",
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
    Ok(Begin::Go {
        channel: row.get(0)?,
        conversation,
        address: thread.get(0)?,
        body: row.get::<Option<String>>(2)?.unwrap_or_default(),
    })
}

/// Where the conversation's messages go, who owns it, and how many came in.
async fn thread_of(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Option<db::Row>, Error> {
    let tenant = tx.tenant();
    tx.fetch_opt(
        "SELECT address, owner, inbound_seq FROM conversations WHERE tenant_id = $1 AND id = $2",
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
    tx.execute(
        "UPDATE messages SET state = 'cancelled', state_at = $1, reason = $2 \
         WHERE tenant_id = $3 AND conversation_id = $4 AND author = 'assistant' AND cancellable = 1 \
         AND from_seq = $5 AND seq = $6 AND state IN ('queued', 'sending')",
        args![now, reason, tenant, conversation, from, upto],
    )
    .await?;
    Ok(())
}

async fn interrupted(tx: &mut TenantTx, message: MessageId, now: Moment) -> Result<Begin, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE messages SET state = 'unknown', state_at = $1, reason = 'interrupted' \
             WHERE tenant_id = $2 AND id = $3 AND state = 'sending' RETURNING conversation_id",
            args![now, tenant, message],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(Begin::Skip) };
    let conversation: ConversationId = row.get(0)?;
    needs_person(tx, conversation, Reason::SendUnknown).await?;
    Ok(Begin::Interrupted { conversation })
}

/// Shows the conversation to a person, with the reason if it has none yet.
///
/// # Errors
/// When the database refuses.
pub async fn needs_person(
    tx: &mut TenantTx,
    conversation: ConversationId,
    reason: Reason,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE conversations SET needs_person = 1, handoff_reason = COALESCE(handoff_reason, $1) \
         WHERE tenant_id = $2 AND id = $3",
        args![reason.name(), tenant, conversation],
    )
    .await?;
    Ok(())
}

/// What the provider said of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Sent {
        provider_id: String,
    },
    /// It will be tried again.
    Later,
    Failed {
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
    let (state, provider_id, reason) = match outcome {
        Outcome::Sent { provider_id } => ("sent", Some(provider_id.as_str()), None),
        Outcome::Later => ("queued", None, None),
        Outcome::Failed { reason } => ("failed", None, Some(reason.as_str())),
        Outcome::Unknown { reason } => ("unknown", None, Some(reason.as_str())),
    };
    if let Some(provider_id) = provider_id {
        // The provider's echo may have been taken for a person before its answer named the id.
        let mistaken = tx
            .execute(
                "DELETE FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
                 AND provider_id = $3 AND id <> $4 AND direction = 'out'",
                args![tenant, conversation, provider_id, message],
            )
            .await?;
        let back = if mistaken > 0 { Reason::PhoneEcho.name() } else { "" };
        tx.execute(
            "UPDATE conversations SET cancels = 0, \
             owner = CASE WHEN handoff_reason = $1 AND $1 <> '' THEN 'bot' ELSE owner END \
             WHERE tenant_id = $2 AND id = $3 AND (cancels <> 0 OR $1 <> '')",
            args![back, tenant, conversation],
        )
        .await?;
    }
    tx.execute(
        "UPDATE messages SET state = $1, state_at = $2, provider_id = COALESCE($3, provider_id), reason = $4 \
         WHERE tenant_id = $5 AND id = $6 AND state = 'sending'",
        args![state, now, provider_id, reason, tenant, message],
    )
    .await?;
    match outcome {
        Outcome::Unknown { .. } => needs_person(tx, conversation, Reason::SendUnknown).await,
        Outcome::Failed { .. } => {
            tx.execute(
                "UPDATE conversations SET needs_person = 1 WHERE tenant_id = $1 AND id = $2",
                args![tenant, conversation],
            )
            .await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How far a provider reports one of our messages to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Sent,
    Delivered,
    Read,
    Failed,
}

/// Moves a message of ours forward. `false` when we know no such message, or it is further already.
///
/// # Errors
/// When the database refuses.
pub async fn apply_status(
    tx: &mut TenantTx,
    channel: ChannelId,
    provider_id: &str,
    status: Status,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let (state, from) = match status {
        Status::Sent => ("sent", "('sending', 'unknown')"),
        Status::Delivered => ("delivered", "('sending', 'unknown', 'sent')"),
        Status::Read => ("read", "('sending', 'unknown', 'sent', 'delivered')"),
        Status::Failed => ("failed", "('sending', 'unknown', 'sent')"),
    };
    let moved = tx
        .execute(
            &format!(
                "UPDATE messages SET state = $1, state_at = $2 WHERE tenant_id = $3 \
                 AND channel_id = $4 AND provider_id = $5 AND direction = 'out' AND state IN {from}"
            ),
            args![state, now, tenant, channel, provider_id],
        )
        .await?;
    Ok(moved == 1)
}

/// The contact edited or deleted a message. `false` when we know no such message.
///
/// # Errors
/// When the database refuses.
pub async fn edited(
    tx: &mut TenantTx,
    channel: ChannelId,
    provider_id: &str,
    body: Option<&str>,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let note = if body.is_some() { "edited" } else { "deleted_by_contact" };
    let moved = tx
        .execute(
            "UPDATE messages SET body = COALESCE($1, body), reason = $2, state_at = $3 \
             WHERE tenant_id = $4 AND channel_id = $5 AND provider_id = $6",
            args![body, note, now, tenant, channel, provider_id],
        )
        .await?;
    Ok(moved == 1)
}

/// A person's reply through the API.
#[derive(Debug, Clone, Copy)]
pub struct PersonReply<'a> {
    pub conversation: ConversationId,
    pub body: &'a str,
}

/// Stores a person's reply, makes the person the owner, and enqueues it. `None` when there is no
/// such conversation.
///
/// # Errors
/// When the database refuses.
pub async fn reply(
    tx: &mut TenantTx,
    reply: PersonReply<'_>,
    now: Moment,
) -> Result<Option<MessageId>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE conversations SET owner = 'human', owner_since = $1, needs_person = 0, \
             handoff_reason = COALESCE(handoff_reason, $2), answered_seq = inbound_seq, last_message_at = $1 \
             WHERE tenant_id = $3 AND id = $4 RETURNING channel_id",
            args![now, Reason::TakenOver.name(), tenant, reply.conversation],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let channel: ChannelId = row.get(0)?;
    let id = MessageId::generate();
    tx.execute(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, body, \
         at, seq, state, state_at) VALUES ($1, $2, $3, $4, 'out', 'person', 'text', $5, $6, 0, 'queued', $6)",
        args![id, tenant, reply.conversation, channel, reply.body, now],
    )
    .await?;
    enqueue_send(tx, reply.conversation, id, now).await?;
    Ok(Some(id))
}
