//! A message from the business's own number: ours coming back, or a person on the phone.

use db::{Error, TenantTx, args};
use kernel::{ConversationId, MessageId, Moment};

use crate::receive::{find_contact, open_conversation};
use crate::{Incoming, Reason};

/// What a message from the own number turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Our own, seen before or resolved by this.
    Ours,
    /// A person answered from the phone; the assistant keeps quiet.
    Person(ConversationId),
    /// Another program sent it through the provider's API.
    Integration(ConversationId),
}

/// Tells our own message from a person's and stores the latter.
///
/// Evolution reports what its API sends as well, and may do so before it answers the API call. So
/// an unknown id is first compared with sends whose outcome is still open.
///
/// # Errors
/// When the database refuses.
pub async fn phone_echo(
    tx: &mut TenantTx,
    incoming: &Incoming<'_>,
    by_api: bool,
    now: Moment,
) -> Result<Echo, Error> {
    let tenant = tx.tenant();
    let contact = find_contact(tx, incoming.phone, incoming.lid, None, now).await?;
    let row =
        open_conversation(tx, incoming.channel, contact, incoming.address, false, now).await?;
    let conversation: ConversationId = row.get(0)?;
    let known = tx
        .fetch_opt(
            "SELECT id FROM messages WHERE tenant_id = $1 AND channel_id = $2 AND provider_id = $3",
            args![tenant, incoming.channel, incoming.provider_id],
        )
        .await?;
    if known.is_some() {
        return Ok(Echo::Ours);
    }
    let open = tx
        .fetch_all(
            "SELECT id, body FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
             AND direction = 'out' AND state IN ('sending', 'unknown') AND provider_id IS NULL \
             ORDER BY at, id",
            args![tenant, conversation],
        )
        .await?;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for row in &open {
        let body: Option<String> = row.get(1)?;
        if words(body.as_deref().unwrap_or_default()) == words(incoming.body.unwrap_or_default()) {
            let id: MessageId = row.get(0)?;
            tx.execute(
                "UPDATE messages SET state = 'sent', state_at = $1, provider_id = $2, reason = NULL \
                 WHERE tenant_id = $3 AND id = $4",
                args![now, incoming.provider_id, tenant, id],
            )
            .await?;
            return Ok(Echo::Ours);
        }
    }
    let author = if by_api { "integration" } else { "phone" };
    tx.execute(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, \
         body, provider_id, provider_at, at, seq, state, state_at, raw, media) \
         VALUES ($1, $2, $3, $4, 'out', $5, $6, $7, $8, $9, $10, 0, 'sent', $10, $11, $12)",
        args![
            MessageId::generate(),
            tenant,
            conversation,
            incoming.channel,
            author,
            incoming.content,
            incoming.body,
            incoming.provider_id,
            incoming.at,
            now,
            incoming.raw.clone(),
            incoming.media.clone()
        ],
    )
    .await?;
    if by_api {
        return Ok(Echo::Integration(conversation));
    }
    tx.execute(
        "UPDATE conversations SET owner = 'human', owner_since = $1, handoff_reason = $2, \
         needs_person = 0, answered_seq = inbound_seq WHERE tenant_id = $3 AND id = $4",
        args![now, Reason::PhoneEcho.name(), tenant, conversation],
    )
    .await?;
    Ok(Echo::Person(conversation))
}
