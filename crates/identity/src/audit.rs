//! The audit trail: who did what, what it was before and after, and from where. Only added to.

use db::{Error, Row, SystemTx, TenantTx, Value, args};
use kernel::{AuditId, Moment, PersonId, TenantId};
use serde_json::Value as Json;

/// On whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Person {
        id: PersonId,
        name: String,
    },
    /// An operator within a tenant, by support access.
    Support {
        id: PersonId,
        name: String,
    },
    /// Somebody who did not say who they are.
    Nobody,
    /// The command line of the machine itself.
    Console,
    /// A program, by the name of its key.
    Program(String),
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::Person { .. } => "person",
            Self::Support { .. } => "support",
            Self::Nobody => "nobody",
            Self::Console => "console",
            Self::Program(_) => "program",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Person { name, .. } | Self::Support { name, .. } | Self::Program(name) => name,
            Self::Nobody => "–",
            Self::Console => "console",
        }
    }
}

/// One deed.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    pub actor: &'a Actor,
    /// Such as `assistant.changed`, `member.role_changed`.
    pub action: &'static str,
    /// What it was done to, by a name people know.
    pub target: String,
    pub before: Option<Json>,
    pub after: Option<Json>,
    /// The address it came from.
    pub address: &'a str,
}

/// A line of the trail.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: AuditId,
    pub at: Moment,
    pub actor_kind: String,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub before: Option<Json>,
    pub after: Option<Json>,
    pub address: String,
}

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The beginning of an action, such as `assistant`.
    pub action: String,
    /// Part of the actor's name.
    pub actor: String,
    pub before: Option<(Moment, AuditId)>,
}

const SECRET: [&str; 6] = ["key", "secret", "password", "token", "hash", "sealed"];

/// The value without what must not be written down: secrets become `(set)`, long texts are cut.
pub fn redacted(value: Json) -> Json {
    match value {
        Json::Object(map) => Json::Object(
            map.into_iter()
                .map(|(name, value)| {
                    let secret = SECRET.iter().any(|word| name.contains(word));
                    let hidden =
                        secret && !value.is_null() && !value.is_boolean() && !value.is_number();
                    let value = if hidden { Json::from("(set)") } else { redacted(value) };
                    (name, value)
                })
                .collect(),
        ),
        Json::Array(list) => Json::Array(list.into_iter().map(redacted).collect()),
        Json::String(text) if text.chars().count() > 500 => {
            Json::from(format!("{}…", text.chars().take(500).collect::<String>()))
        }
        other => other,
    }
}

/// Only what differs between the two.
fn difference(before: Option<Json>, after: Option<Json>) -> (Option<Json>, Option<Json>) {
    match (before, after) {
        (Some(Json::Object(mut a)), Some(Json::Object(mut b))) => {
            let same: Vec<String> =
                a.iter().filter(|(k, v)| b.get(*k) == Some(v)).map(|(k, _)| k.clone()).collect();
            for key in same {
                a.remove(&key);
                b.remove(&key);
            }
            (Some(Json::Object(a)), Some(Json::Object(b)))
        }
        other => other,
    }
}

const INSERT: &str = "INSERT INTO audit_trail (id, tenant_id, at, actor_kind, actor, action, target, before_value, \
     after_value, address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

fn row(tenant: String, change: &Change<'_>, now: Moment) -> Vec<Value> {
    let (before, after) = difference(change.before.clone(), change.after.clone());
    let text = |value: Option<Json>| value.map(|value| redacted(value).to_string());
    let target: String = change.target.chars().take(200).collect();
    args![
        AuditId::generate(),
        tenant,
        now,
        change.actor.kind(),
        change.actor.name(),
        change.action,
        target,
        text(before),
        text(after),
        change.address
    ]
}

/// Writes a deed within a tenant down.
///
/// # Errors
/// When the database refuses.
pub async fn audit(tx: &mut TenantTx, change: &Change<'_>, now: Moment) -> Result<(), Error> {
    let tenant = tx.tenant().to_string();
    tx.execute(INSERT, row(tenant, change, now)).await?;
    Ok(())
}

/// Writes a deed of the house down; with a tenant, where that one sees it.
///
/// # Errors
/// When the database refuses.
pub async fn house_audit(
    tx: &mut SystemTx,
    tenant: Option<TenantId>,
    change: &Change<'_>,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tenant.map(|id| id.to_string()).unwrap_or_default();
    tx.execute(INSERT, row(tenant, change, now)).await?;
    Ok(())
}

fn entry(row: &Row) -> Result<Entry, Error> {
    let json = |at: usize| -> Result<Option<Json>, Error> {
        Ok(row.get::<Option<String>>(at)?.and_then(|text| serde_json::from_str(&text).ok()))
    };
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        actor_kind: row.get(2)?,
        actor: row.get(3)?,
        action: row.get(4)?,
        target: row.get(5)?,
        before: json(6)?,
        after: json(7)?,
        address: row.get(8)?,
    })
}

fn select(filter: &Filter, tenant: String, limit: usize) -> (String, Vec<Value>) {
    let (at, id) = db::page_start(filter.before);
    // What people type is no pattern.
    let plain = |text: &str| text.replace(['%', '_'], "");
    let sql = "SELECT id, at, actor_kind, actor, action, target, before_value, after_value, address \
         FROM audit_trail WHERE tenant_id = $1 AND (at < $2 OR (at = $2 AND id < $3)) \
         AND action LIKE $4 AND LOWER(actor) LIKE $5 ORDER BY at DESC, id DESC LIMIT $6";
    let args = args![
        tenant,
        at,
        id,
        format!("{}%", plain(&filter.action)),
        format!("%{}%", plain(&filter.actor).to_lowercase()),
        limit
    ];
    (sql.to_owned(), args)
}

/// Lines of a tenant's trail, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn entries(
    tx: &mut TenantTx,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Entry>, Error> {
    let (sql, args) = select(filter, tx.tenant().to_string(), limit);
    tx.fetch_all(&sql, args).await?.iter().map(entry).collect()
}

/// Lines of the house's own trail, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn house_entries(
    tx: &mut SystemTx,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Entry>, Error> {
    let (sql, args) = select(filter, String::new(), limit);
    tx.fetch_all(&sql, args).await?.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_not_written_down_and_only_differences_are() {
        let long = "x".repeat(600);
        let seen =
            redacted(json!({ "model_api_key": "sk-1", "model_key_set": true, "rules": long }));
        assert_eq!(seen["model_api_key"], "(set)");
        assert_eq!(seen["model_key_set"], true);
        assert_eq!(seen["rules"].as_str().map(|s| s.chars().count()), Some(501));
        let (before, after) =
            difference(Some(json!({ "a": 1, "b": 2 })), Some(json!({ "a": 1, "b": 3 })));
        assert_eq!((before, after), (Some(json!({ "b": 2 })), Some(json!({ "b": 3 }))));
    }
}
