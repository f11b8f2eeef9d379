//! A message comes in: stored once, and its burst set to be answered.

use db::{Error, TenantTx, args};
use hooks::Event as Told;
use kernel::{ChannelId, ContactId, ConversationId, MessageId, Moment};
use queue::NewJob;
use serde_json::json;

use crate::handoff::{self, Event};
use crate::ids::{self, Said};
use crate::journey::{self, Note};
use crate::model::{HUMAN_HOLDS, LATE};
use crate::people::{Handles, find_contact};
use crate::{Owner, Reason, Rules, TurnDue};

/// A message on its way in, with all that storing it needs to know.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    pub channel: ChannelId,
    pub provider_id: &'a str,
    pub handles: Handles<'a>,
    /// Where a reply goes.
    pub address: &'a str,
    pub name: Option<&'a str>,
    pub at: Option<Moment>,
    pub content: &'a str,
    pub body: Option<&'a str>,
    /// Waits for an answer. Reactions and stickers do not.
    pub answerable: bool,
    pub raw: Option<String>,
    pub media: Option<String>,
}

impl Incoming<'_> {
    /// What it says, to be known again by.
    pub(crate) fn said(&self) -> Said<'_> {
        Said { handles: self.handles, content: self.content, body: self.body }
    }
}

/// What became of an incoming message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    Stored {
        message: MessageId,
        conversation: ConversationId,
    },
    /// It was here already. Drop the transaction.
    Duplicate,
}

/// Stores a message and schedules its turn.
///
/// # Errors
/// When the database refuses.
pub async fn receive(
    tx: &mut TenantTx,
    rules: &Rules,
    incoming: &Incoming<'_>,
    now: Moment,
) -> Result<Received, Error> {
    let contact = find_contact(tx, incoming.handles, incoming.name, now).await?;
    let late = incoming.at.is_some_and(|at| now.since(at) > LATE);
    let counts = incoming.answerable && !late;
    let opening = Opening {
        channel: incoming.channel,
        contact,
        address: incoming.address,
        counts,
        written: Some(incoming.at.unwrap_or(now).min(now)),
        learns_address: true,
    };
    let thread = open_conversation(tx, &opening, now).await?;
    let conversation = thread.id;
    let message = MessageId::generate();
    let provider_id = named(incoming.provider_id, message);
    let tenant = tx.tenant();
    // The id is free, or another chat has it: then the message carries it as shared.
    for shared in [false, true] {
        let (own, other) =
            if shared { (None, Some(&*provider_id)) } else { (Some(&*provider_id), None) };
        let stored = tx
            .execute(
                "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, \
                 content, body, provider_id, provider_at, at, seq, state, state_at, reason, raw, media, \
                 shared_id) \
                 VALUES ($1, $2, $3, $4, 'in', 'contact', $5, $6, $7, $8, $9, $10, 'stored', $9, $11, \
                 $12, $13, $14) ON CONFLICT DO NOTHING",
                args![
                    message,
                    tenant,
                    conversation,
                    incoming.channel,
                    incoming.content,
                    incoming.body,
                    own,
                    incoming.at,
                    now,
                    // What does not wait for an answer has no place in the count.
                    if counts { thread.inbound_seq } else { 0 },
                    late.then_some(Reason::LateMessage.name()),
                    incoming.raw.clone(),
                    incoming.media.clone(),
                    other
                ],
            )
            .await?;
        if stored == 1 {
            break;
        }
        let carriers = ids::carriers(tx, incoming.channel, &provider_id, "in").await?;
        if shared || ids::known_again(tx, &carriers, conversation, &incoming.said()).await? {
            return Ok(Received::Duplicate);
        }
    }
    journey::came_in(tx, message, incoming.at, now).await?;
    if let Some(before) = thread.day_passed {
        handoff::record(tx, conversation, Event::DayPassed, (before, Owner::Bot), now).await?;
    }
    if late {
        let code = Some(Reason::LateMessage.name());
        journey::note(tx, message, "for_person", Note { code, detail: None }, now).await?;
        handoff::needs_person(tx, conversation, Reason::LateMessage, now).await?;
    }
    let told = json!({
        "message": message, "conversation": conversation, "contact": contact,
        "channel": incoming.channel, "content": incoming.content, "text": incoming.body,
    });
    hooks::emit(tx, Told::MessageReceived, told, now).await?;
    // Whether the tenant answers at all is looked up when the turn runs.
    if counts && thread.owner == Owner::Bot {
        let at_once = incoming.body.is_some_and(|body| rules.asks_for_person(body));
        let run_at = if at_once {
            now
        } else {
            (now + rules.quiet).min(thread.burst_started + rules.longest_wait).max(now)
        };
        schedule_turn(tx, conversation, run_at, now).await?;
    }
    Ok(Received::Stored { message, conversation })
}

/// The provider's id by which a message is known again when it comes twice.
#[cfg(not(feature = "broken-dedupe"))]
fn named(provider_id: &str, _: MessageId) -> std::borrow::Cow<'_, str> {
    provider_id.into()
}

/// The same in a build that is broken on purpose, to see the storm notice.
#[cfg(feature = "broken-dedupe")]
fn named(provider_id: &str, message: MessageId) -> std::borrow::Cow<'_, str> {
    format!("{provider_id}~copy-{message}").into()
}

/// Sets the conversation's next turn to `run_at`, moving it if one is waiting.
pub(crate) async fn schedule_turn(
    tx: &mut TenantTx,
    conversation: ConversationId,
    run_at: Moment,
    now: Moment,
) -> Result<(), Error> {
    let key = format!("turn:{conversation}");
    let job = NewJob {
        payload: &TurnDue { conversation },
        run_at,
        order_key: Some(key.clone()),
        dedupe_key: Some(key),
        now,
    };
    queue::enqueue(tx, job).await
}

/// What a conversation is opened for.
pub(crate) struct Opening<'a> {
    pub(crate) channel: ChannelId,
    pub(crate) contact: ContactId,
    pub(crate) address: &'a str,
    /// A message that waits for an answer.
    pub(crate) counts: bool,
    /// When the contact wrote; `None` when it was not the contact.
    pub(crate) written: Option<Moment>,
    /// The provider named the address; otherwise a known one is better.
    pub(crate) learns_address: bool,
}

/// A conversation as it is after the message.
pub(crate) struct Thread {
    pub(crate) id: ConversationId,
    pub(crate) inbound_seq: i64,
    pub(crate) owner: Owner,
    pub(crate) burst_started: Moment,
    /// Who owned it, when that person said nothing for a day: it is the assistant's again.
    pub(crate) day_passed: Option<Owner>,
    pub(crate) last_inbound_at: Moment,
}

/// The conversation of channel and contact, made if there is none.
pub(crate) async fn open_conversation(
    tx: &mut TenantTx,
    opening: &Opening<'_>,
    now: Moment,
) -> Result<Thread, Error> {
    let tenant = tx.tenant();
    // A person's day ends when the contact writes again, not by what the business sends. Who was
    // waited for and did not come is still waited for.
    let day_passed =
        "($11 = 1 AND conversations.owner <> 'bot' AND conversations.owner_since < $8)";
    let rows = tx
        .fetch_all(
            &format!("INSERT INTO conversations (id, tenant_id, channel_id, contact_id, address, owner, \
             owner_since, inbound_seq, answered_seq, burst_started_at, created_at, last_message_at, \
             last_inbound_at, last_received_at) \
             VALUES ($1, $2, $3, $4, $5, 'bot', $6, $7, 0, $6, $6, $6, $9, CASE WHEN $11 = 1 THEN $6 ELSE 0 END) \
             ON CONFLICT (tenant_id, channel_id, contact_id) DO UPDATE SET \
             address = CASE WHEN $10 = 1 THEN excluded.address ELSE conversations.address END, \
             last_message_at = excluded.last_message_at, \
             last_inbound_at = CASE WHEN excluded.last_inbound_at > conversations.last_inbound_at \
               THEN excluded.last_inbound_at ELSE conversations.last_inbound_at END, \
             last_received_at = CASE WHEN $11 = 1 THEN $6 ELSE conversations.last_received_at END, \
             assigned_to = CASE WHEN {day_passed} THEN NULL ELSE conversations.assigned_to END, \
             inbound_seq = conversations.inbound_seq + $7, \
             burst_started_at = CASE WHEN conversations.answered_seq >= conversations.inbound_seq \
               OR {day_passed} THEN excluded.burst_started_at ELSE conversations.burst_started_at END, \
             answered_seq = CASE WHEN {day_passed} THEN conversations.inbound_seq \
               ELSE conversations.answered_seq END, \
             declines = CASE WHEN {day_passed} THEN 0 ELSE conversations.declines END, \
             needs_person = CASE WHEN {day_passed} AND conversations.owner = 'human' THEN 0 \
               ELSE conversations.needs_person END, \
             handoff_reason = CASE WHEN {day_passed} AND conversations.owner = 'human' THEN NULL \
               ELSE conversations.handoff_reason END, \
             owner_since = CASE WHEN NOT ({day_passed}) THEN conversations.owner_since \
               WHEN conversations.owner = 'human' THEN -1 ELSE -2 END, \
             owner = CASE WHEN {day_passed} THEN 'bot' ELSE conversations.owner END \
             RETURNING id, inbound_seq, owner, burst_started_at, owner_since, last_inbound_at"),
            args![
                ConversationId::generate(),
                tenant,
                opening.channel,
                opening.contact,
                opening.address,
                now,
                i64::from(opening.counts),
                now - HUMAN_HOLDS,
                opening.written.unwrap_or(Moment(0)),
                opening.learns_address,
                opening.written.is_some()
            ],
        )
        .await?;
    let row = rows.first().ok_or(Error::Corrupt { column: 0, expected: "a conversation" })?;
    let id: ConversationId = row.get(0)?;
    // The statement leaves a mark where it ended a person's day, so that it is written down once.
    let day_passed = match row.get::<i64>(4)? {
        -1 => Some(Owner::Human),
        -2 => Some(Owner::Nobody),
        _ => None,
    };
    if day_passed.is_some() {
        tx.execute(
            "UPDATE conversations SET owner_since = $1 WHERE tenant_id = $2 AND id = $3",
            args![now, tenant, id],
        )
        .await?;
    }
    Ok(Thread {
        id,
        inbound_seq: row.get(1)?,
        owner: Owner::parse(&row.get::<String>(2)?),
        burst_started: row.get(3)?,
        day_passed,
        last_inbound_at: row.get(5)?,
    })
}
