//! What a turn reads before it thinks, and how its answer is stored if nothing moved meanwhile.

use db::{Error, TenantTx, args};
use hooks::Event as Told;
use kernel::{ChannelId, ConversationId, MessageId, Moment};
use queue::NewJob;
use serde_json::json;

use crate::handoff::{self, Event};
use crate::journey::{self, Note};
use crate::model::{LOOP_LIMIT, LOOP_WINDOW, MEDIA_WAIT};
use crate::{Owner, Reason, SendDue, media};

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
    /// Their ids.
    pub burst_ids: Vec<MessageId>,
    /// The provider's id of the last of them.
    pub last_provider_id: Option<String>,
    /// A voice message is still being fetched or written down: no later than this it goes on.
    pub media_until: Option<Moment>,
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
            "SELECT direction, content, body, seq, provider_at, at, id, author, media, COALESCE(provider_id, shared_id) FROM messages \
             WHERE tenant_id = $1 AND conversation_id = $2 AND state <> 'cancelled' \
             ORDER BY at DESC, id DESC LIMIT $3",
            args![tenant, conversation, history + 50],
        )
        .await?;
    let mut burst: Vec<(Moment, MessageId, Line, Option<String>)> = Vec::new();
    let mut media_until = None;
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
            let until = row.get::<Moment>(5)? + MEDIA_WAIT;
            let file: Option<String> = row.get(8)?;
            if line.content == "audio" && until > now && media::is_open(file.as_deref()) {
                media_until = media_until.max(Some(until));
            }
            burst.push((written, row.get(6)?, line, row.get(9)?));
        } else if earlier.len() < history && !line.body.is_empty() {
            earlier.push(line);
        }
    }
    // Providers deliver out of order; people read in the order of writing.
    burst.sort_by_key(|(written, id, ..)| (*written, *id));
    earlier.reverse();
    Ok(Some(Gathered {
        conversation,
        channel: row.get(0)?,
        address: row.get(1)?,
        contact_name: row.get(6)?,
        base_seq,
        upto_seq,
        declines: row.get(5)?,
        burst_ids: burst.iter().map(|(_, id, ..)| *id).collect(),
        last_provider_id: burst.last().and_then(|(.., id)| id.clone()),
        media_until,
        burst: burst.into_iter().map(|(_, _, line, _)| line).collect(),
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
        let moved = (Owner::Bot, Owner::Nobody);
        handoff::record(tx, gathered.conversation, Event::Called(reason), moved, now).await?;
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
        journey::note(tx, id, "queued", Note::default(), now).await?;
        enqueue_send(tx, gathered.conversation, id, now).await?;
        ids.push(id);
    }
    let by = ids.first().map(ToString::to_string);
    let (state, code) = match (&by, answer.hand_over) {
        (Some(_), None) => ("answered", None),
        (_, Some(reason)) => ("for_person", Some(reason.name())),
        // Thanks and the like need no words.
        (None, None) => ("answered", Some("silence")),
    };
    let note = Note { code, detail: by.as_deref() };
    journey::note_all(tx, &gathered.burst_ids, state, note, now).await?;
    if !ids.is_empty() {
        let told = json!({
            "messages": gathered.burst_ids, "answers": ids, "conversation": gathered.conversation,
            "channel": gathered.channel, "text": answer.parts.join("\n\n"),
            "declined": answer.declined, "handed_over": answer.hand_over.map(Reason::name),
        });
        hooks::emit(tx, Told::MessageAnswered, told, now).await?;
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
