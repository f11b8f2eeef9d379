//! Two contacts become one, and are parted again: one transaction, logged.

use db::{Error, TenantTx, args};
use kernel::{ContactId, ConversationId, MergeId, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Owner;
use crate::handoff::{self, Event};
use crate::people::{Handle, changed, contact};

/// Two contacts that became one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MergeView {
    pub id: MergeId,
    pub kept: ContactId,
    pub other: ContactId,
    /// `handles` when an event showed both addresses; `person` when somebody decided.
    pub cause: String,
    pub at: Moment,
    pub undone_at: Option<Moment>,
}

/// What a merge moved, so that it can be undone.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Moved {
    handles: Vec<Handle>,
    /// Conversations that changed hands.
    conversations: Vec<ConversationId>,
    /// Conversations that both had: the other's is shown within the kept one.
    twins: Vec<(ConversationId, ConversationId)>,
    /// Twins of an earlier merge that were shown within one that became a twin itself.
    repointed: Vec<(ConversationId, ConversationId)>,
}

/// Why a merge is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeRefused {
    #[error("no such contact")]
    NoSuchContact,
    #[error("a contact cannot be merged with itself")]
    Same,
    #[error("one of the contacts is part of another already")]
    MergedAlready,
    #[error("no such merge")]
    NoSuchMerge,
    #[error("this merge was undone already")]
    UndoneAlready,
    #[error("a later merge builds on this one: undo that first")]
    BuiltUpon,
}

/// Whether somebody undid a merge of these two.
pub(crate) async fn parted(
    tx: &mut TenantTx,
    one: ContactId,
    other: ContactId,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM contact_merges WHERE tenant_id = $1 AND undone_at IS NOT NULL \
             AND ((kept_id = $2 AND other_id = $3) OR (kept_id = $3 AND other_id = $2)) LIMIT 1",
            args![tenant, one, other],
        )
        .await?;
    Ok(row.is_some())
}

/// Makes `other` part of `kept`, in the caller's transaction, with a log that can undo it.
/// `None` when one of them is part of another already.
pub(crate) async fn join(
    tx: &mut TenantTx,
    kept: ContactId,
    other: ContactId,
    cause: &str,
    now: Moment,
) -> Result<Option<MergeId>, Error> {
    let tenant = tx.tenant();
    // Two merges of the same people take turns, in whichever direction.
    let lock = if tx.is_postgres() { "FOR UPDATE" } else { "" };
    let rows = tx
        .fetch_all(
            &format!(
                "SELECT merged_into FROM contacts WHERE tenant_id = $1 AND id IN ($2, $3) ORDER BY id {lock}"
            ),
            args![tenant, kept, other],
        )
        .await?;
    for row in &rows {
        if row.get::<Option<ContactId>>(0)?.is_some() {
            return Ok(None);
        }
    }
    let mut moved = Moved::default();
    let rows = tx
        .fetch_all(
            "UPDATE contact_handles SET contact_id = $1, seen_at = $2 \
             WHERE tenant_id = $3 AND contact_id = $4 RETURNING kind, value",
            args![kept, now, tenant, other],
        )
        .await?;
    for row in &rows {
        moved.handles.push(Handle { kind: row.get(0)?, value: row.get(1)? });
    }
    let rows = tx
        .fetch_all(
            "SELECT o.id, (SELECT k.id FROM conversations k WHERE k.tenant_id = o.tenant_id \
             AND k.channel_id = o.channel_id AND k.contact_id = $1) FROM conversations o \
             WHERE o.tenant_id = $2 AND o.contact_id = $3 AND o.merged_into IS NULL",
            args![kept, tenant, other],
        )
        .await?;
    for row in &rows {
        let conversation: ConversationId = row.get(0)?;
        match row.get::<Option<ConversationId>>(1)? {
            None => {
                tx.execute(
                    "UPDATE conversations SET contact_id = $1 WHERE tenant_id = $2 AND id = $3",
                    args![kept, tenant, conversation],
                )
                .await?;
                moved.conversations.push(conversation);
            }
            Some(into) => {
                let repointed = tx
                    .fetch_all(
                        "UPDATE conversations SET merged_into = $1 WHERE tenant_id = $2 \
                         AND merged_into = $3 RETURNING id",
                        args![into, tenant, conversation],
                    )
                    .await?;
                for row in &repointed {
                    moved.repointed.push((row.get(0)?, conversation));
                }
                tx.execute(
                    "UPDATE conversations SET merged_into = $1 WHERE tenant_id = $2 AND id = $3",
                    args![into, tenant, conversation],
                )
                .await?;
                own_whole(tx, conversation, into, now).await?;
                // Who waited for a person there waits here.
                tx.execute(
                    "UPDATE conversations SET needs_person = 1, handoff_reason = COALESCE(handoff_reason, \
                     (SELECT o.handoff_reason FROM conversations o WHERE o.tenant_id = $1 AND o.id = $2)) \
                     WHERE tenant_id = $1 AND id = $3 AND EXISTS (SELECT 1 FROM conversations o \
                     WHERE o.tenant_id = $1 AND o.id = $2 AND o.needs_person = 1)",
                    args![tenant, conversation, into],
                )
                .await?;
                moved.twins.push((conversation, into));
            }
        }
    }
    tx.execute(
        "UPDATE contacts SET merged_into = $1 WHERE tenant_id = $2 AND id = $3",
        args![kept, tenant, other],
    )
    .await?;
    tx.execute(
        "UPDATE contacts SET name = COALESCE(name, (SELECT o.name FROM contacts o \
         WHERE o.tenant_id = $1 AND o.id = $2)) WHERE tenant_id = $1 AND id = $3",
        args![tenant, other, kept],
    )
    .await?;
    let id = MergeId::generate();
    let log = serde_json::to_string(&moved)
        .map_err(|cause| Error::Setup(format!("log of a merge: {cause}")))?;
    tx.execute(
        "INSERT INTO contact_merges (id, tenant_id, kept_id, other_id, cause, moved, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![id, tenant, kept, other, cause, log, now],
    )
    .await?;
    changed(tx, kept, "merged", now).await?;
    tracing::info!(event = "contact_merged", tenant_id = %tenant, contact_id = %kept);
    Ok(Some(id))
}

/// Whoever owns one of two conversations owns the whole: the assistant keeps out of what a person
/// does in either. The window is open if it is open in one. Undoing a merge does not take this back.
async fn own_whole(
    tx: &mut TenantTx,
    twin: ConversationId,
    into: ConversationId,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let mut owners = Vec::new();
    for id in [into, twin] {
        let row = tx
            .fetch_opt(
                "SELECT owner FROM conversations WHERE tenant_id = $1 AND id = $2",
                args![tenant, id],
            )
            .await?;
        let Some(row) = row else { return Ok(()) };
        owners.push(Owner::parse(&row.get::<String>(0)?));
    }
    let (before, other) = (owners[0], owners[1]);
    let after = if owners.contains(&Owner::Human) {
        Owner::Human
    } else if owners.contains(&Owner::Nobody) {
        Owner::Nobody
    } else {
        Owner::Bot
    };
    tx.execute(
        "UPDATE conversations SET last_inbound_at = (SELECT MAX(b.last_inbound_at) FROM conversations b \
         WHERE b.tenant_id = $1 AND b.id IN ($2, $3)), \
         last_received_at = (SELECT MAX(b.last_received_at) FROM conversations b \
         WHERE b.tenant_id = $1 AND b.id IN ($2, $3)) WHERE tenant_id = $1 AND id = $3",
        args![tenant, twin, into],
    )
    .await?;
    if after == before {
        return Ok(());
    }
    tx.execute(
        "UPDATE conversations SET owner = $1, \
         owner_since = (SELECT o.owner_since FROM conversations o WHERE o.tenant_id = $2 AND o.id = $3), \
         handoff_reason = (SELECT o.handoff_reason FROM conversations o WHERE o.tenant_id = $2 AND o.id = $3) \
         WHERE tenant_id = $2 AND id = $4",
        args![other.name(), tenant, twin, into],
    )
    .await?;
    handoff::record(tx, into, Event::Merged, (before, after), now).await
}

/// Merges two contacts because somebody says that they are one.
///
/// # Errors
/// When the database refuses; the inner result says why the merge is refused.
pub(crate) async fn merge(
    tx: &mut TenantTx,
    kept: ContactId,
    other: ContactId,
    now: Moment,
) -> Result<Result<MergeId, MergeRefused>, Error> {
    if kept == other {
        return Ok(Err(MergeRefused::Same));
    }
    for id in [kept, other] {
        match contact(tx, id).await? {
            None => return Ok(Err(MergeRefused::NoSuchContact)),
            Some(view) if view.merged_into.is_some() => {
                return Ok(Err(MergeRefused::MergedAlready));
            }
            Some(_) => {}
        }
    }
    Ok(join(tx, kept, other, "person", now).await?.ok_or(MergeRefused::MergedAlready))
}

/// Parts two contacts again. They are not merged by events any more.
///
/// # Errors
/// When the database refuses; the inner result says why it cannot be undone.
pub(crate) async fn undo(
    tx: &mut TenantTx,
    id: MergeId,
    now: Moment,
) -> Result<Result<MergeView, MergeRefused>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "UPDATE contact_merges SET undone_at = $1 WHERE tenant_id = $2 AND id = $3 \
             AND undone_at IS NULL RETURNING kept_id, other_id, cause, at, moved",
            args![now, tenant, id],
        )
        .await?;
    let Some(row) = rows.first() else {
        let known = tx
            .fetch_opt(
                "SELECT 1 FROM contact_merges WHERE tenant_id = $1 AND id = $2",
                args![tenant, id],
            )
            .await?;
        let why =
            if known.is_some() { MergeRefused::UndoneAlready } else { MergeRefused::NoSuchMerge };
        return Ok(Err(why));
    };
    let (kept, other): (ContactId, ContactId) = (row.get(0)?, row.get(1)?);
    if contact(tx, kept).await?.is_none_or(|view| view.merged_into.is_some()) {
        return Ok(Err(MergeRefused::BuiltUpon));
    }
    let moved: Moved = serde_json::from_str(&row.get::<String>(4)?)
        .map_err(|_| Error::Corrupt { column: 4, expected: "the log of a merge" })?;
    for handle in &moved.handles {
        tx.execute(
            "UPDATE contact_handles SET contact_id = $1 \
             WHERE tenant_id = $2 AND kind = $3 AND value = $4 AND contact_id = $5",
            args![other, tenant, &handle.kind, &handle.value, kept],
        )
        .await?;
    }
    for conversation in &moved.conversations {
        tx.execute(
            "UPDATE conversations SET contact_id = $1 WHERE tenant_id = $2 AND id = $3 AND contact_id = $4",
            args![other, tenant, *conversation, kept],
        )
        .await?;
    }
    for (twin, into) in &moved.twins {
        tx.execute(
            "UPDATE conversations SET merged_into = NULL \
             WHERE tenant_id = $1 AND id = $2 AND merged_into = $3",
            args![tenant, *twin, *into],
        )
        .await?;
    }
    for (conversation, into) in &moved.repointed {
        tx.execute(
            "UPDATE conversations SET merged_into = $1 WHERE tenant_id = $2 AND id = $3",
            args![*into, tenant, *conversation],
        )
        .await?;
    }
    tx.execute(
        "UPDATE contacts SET merged_into = NULL WHERE tenant_id = $1 AND id = $2",
        args![tenant, other],
    )
    .await?;
    changed(tx, kept, "parted", now).await?;
    tracing::info!(event = "contact_parted", tenant_id = %tenant, contact_id = %kept);
    Ok(Ok(MergeView { id, kept, other, cause: row.get(2)?, at: row.get(3)?, undone_at: Some(now) }))
}

/// Merges, the newest first; a page of those before `before`.
///
/// # Errors
/// When the database cannot be read.
pub async fn merges(
    tx: &mut TenantTx,
    before: Option<(Moment, MergeId)>,
    limit: usize,
) -> Result<Vec<MergeView>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(before);
    let rows = tx
        .fetch_all(
            "SELECT id, kept_id, other_id, cause, at, undone_at FROM contact_merges \
             WHERE tenant_id = $1 AND (at < $2 OR (at = $2 AND id < $3)) \
             ORDER BY at DESC, id DESC LIMIT $4",
            args![tenant, at, id, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(MergeView {
                id: row.get(0)?,
                kept: row.get(1)?,
                other: row.get(2)?,
                cause: row.get(3)?,
                at: row.get(4)?,
                undone_at: row.get(5)?,
            })
        })
        .collect()
}
