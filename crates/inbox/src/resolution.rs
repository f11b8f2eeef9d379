//! Resolving a conversation, and taking that back.

use db::{Error, TenantTx, args};
use kernel::{ConversationId, Moment, PersonId};
use serde::{Deserialize, Serialize};

use crate::Owner;
use crate::desk::{sign_event, write_down};
use crate::handoff::{self, Event};

/// How a conversation stood before it was resolved.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    owner: String,
    /// Microseconds, as kept.
    since: i64,
    reason: Option<String>,
    needs_person: i64,
    assigned_to: Option<PersonId>,
}

/// Nothing is left to do: it goes back to the assistant and off the list until the contact writes
/// again.
///
/// # Errors
/// When the database refuses. `false` when there is no such conversation.
pub async fn resolve(
    tx: &mut TenantTx,
    id: ConversationId,
    person: PersonId,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT owner, owner_since, handoff_reason, needs_person, assigned_to FROM conversations \
             WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    let before = Before {
        owner: row.get(0)?,
        since: row.get(1)?,
        reason: row.get(2)?,
        needs_person: row.get(3)?,
        assigned_to: row.get(4)?,
    };
    let owner = Owner::parse(&before.owner);
    if handoff::apply(tx, id, Event::GivenBack, now).await?.is_none() {
        return Ok(false);
    }
    write_down(tx, id, "resolved", (owner, Owner::Bot), (None, now)).await?;
    sign_event(tx, id, person, now).await?;
    let before = serde_json::to_string(&before).unwrap_or_default();
    tx.execute(
        "UPDATE conversations SET resolved_at = $1, seen_at = $1, unresolved = $2 \
         WHERE tenant_id = $3 AND id = $4",
        args![now, before, tenant, id],
    )
    .await?;
    Ok(true)
}

/// Takes a resolution back: the conversation is on the list again, as it was before. Nobody is told
/// anew that somebody waits.
///
/// # Errors
/// When the database refuses. `false` when there is no such conversation.
pub async fn reopen(
    tx: &mut TenantTx,
    id: ConversationId,
    person: PersonId,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE conversations SET resolved_at = -1 WHERE tenant_id = $1 AND id = $2 RETURNING owner, unresolved",
            args![tenant, id],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let owner = Owner::parse(&row.get::<String>(0)?);
    let before: Option<String> = row.get(1)?;
    let before = before.and_then(|text| serde_json::from_str::<Before>(&text).ok());
    // Somebody who took it since has it.
    let Some(before) = before.filter(|_| owner == Owner::Bot) else { return Ok(true) };
    tx.execute(
        "UPDATE conversations SET owner = $1, owner_since = $2, handoff_reason = $3, needs_person = $4, \
         assigned_to = $5, unresolved = NULL WHERE tenant_id = $6 AND id = $7",
        args![
            before.owner.as_str(),
            before.since,
            before.reason,
            before.needs_person,
            before.assigned_to,
            tenant,
            id
        ],
    )
    .await?;
    let was = Owner::parse(&before.owner);
    write_down(tx, id, "reopened", (owner, was), (None, now)).await?;
    sign_event(tx, id, person, now).await?;
    Ok(true)
}
