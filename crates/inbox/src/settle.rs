//! What has no end yet: messages without a final state, and sends whose outcome is not known.

use std::collections::HashSet;
use std::time::Duration;

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ConversationId, MessageId, Moment};
use schemars::JsonSchema;
use serde::Serialize;

use crate::journey::{self, Note};
use crate::turn::enqueue_send;

/// A message that should have come to an end by now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Unsettled {
    pub message: MessageId,
    pub conversation: ConversationId,
    pub channel: ChannelId,
    /// `in` or `out`.
    pub direction: String,
    /// `stored` of a message that nobody answered; `queued`, `sending`, `sent`, `unknown` of one of ours.
    pub state: String,
    pub since: Moment,
}

/// A message of ours waits to leave no longer than this, usually.
const LEAVES: Duration = Duration::from_secs(3600);
/// A sent message is reported as delivered within this, usually.
const ARRIVES: Duration = Duration::from_secs(24 * 3600);
/// How far back it is looked.
const BACK: Duration = Duration::from_secs(30 * 86_400);

/// Messages without a final state, the oldest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn unsettled(
    tx: &mut TenantTx,
    now: Moment,
    limit: usize,
) -> Result<Vec<Unsettled>, Error> {
    let tenant = tx.tenant();
    let mut rows = tx
        .fetch_all(
            "SELECT id, conversation_id, channel_id, direction, state, state_at FROM messages \
             WHERE tenant_id = $1 AND direction = 'out' AND state IN ('queued', 'sending', 'sent', 'unknown') \
             AND state_at > $2 AND (state = 'unknown' OR (state IN ('queued', 'sending') AND state_at < $3) \
             OR (state = 'sent' AND provider_id IS NOT NULL AND state_at < $4)) \
             ORDER BY state_at, id LIMIT $5",
            args![tenant, now - BACK, now - LEAVES, now - ARRIVES, limit],
        )
        .await?;
    rows.extend(
        tx.fetch_all(
            "SELECT m.id, m.conversation_id, m.channel_id, m.direction, m.state, m.at \
             FROM conversations c JOIN messages m ON m.tenant_id = c.tenant_id \
             AND m.conversation_id = c.id AND m.direction = 'in' AND m.seq > c.answered_seq \
             WHERE c.tenant_id = $1 AND c.owner = 'bot' AND c.inbound_seq > c.answered_seq \
             AND c.last_message_at > $2 AND m.at < $3 ORDER BY m.at, m.id LIMIT $4",
            args![tenant, now - BACK, now - LEAVES, limit],
        )
        .await?,
    );
    let mut out = rows
        .iter()
        .map(|row| {
            Ok(Unsettled {
                message: row.get(0)?,
                conversation: row.get(1)?,
                channel: row.get(2)?,
                direction: row.get(3)?,
                state: row.get(4)?,
                since: row.get(5)?,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    out.sort_by_key(|open| (open.since, open.message));
    out.truncate(limit);
    Ok(out)
}

/// A send whose outcome is not known.
#[derive(Debug, Clone)]
pub struct Open {
    pub message: MessageId,
    pub conversation: ConversationId,
    pub address: String,
    pub body: String,
    pub content: String,
    pub at: Moment,
    pub since: Moment,
}

/// Sends of a channel whose outcome is not known, the oldest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn unknown_sends(
    tx: &mut TenantTx,
    channel: ChannelId,
    after: Moment,
    limit: usize,
) -> Result<Vec<Open>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT m.id, m.conversation_id, c.address, m.body, m.content, m.at, m.state_at \
             FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id \
             WHERE m.tenant_id = $1 AND m.direction = 'out' AND m.state IN ('queued', 'sending', 'sent', 'unknown') \
             AND m.state_at > $2 AND m.state = 'unknown' AND m.channel_id = $3 ORDER BY m.state_at LIMIT $4",
            args![tenant, after, channel, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Open {
                message: row.get(0)?,
                conversation: row.get(1)?,
                address: row.get(2)?,
                body: row.get::<Option<String>>(3)?.unwrap_or_default(),
                content: row.get(4)?,
                at: row.get(5)?,
                since: row.get(6)?,
            })
        })
        .collect()
}

/// Which of these provider ids belong to messages that Portaria sent.
///
/// # Errors
/// When the database cannot be read.
pub async fn own_ids(
    tx: &mut TenantTx,
    channel: ChannelId,
    ids: &[&str],
) -> Result<HashSet<String>, Error> {
    let tenant = tx.tenant();
    let mut known = HashSet::new();
    for id in ids {
        let row = tx
            .fetch_opt(
                "SELECT 1 FROM messages WHERE tenant_id = $1 AND channel_id = $2 AND provider_id = $3 \
                 AND direction = 'out' AND author NOT IN ('integration', 'phone')",
                args![tenant, channel, *id],
            )
            .await?;
        if row.is_some() {
            known.insert((*id).to_owned());
        }
    }
    Ok(known)
}

/// The provider was asked and has no such message: it was not sent. A person sees that.
///
/// # Errors
/// When the database refuses.
pub async fn not_sent(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let moved = tx
        .execute(
            "UPDATE messages SET state = 'failed', state_at = $1, reason = 'the provider has no such message: it was not sent' \
             WHERE tenant_id = $2 AND id = $3 AND state = 'unknown'",
            args![now, tenant, message],
        )
        .await?;
    if moved == 0 {
        return Ok(());
    }
    let (code, reason) = (Some("looked_up"), Some("the provider has no such message"));
    journey::note(tx, message, "failed", Note { code, detail: reason }, now).await?;
    crate::send::failed(tx, message, conversation, (code, reason), now).await
}

/// The provider was asked and has no such message, and it is still fresh: it leaves again.
///
/// # Errors
/// When the database refuses.
pub async fn requeue(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let moved = tx
        .execute(
            "UPDATE messages SET state = 'queued', state_at = $1, reason = NULL \
             WHERE tenant_id = $2 AND id = $3 AND state = 'unknown'",
            args![now, tenant, message],
        )
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    let note = Note { code: Some("looked_up"), detail: Some("the provider has no such message") };
    journey::note(tx, message, "queued", note, now).await?;
    crate::handoff::known_again(tx, conversation).await?;
    enqueue_send(tx, conversation, message, now).await?;
    Ok(true)
}

/// Whether a person has taken over what this answer belongs to.
///
/// # Errors
/// When the database cannot be read.
pub async fn taken_over(tx: &mut TenantTx, message: MessageId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id \
             AND c.id = m.conversation_id WHERE m.tenant_id = $1 AND m.id = $2 \
             AND m.cancellable = 1 AND c.owner <> 'bot'",
            args![tenant, message],
        )
        .await?;
    Ok(row.is_some())
}
