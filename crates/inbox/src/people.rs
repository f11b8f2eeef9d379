//! Contacts and their handles: one person under several addresses, merged and parted again.

use db::{Error, Row, TenantTx, args};
use hooks::Event as Told;
use kernel::{ContactId, ConversationId, MergeId, Moment, Phone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Owner;
use crate::handoff::{self, Event};

/// All by which a person may be known at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handles<'a> {
    pub phone: Option<&'a Phone>,
    /// WhatsApp's own id of a person.
    pub lid: Option<&'a str>,
    /// Meta's id of a person within a business.
    pub bsuid: Option<&'a str>,
}

impl<'a> Handles<'a> {
    fn list(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        [
            self.phone.map(|phone| ("phone", phone.digits())),
            self.lid.map(|lid| ("lid", lid)),
            self.bsuid.map(|id| ("bsuid", id)),
        ]
        .into_iter()
        .flatten()
    }
}

/// An address of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handle {
    /// `phone`, `lid`, `bsuid`.
    pub kind: String,
    pub value: String,
}

/// A person as the API shows them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContactView {
    pub id: ContactId,
    pub name: Option<String>,
    pub handles: Vec<Handle>,
    /// The contact that this one became part of.
    pub merged_into: Option<ContactId>,
    pub created_at: Moment,
}

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

/// The contact behind these handles, made if nobody has them. Handles that turn out to belong to
/// two contacts make them one, unless somebody parted these two before.
pub(crate) async fn find_contact(
    tx: &mut TenantTx,
    handles: Handles<'_>,
    name: Option<&str>,
    now: Moment,
) -> Result<ContactId, Error> {
    let fresh = ContactId::generate();
    let contact = gather(tx, handles, None, fresh, now).await?.unwrap_or(fresh);
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

/// Claims every handle for one contact: `known`, or whoever has the first one, or `fresh`.
async fn gather(
    tx: &mut TenantTx,
    handles: Handles<'_>,
    known: Option<ContactId>,
    fresh: ContactId,
    now: Moment,
) -> Result<Option<ContactId>, Error> {
    // What became part of another person learns nothing of its own any more.
    let mut contact = match known {
        Some(known) => Some(root(tx, known).await?),
        None => None,
    };
    for (kind, value) in handles.list() {
        let proposed = contact.unwrap_or(fresh);
        let owner = claim_handle(tx, kind, value, proposed, now).await?;
        let owner = if owner == proposed { owner } else { root(tx, owner).await? };
        match contact {
            None => contact = Some(owner),
            Some(kept) if owner != kept => {
                if !parted(tx, kept, owner).await? {
                    join(tx, kept, owner, "handles", now).await?;
                }
            }
            Some(_) => {}
        }
    }
    Ok(contact)
}

/// Learns handles of a person who is known by one of them. Nobody is made.
///
/// # Errors
/// When the database refuses.
pub async fn learn(tx: &mut TenantTx, handles: Handles<'_>, now: Moment) -> Result<bool, Error> {
    let mut known = None;
    let mut missing = 0;
    for (kind, value) in handles.list() {
        match owner_of(tx, kind, value).await? {
            Some(owner) => {
                if known.is_some_and(|other| other != owner) {
                    missing += 1;
                }
                known.get_or_insert(owner);
            }
            None => missing += 1,
        }
    }
    let Some(contact) = known.filter(|_| missing > 0) else { return Ok(false) };
    gather(tx, handles, Some(contact), contact, now).await?;
    changed(tx, contact, "handle_learned", now).await?;
    Ok(true)
}

/// Learns handles of whoever this conversation is with.
pub(crate) async fn learn_for(
    tx: &mut TenantTx,
    conversation: ConversationId,
    handles: Handles<'_>,
    now: Moment,
) -> Result<(), Error> {
    let mut news = false;
    for (kind, value) in handles.list() {
        news |= owner_of(tx, kind, value).await?.is_none();
    }
    if !news {
        return Ok(());
    }
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT contact_id FROM conversations WHERE tenant_id = $1 AND id = $2",
            args![tenant, conversation],
        )
        .await?;
    let Some(row) = row else { return Ok(()) };
    let contact = root(tx, row.get(0)?).await?;
    gather(tx, handles, Some(contact), contact, now).await?;
    changed(tx, contact, "handle_learned", now).await
}

/// The contact that this one became part of in the end, or itself.
pub(crate) async fn root(tx: &mut TenantTx, contact: ContactId) -> Result<ContactId, Error> {
    let tenant = tx.tenant();
    let mut at = contact;
    // Merges of merges are few; a bound guards against a circle that must not be there.
    for _ in 0..64 {
        let row = tx
            .fetch_opt(
                "SELECT merged_into FROM contacts WHERE tenant_id = $1 AND id = $2",
                args![tenant, at],
            )
            .await?;
        let Some(into) = row.map(|row| row.get::<Option<ContactId>>(0)).transpose()?.flatten()
        else {
            break;
        };
        at = into;
    }
    Ok(at)
}

/// A person has another number from now on. The old one is given up: it may become somebody
/// else's. `false` when we know nobody of that number.
///
/// # Errors
/// When the database refuses.
pub async fn moved(
    tx: &mut TenantTx,
    from: &Phone,
    to: &Phone,
    now: Moment,
) -> Result<bool, Error> {
    let Some(contact) = owner_of(tx, "phone", from.digits()).await? else { return Ok(false) };
    let handles = Handles { phone: Some(to), ..Handles::default() };
    gather(tx, handles, Some(contact), contact, now).await?;
    let tenant = tx.tenant();
    tx.execute(
        "DELETE FROM contact_handles WHERE tenant_id = $1 AND kind = 'phone' AND value = $2",
        args![tenant, from],
    )
    .await?;
    tx.execute(
        "UPDATE conversations SET address = $1 WHERE tenant_id = $2 AND contact_id = $3",
        args![to, tenant, contact],
    )
    .await?;
    changed(tx, contact, "number_changed", now).await?;
    Ok(true)
}

async fn changed(
    tx: &mut TenantTx,
    contact: ContactId,
    what: &str,
    now: Moment,
) -> Result<(), Error> {
    hooks::emit(tx, Told::ContactChanged, json!({ "contact": contact, "change": what }), now).await
}

async fn owner_of(tx: &mut TenantTx, kind: &str, value: &str) -> Result<Option<ContactId>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT contact_id FROM contact_handles WHERE tenant_id = $1 AND kind = $2 AND value = $3",
            args![tenant, kind, value],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
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
        if let Some(owner) = owner_of(tx, kind, value).await? {
            return Ok(owner);
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

/// Whether somebody undid a merge of these two.
async fn parted(tx: &mut TenantTx, one: ContactId, other: ContactId) -> Result<bool, Error> {
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
async fn join(
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

async fn view(tx: &mut TenantTx, row: &Row) -> Result<ContactView, Error> {
    let tenant = tx.tenant();
    let id: ContactId = row.get(0)?;
    let handles = tx
        .fetch_all(
            "SELECT kind, value FROM contact_handles WHERE tenant_id = $1 AND contact_id = $2 \
             ORDER BY kind, value",
            args![tenant, id],
        )
        .await?;
    Ok(ContactView {
        id,
        name: row.get(1)?,
        merged_into: row.get(2)?,
        created_at: row.get(3)?,
        handles: handles
            .iter()
            .map(|row| Ok(Handle { kind: row.get(0)?, value: row.get(1)? }))
            .collect::<Result<_, Error>>()?,
    })
}

/// One contact.
///
/// # Errors
/// When the database cannot be read.
pub async fn contact(tx: &mut TenantTx, id: ContactId) -> Result<Option<ContactView>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id, name, merged_into, created_at FROM contacts WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    match row {
        Some(row) => Ok(Some(view(tx, &row).await?)),
        None => Ok(None),
    }
}

/// Contacts, the newest first; a page of those before `before`, or the one with a phone number.
///
/// # Errors
/// When the database cannot be read.
pub async fn contacts(
    tx: &mut TenantTx,
    phone: Option<&Phone>,
    before: Option<(Moment, ContactId)>,
    limit: usize,
) -> Result<Vec<ContactView>, Error> {
    if let Some(phone) = phone {
        return match owner_of(tx, "phone", phone.digits()).await? {
            Some(id) => Ok(contact(tx, id).await?.into_iter().collect()),
            None => Ok(Vec::new()),
        };
    }
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            // Ids sort by the time they were made.
            "SELECT id, name, merged_into, created_at FROM contacts WHERE tenant_id = $1 \
             AND id < $2 AND merged_into IS NULL ORDER BY id DESC LIMIT $3",
            args![tenant, before.map_or_else(|| "g".to_owned(), |(_, id)| id.to_string()), limit],
        )
        .await?;
    let mut out = Vec::new();
    for row in &rows {
        out.push(view(tx, row).await?);
    }
    Ok(out)
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
