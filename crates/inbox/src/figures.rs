//! Figures of the home page, counted from rows; nothing is estimated.

use std::time::Duration;

use db::{Error, TenantTx, args};
use kernel::{ConversationId, MessageId, Moment};

/// Which messages of the assistant leave something open: as the index `messages_declined` has it, word by word.
const UNANSWERED: &str = "author = 'assistant' AND noted = 0 \
    AND (trace LIKE '%\"answered_by\":\"declined\"%' OR trace LIKE '%\"unanswered\":%' \
      OR trace LIKE '%\"outcome\":\"does_not_know\"%') AND state <> 'cancelled'";

/// Conversations of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// In which the contact wrote.
    pub conversations: i64,
    /// Of these: a person of the team wrote, and none is waited for.
    pub by_people: i64,
    /// Of these: the assistant answered all that was asked, no person wrote, and none is waited for.
    pub by_assistant: i64,
    /// Of these: something was left unanswered, no person wrote, and none is waited for.
    pub unanswered: i64,
    /// That wait for a person now, whenever they began.
    pub waiting: i64,
    /// From a contact's message to its answer by the assistant, the middle one; of the latest 2,000.
    pub median_answer: Option<Duration>,
}

/// Counts the stretch from `from` until now.
///
/// # Errors
/// When the database cannot be read.
pub async fn figures(tx: &mut TenantTx, from: Moment) -> Result<Figures, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            &format!(
                "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN x.waits = 0 THEN x.person ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN x.person = 0 AND x.waits = 0 AND d.conversation_id IS NULL THEN x.bot ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN x.person = 0 AND x.waits = 0 AND d.conversation_id IS NOT NULL THEN x.bot ELSE 0 END), 0) AS BIGINT) \
             FROM ( \
               SELECT m.conversation_id, MAX(c.needs_person) AS waits, \
                 MAX(CASE WHEN m.direction = 'in' THEN 1 ELSE 0 END) AS wrote, \
                 MAX(CASE WHEN m.author IN ('person', 'phone') THEN 1 ELSE 0 END) AS person, \
                 MAX(CASE WHEN m.author = 'assistant' AND m.state <> 'cancelled' THEN 1 ELSE 0 END) AS bot \
               FROM conversations c JOIN messages m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id \
               WHERE c.tenant_id = $1 AND c.last_message_at >= $2 AND m.at >= $2 GROUP BY m.conversation_id) x \
             LEFT JOIN (SELECT DISTINCT conversation_id FROM messages \
               WHERE tenant_id = $1 AND at >= $2 AND {UNANSWERED}) d \
             ON d.conversation_id = x.conversation_id WHERE x.wrote = 1"
            ),
            args![tenant, from],
        )
        .await?;
    let mut figures = Figures::default();
    if let Some(row) = row {
        figures.conversations = row.get(0)?;
        figures.by_people = row.get(1)?;
        figures.by_assistant = row.get(2)?;
        figures.unanswered = row.get(3)?;
    }
    let row = tx
        .fetch_opt(
            "SELECT COUNT(*) FROM conversations WHERE tenant_id = $1 AND needs_person = 1 AND merged_into IS NULL",
            args![tenant],
        )
        .await?;
    figures.waiting = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
    let rows = tx
        .fetch_all(
            "SELECT e.at - m.at FROM conversations c JOIN messages m ON m.tenant_id = c.tenant_id \
             AND m.conversation_id = c.id JOIN message_events e ON e.tenant_id = m.tenant_id AND e.message_id = m.id \
             WHERE c.tenant_id = $1 AND c.last_message_at >= $2 AND m.at >= $2 AND m.direction = 'in' \
             AND e.state = 'answered' AND e.detail IS NOT NULL ORDER BY c.last_message_at DESC LIMIT 2000",
            args![tenant, from],
        )
        .await?;
    let mut times = rows.iter().map(|row| row.get::<i64>(0)).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    figures.median_answer = times
        .get(times.len() / 2)
        .map(|micros| Duration::from_micros(u64::try_from(*micros).unwrap_or(0)));
    Ok(figures)
}

/// Messages of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// When it begins.
    pub from: Moment,
    /// By contacts.
    pub inbound: i64,
    /// By the assistant.
    pub assistant: i64,
    /// By people of the team.
    pub people: i64,
}

/// Messages of each day; a day begins where the one before ends, and the last ends at `until`.
///
/// # Errors
/// When the database cannot be read.
pub async fn days(tx: &mut TenantTx, begins: &[Moment], until: Moment) -> Result<Vec<Day>, Error> {
    let Some((first, later)) = begins.split_first() else { return Ok(Vec::new()) };
    let tenant = tx.tenant();
    let mut args = args![tenant, *first, until];
    // One look over all days: which one it is, is computed.
    let mut which = String::from("CASE");
    for (day, end) in later.iter().enumerate() {
        args.push((*end).into());
        which.push_str(&format!(" WHEN m.at < ${} THEN {day}", args.len()));
    }
    which.push_str(&format!(" ELSE {} END", later.len()));
    let rows = tx
        .fetch_all(
            &format!(
                "SELECT CAST({which} AS BIGINT), \
                 CAST(SUM(CASE WHEN m.direction = 'in' THEN 1 ELSE 0 END) AS BIGINT), \
                 CAST(SUM(CASE WHEN m.author = 'assistant' AND m.state <> 'cancelled' THEN 1 ELSE 0 END) AS BIGINT), \
                 CAST(SUM(CASE WHEN m.author IN ('person', 'phone') THEN 1 ELSE 0 END) AS BIGINT) \
                 FROM conversations c JOIN messages m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id \
                 WHERE c.tenant_id = $1 AND c.last_message_at >= $2 AND m.at >= $2 AND m.at < $3 GROUP BY 1"
            ),
            args,
        )
        .await?;
    let mut out: Vec<Day> = begins
        .iter()
        .map(|from| Day { from: *from, inbound: 0, assistant: 0, people: 0 })
        .collect();
    for row in &rows {
        let day = usize::try_from(row.get::<i64>(0)?).unwrap_or(usize::MAX);
        if let Some(day) = out.get_mut(day) {
            day.inbound = row.get(1)?;
            day.assistant = row.get(2)?;
            day.people = row.get(3)?;
        }
    }
    Ok(out)
}

/// Something the assistant could not answer.
#[derive(Debug, Clone)]
pub struct Declined {
    pub conversation: ConversationId,
    pub message: MessageId,
    pub at: Moment,
    /// What the contact had asked.
    pub question: String,
}

/// Questions since `from` that the assistant declined, wholly or in part, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn declined(
    tx: &mut TenantTx,
    from: Moment,
    limit: usize,
) -> Result<Vec<Declined>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!(
                "SELECT conversation_id, id, at, trace, from_seq, seq FROM messages \
                 WHERE tenant_id = $1 AND at >= $2 AND {UNANSWERED} ORDER BY at DESC, id DESC LIMIT $3"
            ),
            args![tenant, from, limit],
        )
        .await?;
    let mut out = Vec::new();
    for row in &rows {
        let conversation: ConversationId = row.get(0)?;
        let trace: serde_json::Value =
            serde_json::from_str(&row.get::<Option<String>>(3)?.unwrap_or_default())
                .unwrap_or_default();
        let part = trace["unanswered"]
            .as_array()
            .map(|parts| parts.iter().filter_map(|p| p.as_str()).collect::<Vec<_>>().join("; "));
        let question = match part {
            Some(part) => part,
            None => asked(tx, conversation, (row.get(4)?, row.get(5)?)).await?,
        };
        // Who asked is no business of the list.
        let question = kernel::without_personal(&question);
        if !question.is_empty() {
            out.push(Declined { conversation, message: row.get(1)?, at: row.get(2)?, question });
        }
    }
    Ok(out)
}

/// What the contact wrote in the burst that a message answered.
async fn asked(
    tx: &mut TenantTx,
    conversation: ConversationId,
    (after, upto): (i64, i64),
) -> Result<String, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT body FROM messages WHERE tenant_id = $1 AND conversation_id = $2 AND direction = 'in' \
             AND seq > $3 AND seq <= $4 AND body IS NOT NULL ORDER BY at, id LIMIT 10",
            args![tenant, conversation, after, upto],
        )
        .await?;
    let lines = rows.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.join(" "))
}

/// A declined question was seen to: it leaves the list.
///
/// # Errors
/// When the database refuses.
pub async fn seen_to(tx: &mut TenantTx, message: MessageId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let done = tx
        .execute(
            "UPDATE messages SET noted = 1 WHERE tenant_id = $1 AND id = $2 AND author = 'assistant'",
            args![tenant, message],
        )
        .await?;
    Ok(done == 1)
}

/// Conversations of a channel in which it is looked when something last left.
const LOOKED_AT: usize = 20;

/// When something last came in and last left by each channel.
///
/// # Errors
/// When the database cannot be read.
pub async fn channel_activity(
    tx: &mut TenantTx,
) -> Result<Vec<(kernel::ChannelId, Option<Moment>, Option<Moment>)>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT channel_id, MAX(last_received_at) FROM conversations WHERE tenant_id = $1 \
             GROUP BY channel_id",
            args![tenant],
        )
        .await?;
    let mut out = Vec::new();
    for row in &rows {
        let channel: kernel::ChannelId = row.get(0)?;
        let came = row.get::<Option<Moment>>(1)?.filter(|at| at.0 > 0);
        let left = tx
            .fetch_opt(
                "SELECT MAX(m.at) FROM (SELECT id FROM conversations WHERE tenant_id = $1 \
                 AND channel_id = $2 ORDER BY last_message_at DESC, id DESC LIMIT $3) c \
                 JOIN messages m ON m.tenant_id = $1 AND m.conversation_id = c.id \
                 WHERE m.direction = 'out' AND m.state IN ('sent', 'delivered', 'read')",
                args![tenant, channel, LOOKED_AT],
            )
            .await?;
        let left = left.map(|row| row.get::<Option<Moment>>(0)).transpose()?.flatten();
        out.push((channel, came, left));
    }
    Ok(out)
}
