//! API keys: `pk_` and 40 random characters, stored as a hash, scoped, shown once.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::{Db, Error, TenantTx, args};
use kernel::{ApiKeyId, Moment, TenantId};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What a key may do. `*` is everything of its tenant.
pub(crate) const SCOPES: &[&str] = &[
    "*",
    "tenant:read",
    "inbox:read",
    "inbox:write",
    "knowledge:read",
    "knowledge:write",
    "assistant:read",
    "assistant:write",
    "channels:read",
    "channels:write",
    "hooks:read",
    "hooks:write",
    "keys:write",
];

/// What a key may do, as a set of scope names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`; scopes are {list}", list = SCOPES.join(", "))]
pub struct UnknownScope(String);

impl Scopes {
    /// Every scope there is.
    pub fn names() -> &'static [&'static str] {
        SCOPES
    }

    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// The scopes among these names.
    pub fn of(names: &[&str]) -> Self {
        Self(names.iter().filter(|n| SCOPES.contains(n)).map(|n| (*n).to_owned()).collect())
    }

    /// Whether whoever has this set may hand out `other`.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.allows(scope))
    }

    /// Whether the set covers `scope`.
    pub fn allows(&self, scope: &str) -> bool {
        self.0.iter().any(|held| held == "*" || held == scope)
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let parts: Vec<String> =
            text.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        match parts.iter().find(|part| !SCOPES.contains(&part.as_str())) {
            Some(unknown) => Err(UnknownScope(unknown.clone())),
            None if parts.is_empty() => Err(UnknownScope(String::new())),
            None => Ok(Self(parts)),
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// What is known of a key; never the key.
#[derive(Debug, Clone, Serialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    /// The first characters, to recognise it by.
    pub prefix: String,
    pub scopes: Scopes,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
}

/// A new key with its secret, which is never shown again.
#[derive(Debug, Clone, Serialize)]
pub struct NewKey {
    #[serde(flatten)]
    pub key: ApiKey,
    pub secret: String,
}

/// Who a presented key belongs to.
#[derive(Debug, Clone)]
pub struct Key {
    pub id: ApiKeyId,
    pub name: String,
    pub tenant: TenantId,
    pub scopes: Scopes,
    pub expires_at: Option<Moment>,
}

/// A token that nobody guesses: 256 random bits as text.
pub fn fresh_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// SHA-256 in hex. Tokens are long and random, or checked in constant time against this.
pub fn hash_token(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a key.
///
/// # Errors
/// When the database refuses.
pub async fn create(
    tx: &mut TenantTx,
    name: &str,
    scopes: &Scopes,
    expires_at: Option<Moment>,
    now: Moment,
) -> Result<NewKey, Error> {
    let tenant = tx.tenant();
    let secret = format!("pk_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 30]>()));
    let key = ApiKey {
        id: ApiKeyId::generate(),
        name: name.to_owned(),
        prefix: secret[..8].to_owned(),
        scopes: scopes.clone(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    tx.execute(
        "INSERT INTO api_keys (id, tenant_id, name, prefix, hash, scopes, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            key.id,
            tenant,
            name,
            &key.prefix,
            hash_token(&secret),
            scopes.to_string(),
            now,
            expires_at
        ],
    )
    .await?;
    Ok(NewKey { key, secret })
}

/// The tenant's keys, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ApiKey>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT id, name, prefix, scopes, created_at, expires_at, revoked_at FROM api_keys \
             WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC",
            args![tenant],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(ApiKey {
                id: row.get(0)?,
                name: row.get(1)?,
                prefix: row.get(2)?,
                scopes: row.get::<String>(3)?.parse().unwrap_or_else(|_| Scopes(Vec::new())),
                created_at: row.get(4)?,
                expires_at: row.get(5)?,
                revoked_at: row.get(6)?,
            })
        })
        .collect()
}

/// Ends a key now. `false` when there is none of that id, or it ended before.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(tx: &mut TenantTx, id: ApiKeyId, now: Moment) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let done = tx
        .execute(
            "UPDATE api_keys SET revoked_at = $1 WHERE tenant_id = $2 AND id = $3 \
             AND revoked_at IS NULL",
            args![now, tenant, id],
        )
        .await?;
    tx.settings_changed();
    Ok(done == 1)
}

/// Makes a successor with the same name and scopes; the old key works until `overlap_until`.
///
/// # Errors
/// When the database refuses. `None` when there is no such live key.
pub async fn rotate(
    tx: &mut TenantTx,
    id: ApiKeyId,
    overlap_until: Moment,
    now: Moment,
) -> Result<Option<NewKey>, Error> {
    let tenant = tx.tenant();
    // A write first: two who do this take turns.
    let rows = tx
        .fetch_all(
            "UPDATE api_keys SET name = name WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $3) RETURNING name, scopes, expires_at",
            args![tenant, id, now],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (name, scopes) = (row.get::<String>(0)?, row.get::<String>(1)?);
    let ends: Option<Moment> = row.get(2)?;
    let scopes = scopes.parse().unwrap_or_else(|_| Scopes(Vec::new()));
    tx.execute(
        "UPDATE api_keys SET expires_at = $1 WHERE tenant_id = $2 AND id = $3",
        args![ends.map_or(overlap_until, |ends| ends.min(overlap_until)), tenant, id],
    )
    .await?;
    tx.settings_changed();
    // It ends when the one before was to end: a key does not lengthen its own life.
    Ok(Some(create(tx, &name, &scopes, ends, now).await?))
}

/// Whom a presented key belongs to, if it is live.
///
/// # Errors
/// When the database cannot be read.
pub async fn find_key(db: &Db, secret: &str, now: Moment) -> Result<Option<Key>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            "SELECT id, name, tenant_id, scopes, expires_at FROM api_keys WHERE hash = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2)",
            args![hash_token(secret), now],
        )
        .await?;
    row.map(|row| {
        Ok(Key {
            id: row.get(0)?,
            name: row.get(1)?,
            tenant: row.get(2)?,
            scopes: row.get::<String>(3)?.parse().unwrap_or_else(|_| Scopes(Vec::new())),
            expires_at: row.get(4)?,
        })
    })
    .transpose()
}
