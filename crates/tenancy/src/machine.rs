//! Machine tokens: the house's own programs call the operator's routes with one, each with what it
//! may do. `pmt_` and 40 random characters, stored as a hash, shown once.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::{Db, Error, SystemTx, args};
use kernel::{MachineTokenId, Moment};
use serde::Serialize;

use crate::hash_token;

/// What a machine token may do for the house. There is no scope for everything: a program that needs
/// all of them names all of them.
const SCOPES: &[&str] = &[
    "tenants:read",
    "tenants:write",
    "queue:read",
    "queue:write",
    "gateway:read",
    "gateway:write",
    "metrics:read",
];

/// How every machine token begins.
const PREFIX: &str = "pmt_";

/// What a caller may do for the house, as a set of scope names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HouseScopes(Vec<String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`; scopes of the house are {list}", list = SCOPES.join(", "))]
pub struct UnknownHouseScope(String);

impl HouseScopes {
    /// Every scope there is.
    pub fn names() -> &'static [&'static str] {
        SCOPES
    }

    pub fn allows(&self, scope: &str) -> bool {
        self.0.iter().any(|held| held == scope)
    }
}

impl FromStr for HouseScopes {
    type Err = UnknownHouseScope;
    fn from_str(text: &str) -> Result<Self, UnknownHouseScope> {
        let parts: Vec<String> =
            text.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        match parts.iter().find(|part| !SCOPES.contains(&part.as_str())) {
            Some(unknown) => Err(UnknownHouseScope(unknown.clone())),
            None if parts.is_empty() => Err(UnknownHouseScope(String::new())),
            None => Ok(Self(parts)),
        }
    }
}

impl fmt::Display for HouseScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// What is known of a machine token; never the token.
#[derive(Debug, Clone, Serialize)]
pub struct MachineToken {
    pub id: MachineTokenId,
    pub name: String,
    /// The first characters, to recognise it by.
    pub prefix: String,
    pub scopes: HouseScopes,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
}

/// A new token with its secret, which is never shown again.
#[derive(Debug, Clone, Serialize)]
pub struct NewMachineToken {
    #[serde(flatten)]
    pub token: MachineToken,
    pub secret: String,
}

/// Makes a token.
///
/// # Errors
/// When the database refuses.
pub async fn create(
    tx: &mut SystemTx,
    name: &str,
    scopes: &HouseScopes,
    expires_at: Option<Moment>,
    now: Moment,
) -> Result<NewMachineToken, Error> {
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 30]>()));
    let token = MachineToken {
        id: MachineTokenId::generate(),
        name: name.to_owned(),
        prefix: secret[..PREFIX.len() + 4].to_owned(),
        scopes: scopes.clone(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    tx.execute(
        "INSERT INTO machine_tokens (id, name, prefix, hash, scopes, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            token.id,
            name,
            &token.prefix,
            hash_token(&secret),
            scopes.to_string(),
            now,
            expires_at
        ],
    )
    .await?;
    Ok(NewMachineToken { token, secret })
}

/// The house's tokens, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut SystemTx) -> Result<Vec<MachineToken>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT id, name, prefix, scopes, created_at, expires_at, revoked_at \
             FROM machine_tokens ORDER BY created_at DESC, id DESC",
            args![],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(MachineToken {
                id: row.get(0)?,
                name: row.get(1)?,
                prefix: row.get(2)?,
                scopes: held(&row.get::<String>(3)?),
                created_at: row.get(4)?,
                expires_at: row.get(5)?,
                revoked_at: row.get(6)?,
            })
        })
        .collect()
}

/// Ends a token now. Its name; `None` when there is none of that id, or it ended before.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(
    tx: &mut SystemTx,
    id: MachineTokenId,
    now: Moment,
) -> Result<Option<String>, Error> {
    let row = tx
        .fetch_opt(
            "UPDATE machine_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL \
             RETURNING name",
            args![now, id],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

/// Whose a presented token is.
#[derive(Debug, Clone)]
pub struct Machine {
    pub id: MachineTokenId,
    pub name: String,
    pub scopes: HouseScopes,
}

/// Whose a presented token is, if it is live.
///
/// # Errors
/// When the database cannot be read.
pub async fn find(db: &Db, secret: &str, now: Moment) -> Result<Option<Machine>, Error> {
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            "SELECT id, name, scopes FROM machine_tokens WHERE hash = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2)",
            args![hash_token(secret), now],
        )
        .await?;
    row.map(|row| {
        let scopes = held(&row.get::<String>(2)?);
        Ok(Machine { id: row.get(0)?, name: row.get(1)?, scopes })
    })
    .transpose()
}

/// A scope that this version does not know gives nothing.
fn held(text: &str) -> HouseScopes {
    text.parse().unwrap_or_else(|_| HouseScopes(Vec::new()))
}
