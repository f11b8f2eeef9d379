//! SQL of what is kept beside messages: webhooks that nobody could read, and what providers say of a
//! sender's standing.

use std::time::Duration;

use db::{Error, TenantTx, args};
use kernel::{ChannelId, Moment, RawEventId};
use messaging::Health;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A webhook that was kept because nobody could read it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RawEvent {
    pub id: RawEventId,
    pub channel: ChannelId,
    pub event: String,
    pub reason: String,
    /// `kept` or `replayed`.
    pub state: String,
    pub received_at: Moment,
}

/// Bodies of one channel that are kept in an hour, at most.
const HOURLY: i64 = 500;
/// Bytes of a body that is kept whole; of a longer one only the fact is.
const LONGEST: usize = 64 * 1024;
/// Bodies of one tenant that are kept, the newest: 128 MiB at most.
const MOST: i64 = 2000;
/// How long they are kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Old ones that are removed with each new one, at most.
const PRUNED: i64 = 20;

/// Keeps a body; `false` when the channel had too many in the last hour.
pub(crate) async fn keep_raw(
    tx: &mut TenantTx,
    channel: ChannelId,
    (event, reason): (&str, &str),
    body: &str,
    now: Moment,
) -> Result<bool, Error> {
    let id = RawEventId::generate();
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT COUNT(*) FROM raw_events WHERE tenant_id = $1 AND received_at > $2 \
             AND channel_id = $3",
            args![tenant, now - Duration::from_secs(3600), channel],
        )
        .await?;
    if row.map_or(Ok(0), |row| row.get::<i64>(0))? >= HOURLY {
        return Ok(false);
    }
    tx.execute(
        "DELETE FROM raw_events WHERE tenant_id = $1 AND (id IN (SELECT id FROM raw_events \
         WHERE tenant_id = $1 AND received_at < $2 ORDER BY received_at LIMIT $3) \
         OR id IN (SELECT id FROM raw_events WHERE tenant_id = $1 \
         ORDER BY received_at DESC, id DESC LIMIT $3 OFFSET $4))",
        args![tenant, now - KEPT, PRUNED, MOST - 1],
    )
    .await?;
    let (body, reason) = if body.len() > LONGEST {
        ("null", format!("{reason} (its body of {} bytes is too long to be kept)", body.len()))
    } else {
        (body, reason.to_owned())
    };
    tx.execute(
        "INSERT INTO raw_events (id, tenant_id, channel_id, event, reason, body, state, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'kept', $7)",
        args![id, tenant, channel, event, reason, body, now],
    )
    .await?;
    Ok(true)
}

/// Kept webhooks, the newest first; a page of those before `before`.
///
/// # Errors
/// When the database cannot be read.
pub async fn raw_events(
    tx: &mut TenantTx,
    before: Option<(Moment, RawEventId)>,
    limit: usize,
) -> Result<Vec<RawEvent>, Error> {
    let tenant = tx.tenant();
    let (at, id) = db::page_start(before);
    let rows = tx
        .fetch_all(
            "SELECT id, channel_id, event, reason, state, received_at FROM raw_events \
             WHERE tenant_id = $1 AND (received_at < $2 OR (received_at = $2 AND id < $3)) \
             ORDER BY received_at DESC, id DESC LIMIT $4",
            args![tenant, at, id, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RawEvent {
                id: row.get(0)?,
                channel: row.get(1)?,
                event: row.get(2)?,
                reason: row.get(3)?,
                state: row.get(4)?,
                received_at: row.get(5)?,
            })
        })
        .collect()
}

/// The channel and body of a kept webhook.
pub(crate) async fn raw_body(
    tx: &mut TenantTx,
    id: RawEventId,
) -> Result<Option<(ChannelId, String)>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT channel_id, body FROM raw_events WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

pub(crate) async fn mark_replayed(tx: &mut TenantTx, id: RawEventId) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE raw_events SET state = 'replayed' WHERE tenant_id = $1 AND id = $2",
        args![tenant, id],
    )
    .await?;
    Ok(())
}

/// What a provider said of a sender's standing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HealthView {
    pub id: RawEventId,
    pub at: Moment,
    /// The provider's name, such as `phone_number_quality_update`.
    pub field: String,
    pub event: String,
    /// The limit, the quality, or the template's name.
    pub value: Option<String>,
}

pub(crate) async fn keep_health(
    tx: &mut TenantTx,
    channel: ChannelId,
    health: &Health,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO sender_health (id, tenant_id, channel_id, at, field, event, value, raw) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            RawEventId::generate(),
            tenant,
            channel,
            now,
            &health.field,
            &health.event,
            health.value.clone(),
            health.raw.to_string()
        ],
    )
    .await?;
    Ok(())
}

/// What was said of a sender's standing, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn health(
    tx: &mut TenantTx,
    channel: ChannelId,
    limit: usize,
) -> Result<Vec<HealthView>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, at, field, event, value FROM sender_health \
             WHERE tenant_id = $1 AND channel_id = $2 ORDER BY at DESC, id DESC LIMIT $3",
            args![tenant, channel, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(HealthView {
                id: row.get(0)?,
                at: row.get(1)?,
                field: row.get(2)?,
                event: row.get(3)?,
                value: row.get(4)?,
            })
        })
        .collect()
}

/// What stands for a secret in a body that is kept.
const TAKEN: &str = "(removed)";
/// Characters of base64 in one text from which on it is a file: of no use to a replay, and large.
const FILE: usize = 64 << 10;

/// Takes out of a body what opens a door: fields that are called so, at any depth; known secrets wherever they stand; and
/// tokens in addresses of our webhooks. Files go, too.
pub(crate) fn take_secrets(value: &mut Value, known: &[&str]) {
    match value {
        Value::String(text) => {
            if let Some(start) = text.find("/webhook/evolution/in/") {
                text.truncate(start + "/webhook/evolution/in/".len());
                text.push_str(TAKEN);
            }
            for secret in known.iter().filter(|secret| secret.len() >= 4) {
                if text.contains(secret) {
                    *text = text.replace(secret, TAKEN);
                }
            }
            let encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
            if text.len() > FILE && text.bytes().all(encoded) {
                *text = format!("(a file of {} characters)", text.len());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_secrets(item, known)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if is_secret(name) && !field.is_null() {
                    *field = Value::String(TAKEN.to_owned());
                } else {
                    take_secrets(field, known);
                }
            }
        }
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    matches!(
        plain.as_str(),
        "apikey"
            | "globalapikey"
            | "token"
            | "accesstoken"
            | "refreshtoken"
            | "authtoken"
            | "webhooktoken"
            | "authorization"
            | "secret"
            | "appsecret"
            | "clientsecret"
            | "password"
            | "senha"
            | "cookie"
            | "xapikey"
            | "xwebhooktoken"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_opens_a_door_is_not_kept() {
        let file = "QUJD".repeat(FILE / 4 + 1);
        let mut body = json!([{
            "apikey": "LEAK-1", "data": { "instance": { "token": "LEAK-2", "Api-Key": { "a": "LEAK-3" } } },
            "destination": "https://p.example/webhook/evolution/in/LEAK-4?x",
            "headers": { "Authorization": "Bearer LEAK-5" }, "text": "a chave \u{e9} LEAK-6, disse",
            "base64": file, "mediaKey": "stays", "tokens": 12, "apikey_2": "stays",
        }]);
        take_secrets(&mut body, &["LEAK-6", "", "e"]);
        let text = body.to_string();
        assert!(!text.contains("LEAK"), "{text}");
        assert!(text.contains("a chave \u{e9} (removed), disse") && text.len() < 1000, "{text}");
        assert_eq!(body[0]["mediaKey"], "stays");
        assert_eq!(body[0]["tokens"], 12);
    }
}
