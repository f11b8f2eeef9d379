//! SQL of people.

use db::{Db, Error, Row, SystemTx, args};
use kernel::line::Line;
use kernel::{Moment, PersonId};
use tenancy::hash_token;

use crate::PasswordRefused;

/// Somebody who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: PersonId,
    pub email: String,
    pub name: String,
    /// BCP 47; `None`: as the browser asks.
    pub language: Option<String>,
    /// Runs the house.
    pub operator: bool,
    pub disabled: bool,
    pub has_password: bool,
    pub has_second: bool,
    pub created_at: Moment,
}

/// Somebody new.
#[derive(Debug, Clone)]
pub struct NewPerson<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub password_hash: Option<&'a str>,
    pub operator: bool,
}

/// Why a person is refused.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    #[error("`{0}` is no e-mail address")]
    Email(String),
    #[error("somebody has this e-mail address already")]
    Taken,
    #[error("a name has 1 to 80 characters")]
    Name,
    #[error("this address was sent several invitations today; wait until tomorrow")]
    ManyToOne,
    #[error("this business sent 30 invitations today; wait until tomorrow")]
    ManyInvitations,
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    #[error(transparent)]
    Storage(#[from] Error),
}

/// An address as it is compared and stored.
pub(crate) fn normal(email: &str) -> Result<String, PersonError> {
    let email = email.trim().to_lowercase();
    // `ana@clinica` is a slip more often than a host of one's own.
    let domain = email.rsplit('@').next().unwrap_or_default();
    let known =
        email.parse::<lettre::Address>().is_ok() && email.len() <= 254 && domain.contains('.');
    if known { Ok(email) } else { Err(PersonError::Email(email)) }
}

const PERSON: &str = "SELECT id, email, name, language, operator, disabled, CASE WHEN password_hash IS NULL THEN CAST(0 AS BIGINT) ELSE CAST(1 AS BIGINT) END, \
     second_confirmed, created_at FROM people";

fn person(row: &Row) -> Result<Person, Error> {
    Ok(Person {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        language: row.get(3)?,
        operator: row.get(4)?,
        disabled: row.get(5)?,
        has_password: row.get(6)?,
        has_second: row.get(7)?,
        created_at: row.get(8)?,
    })
}

fn name_of(text: &str) -> Result<String, PersonError> {
    text.parse::<Line<80>>().map(String::from).map_err(|_| PersonError::Name)
}

/// Writes a person down.
///
/// # Errors
/// When a field is not acceptable, or the address is taken.
pub async fn create_person(
    tx: &mut SystemTx,
    new: &NewPerson<'_>,
    now: Moment,
) -> Result<PersonId, PersonError> {
    let email = normal(new.email)?;
    let name = name_of(new.name)?;
    let id = PersonId::generate();
    let done = tx
        .execute(
            "INSERT INTO people (id, email, name, password_hash, operator, created_at, password_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (email) DO NOTHING",
            args![id, email, name, new.password_hash, new.operator, now],
        )
        .await?;
    if done == 0 { Err(PersonError::Taken) } else { Ok(id) }
}

/// The person of this id.
///
/// # Errors
/// When the database cannot be read.
pub async fn find_person(tx: &mut SystemTx, id: PersonId) -> Result<Option<Person>, Error> {
    let row = tx.fetch_opt(&format!("{PERSON} WHERE id = $1"), args![id]).await?;
    row.as_ref().map(person).transpose()
}

/// The person of this address.
///
/// # Errors
/// When the database cannot be read.
pub async fn person_by_email(tx: &mut SystemTx, email: &str) -> Result<Option<Person>, Error> {
    let Ok(email) = normal(email) else { return Ok(None) };
    let row = tx.fetch_opt(&format!("{PERSON} WHERE email = $1"), args![email]).await?;
    row.as_ref().map(person).transpose()
}

/// Names of people who belong to a tenant, or did, by id.
///
/// # Errors
/// When the database cannot be read.
pub async fn people_by_ids(db: &Db, ids: &[PersonId]) -> Result<Vec<(PersonId, String)>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let holes: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            &format!("SELECT id, name FROM people WHERE id IN ({})", holes.join(", ")),
            ids.iter().map(|id| (*id).into()).collect(),
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Everybody who runs the house.
///
/// # Errors
/// When the database cannot be read.
pub async fn operators(tx: &mut SystemTx) -> Result<Vec<Person>, Error> {
    let rows = tx
        .fetch_all(&format!("{PERSON} WHERE operator = 1 AND disabled = 0 ORDER BY email"), args![])
        .await?;
    rows.iter().map(person).collect()
}

/// The hash of the person's password, if there is one.
///
/// # Errors
/// When the database cannot be read.
pub async fn password_hash(tx: &mut SystemTx, id: PersonId) -> Result<Option<String>, Error> {
    let row = tx
        .fetch_opt("SELECT password_hash FROM people WHERE id = $1 AND disabled = 0", args![id])
        .await?;
    row.map(|row| row.get(0)).transpose().map(Option::flatten)
}

/// Replaces the person's password.
///
/// # Errors
/// When the database refuses.
pub async fn set_password(
    tx: &mut SystemTx,
    id: PersonId,
    hash: &str,
    now: Moment,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE people SET password_hash = $1, password_at = $2 WHERE id = $3",
        args![hash, now, id],
    )
    .await?;
    Ok(())
}

/// Renames a person.
///
/// # Errors
/// When the name is empty or too long.
pub async fn set_name(tx: &mut SystemTx, id: PersonId, name: &str) -> Result<(), PersonError> {
    let name = name_of(name)?;
    tx.execute("UPDATE people SET name = $1 WHERE id = $2", args![name, id]).await?;
    Ok(())
}

/// Sets the language of the person's pages and mail; `None`: as the browser asks.
///
/// # Errors
/// When the database refuses.
pub async fn set_language(
    tx: &mut SystemTx,
    id: PersonId,
    language: Option<&str>,
) -> Result<(), Error> {
    tx.execute("UPDATE people SET language = $1 WHERE id = $2", args![language, id]).await?;
    Ok(())
}

/// Makes a person run the house, or not.
///
/// # Errors
/// When the database refuses.
pub async fn set_operator(tx: &mut SystemTx, id: PersonId, operator: bool) -> Result<(), Error> {
    tx.rights_changed();
    tx.execute(
        "UPDATE people SET operator = $1, operator_source = 'house' WHERE id = $2",
        args![operator, id],
    )
    .await?;
    Ok(())
}

/// Makes a person run the house because the identity provider says so, or no longer. Whoever was
/// made an operator by the house stays one. Whether anything changed.
///
/// # Errors
/// When the database refuses.
pub async fn provide_operator(
    tx: &mut SystemTx,
    id: PersonId,
    operator: bool,
) -> Result<bool, Error> {
    let sql = if operator {
        "UPDATE people SET operator = 1, operator_source = 'provider' WHERE id = $1 AND operator = 0"
    } else {
        "UPDATE people SET operator = 0, operator_source = 'house' \
         WHERE id = $1 AND operator = 1 AND operator_source = 'provider'"
    };
    tx.rights_changed();
    Ok(tx.execute(sql, args![id]).await? == 1)
}

/// Shuts a person out, or lets them in again; all sessions end.
///
/// # Errors
/// When the database refuses.
pub async fn disable(tx: &mut SystemTx, id: PersonId, disabled: bool) -> Result<(), Error> {
    tx.rights_changed();
    tx.execute("UPDATE people SET disabled = $1 WHERE id = $2", args![disabled, id]).await?;
    tx.execute("DELETE FROM sessions WHERE person_id = $1", args![id]).await?;
    Ok(())
}

/// What attempts to sign in as this address are counted under: the address itself is not kept.
pub(crate) fn key(email: &str) -> String {
    hash_token(&email.trim().to_lowercase())
}
