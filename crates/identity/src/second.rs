//! The second factor: codes of an authenticator app, and codes for the day the phone is lost.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::{Error, SystemTx, args};
use kernel::{Moment, PersonId};
use tenancy::{Vault, VaultError, hash_token};
use totp_rs::{Builder, Totp};

/// What an authenticator app is set up with.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// `otpauth://…`, for a QR code.
    pub url: String,
    /// The same secret to type.
    pub secret: String,
}

const RECOVERY: usize = 10;

fn totp(secret: &[u8], issuer: &str, email: &str) -> Option<Totp> {
    // A colon would end the issuer's part of the label.
    let issuer = issuer.replace(':', " ");
    Builder::new()
        .with_secret(secret.to_vec())
        .with_account_name(email.replace(':', " "))
        .with_issuer(Some(issuer))
        .build()
        .ok()
}

fn about(person: PersonId) -> String {
    format!("second factor of {person}")
}

/// Starts to set a second factor up. It counts only once [`confirm_second`] saw a right code. `None`
/// when the person has one: it is taken away first.
///
/// # Errors
/// When the database refuses.
pub async fn start_second(
    tx: &mut SystemTx,
    vault: &Vault,
    person: (PersonId, &str),
    issuer: &str,
) -> Result<Option<Enrolment>, VaultError> {
    let (id, email) = person;
    let secret: [u8; 20] = rand::random();
    let sealed = vault.seal_for_house(&about(id), &secret);
    let kept = tx
        .execute(
            "UPDATE people SET second_sealed = $1, second_step = 0 WHERE id = $2 AND second_confirmed = 0",
            args![sealed, id],
        )
        .await?;
    if kept == 0 {
        return Ok(None);
    }
    let totp = totp(&secret, issuer, email).ok_or(VaultError::WrongKey)?;
    let url = totp.to_url().map_err(|_| VaultError::WrongKey)?;
    let typed = url.split_once("secret=").map_or("", |(_, rest)| rest);
    let secret = typed.split('&').next().unwrap_or_default().to_owned();
    Ok(Some(Enrolment { url, secret }))
}

/// A right code makes the second factor count. Returns codes for the day the phone is lost, shown
/// once; `None`: the code is wrong, or the factor counts already.
///
/// # Errors
/// When the database refuses.
pub async fn confirm_second(
    tx: &mut SystemTx,
    vault: &Vault,
    person: PersonId,
    code: &str,
    now: Moment,
) -> Result<Option<Vec<String>>, VaultError> {
    if has_second(tx, person).await? || !check(tx, vault, person, code, now).await? {
        return Ok(None);
    }
    tx.execute("UPDATE people SET second_confirmed = 1 WHERE id = $1", args![person]).await?;
    tx.execute("DELETE FROM recovery_codes WHERE person_id = $1", args![person]).await?;
    let mut codes = Vec::new();
    for _ in 0..RECOVERY {
        let raw = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>()).to_lowercase();
        let raw = raw.replace(['-', '_'], "x");
        let code = format!("{}-{}-{}", &raw[..4], &raw[4..8], &raw[8..12]);
        tx.execute(
            "INSERT INTO recovery_codes (person_id, hash) VALUES ($1, $2)",
            args![person, hash_token(&code)],
        )
        .await?;
        codes.push(code);
    }
    Ok(Some(codes))
}

/// Whether a code of the app, never used before, or a recovery code is right.
///
/// # Errors
/// When the database refuses.
pub async fn verify_second(
    tx: &mut SystemTx,
    vault: &Vault,
    person: PersonId,
    code: &str,
    now: Moment,
) -> Result<bool, VaultError> {
    let code = code.trim().to_lowercase();
    if code.contains('-') {
        let done = tx
            .execute(
                "DELETE FROM recovery_codes WHERE person_id = $1 AND hash = $2",
                args![person, hash_token(&code)],
            )
            .await?;
        return Ok(done == 1);
    }
    check(tx, vault, person, &code, now).await
}

async fn check(
    tx: &mut SystemTx,
    vault: &Vault,
    person: PersonId,
    code: &str,
    now: Moment,
) -> Result<bool, VaultError> {
    let row = tx
        .fetch_opt("SELECT second_sealed, second_step FROM people WHERE id = $1", args![person])
        .await?;
    let Some(row) = row else { return Ok(false) };
    let Some(sealed) = row.get::<Option<Vec<u8>>>(0)? else { return Ok(false) };
    let secret = vault.open_for_house(&about(person), &sealed)?;
    let Some(totp) = totp(&secret, "-", "-") else { return Ok(false) };
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let seconds = u64::try_from(now.0 / 1_000_000).unwrap_or(0);
    let Some(step) = totp.check(&code, seconds) else { return Ok(false) };
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    // Each code opens once: whoever looked over the shoulder comes too late.
    let done = tx
        .execute(
            "UPDATE people SET second_step = $1 WHERE id = $2 AND second_step < $1",
            args![step, person],
        )
        .await?;
    Ok(done == 1)
}

/// Whether the person has a second factor.
///
/// # Errors
/// When the database cannot be read.
pub async fn has_second(tx: &mut SystemTx, person: PersonId) -> Result<bool, Error> {
    let row =
        tx.fetch_opt("SELECT second_confirmed FROM people WHERE id = $1", args![person]).await?;
    row.map(|row| row.get(0)).transpose().map(|found| found.unwrap_or(false))
}

/// How many recovery codes are left.
///
/// # Errors
/// When the database cannot be read.
pub async fn recovery_codes_left(tx: &mut SystemTx, person: PersonId) -> Result<i64, Error> {
    let row = tx
        .fetch_opt("SELECT COUNT(*) FROM recovery_codes WHERE person_id = $1", args![person])
        .await?;
    row.map(|row| row.get(0)).transpose().map(|found| found.unwrap_or(0))
}

/// Takes the second factor away.
///
/// # Errors
/// When the database refuses.
pub async fn remove_second(tx: &mut SystemTx, person: PersonId) -> Result<(), Error> {
    tx.execute(
        "UPDATE people SET second_confirmed = 0, second_sealed = NULL WHERE id = $1",
        args![person],
    )
    .await?;
    tx.execute("DELETE FROM recovery_codes WHERE person_id = $1", args![person]).await?;
    Ok(())
}
