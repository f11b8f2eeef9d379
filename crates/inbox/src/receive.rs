//! A message comes in: stored once, and its burst set to be answered.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ContactId, ConversationId, MessageId, Moment, Phone};
use queue::NewJob;

use crate::model::{HUMAN_HOLDS, LATE};
use crate::{Owner, Reason, Rules, TurnDue};

/// A message on its way in, with all that storing it needs to know.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    pub channel: ChannelId,
    pub provider_id: &'a str,
    pub phone: Option<&'a Phone>,
    pub lid: Option<&'a str>,
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
    let contact = find_contact(tx, incoming.phone, incoming.lid, incoming.name, now).await?;
    let late = incoming.at.is_some_and(|at| now.since(at) > LATE);
    let counts = incoming.answerable && !late;
    let row =
        open_conversation(tx, incoming.channel, contact, incoming.address, counts, now).await?;
    let conversation: ConversationId = row.get(0)?;
    let seq: i64 = row.get(1)?;
    let owner = Owner::parse(&row.get::<String>(2)?);
    let burst_started: Moment = row.get(3)?;
    let message = MessageId::generate();
    let tenant = tx.tenant();
    let stored = tx
        .execute(
            "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, \
             content, body, provider_id, provider_at, at, seq, state, state_at, reason, raw, media) \
             VALUES ($1, $2, $3, $4, 'in', 'contact', $5, $6, $7, $8, $9, $10, 'stored', $9, $11, $12, $13) \
             ON CONFLICT (tenant_id, channel_id, provider_id) WHERE provider_id IS NOT NULL DO NOTHING",
            args![
                message,
                tenant,
                conversation,
                incoming.channel,
                incoming.content,
                incoming.body,
                incoming.provider_id,
                incoming.at,
                now,
                // What does not wait for an answer has no place in the count.
                if counts { seq } else { 0 },
                late.then_some(Reason::LateMessage.name()),
                incoming.raw.clone(),
                incoming.media.clone(),
            ],
        )
        .await?;
    if stored == 0 {
        return Ok(Received::Duplicate);
    }
    if late {
        tx.execute(
            "UPDATE conversations SET needs_person = 1, handoff_reason = COALESCE(handoff_reason, $1) \
             WHERE tenant_id = $2 AND id = $3",
            args![Reason::LateMessage.name(), tenant, conversation],
        )
        .await?;
    }
    // Whether the tenant answers at all is looked up when the turn runs.
    if counts && owner == Owner::Bot {
        let at_once = incoming.body.is_some_and(|body| rules.asks_for_person(body));
        let run_at = if at_once {
            now
        } else {
            (now + rules.quiet).min(burst_started + rules.longest_wait).max(now)
        };
        schedule_turn(tx, conversation, run_at, now).await?;
    }
    Ok(Received::Stored { message, conversation })
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

/// The contact behind these handles, made if nobody has them. Handles that turn out to belong to
/// two contacts make them one.
pub(crate) async fn find_contact(
    tx: &mut TenantTx,
    phone: Option<&Phone>,
    lid: Option<&str>,
    name: Option<&str>,
    now: Moment,
) -> Result<ContactId, Error> {
    let fresh = ContactId::generate();
    let mut contact: Option<ContactId> = None;
    let handles =
        [phone.map(|p| ("phone", p.digits())), lid.map(|lid| ("lid", lid))].into_iter().flatten();
    for (kind, value) in handles {
        let proposed = contact.unwrap_or(fresh);
        let owner = claim_handle(tx, kind, value, proposed, now).await?;
        match contact {
            None => contact = Some(owner),
            Some(known) if owner != known => merge(tx, known, owner, now).await?,
            Some(_) => {}
        }
    }
    let contact = contact.unwrap_or(fresh);
    if contact == fresh {
        let tenant = tx.tenant();
        tx.execute(
            "INSERT INTO contacts (id, tenant_id, name, created_at) VALUES ($1, $2, $3, $4)",
            args![contact, tenant, name, now],
        )
        .await?;
    }
    Ok(contact)
}

async fn claim_handle(
    tx: &mut TenantTx,
    kind: &str,
    value: &str,
    contact: ContactId,
    now: Moment,
) -> Result<ContactId, Error> {
    let tenant = tx.tenant();
    if !tx.is_postgres() {
        // One writes at a time there: a handle that is known needs no write, which spares every
        // message a page of the log.
        let known = tx
            .fetch_opt(
                "SELECT contact_id FROM contact_handles WHERE tenant_id = $1 AND kind = $2 AND value = $3",
                args![tenant, kind, value],
            )
            .await?;
        if let Some(row) = known {
            return row.get(0);
        }
    }
    // Writing first makes two processes that see a new person at once take turns.
    let rows = tx
        .fetch_all(
            "INSERT INTO contact_handles (tenant_id, kind, value, contact_id, seen_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, kind, value) \
             DO UPDATE SET seen_at = excluded.seen_at RETURNING contact_id",
            args![tenant, kind, value, contact, now],
        )
        .await?;
    rows.first().ok_or(Error::Corrupt { column: 0, expected: "a contact" })?.get(0)
}

/// Moves everything of `other` to `kept`, except conversations that both have.
async fn merge(
    tx: &mut TenantTx,
    kept: ContactId,
    other: ContactId,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE contact_handles SET contact_id = $1, seen_at = $2 WHERE tenant_id = $3 AND contact_id = $4",
        args![kept, now, tenant, other],
    )
    .await?;
    tx.execute(
        "UPDATE conversations SET contact_id = $1 WHERE tenant_id = $2 AND contact_id = $3 \
         AND NOT EXISTS (SELECT 1 FROM conversations twin WHERE twin.tenant_id = conversations.tenant_id \
         AND twin.channel_id = conversations.channel_id AND twin.contact_id = $1)",
        args![kept, tenant, other],
    )
    .await?;
    tracing::info!(event = "contact_merged", tenant_id = %tenant, contact_id = %kept);
    Ok(())
}

/// The conversation of channel and contact: its id, count, owner and start of burst.
pub(crate) async fn open_conversation(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: ContactId,
    address: &str,
    counts: bool,
    now: Moment,
) -> Result<db::Row, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "INSERT INTO conversations (id, tenant_id, channel_id, contact_id, address, owner, \
             owner_since, inbound_seq, answered_seq, burst_started_at, created_at, last_message_at) \
             VALUES ($1, $2, $3, $4, $5, 'bot', $6, $7, 0, $6, $6, $6) \
             ON CONFLICT (tenant_id, channel_id, contact_id) DO UPDATE SET \
             address = excluded.address, last_message_at = excluded.last_message_at, \
             inbound_seq = conversations.inbound_seq + $7, \
             burst_started_at = CASE WHEN conversations.answered_seq >= conversations.inbound_seq \
               OR (conversations.owner <> 'bot' AND conversations.owner_since < $8) \
               THEN excluded.burst_started_at ELSE conversations.burst_started_at END, \
             answered_seq = CASE WHEN conversations.owner <> 'bot' AND conversations.owner_since < $8 \
               THEN conversations.inbound_seq ELSE conversations.answered_seq END, \
             declines = CASE WHEN conversations.owner <> 'bot' AND conversations.owner_since < $8 \
               THEN 0 ELSE conversations.declines END, \
             owner = CASE WHEN conversations.owner <> 'bot' AND conversations.owner_since < $8 \
               THEN 'bot' ELSE conversations.owner END \
             RETURNING id, inbound_seq, owner, burst_started_at",
            args![
                ConversationId::generate(),
                tenant,
                channel,
                contact,
                address,
                now,
                i64::from(counts),
                now - HUMAN_HOLDS
            ],
        )
        .await?;
    rows.into_iter().next().ok_or(Error::Corrupt { column: 0, expected: "a conversation" })
}
