//! Lists, ownership, settings, and what becomes of it all with the tenant.

use std::time::Duration;

use db::{Error, Row, TenantTx, args};
use kernel::{ContactId, ConversationId, MessageId, Moment};
use queue::Payload as _;

use crate::handoff::needs_person;
use crate::journey::{self, Note};
use crate::model::LATE;
use crate::receive::schedule_turn;
use crate::{ConversationView, MessageView, Owner, Reason, Rules, SendDue, TurnDue};

/// Writes a new tenant's rules.
///
/// # Errors
/// When the database refuses.
pub async fn seed(tx: &mut TenantTx) -> Result<(), Error> {
    set_rules(tx, &Rules::default()).await
}

/// Replaces the tenant's rules.
///
/// # Errors
/// When the database refuses.
pub async fn set_rules(tx: &mut TenantTx, rules: &Rules) -> Result<(), Error> {
    let tenant = tx.tenant();
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    tx.execute(
        "INSERT INTO inbox_settings (tenant_id, quiet_ms, longest_wait_ms, handoff_words, store_groups) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id) DO UPDATE SET quiet_ms = excluded.quiet_ms, \
         longest_wait_ms = excluded.longest_wait_ms, handoff_words = excluded.handoff_words, \
         store_groups = excluded.store_groups",
        args![
            tenant,
            millis(rules.quiet),
            millis(rules.longest_wait),
            rules.handoff_words.join("\n"),
            rules.store_groups
        ],
    )
    .await?;
    tx.settings_changed();
    Ok(())
}

/// The tenant's rules.
///
/// # Errors
/// When the database cannot be read.
pub async fn rules(tx: &mut TenantTx) -> Result<Rules, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT quiet_ms, longest_wait_ms, handoff_words, store_groups FROM inbox_settings \
             WHERE tenant_id = $1",
            args![tenant],
        )
        .await?;
    let Some(row) = row else { return Ok(Rules::default()) };
    let millis = |v: i64| Duration::from_millis(u64::try_from(v).unwrap_or(0));
    Ok(Rules {
        quiet: millis(row.get(0)?),
        longest_wait: millis(row.get(1)?),
        handoff_words: row
            .get::<String>(2)?
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        store_groups: row.get(3)?,
    })
}

const CONVERSATION: &str = "SELECT c.id, c.channel_id, c.contact_id, p.name, c.owner, c.handoff_reason, \
     c.needs_person, c.inbound_seq - c.answered_seq, c.last_message_at, c.last_inbound_at, c.owner_since \
     FROM conversations c \
     LEFT JOIN contacts p ON p.tenant_id = c.tenant_id AND p.id = c.contact_id";

fn conversation_view(row: &Row) -> Result<ConversationView, Error> {
    Ok(ConversationView {
        id: row.get(0)?,
        channel: row.get(1)?,
        contact: row.get(2)?,
        contact_name: row.get(3)?,
        owner: Owner::parse(&row.get::<String>(4)?),
        handoff_reason: row.get(5)?,
        needs_person: row.get(6)?,
        unanswered: row.get(7)?,
        last_message_at: row.get(8)?,
        last_inbound_at: Some(row.get::<Moment>(9)?).filter(|at| at.0 > 0),
        owner_since: row.get(10)?,
    })
}

/// Conversations, the most recent first; a page of those before `before`.
///
/// # Errors
/// When the database cannot be read.
pub async fn conversations(
    tx: &mut TenantTx,
    before: Option<(Moment, ConversationId)>,
    limit: usize,
) -> Result<Vec<ConversationView>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(before);
    let rows = tx
        .fetch_all(
            &format!(
                "{CONVERSATION} WHERE c.tenant_id = $1 AND c.merged_into IS NULL AND (c.last_message_at < $2 \
                 OR (c.last_message_at = $2 AND c.id < $3)) \
                 ORDER BY c.last_message_at DESC, c.id DESC LIMIT $4"
            ),
            args![tenant, at, id, limit],
        )
        .await?;
    rows.iter().map(conversation_view).collect()
}

/// Conversations that wait for a person, the longest wait first.
///
/// # Errors
/// When the database cannot be read.
pub async fn waiting(tx: &mut TenantTx, limit: usize) -> Result<Vec<ConversationView>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!(
                "{CONVERSATION} WHERE c.tenant_id = $1 AND c.needs_person = 1 AND c.merged_into IS NULL \
                 ORDER BY c.owner_since, c.id LIMIT $2"
            ),
            args![tenant, limit],
        )
        .await?;
    rows.iter().map(conversation_view).collect()
}

/// One conversation.
///
/// # Errors
/// When the database cannot be read.
pub async fn conversation(
    tx: &mut TenantTx,
    id: ConversationId,
) -> Result<Option<ConversationView>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            &format!("{CONVERSATION} WHERE c.tenant_id = $1 AND c.id = $2"),
            args![tenant, id],
        )
        .await?;
    row.as_ref().map(conversation_view).transpose()
}

const MESSAGE: &str = "SELECT id, conversation_id, direction, author, content, body, state, reason, \
     at, COALESCE(provider_id, shared_id), trace, media FROM messages";

fn message_view(row: &Row) -> Result<MessageView, Error> {
    Ok(MessageView {
        id: row.get(0)?,
        conversation: row.get(1)?,
        direction: row.get(2)?,
        author: row.get(3)?,
        content: row.get(4)?,
        body: row.get(5)?,
        state: row.get(6)?,
        reason: row.get(7)?,
        at: row.get(8)?,
        provider_id: row.get(9)?,
        trace: row.get::<Option<String>>(10)?.and_then(|trace| serde_json::from_str(&trace).ok()),
        media: crate::media::shown(row.get::<Option<String>>(11)?.as_deref()),
    })
}

/// Messages of a conversation, the newest first; a page of those before `before`.
///
/// # Errors
/// When the database cannot be read.
pub async fn messages(
    tx: &mut TenantTx,
    conversation: ConversationId,
    before: Option<(Moment, MessageId)>,
    limit: usize,
) -> Result<Vec<MessageView>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(before);
    let mut found = Vec::new();
    // A conversation shows those of contacts that became part of its contact.
    let mut threads = vec![conversation];
    let twins = tx
        .fetch_all(
            "SELECT id FROM conversations WHERE tenant_id = $1 AND merged_into = $2",
            args![tenant, conversation],
        )
        .await?;
    for twin in &twins {
        threads.push(twin.get(0)?);
    }
    for thread in &threads {
        let rows = tx
            .fetch_all(
                &format!(
                    "{MESSAGE} WHERE tenant_id = $1 AND conversation_id = $2 AND (at < $3 OR (at = $3 AND id < $4)) \
                     ORDER BY at DESC, id DESC LIMIT $5"
                ),
                args![tenant, *thread, at, &id, limit],
            )
            .await?;
        for row in &rows {
            found.push(message_view(row)?);
        }
    }
    if threads.len() > 1 {
        found.sort_by_key(|view| std::cmp::Reverse((view.at, view.id)));
        found.truncate(limit);
    }
    Ok(found)
}

/// One message.
///
/// # Errors
/// When the database cannot be read.
pub async fn message(tx: &mut TenantTx, id: MessageId) -> Result<Option<MessageView>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(&format!("{MESSAGE} WHERE tenant_id = $1 AND id = $2"), args![tenant, id])
        .await?;
    row.as_ref().map(message_view).transpose()
}

/// What waited to be answered or sent will not be: unsent answers become failed, and every
/// conversation concerned is shown to a person. Returns how many conversations.
///
/// # Errors
/// When the database refuses.
pub async fn abandon(tx: &mut TenantTx, now: Moment) -> Result<u64, Error> {
    let tenant = tx.tenant();
    let shown = tx
        .execute(
            "UPDATE conversations SET needs_person = 1, \
             handoff_reason = COALESCE(handoff_reason, $1) WHERE tenant_id = $2 AND \
             ((owner = 'bot' AND inbound_seq > answered_seq) OR id IN (SELECT conversation_id \
             FROM messages WHERE tenant_id = $2 AND direction = 'out' AND state = 'queued'))",
            args![Reason::Backlog.name(), tenant],
        )
        .await?;
    let gone = tx
        .fetch_all(
            "UPDATE messages SET state = 'failed', state_at = $1, reason = 'removed from the queue' \
             WHERE tenant_id = $2 AND direction = 'out' AND state = 'queued' RETURNING id",
            args![now, tenant],
        )
        .await?;
    note_rows(tx, &gone, "failed", "removed", now).await?;
    Ok(shown)
}

async fn note_rows(
    tx: &mut TenantTx,
    rows: &[Row],
    state: &str,
    code: &str,
    now: Moment,
) -> Result<(), Error> {
    let ids: Vec<MessageId> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    for some in ids.chunks(200) {
        journey::note_all(tx, some, state, Note { code: Some(code), detail: None }, now).await?;
    }
    Ok(())
}

/// A job that waited was taken out of the queue: what it would have answered or sent is shown to a
/// person instead.
///
/// # Errors
/// When the database refuses.
pub async fn abandon_job(
    tx: &mut TenantTx,
    kind: &str,
    payload: &str,
    now: Moment,
) -> Result<(), Error> {
    if kind == TurnDue::KIND {
        let Ok(due) = serde_json::from_str::<TurnDue>(payload) else { return Ok(()) };
        return needs_person(tx, due.conversation, Reason::Backlog, now).await;
    }
    if kind != SendDue::KIND {
        return Ok(());
    }
    let Ok(due) = serde_json::from_str::<SendDue>(payload) else { return Ok(()) };
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE messages SET state = 'failed', state_at = $1, reason = 'removed from the queue' \
             WHERE tenant_id = $2 AND id = $3 AND state = 'queued' RETURNING conversation_id",
            args![now, tenant, due.message],
        )
        .await?;
    match rows.first() {
        Some(row) => {
            let note = Note { code: Some("removed"), detail: None };
            journey::note(tx, due.message, "failed", note, now).await?;
            needs_person(tx, row.get(0)?, Reason::Backlog, now).await
        }
        None => Ok(()),
    }
}

/// A suspended tenant is back: recent questions get their turn, older ones and their unsent
/// answers go to a person. Returns how many of each.
///
/// # Errors
/// When the database refuses.
pub async fn reactivate(tx: &mut TenantTx, now: Moment) -> Result<(u64, u64), Error> {
    let tenant = tx.tenant();
    // An answer of the assistant is stale by now; what a person wrote leaves as promised.
    tx.execute(
        "UPDATE conversations SET needs_person = 1, handoff_reason = COALESCE(handoff_reason, $1) \
         WHERE tenant_id = $2 AND id IN (SELECT conversation_id FROM messages WHERE tenant_id = $2 \
         AND author = 'assistant' AND state = 'queued' AND at < $3)",
        args![Reason::Backlog.name(), tenant, now - LATE],
    )
    .await?;
    let stale = tx
        .fetch_all(
            "UPDATE messages SET state = 'cancelled', state_at = $1, reason = 'suspended' \
             WHERE tenant_id = $2 AND author = 'assistant' AND state = 'queued' AND at < $3 RETURNING id",
            args![now, tenant, now - LATE],
        )
        .await?;
    note_rows(tx, &stale, "cancelled", "suspended", now).await?;
    let to_person = tx
        .execute(
            "UPDATE conversations SET answered_seq = inbound_seq, needs_person = 1, \
             handoff_reason = COALESCE(handoff_reason, $1) WHERE tenant_id = $2 AND owner = 'bot' \
             AND inbound_seq > answered_seq AND last_message_at < $3",
            args![Reason::Backlog.name(), tenant, now - LATE],
        )
        .await?;
    let waiting = tx
        .fetch_all(
            "SELECT id FROM conversations WHERE tenant_id = $1 AND owner = 'bot' \
             AND inbound_seq > answered_seq",
            args![tenant],
        )
        .await?;
    for row in &waiting {
        schedule_turn(tx, row.get(0)?, now, now).await?;
    }
    queue::release_tenant(tx, now).await?;
    Ok((waiting.len() as u64, to_person))
}

/// Writes down since when a contact, and whoever was joined with it, wants no unasked messages. How many rows changed.
pub(crate) async fn set_opted_out(
    tx: &mut TenantTx,
    contact: ContactId,
    since: Option<Moment>,
) -> Result<u64, Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE contacts SET opted_out_at = $1 WHERE tenant_id = $2 AND (id = $3 OR merged_into = $3) \
         AND (CASE WHEN opted_out_at IS NULL THEN 0 ELSE 1 END) <> $4",
        args![since, tenant, contact, i64::from(since.is_some())],
    )
    .await
}

/// Whether a contact, or whoever was joined with it, wants no unasked messages.
pub(crate) async fn is_opted_out(tx: &mut TenantTx, contact: ContactId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM contacts WHERE tenant_id = $1 AND (id = $2 OR merged_into = $2) \
             AND opted_out_at IS NOT NULL LIMIT 1",
            args![tenant, contact],
        )
        .await?;
    Ok(row.is_some())
}
