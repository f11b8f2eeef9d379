//! Lists of conversations as the desk looks at them: by owner, channel, label, and by what is searched.

use std::collections::{HashMap, HashSet};

use db::{Error, TenantTx, Value, args};
use kernel::{ChannelId, ContactId, ConversationId, LabelId, Moment, PersonId, text};

use crate::Owner;

/// Which conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// All that are not resolved.
    #[default]
    Open,
    /// A person is called and has not come.
    Waiting,
    /// Attended by this person.
    Mine(PersonId),
    /// Nobody of the team has looked at the contact's last words, and the assistant does not answer.
    Unread,
    Resolved,
    All,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    pub show: Show,
    pub channel: Option<ChannelId>,
    pub label: Option<LabelId>,
    /// Words of a name, digits of a phone, or words of recent messages.
    pub search: String,
    pub before: Option<(Moment, ConversationId)>,
}

/// A row of the list.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: ConversationId,
    pub channel: ChannelId,
    pub contact: ContactId,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub owner: Owner,
    pub owner_since: Moment,
    pub needs_person: bool,
    pub reason: Option<String>,
    pub assigned_to: Option<PersonId>,
    pub resolved: bool,
    pub last_message_at: Moment,
    pub last_inbound_at: Option<Moment>,
    /// The contact's messages that nobody looked at, 100 at most.
    pub unread: i64,
    pub last: Last,
    pub labels: Vec<String>,
}

/// The last message in a line.
#[derive(Debug, Clone, Default)]
pub struct Last {
    pub inbound: bool,
    pub content: String,
    pub text: String,
}

const COLUMNS: &str = "SELECT c.id, c.channel_id, c.contact_id, p.name, c.owner, c.owner_since, c.needs_person, \
     c.handoff_reason, c.assigned_to, CASE WHEN c.resolved_at >= c.last_received_at THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END, \
     c.last_message_at, c.last_inbound_at, \
     CAST((SELECT COUNT(*) FROM (SELECT 1 FROM messages u WHERE u.tenant_id = c.tenant_id \
       AND u.conversation_id = c.id AND u.at > c.seen_at AND u.direction = 'in' LIMIT 100) x) AS BIGINT), \
     (SELECT m.direction || ' ' || m.content || ' ' || COALESCE(SUBSTR(m.body, 1, 140), '') FROM messages m \
       WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id AND m.state <> 'cancelled' \
       ORDER BY m.at DESC, m.id DESC LIMIT 1), \
     (SELECT h.value FROM contact_handles h WHERE h.tenant_id = c.tenant_id AND h.contact_id = c.contact_id \
       AND h.kind = 'phone' ORDER BY h.seen_at DESC LIMIT 1)";
const CONTACT: &str = "LEFT JOIN contacts p ON p.tenant_id = c.tenant_id AND p.id = c.contact_id";
const OWN: &str = "c.tenant_id = $1 AND c.merged_into IS NULL";

fn read(row: &db::Row) -> Result<Row, Error> {
    let line: String = row.get::<Option<String>>(13)?.unwrap_or_default();
    let mut parts = line.splitn(3, ' ');
    let last = Last {
        inbound: parts.next() == Some("in"),
        content: parts.next().unwrap_or_default().to_owned(),
        text: parts.next().unwrap_or_default().to_owned(),
    };
    Ok(Row {
        id: row.get(0)?,
        channel: row.get(1)?,
        contact: row.get(2)?,
        name: row.get(3)?,
        owner: Owner::parse(&row.get::<String>(4)?),
        owner_since: row.get(5)?,
        needs_person: row.get(6)?,
        reason: row.get(7)?,
        assigned_to: row.get(8)?,
        resolved: row.get::<i64>(9)? == 1,
        last_message_at: row.get(10)?,
        last_inbound_at: Some(row.get::<Moment>(11)?).filter(|at| at.0 > 0),
        unread: row.get(12)?,
        phone: row.get(14)?,
        last,
        labels: Vec::new(),
    })
}

/// A page of conversations, the most recent first.
///
/// # Errors
/// When the database cannot be read.
pub async fn desk_list(
    tx: &mut TenantTx,
    narrow: &Narrow,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(narrow.before);
    let mut args: Vec<Value> = args![tenant, at, id];
    // The page is cut first, along an index; what is shown of its lines comes after.
    let mut sql = format!(
        "{COLUMNS} FROM (SELECT c.* FROM conversations c WHERE {OWN} \
         AND (c.last_message_at, c.id) < ($2, $3)"
    );
    sql.push_str(match narrow.show {
        Show::Open => " AND c.resolved_at < c.last_received_at",
        Show::Waiting => " AND c.needs_person = 1",
        Show::Mine(_) => " AND c.owner <> 'bot' AND c.assigned_to = $4",
        Show::Unread => {
            " AND c.resolved_at < c.last_received_at AND c.owner <> 'bot' AND c.seen_at < c.last_received_at"
        }
        Show::Resolved => " AND c.resolved_at >= c.last_received_at",
        Show::All => "",
    });
    if let Show::Mine(person) = narrow.show {
        args.push(person.into());
    }
    if let Some(channel) = narrow.channel {
        args.push(channel.into());
        sql.push_str(&format!(" AND c.channel_id = ${}", args.len()));
    }
    if let Some(label) = narrow.label {
        args.push(label.into());
        sql.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM conversation_labels l WHERE l.tenant_id = c.tenant_id \
             AND l.conversation_id = c.id AND l.label_id = ${})",
            args.len()
        ));
    }
    if !narrow.search.trim().is_empty() {
        let found = search(tx, narrow.search.trim()).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let first = args.len() + 1;
        let holes: Vec<String> = (first..first + found.len()).map(|n| format!("${n}")).collect();
        sql.push_str(&format!(" AND c.id IN ({})", holes.join(", ")));
        args.extend(found.into_iter().map(Value::from));
    }
    // The limit stands in the text: a parameter would be one of a changing number.
    let order = "ORDER BY c.last_message_at DESC, c.id DESC";
    sql.push_str(&format!(" {order} LIMIT {limit}) c {CONTACT} {order}"));
    let rows = tx.fetch_all(&sql, args).await?;
    let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    with_labels(tx, &mut rows).await?;
    Ok(rows)
}

/// One conversation as the list has it.
///
/// # Errors
/// When the database cannot be read.
pub async fn desk_row(tx: &mut TenantTx, id: ConversationId) -> Result<Option<Row>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            &format!("{COLUMNS} FROM conversations c {CONTACT} WHERE {OWN} AND c.id = $2"),
            args![tenant, id],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut rows = vec![read(&row)?];
    with_labels(tx, &mut rows).await?;
    Ok(rows.pop())
}

async fn with_labels(tx: &mut TenantTx, rows: &mut [Row]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant();
    let mut args = args![tenant];
    args.extend(rows.iter().map(|row| Value::from(row.id)));
    let holes: Vec<String> = (2..=args.len()).map(|n| format!("${n}")).collect();
    let found = tx
        .fetch_all(
            &format!(
                "SELECT cl.conversation_id, l.name FROM conversation_labels cl \
                 JOIN labels l ON l.tenant_id = cl.tenant_id AND l.id = cl.label_id \
                 WHERE cl.tenant_id = $1 AND cl.conversation_id IN ({}) ORDER BY l.name",
                holes.join(", ")
            ),
            args,
        )
        .await?;
    let mut labels: HashMap<ConversationId, Vec<String>> = HashMap::new();
    for row in &found {
        labels.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    for row in rows {
        row.labels = labels.remove(&row.id).unwrap_or_default();
    }
    Ok(())
}

/// Conversations whose messages are searched: the most recent ones.
const SEARCHED: usize = 2_000;
/// Conversations that a search finds at most.
const FOUND: usize = 200;

/// A pattern that fits the text however it is accented; what it finds is looked at again.
fn loose(folded: &str) -> String {
    let mut out = String::from("%");
    for c in folded.chars() {
        match c {
            // These may carry an accent where it is written.
            'a' | 'e' | 'i' | 'o' | 'u' | 'c' | 'n' | '%' | '_' => out.push('_'),
            other => out.push(other),
        }
    }
    out.push('%');
    out
}

/// Conversations whose contact's name or number, or whose recent messages, hold the text. Accents
/// and case do not matter.
async fn search(tx: &mut TenantTx, typed: &str) -> Result<Vec<ConversationId>, Error> {
    let tenant = tx.tenant();
    let folded: String = text::fold(typed).chars().take(100).collect();
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let mut found: Vec<ConversationId> = Vec::new();
    let only_digits = typed.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    if digits.len() >= 3 && only_digits {
        let rows = tx
            .fetch_all(
                "SELECT c.id FROM contact_handles h JOIN conversations c ON c.tenant_id = h.tenant_id \
                 AND c.contact_id = h.contact_id WHERE h.tenant_id = $1 AND h.kind = 'phone' AND h.value LIKE $2 \
                 ORDER BY c.last_message_at DESC LIMIT $3",
                args![tenant, format!("%{digits}%"), FOUND],
            )
            .await?;
        for row in &rows {
            found.push(row.get(0)?);
        }
    }
    let pattern = loose(&folded);
    let rows = tx
        .fetch_all(
            "SELECT c.id, p.name FROM contacts p JOIN conversations c ON c.tenant_id = p.tenant_id \
             AND c.contact_id = p.id WHERE p.tenant_id = $1 AND LOWER(p.name) LIKE $2 \
             ORDER BY c.last_message_at DESC LIMIT 2000",
            args![tenant, &pattern],
        )
        .await?;
    for row in &rows {
        if text::fold(&row.get::<String>(1)?).contains(&folded) {
            found.push(row.get(0)?);
        }
    }
    if folded.chars().count() >= 3 {
        let rows = tx
            .fetch_all(
                "SELECT m.conversation_id, m.body FROM (SELECT id, last_message_at FROM conversations WHERE tenant_id = $1 \
                 ORDER BY last_message_at DESC, id DESC LIMIT $2) c JOIN messages m ON m.tenant_id = $1 \
                 AND m.conversation_id = c.id WHERE LOWER(m.body) LIKE $3 \
                 ORDER BY c.last_message_at DESC LIMIT 5000",
                args![tenant, SEARCHED, pattern],
            )
            .await?;
        for row in &rows {
            if text::fold(&row.get::<String>(1)?).contains(&folded) {
                found.push(row.get(0)?);
            }
        }
    }
    // The newest stay, of each way in which they were found.
    let mut seen = HashSet::new();
    found.retain(|id| seen.insert(*id));
    found.truncate(FOUND);
    Ok(found)
}
