//! Messages by the provider's id, which is unique within one chat only.
//!
//! Senders choose these ids. Another person's message under an id that is here already is another
//! message: it carries the id as `shared_id`.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ContactId, ConversationId, MessageId};

use crate::people::{Handles, relation, root};

/// A message that carries the id.
pub(crate) struct Carrier {
    pub(crate) id: MessageId,
    conversation: ConversationId,
    contact: ContactId,
    content: String,
    body: Option<String>,
}

/// How a person and the other side of a chat stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Same,
    Another,
    /// One is known by a number, the other by WhatsApp's id only.
    Unclear,
}

/// All messages of a channel under this id that went this way, `in` or `out`: one, but for the
/// rarest of cases.
pub(crate) async fn carriers(
    tx: &mut TenantTx,
    channel: ChannelId,
    provider_id: &str,
    direction: &str,
) -> Result<Vec<Carrier>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT m.id, m.conversation_id, c.contact_id, m.content, m.body \
             FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id \
             AND c.id = m.conversation_id \
             WHERE m.tenant_id = $1 AND m.channel_id = $2 \
             AND (m.provider_id = $3 OR m.shared_id = $3) AND m.direction = $4 \
             ORDER BY m.at, m.id LIMIT 20",
            args![tenant, channel, provider_id, direction],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Carrier {
                id: row.get(0)?,
                conversation: row.get(1)?,
                contact: row.get(2)?,
                content: row.get(3)?,
                body: row.get(4)?,
            })
        })
        .collect()
}

/// What a message says, to be compared with one under the same id.
pub(crate) struct Said<'a> {
    pub(crate) handles: Handles<'a>,
    pub(crate) content: &'a str,
    pub(crate) body: Option<&'a str>,
}

/// Whether one of these is the message that came again.
///
/// Within a chat the id decides. When a provider names the same person by number once and by
/// WhatsApp's id another time, and nobody knows yet that they are one, the words decide.
pub(crate) async fn known_again(
    tx: &mut TenantTx,
    carriers: &[Carrier],
    conversation: ConversationId,
    said: &Said<'_>,
) -> Result<bool, Error> {
    for carrier in carriers {
        let again = conversation == carrier.conversation
            || match relation_to(tx, carrier, said.handles).await? {
                Relation::Same => true,
                Relation::Another => false,
                Relation::Unclear => {
                    carrier.content == said.content && carrier.body.as_deref() == said.body
                }
            };
        if again {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of these left to somebody who may be this person. What we sent is known by its id,
/// whichever of the person's names an echo of it carries.
pub(crate) async fn ours(
    tx: &mut TenantTx,
    carriers: &[Carrier],
    handles: Handles<'_>,
) -> Result<bool, Error> {
    for carrier in carriers {
        if relation_to(tx, carrier, handles).await? != Relation::Another {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Frees an id for a message of ours: somebody wrote under it before we knew it.
pub(crate) async fn make_room(
    tx: &mut TenantTx,
    channel: ChannelId,
    provider_id: &str,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE messages SET shared_id = provider_id, provider_id = NULL WHERE tenant_id = $1 \
         AND channel_id = $2 AND provider_id = $3 AND direction = 'in'",
        args![tenant, channel, provider_id],
    )
    .await?;
    Ok(())
}

/// The message that somebody in this chat changed: theirs, or the only one that may be.
pub(crate) async fn changed(
    tx: &mut TenantTx,
    carriers: &[Carrier],
    handles: Handles<'_>,
) -> Result<Option<MessageId>, Error> {
    let mut unclear = Vec::new();
    for carrier in carriers {
        match relation_to(tx, carrier, handles).await? {
            Relation::Same => return Ok(Some(carrier.id)),
            Relation::Another => {}
            Relation::Unclear => unclear.push(carrier.id),
        }
    }
    Ok(match unclear.as_slice() {
        [only] => Some(*only),
        _ => None,
    })
}

async fn relation_to(
    tx: &mut TenantTx,
    carrier: &Carrier,
    handles: Handles<'_>,
) -> Result<Relation, Error> {
    let contact = root(tx, carrier.contact).await?;
    relation(tx, contact, handles).await
}
