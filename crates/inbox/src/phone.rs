//! A message from the business's own number: ours coming back, or a person on the phone.

use db::{Error, TenantTx, args};
use kernel::{ConversationId, MessageId, Moment};

use crate::handoff::{self, Event};
use crate::journey::{self, Note};
use crate::model::{ECHO_FIT, HUMAN_HOLDS};
use crate::people::find_contact;
use crate::receive::{Opening, open_conversation};
use crate::{Incoming, Owner};

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
/// an unknown id is first compared with sends whose outcome is still open, and with those that the
/// provider accepted without naming an id.
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
    let contact = find_contact(tx, incoming.handles, None, now).await?;
    let opening = Opening {
        channel: incoming.channel,
        contact,
        address: incoming.address,
        counts: false,
        written: None,
        learns_address: true,
    };
    let thread = open_conversation(tx, &opening, now).await?;
    let conversation = thread.id;
    if thread.day_passed {
        handoff::record(tx, conversation, Event::DayPassed, (Owner::Human, Owner::Bot), now)
            .await?;
    }
    let known = tx
        .fetch_opt(
            "SELECT id FROM messages WHERE tenant_id = $1 AND channel_id = $2 AND provider_id = $3",
            args![tenant, incoming.channel, incoming.provider_id],
        )
        .await?;
    if known.is_some() {
        return Ok(Echo::Ours);
    }
    if resolve(tx, conversation, incoming, now).await? {
        return Ok(Echo::Ours);
    }
    let author = if by_api { "integration" } else { "phone" };
    let message = MessageId::generate();
    tx.execute(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, \
         body, provider_id, provider_at, at, seq, state, state_at, raw, media) \
         VALUES ($1, $2, $3, $4, 'out', $5, $6, $7, $8, $9, $10, 0, 'sent', $10, $11, $12)",
        args![
            message,
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
    let code = Some(author);
    journey::note(tx, message, "sent", Note { code, detail: None }, incoming.at.unwrap_or(now))
        .await?;
    if by_api {
        return Ok(Echo::Integration(conversation));
    }
    // What was typed more than a day ago holds nobody off any more.
    if incoming.at.is_none_or(|at| now.since(at) < HUMAN_HOLDS) {
        handoff::apply(tx, conversation, Event::PhoneEcho, now).await?;
    }
    Ok(Echo::Person(conversation))
}

/// Whether this is a send of ours that has no id yet.
async fn resolve(
    tx: &mut TenantTx,
    conversation: ConversationId,
    incoming: &Incoming<'_>,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let open = tx
        .fetch_all(
            "SELECT id, body FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
             AND direction = 'out' AND provider_id IS NULL AND at > $3 \
             AND state IN ('sending', 'unknown', 'sent') ORDER BY at, id",
            args![tenant, conversation, now - ECHO_FIT],
        )
        .await?;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for row in &open {
        let body: Option<String> = row.get(1)?;
        if words(body.as_deref().unwrap_or_default()) != words(incoming.body.unwrap_or_default()) {
            continue;
        }
        let id: MessageId = row.get(0)?;
        tx.execute(
            "UPDATE messages SET state = 'sent', state_at = $1, provider_id = $2, reason = NULL \
             WHERE tenant_id = $3 AND id = $4",
            args![now, incoming.provider_id, tenant, id],
        )
        .await?;
        if !journey::has(tx, id, "sent").await? {
            let code = Some("echo");
            journey::note(tx, id, "sent", Note { code, detail: None }, incoming.at.unwrap_or(now))
                .await?;
        }
        handoff::known_again(tx, conversation).await?;
        return Ok(true);
    }
    Ok(false)
}
