//! Passwords: what is accepted, and how it is kept.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Characters a password has at least.
pub const SHORTEST: usize = 10;
/// Longer ones are refused: hashing must not become a way to keep the server busy.
const LONGEST: usize = 200;

/// Why a password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    #[error("a password has at least {SHORTEST} characters")]
    Short,
    #[error("a password has at most {LONGEST} characters")]
    Long,
    /// Among the passwords that leaked most, built from them, or from the own name or address.
    #[error("this password is easy to guess: it is common, or made of your name or e-mail")]
    Guessable,
}

/// Checks length and how hard it is to guess: common and leaked passwords, keyboard walks, dates
/// and what is `known` of the person count as guessed.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_password(password: &str, known: &[&str]) -> Result<(), PasswordRefused> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(PasswordRefused::Short);
    }
    if length > LONGEST {
        return Err(PasswordRefused::Long);
    }
    let parts: Vec<&str> = known
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]))
        .filter(|part| part.len() > 2)
        .collect();
    // Guesses beyond this many characters change nothing and cost time.
    let head: String = password.chars().take(72).collect();
    if zxcvbn::zxcvbn(&head, &parts).score() < zxcvbn::Score::Three {
        return Err(PasswordRefused::Guessable);
    }
    Ok(())
}

/// Passwords that are hashed at once, at most: each takes 19 MiB and a core.
static AT_ONCE: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
});

/// Hashes by argon2id with the library's default cost (19 MiB, two passes), off the async threads.
pub async fn hash_password(password: &str) -> String {
    let password = password.to_owned();
    let _turn = AT_ONCE.acquire().await;
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .expect("hashing with default parameters does not fail")
            .to_string()
    })
    .await
    .expect("hashing does not panic")
}

/// Whether it is the password. Takes as long when there is no hash, so that nobody learns by the
/// clock which addresses are known.
pub async fn verify_password(password: &str, hash: Option<String>) -> bool {
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                          5Yd9wRzI3rkzhYxZ1Zz3m5nKkVbWkz9DYB9VJ2l0c2E";
    if password.chars().count() > LONGEST {
        return false;
    }
    let password = password.to_owned();
    let _turn = AT_ONCE.acquire().await;
    tokio::task::spawn_blocking(move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| NOBODY.to_owned());
        let Ok(parsed) = PasswordHash::new(&text) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known
    })
    .await
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_short_and_own_words_are_refused() {
        use PasswordRefused::{Guessable, Long, Short};
        let long = "a".repeat(201);
        for (password, outcome) in [
            ("curta", Err(Short)),
            (long.as_str(), Err(Long)),
            ("password1234", Err(Guessable)),
            ("1234567890", Err(Guessable)),
            ("qwertyuiop", Err(Guessable)),
            ("anaclinica1", Err(Guessable)),
            ("tres mosqueteiros azuis", Ok(())),
            ("Xk3#vv9!pqLw", Ok(())),
        ] {
            assert_eq!(
                check_password(password, &["ana@clinica.com.br", "Ana"]),
                outcome,
                "{password}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only_and_nobody_has_none() {
        let hash = hash_password("tres mosqueteiros azuis").await;
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("tres mosqueteiros azuis", Some(hash.clone())).await);
        assert!(!verify_password("tres mosqueteiros", Some(hash)).await);
        assert!(!verify_password("tres mosqueteiros azuis", None).await);
    }
}
