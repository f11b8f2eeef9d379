//! The line of states that each message passed, never rewritten.

use db::{Error, TenantTx, args};
use kernel::{ContactId, ConversationId, MessageId, Moment, Phone};
use schemars::JsonSchema;
use serde::Serialize;

/// A state that a message reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// `received`, `stored`, `answered`, `for_person`, `queued`, `sent`, `delivered`, `read`,
    /// `failed`, `unknown`, `cancelled`.
    pub state: String,
    pub at: Moment,
    /// The provider's code, or ours.
    pub code: Option<String>,
    /// A reason in plain words, or the id of the message that answered.
    pub detail: Option<String>,
}

/// A message with all that became of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Journey {
    pub message: MessageId,
    pub conversation: ConversationId,
    pub direction: String,
    pub author: String,
    pub content: String,
    pub state: String,
    pub provider_id: Option<String>,
    pub at: Moment,
    pub steps: Vec<Step>,
}

/// What a step is written with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Note<'a> {
    pub(crate) code: Option<&'a str>,
    pub(crate) detail: Option<&'a str>,
}

/// Appends a step.
pub(crate) async fn note(
    tx: &mut TenantTx,
    message: MessageId,
    state: &str,
    note: Note<'_>,
    at: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO message_events (tenant_id, message_id, at, state, code, detail) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![tenant, message, at, state, note.code, note.detail],
    )
    .await?;
    Ok(())
}

/// The two first steps of a message that came in.
pub(crate) async fn came_in(
    tx: &mut TenantTx,
    message: MessageId,
    written: Option<Moment>,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO message_events (tenant_id, message_id, at, state, code, detail) \
         VALUES ($1, $2, $3, 'received', NULL, NULL), ($1, $2, $4, 'stored', NULL, NULL)",
        args![tenant, message, written.unwrap_or(now), now],
    )
    .await?;
    Ok(())
}

/// The same step for several messages.
pub(crate) async fn note_all(
    tx: &mut TenantTx,
    messages: &[MessageId],
    state: &str,
    note: Note<'_>,
    at: Moment,
) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant();
    let mut values = args![tenant, at, state, note.code, note.detail];
    let mut rows = Vec::new();
    for message in messages {
        values.push((*message).into());
        rows.push(format!("($1, ${}, $2, $3, $4, $5)", values.len()));
    }
    tx.execute(
        &format!(
            "INSERT INTO message_events (tenant_id, message_id, at, state, code, detail) VALUES {}",
            rows.join(", ")
        ),
        values,
    )
    .await?;
    Ok(())
}

/// Messages of the contact that came after `from_seq`: a person answered them.
pub(crate) async fn answered_by_person(
    tx: &mut TenantTx,
    conversation: ConversationId,
    (from_seq, to_seq): (i64, i64),
    code: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO message_events (tenant_id, message_id, at, state, code, detail) \
         SELECT tenant_id, id, $1, 'answered', $2, NULL FROM messages WHERE tenant_id = $3 \
         AND conversation_id = $4 AND direction = 'in' AND seq > $5 AND seq <= $6 AND at > $7",
        args![now, code, tenant, conversation, from_seq, to_seq, now - crate::model::RECENT],
    )
    .await?;
    Ok(())
}

/// Whether the message has such a step already.
pub(crate) async fn has(tx: &mut TenantTx, message: MessageId, state: &str) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM message_events WHERE tenant_id = $1 AND message_id = $2 AND state = $3 LIMIT 1",
            args![tenant, message, state],
        )
        .await?;
    Ok(row.is_some())
}

const MESSAGE: &str = "SELECT id, conversation_id, direction, author, content, state, COALESCE(provider_id, shared_id), at \
     FROM messages";

async fn complete(tx: &mut TenantTx, row: &db::Row) -> Result<Journey, Error> {
    let tenant = tx.tenant();
    let message: MessageId = row.get(0)?;
    let steps = tx
        .fetch_all(
            "SELECT state, at, code, detail FROM message_events \
             WHERE tenant_id = $1 AND message_id = $2",
            args![tenant, message],
        )
        .await?;
    let mut steps: Vec<Step> = steps
        .iter()
        .map(|row| {
            Ok::<_, Error>(Step {
                state: row.get(0)?,
                at: row.get(1)?,
                code: row.get(2)?,
                detail: row.get(3)?,
            })
        })
        .collect::<Result<_, _>>()?;
    // Providers stamp whole seconds: what shares a second is in the order of the states.
    steps.sort_by_key(|step| (step.at.0.div_euclid(1_000_000), rank(&step.state), step.at));
    Ok(Journey {
        message,
        conversation: row.get(1)?,
        direction: row.get(2)?,
        author: row.get(3)?,
        content: row.get(4)?,
        state: row.get(5)?,
        provider_id: row.get(6)?,
        at: row.get(7)?,
        steps,
    })
}

fn rank(state: &str) -> usize {
    const ORDER: &[&str] =
        &["received", "stored", "queued", "sent", "unknown", "delivered", "read", "answered"];
    ORDER.iter().position(|known| *known == state).unwrap_or(ORDER.len())
}

/// One message's journey.
///
/// # Errors
/// When the database cannot be read.
pub async fn journey(tx: &mut TenantTx, id: MessageId) -> Result<Option<Journey>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(&format!("{MESSAGE} WHERE tenant_id = $1 AND id = $2"), args![tenant, id])
        .await?;
    match row {
        Some(row) => Ok(Some(complete(tx, &row).await?)),
        None => Ok(None),
    }
}

/// Journeys of a person's latest messages, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn journeys_of_phone(
    tx: &mut TenantTx,
    phone: &Phone,
    limit: usize,
) -> Result<Vec<Journey>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT contact_id FROM contact_handles WHERE tenant_id = $1 AND kind = 'phone' AND value = $2",
            args![tenant, phone],
        )
        .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let contact: ContactId = row.get(0)?;
    let threads = tx
        .fetch_all(
            "SELECT c.id FROM conversations c WHERE c.tenant_id = $1 AND (c.contact_id = $2 \
             OR c.merged_into IN (SELECT k.id FROM conversations k WHERE k.tenant_id = $1 \
             AND k.contact_id = $2))",
            args![tenant, contact],
        )
        .await?;
    let mut found = Vec::new();
    for thread in &threads {
        let thread: ConversationId = thread.get(0)?;
        let rows = tx
            .fetch_all(
                &format!(
                    "{MESSAGE} WHERE tenant_id = $1 AND conversation_id = $2 \
                     ORDER BY at DESC, id DESC LIMIT $3"
                ),
                args![tenant, thread, limit],
            )
            .await?;
        for row in &rows {
            found.push((row.get::<Moment>(7)?, row.get::<MessageId>(0)?));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found.truncate(limit);
    let mut out = Vec::new();
    for (_, id) in found {
        out.extend(journey(tx, id).await?);
    }
    Ok(out)
}
