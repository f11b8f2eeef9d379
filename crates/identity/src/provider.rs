//! SQL of who somebody is at an identity provider: an issuer and a subject, never an address alone.

use db::{Error, SystemTx, args};
use kernel::{Moment, PersonId};

/// The person whom a provider knows by this subject.
///
/// # Errors
/// When the database cannot be read.
pub async fn person_by_subject(
    tx: &mut SystemTx,
    issuer: &str,
    subject: &str,
) -> Result<Option<PersonId>, Error> {
    let row = tx
        .fetch_opt(
            "SELECT person_id FROM provider_identities WHERE issuer = $1 AND subject = $2",
            args![issuer, subject],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

/// Ties a person to a subject of a provider. `false` when the person is another subject there: an
/// address that was given to somebody else does not open the account it was of.
///
/// # Errors
/// When the database refuses.
pub async fn tie_subject(
    tx: &mut SystemTx,
    person: PersonId,
    (issuer, subject): (&str, &str),
    now: Moment,
) -> Result<bool, Error> {
    let taken = tx
        .fetch_opt(
            "SELECT 1 FROM provider_identities WHERE issuer = $1 AND person_id = $2 AND subject <> $3",
            args![issuer, person, subject],
        )
        .await?;
    if taken.is_some() {
        return Ok(false);
    }
    let done = tx
        .execute(
            "INSERT INTO provider_identities (issuer, subject, person_id, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (issuer, subject) DO NOTHING",
            args![issuer, subject, person, now],
        )
        .await?;
    Ok(done == 1)
}

/// Whether a person is tied to a subject of this issuer.
///
/// # Errors
/// When the database cannot be read.
pub async fn is_tied(tx: &mut SystemTx, person: PersonId, issuer: &str) -> Result<bool, Error> {
    let row = tx
        .fetch_opt(
            "SELECT 1 FROM provider_identities WHERE issuer = $1 AND person_id = $2",
            args![issuer, person],
        )
        .await?;
    Ok(row.is_some())
}
