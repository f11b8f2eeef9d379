//! What people add at the desk: who attends, what is resolved, labels, notes, ready replies.

use db::{Db, Error, TenantTx, args};
use kernel::{CannedId, ConversationId, LabelId, MessageId, Moment, NoteId, PersonId, TenantId};

use crate::Owner;
use crate::handoff::{self, Event};

/// Somebody else attends this conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attended(pub PersonId);

/// Why the desk refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskRefused {
    #[error("a name has 1 to 40 characters")]
    LabelName,
    #[error("there is a label of this name already")]
    LabelTaken,
    #[error("a note has 1 to 4000 characters")]
    Note,
    #[error("a shortcut has 1 to 30 letters, digits, - or _; a reply 1 to 4000 characters")]
    Canned,
}

/// How a conversation stands at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskView {
    pub assigned_to: Option<PersonId>,
    pub resolved: bool,
    /// Something came that nobody looked at.
    pub unseen: bool,
    pub owner: Owner,
}

/// How a conversation stands at the desk; `None` when there is none.
///
/// # Errors
/// When the database cannot be read.
pub async fn desk(tx: &mut TenantTx, id: ConversationId) -> Result<Option<DeskView>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT assigned_to, CASE WHEN resolved_at >= last_received_at THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END, \
             CASE WHEN seen_at < last_received_at THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END, owner \
             FROM conversations WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    row.map(|row| {
        Ok(DeskView {
            assigned_to: row.get(0)?,
            resolved: row.get::<i64>(1)? == 1,
            unseen: row.get::<i64>(2)? == 1,
            owner: Owner::parse(&row.get::<String>(3)?),
        })
    })
    .transpose()
}

/// A person comes to the desk of this conversation, unless another attends it already.
///
/// # Errors
/// When the database refuses; the inner result names who attends.
pub async fn attend(
    tx: &mut TenantTx,
    id: ConversationId,
    person: PersonId,
) -> Result<Result<(), Attended>, Error> {
    let tenant = tx.tenant();
    let done = tx
        .execute(
            "UPDATE conversations SET assigned_to = $1 WHERE tenant_id = $2 AND id = $3 \
             AND (assigned_to IS NULL OR assigned_to = $1 OR owner <> 'human')",
            args![person, tenant, id],
        )
        .await?;
    if done == 1 {
        return Ok(Ok(()));
    }
    let other = desk(tx, id).await?.and_then(|view| view.assigned_to);
    Ok(other.map_or(Ok(()), |other| Err(Attended(other))))
}

/// A person takes the conversation over, whoever had it.
///
/// # Errors
/// When the database refuses. `false` when there is no such conversation.
pub async fn take(
    tx: &mut TenantTx,
    id: ConversationId,
    person: PersonId,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let had = desk(tx, id).await?.and_then(|view| view.assigned_to);
    let Some(before) = handoff::apply(tx, id, Event::TakenOver, now).await? else {
        return Ok(false);
    };
    if before == Owner::Human && had != Some(person) {
        // From one person to another no owner changes, and yet it is to be seen.
        write_down(tx, id, "taken_over", (before, Owner::Human), (None, now)).await?;
    }
    tx.execute(
        "UPDATE conversations SET assigned_to = $1, resolved_at = -1 WHERE tenant_id = $2 AND id = $3",
        args![person, tenant, id],
    )
    .await?;
    sign_event(tx, id, person, now).await?;
    Ok(true)
}

/// A person gives the conversation back to the assistant.
///
/// # Errors
/// When the database refuses. `false` when there is no such conversation.
pub async fn give(
    tx: &mut TenantTx,
    id: ConversationId,
    person: PersonId,
    now: Moment,
) -> Result<bool, Error> {
    if handoff::apply(tx, id, Event::GivenBack, now).await?.is_none() {
        return Ok(false);
    }
    sign_event(tx, id, person, now).await?;
    Ok(true)
}

/// Writes down what moved the conversation, where its owner's change does not.
pub(crate) async fn write_down(
    tx: &mut TenantTx,
    id: ConversationId,
    event: &str,
    (before, after): (Owner, Owner),
    (target, now): (Option<PersonId>, Moment),
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO handoff_events (tenant_id, conversation_id, at, event, owner_before, owner_after, target_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![tenant, id, now, event, before.name(), after.name(), target],
    )
    .await?;
    Ok(())
}

/// Writes down who moved the conversation just now.
pub(crate) async fn sign_event(
    tx: &mut TenantTx,
    id: ConversationId,
    person: PersonId,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE handoff_events SET person_id = $1 WHERE tenant_id = $2 AND conversation_id = $3 AND at = $4 \
         AND person_id IS NULL",
        args![person, tenant, id, now],
    )
    .await?;
    Ok(())
}

/// Gives the conversation to a member of the team; `None`: to nobody in particular.
///
/// # Errors
/// When the database refuses. `false` when there is no such conversation.
pub async fn assign(
    tx: &mut TenantTx,
    id: ConversationId,
    to: Option<PersonId>,
    (by, now): (PersonId, Moment),
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE conversations SET assigned_to = $1 WHERE tenant_id = $2 AND id = $3 RETURNING owner",
            args![to, tenant, id],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let owner = Owner::parse(&row.get::<String>(0)?);
    let event = if to.is_some() { "assigned" } else { "unassigned" };
    write_down(tx, id, event, (owner, owner), (to, now)).await?;
    sign_event(tx, id, by, now).await?;
    Ok(true)
}

/// What somebody attended who is of these tenants' teams no longer waits for a person again. Done
/// twice, the second time changes nothing.
///
/// # Errors
/// When the database refuses.
pub async fn release(
    db: &Db,
    person: PersonId,
    tenants: impl IntoIterator<Item = TenantId> + Send,
    now: Moment,
) -> Result<(), Error> {
    let tenants: Vec<TenantId> = tenants.into_iter().collect();
    for tenant in tenants {
        let mut tx = db.begin(tenant).await?;
        release_in(&mut tx, person, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn release_in(tx: &mut TenantTx, person: PersonId, now: Moment) -> Result<(), Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id FROM conversations WHERE tenant_id = $1 AND assigned_to = $2 AND owner = 'human' \
             AND merged_into IS NULL",
            args![tenant, person],
        )
        .await?;
    for row in &rows {
        let id: ConversationId = row.get(0)?;
        handoff::apply(tx, id, Event::PersonLeft, now).await?;
        sign_event(tx, id, person, now).await?;
    }
    tx.execute(
        "UPDATE conversations SET assigned_to = NULL WHERE tenant_id = $1 AND assigned_to = $2",
        args![tenant, person],
    )
    .await?;
    Ok(())
}

/// What came until now was looked at. `true` when something was new.
///
/// # Errors
/// When the database refuses.
pub async fn seen(tx: &mut TenantTx, id: ConversationId, now: Moment) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let done = tx
        .execute(
            "UPDATE conversations SET seen_at = $1 WHERE tenant_id = $2 AND id = $3 AND seen_at < last_received_at",
            args![now, tenant, id],
        )
        .await?;
    Ok(done == 1)
}

/// The message that a form with this id made already, if it was sent twice.
///
/// # Errors
/// When the database cannot be read.
pub async fn sent_once(tx: &mut TenantTx, once: &str) -> Result<Option<MessageId>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id FROM messages WHERE tenant_id = $1 AND once = $2",
            args![tenant, once],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

/// Writes down who wrote a message, and by which form.
///
/// # Errors
/// When the form made another message already, or the database refuses.
pub async fn sign(
    tx: &mut TenantTx,
    message: MessageId,
    person: PersonId,
    once: &str,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE messages SET sent_by = $1, once = $2 WHERE tenant_id = $3 AND id = $4",
        args![person, once, tenant, message],
    )
    .await?;
    Ok(())
}

/// Who wrote which message of a conversation.
///
/// # Errors
/// When the database cannot be read.
pub async fn signatures(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Vec<(MessageId, PersonId)>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, sent_by FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
             AND sent_by IS NOT NULL ORDER BY at DESC LIMIT 300",
            args![tenant, conversation],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub id: LabelId,
    pub name: String,
}

/// The tenant's labels by name.
///
/// # Errors
/// When the database cannot be read.
pub async fn labels(tx: &mut TenantTx) -> Result<Vec<Label>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, name FROM labels WHERE tenant_id = $1 ORDER BY name LIMIT 200",
            args![tenant],
        )
        .await?;
    rows.iter().map(|row| Ok(Label { id: row.get(0)?, name: row.get(1)? })).collect()
}

/// Makes a label.
///
/// # Errors
/// When the database refuses; the inner result says what is wrong with the name.
pub async fn add_label(
    tx: &mut TenantTx,
    name: &str,
) -> Result<Result<LabelId, DeskRefused>, Error> {
    let Ok(name) = name.parse::<kernel::line::Line<40>>() else {
        return Ok(Err(DeskRefused::LabelName));
    };
    let name = name.as_str();
    let (tenant, id) = (tx.tenant(), LabelId::generate());
    let done = tx
        .execute(
            "INSERT INTO labels (id, tenant_id, name) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, name) DO NOTHING",
            args![id, tenant, name],
        )
        .await?;
    Ok(if done == 1 { Ok(id) } else { Err(DeskRefused::LabelTaken) })
}

/// Removes a label from the tenant and every conversation.
///
/// # Errors
/// When the database refuses.
pub async fn remove_label(tx: &mut TenantTx, id: LabelId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    tx.execute(
        "DELETE FROM conversation_labels WHERE tenant_id = $1 AND label_id = $2",
        args![tenant, id],
    )
    .await?;
    let done = tx
        .execute("DELETE FROM labels WHERE tenant_id = $1 AND id = $2", args![tenant, id])
        .await?;
    Ok(done == 1)
}

/// Puts a label on a conversation, or takes it off.
///
/// # Errors
/// When the database refuses. `false` when there is no such label or conversation.
pub async fn toggle_label(
    tx: &mut TenantTx,
    conversation: ConversationId,
    label: LabelId,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let off = tx
        .execute(
            "DELETE FROM conversation_labels WHERE tenant_id = $1 AND conversation_id = $2 AND label_id = $3",
            args![tenant, conversation, label],
        )
        .await?;
    if off == 1 {
        return Ok(true);
    }
    let on = tx
        .execute(
            "INSERT INTO conversation_labels (tenant_id, conversation_id, label_id) \
             SELECT l.tenant_id, c.id, l.id FROM labels l JOIN conversations c ON c.tenant_id = l.tenant_id \
             WHERE l.tenant_id = $1 AND c.id = $2 AND l.id = $3",
            args![tenant, conversation, label],
        )
        .await?;
    Ok(on == 1)
}

/// A note of the team; the contact never sees it.
#[derive(Debug, Clone)]
pub struct Note {
    pub id: NoteId,
    pub author: String,
    pub body: String,
    pub at: Moment,
}

/// Writes a note down.
///
/// # Errors
/// When the database refuses; the inner result says what is wrong with it.
pub async fn add_note(
    tx: &mut TenantTx,
    conversation: ConversationId,
    author: &str,
    body: &str,
    now: Moment,
) -> Result<Result<(), DeskRefused>, Error> {
    let body = body.trim();
    if !(1..=4000).contains(&body.chars().count()) {
        return Ok(Err(DeskRefused::Note));
    }
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO conversation_notes (id, tenant_id, conversation_id, author, body, at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![NoteId::generate(), tenant, conversation, author, body, now],
    )
    .await?;
    Ok(Ok(()))
}

/// Notes of a conversation, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn notes(tx: &mut TenantTx, conversation: ConversationId) -> Result<Vec<Note>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, author, body, at FROM conversation_notes WHERE tenant_id = $1 AND conversation_id = $2 \
             ORDER BY at DESC, id DESC LIMIT 100",
            args![tenant, conversation],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Note { id: row.get(0)?, author: row.get(1)?, body: row.get(2)?, at: row.get(3)? })
        })
        .collect()
}

/// A reply that is written already.
#[derive(Debug, Clone)]
pub struct Canned {
    pub id: CannedId,
    pub shortcut: String,
    pub body: String,
}

/// The tenant's ready replies by shortcut.
///
/// # Errors
/// When the database cannot be read.
pub async fn canned(tx: &mut TenantTx) -> Result<Vec<Canned>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, shortcut, body FROM canned_replies WHERE tenant_id = $1 ORDER BY shortcut LIMIT 200",
            args![tenant],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(Canned { id: row.get(0)?, shortcut: row.get(1)?, body: row.get(2)? }))
        .collect()
}

/// Keeps a ready reply in place of the one of the same shortcut.
///
/// # Errors
/// When the database refuses; the inner result says what is wrong with it.
pub async fn set_canned(
    tx: &mut TenantTx,
    shortcut: &str,
    body: &str,
) -> Result<Result<(), DeskRefused>, Error> {
    let shortcut = shortcut.trim().trim_start_matches('/').to_lowercase();
    let body = body.trim();
    let plain = shortcut.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let fits = (1..=30).contains(&shortcut.chars().count());
    if !plain || !fits || !(1..=4000).contains(&body.chars().count()) {
        return Ok(Err(DeskRefused::Canned));
    }
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO canned_replies (id, tenant_id, shortcut, body) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, shortcut) DO UPDATE SET body = excluded.body",
        args![CannedId::generate(), tenant, shortcut, body],
    )
    .await?;
    Ok(Ok(()))
}

/// Removes a ready reply.
///
/// # Errors
/// When the database refuses.
pub async fn remove_canned(tx: &mut TenantTx, id: CannedId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let done = tx
        .execute("DELETE FROM canned_replies WHERE tenant_id = $1 AND id = $2", args![tenant, id])
        .await?;
    Ok(done == 1)
}
