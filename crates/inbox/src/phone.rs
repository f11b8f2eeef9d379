//! A message from the business's own number: ours coming back, or a person on the phone.

use std::time::Duration;

use db::{Error, TenantTx, args};
use kernel::{ConversationId, MessageId, Moment};

use crate::Incoming;
use crate::handoff::{self, Event, Heard};
use crate::ids;
use crate::journey::{self, Note};
use crate::model::{ECHO_FIT, HUMAN_HOLDS, words};
use crate::people::find_contact;
use crate::receive::{Opening, open_conversation};
use crate::send::TRIED;

/// What a message from the own number turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Our own, seen before or resolved by this.
    Ours,
    /// A person answered from the phone; the assistant keeps quiet.
    Person(MessageId),
    /// Another program sent it through the provider's API.
    Integration(MessageId),
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
    // A channel that connects again tells of messages long known: they move nothing.
    let sent = ids::carriers(tx, incoming.channel, incoming.provider_id, "out").await?;
    if ids::ours(tx, &sent, incoming.handles).await? {
        return Ok(Echo::Ours);
    }
    let came = ids::carriers(tx, incoming.channel, incoming.provider_id, "in").await?;
    let thread = open_conversation(tx, &opening, now).await?;
    let conversation = thread.id;
    if resolve(tx, conversation, incoming, now).await? {
        return Ok(Echo::Ours);
    }
    let author = if by_api { "integration" } else { "phone" };
    // Another chat, or the other side of this one, has the id already.
    let taken = !sent.is_empty() || !came.is_empty();
    let id = Some(incoming.provider_id);
    let (own, shared) = if taken { (None, id) } else { (id, None) };
    let message = MessageId::generate();
    tx.execute(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, \
         body, provider_id, provider_at, at, seq, state, state_at, raw, media, shared_id) \
         VALUES ($1, $2, $3, $4, 'out', $5, $6, $7, $8, $9, $10, 0, 'sent', $10, $11, $12, $13)",
        args![
            message,
            tenant,
            conversation,
            incoming.channel,
            author,
            incoming.content,
            incoming.body,
            own,
            incoming.at,
            now,
            incoming.raw.clone(),
            incoming.media.clone(),
            shared
        ],
    )
    .await?;
    let code = Some(author);
    journey::note(tx, message, "sent", Note { code, detail: None }, incoming.at.unwrap_or(now))
        .await?;
    if by_api {
        return Ok(Echo::Integration(message));
    }
    // What was typed more than a day ago holds nobody off any more.
    if incoming.at.is_none_or(|at| now.since(at) < HUMAN_HOLDS) {
        // What the contact wrote later was not answered by it: echoes come late, and out of order.
        let heard = heard_by(tx, conversation, incoming.at.unwrap_or(now)).await?;
        handoff::apply_upto(tx, conversation, Event::PhoneEcho, Some(heard), now).await?;
    }
    Ok(Echo::Person(message))
}

/// Which of the contact's messages were there when the business wrote. Providers tell whole seconds.
async fn heard_by(
    tx: &mut TenantTx,
    conversation: ConversationId,
    at: Moment,
) -> Result<Heard, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT COALESCE(MAX(CASE WHEN COALESCE(provider_at, at) <= $3 THEN seq ELSE 0 END), 0), \
             CAST(COALESCE(MAX(CASE WHEN COALESCE(provider_at, at) > $3 THEN 1 ELSE 0 END), 0) AS BIGINT) \
             FROM messages WHERE tenant_id = $1 AND conversation_id = $2 AND direction = 'in'",
            args![tenant, conversation, at + Duration::from_secs(1)],
        )
        .await?;
    let row = row.ok_or(Error::Corrupt { column: 0, expected: "a count" })?;
    Ok(Heard { upto: row.get(0)?, more: row.get::<i64>(1)? == 1 })
}

/// What may be told apart when a message comes back: words are words, whether they were sent as
/// buttons or as a template; a picture is no voice.
pub fn form(content: &str) -> &str {
    match content {
        "image" | "video" | "document" | "sticker" => content,
        "voice" | "audio" => "audio",
        _ => "words",
    }
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
            // One that waits for another try may have left at the one before.
            &format!(
                "SELECT m.id, m.body, m.content FROM messages m WHERE m.tenant_id = $1 \
                 AND m.conversation_id IN (SELECT c.id FROM conversations c WHERE c.tenant_id = $1 \
                 AND (c.id = $2 OR c.merged_into = $2)) \
                 AND m.direction = 'out' AND m.provider_id IS NULL AND m.at > $3 \
                 AND (m.state IN ('sending', 'unknown', 'sent') OR {TRIED}) ORDER BY m.at, m.id"
            ),
            args![tenant, conversation, now - ECHO_FIT],
        )
        .await?;
    let wanted = words(incoming.body.unwrap_or_default());
    let mut fitting: Vec<MessageId> = Vec::new();
    for row in &open {
        let (body, content): (Option<String>, String) = (row.get(1)?, row.get(2)?);
        if words(body.as_deref().unwrap_or_default()) == wanted
            && form(&content) == form(incoming.content)
        {
            fitting.push(row.get(0)?);
        }
    }
    // Without words there is nothing to tell two pictures apart by.
    if wanted.is_empty() && fitting.len() != 1 {
        return Ok(false);
    }
    if !fitting.is_empty() {
        ids::make_room(tx, incoming.channel, incoming.provider_id).await?;
    }
    for id in fitting {
        let moved = tx
            .execute(
                &format!(
                    "UPDATE messages AS m SET state = 'sent', state_at = $1, provider_id = $2, reason = NULL \
                     WHERE m.tenant_id = $3 AND m.id = $4 AND m.provider_id IS NULL \
                     AND (m.state IN ('sending', 'unknown', 'sent') OR {TRIED})"
                ),
                args![now, incoming.provider_id, tenant, id],
            )
            .await?;
        if moved == 0 {
            // Its own answer was quicker.
            continue;
        }
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
