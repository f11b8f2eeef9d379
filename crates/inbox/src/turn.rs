//! What a turn reads before it thinks, and how its answer is stored if nothing moved meanwhile.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ConversationId, MessageId, Moment};
use queue::NewJob;

use crate::model::{LOOP_LIMIT, LOOP_WINDOW};
use crate::{Owner, Reason, SendDue};

/// One message of the conversation as the assistant reads it.
#[derive(Debug, Clone)]
pub struct Line {
    pub from_contact: bool,
    pub content: String,
    pub body: String,
}

/// What waits for an answer, with what was said before.
#[derive(Debug, Clone)]
pub struct Gathered {
    pub conversation: ConversationId,
    pub channel: ChannelId,
    pub address: String,
    pub contact_name: Option<String>,
    /// The count a turn covered last; the answer is refused if it moved.
    pub base_seq: i64,
    pub upto_seq: i64,
    pub declines: i64,
    /// Unanswered messages in the order they were written.
    pub burst: Vec<Line>,
    /// Earlier messages, oldest first.
    pub history: Vec<Line>,
    /// The assistant has never answered here.
    pub first: bool,
    /// Automatic answers of the last ten minutes went over the limit.
    pub looping: bool,
}

/// Reads what a turn needs. `None` when there is nothing for the assistant to answer.
///
/// # Errors
/// When the database cannot be read.
pub async fn gather(
    tx: &mut TenantTx,
    conversation: ConversationId,
    history: usize,
    now: Moment,
) -> Result<Option<Gathered>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT c.channel_id, c.address, c.owner, c.inbound_seq, c.answered_seq, c.declines, \
             p.name, (SELECT COUNT(*) FROM messages m WHERE m.tenant_id = c.tenant_id \
               AND m.conversation_id = c.id AND m.at > $3 AND m.author = 'assistant' \
               AND m.state <> 'cancelled') \
             FROM conversations c LEFT JOIN contacts p ON p.tenant_id = c.tenant_id AND p.id = c.contact_id \
             WHERE c.tenant_id = $1 AND c.id = $2",
            args![tenant, conversation, now - LOOP_WINDOW],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (upto_seq, base_seq): (i64, i64) = (row.get(3)?, row.get(4)?);
    if Owner::parse(&row.get::<String>(2)?) != Owner::Bot || upto_seq <= base_seq {
        return Ok(None);
    }
    let recent = tx
        .fetch_all(
            "SELECT direction, content, body, seq, provider_at, at, id, author FROM messages \
             WHERE tenant_id = $1 AND conversation_id = $2 AND state <> 'cancelled' \
             ORDER BY at DESC, id DESC LIMIT $3",
            args![tenant, conversation, history + 50],
        )
        .await?;
    let mut burst: Vec<(Moment, MessageId, Line)> = Vec::new();
    let mut earlier = Vec::new();
    let mut answered_before = false;
    for row in &recent {
        let from_contact = row.get::<String>(0)? == "in";
        let line = Line {
            from_contact,
            content: row.get(1)?,
            body: row.get::<Option<String>>(2)?.unwrap_or_default(),
        };
        let seq: i64 = row.get(3)?;
        answered_before |= row.get::<String>(7)? == "assistant";
        if from_contact && seq > base_seq {
            let written = row.get::<Option<Moment>>(4)?.unwrap_or(row.get(5)?);
            burst.push((written, row.get(6)?, line));
        } else if earlier.len() < history && !line.body.is_empty() {
            earlier.push(line);
        }
    }
    // Providers deliver out of order; people read in the order of writing.
    burst.sort_by_key(|(written, id, _)| (*written, *id));
    earlier.reverse();
    Ok(Some(Gathered {
        conversation,
        channel: row.get(0)?,
        address: row.get(1)?,
        contact_name: row.get(6)?,
        base_seq,
        upto_seq,
        declines: row.get(5)?,
        burst: burst.into_iter().map(|(_, _, line)| line).collect(),
        history: earlier,
        first: !answered_before,
        looping: row.get::<i64>(7)? >= LOOP_LIMIT,
    }))
}

/// What a turn came to.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Usually one; more only if the tenant turned splitting on. Empty: stay silent.
    pub parts: Vec<String>,
    /// JSON for people: sources, confidence, model, tokens, times.
    pub trace: String,
    pub declined: bool,
    pub hand_over: Option<Reason>,
}

/// Whether an answer was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    Kept(Vec<MessageId>),
    /// New text came in meanwhile: the next turn answers all of it.
    Superseded,
    /// Somebody else owns the conversation now.
    NotOurs,
}

/// Stores the answer and enqueues its sending, unless the conversation moved on.
///
/// # Errors
/// When the database refuses.
pub async fn store_answer(
    tx: &mut TenantTx,
    gathered: &Gathered,
    answer: &Answer,
    now: Moment,
) -> Result<Stored, Error> {
    let tenant = tx.tenant();
    let (owner, reason) = match answer.hand_over {
        Some(reason) => (Owner::Nobody, Some(reason.name())),
        None => (Owner::Bot, None),
    };
    let kept = tx
        .execute(
            "UPDATE conversations SET answered_seq = $1, owner = $2, \
             owner_since = CASE WHEN $2 = 'bot' THEN owner_since ELSE $3 END, \
             handoff_reason = COALESCE($4, handoff_reason), \
             needs_person = CASE WHEN $2 = 'bot' THEN needs_person ELSE 1 END, \
             declines = CASE WHEN $5 = 1 THEN declines + 1 ELSE 0 END, last_message_at = $3 \
             WHERE tenant_id = $6 AND id = $7 AND owner = 'bot' AND answered_seq = $8 \
             AND (inbound_seq = $1 OR cancels > 0)",
            args![
                gathered.upto_seq,
                owner.name(),
                now,
                reason,
                answer.declined,
                tenant,
                gathered.conversation,
                gathered.base_seq
            ],
        )
        .await?;
    if kept == 0 {
        // Either new text came (then this is the one time it cancels) or the owner changed.
        let cancelled = tx
            .execute(
                "UPDATE conversations SET cancels = 1 WHERE tenant_id = $1 AND id = $2 \
                 AND owner = 'bot' AND answered_seq = $3 AND inbound_seq > $4 AND cancels = 0",
                args![tenant, gathered.conversation, gathered.base_seq, gathered.upto_seq],
            )
            .await?;
        return Ok(if cancelled == 1 { Stored::Superseded } else { Stored::NotOurs });
    }
    if let Some(reason) = answer.hand_over {
        tracing::info!(
            event = "handed_over", tenant_id = %tenant,
            conversation_id = %gathered.conversation, reason = reason.name(),
        );
        metrics::counter!("portaria_handoffs_total", "reason" => reason.name()).increment(1);
    }
    let mut ids = Vec::new();
    for part in &answer.parts {
        let id = MessageId::generate();
        tx.execute(
            "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, \
             body, at, seq, from_seq, cancellable, state, state_at, trace) \
             VALUES ($1, $2, $3, $4, 'out', 'assistant', 'text', $5, $6, $7, $8, $9, 'queued', $6, $10)",
            args![
                id,
                tenant,
                gathered.conversation,
                gathered.channel,
                part,
                now,
                gathered.upto_seq,
                gathered.base_seq,
                // The line that calls a person must arrive, whatever is written meanwhile.
                answer.hand_over.is_none(),
                &answer.trace
            ],
        )
        .await?;
        enqueue_send(tx, gathered.conversation, id, now).await?;
        ids.push(id);
    }
    Ok(Stored::Kept(ids))
}

pub(crate) async fn enqueue_send(
    tx: &mut TenantTx,
    conversation: ConversationId,
    message: MessageId,
    now: Moment,
) -> Result<(), Error> {
    let job = NewJob {
        payload: &SendDue { message },
        run_at: now,
        order_key: Some(format!("send:{conversation}")),
        dedupe_key: None,
        now,
    };
    queue::enqueue(tx, job).await
}
