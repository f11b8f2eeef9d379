//! SQL of passkeys and of their ceremonies. What a ceremony means is the crate `passkeys`'s business.

use std::time::Duration;

use db::{Error, SystemTx, args};
use kernel::{Moment, PasskeyId, PersonId};
use tenancy::hash_token;

use crate::token;

/// How long a ceremony may take.
const LASTS: Duration = Duration::from_secs(300);

/// A passkey as its person sees it.
#[derive(Debug, Clone)]
pub struct PasskeyView {
    pub id: PasskeyId,
    pub name: String,
    pub created_at: Moment,
    pub used_at: Option<Moment>,
}

/// A passkey with what proves it.
#[derive(Debug, Clone)]
pub struct Kept {
    pub id: PasskeyId,
    pub person: PersonId,
    /// By which authenticators know the person; random, and says nothing.
    pub handle: Vec<u8>,
    pub credential: Vec<u8>,
    pub fixed: Vec<u8>,
    pub moving: Vec<u8>,
}

/// Keeps a ceremony that began; by what it is named.
///
/// # Errors
/// When the database refuses.
pub async fn begin_ceremony(
    tx: &mut SystemTx,
    state: Vec<u8>,
    person: Option<PersonId>,
    now: Moment,
) -> Result<String, Error> {
    let name = token();
    tx.execute(
        "INSERT INTO passkey_ceremonies (hash, state, person_id, expires_at) VALUES ($1, $2, $3, $4)",
        args![hash_token(&name), state, person, now + LASTS],
    )
    .await?;
    tx.execute("DELETE FROM passkey_ceremonies WHERE expires_at < $1", args![now]).await?;
    Ok(name)
}

/// Takes a ceremony, once, for whom it began.
///
/// # Errors
/// When the database refuses.
pub async fn take_ceremony(
    tx: &mut SystemTx,
    name: &str,
    person: Option<PersonId>,
    now: Moment,
) -> Result<Option<Vec<u8>>, Error> {
    let rows = tx
        .fetch_all(
            "DELETE FROM passkey_ceremonies WHERE hash = $1 AND expires_at > $2 AND COALESCE(person_id, '') = $3 \
             RETURNING state",
            args![hash_token(name), now, person.map(|id| id.to_string()).unwrap_or_default()],
        )
        .await?;
    rows.first().map(|row| row.get(0)).transpose()
}

/// The passkeys of a person, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn passkeys(tx: &mut SystemTx, person: PersonId) -> Result<Vec<PasskeyView>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT id, name, created_at, used_at FROM passkeys WHERE person_id = $1 ORDER BY created_at DESC, id DESC",
            args![person],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(PasskeyView {
                id: row.get(0)?,
                name: row.get(1)?,
                created_at: row.get(2)?,
                used_at: row.get(3)?,
            })
        })
        .collect()
}

/// By which authenticators know the person, made when there is none yet, and the ids of the passkeys there are.
///
/// # Errors
/// When the database refuses.
pub async fn passkey_handle(
    tx: &mut SystemTx,
    person: PersonId,
) -> Result<([u8; 64], Vec<Vec<u8>>), Error> {
    let rows = tx
        .fetch_all("SELECT handle, credential FROM passkeys WHERE person_id = $1", args![person])
        .await?;
    let mut ids = Vec::new();
    let mut handle = None;
    for row in &rows {
        handle = <[u8; 64]>::try_from(row.get::<Vec<u8>>(0)?).ok();
        ids.push(row.get(1)?);
    }
    Ok((handle.unwrap_or_else(|| std::array::from_fn(|_| rand::random())), ids))
}

/// Keeps a passkey.
///
/// # Errors
/// When the database refuses. `false` when somebody has it already.
pub async fn add_passkey(
    tx: &mut SystemTx,
    kept: &Kept,
    name: &str,
    now: Moment,
) -> Result<bool, Error> {
    let done = tx
        .execute(
            "INSERT INTO passkeys (id, person_id, handle, credential, credential_hash, fixed, moving, name, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (credential_hash) DO NOTHING",
            args![
                kept.id,
                kept.person,
                kept.handle.clone(),
                kept.credential.clone(),
                hash_of(&kept.credential),
                kept.fixed.clone(),
                kept.moving.clone(),
                name,
                now
            ],
        )
        .await?;
    Ok(done == 1)
}

fn hash_of(credential: &[u8]) -> String {
    let hex: String = credential.iter().map(|byte| format!("{byte:02x}")).collect();
    hash_token(&hex)
}

/// The passkey of this credential, of somebody who is not shut out.
///
/// # Errors
/// When the database cannot be read.
pub async fn find_passkey(tx: &mut SystemTx, credential: &[u8]) -> Result<Option<Kept>, Error> {
    let row = tx
        .fetch_opt(
            "SELECT k.id, k.person_id, k.handle, k.credential, k.fixed, k.moving FROM passkeys k \
             JOIN people p ON p.id = k.person_id WHERE k.credential_hash = $1 AND p.disabled = 0",
            args![hash_of(credential)],
        )
        .await?;
    row.map(|row| {
        Ok(Kept {
            id: row.get(0)?,
            person: row.get(1)?,
            handle: row.get(2)?,
            credential: row.get(3)?,
            fixed: row.get(4)?,
            moving: row.get(5)?,
        })
    })
    .transpose()
}

/// Writes down that a passkey was used, and what changed of it.
///
/// # Errors
/// When the database refuses.
pub async fn used_passkey(
    tx: &mut SystemTx,
    id: PasskeyId,
    moving: Vec<u8>,
    now: Moment,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE passkeys SET moving = $1, used_at = $2 WHERE id = $3",
        args![moving, now, id],
    )
    .await?;
    Ok(())
}

/// Removes a passkey of this person. `false` when there is none of that id.
///
/// # Errors
/// When the database refuses.
pub async fn remove_passkey(
    tx: &mut SystemTx,
    person: PersonId,
    id: PasskeyId,
) -> Result<bool, Error> {
    let done = tx
        .execute("DELETE FROM passkeys WHERE id = $1 AND person_id = $2", args![id, person])
        .await?;
    Ok(done == 1)
}

/// Removes all passkeys of a person; how many.
///
/// # Errors
/// When the database refuses.
pub async fn remove_passkeys(tx: &mut SystemTx, person: PersonId) -> Result<u64, Error> {
    tx.execute("DELETE FROM passkeys WHERE person_id = $1", args![person]).await
}
