//! Contacts and their handles: one person under several addresses.

use db::{Error, Row, TenantTx, args};
use hooks::Event as Told;
use kernel::{ContactId, ConversationId, Moment, Phone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ids::Relation;
use crate::merge::{join, parted};

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
    let Some(contact) = of_conversation(tx, conversation).await? else { return Ok(()) };
    gather(tx, handles, Some(contact), contact, now).await?;
    changed(tx, contact, "handle_learned", now).await
}

/// Whoever a conversation is with, after all merges. `None` when there is no such conversation.
pub(crate) async fn of_conversation(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<Option<ContactId>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT contact_id FROM conversations WHERE tenant_id = $1 AND id = $2",
            args![tenant, conversation],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(root(tx, row.get(0)?).await?))
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

pub(crate) async fn changed(
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

/// Whether these handles are of this contact, who is nobody's part.
pub(crate) async fn relation(
    tx: &mut TenantTx,
    contact: ContactId,
    handles: Handles<'_>,
) -> Result<Relation, Error> {
    let tenant = tx.tenant();
    let mut relation = Relation::Unclear;
    for (kind, value) in handles.list() {
        // Of a name that nobody has here nothing follows: it may be the business's own.
        let Some(owner) = owner_of(tx, kind, value).await? else { continue };
        if root(tx, owner).await? == contact {
            return Ok(Relation::Same);
        }
        let other = tx
            .fetch_opt(
                "SELECT 1 FROM contact_handles WHERE tenant_id = $1 AND contact_id = $2 AND kind = $3",
                args![tenant, contact, kind],
            )
            .await?;
        if other.is_some() {
            relation = Relation::Another;
        }
    }
    Ok(relation)
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
