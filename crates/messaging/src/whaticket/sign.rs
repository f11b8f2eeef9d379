//! The signature of a webhook: hex HMAC-SHA256 over `"{timestamp}." + body`.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::Moment;
use sha2::Sha256;

/// How far a timestamp may be from now.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("the header {0} is missing")]
    Missing(&'static str),
    #[error("X-Timestamp must be seconds since 1970")]
    Timestamp,
    #[error("X-Timestamp is more than 300 seconds from now")]
    Late,
    #[error("invalid signature")]
    Signature,
}

/// A signature that is checked while its body comes, in constant time. An empty secret never holds.
pub struct Check {
    mac: Hmac<Sha256>,
    given: Vec<u8>,
}

impl Check {
    /// Looks at all that can be seen before the body.
    ///
    /// # Errors
    /// Says what is wrong, never what would be right.
    pub fn new(
        secret: &str,
        timestamp: Option<&str>,
        signature: Option<&str>,
        now: Moment,
    ) -> Result<Self, Forged> {
        let timestamp = timestamp.ok_or(Forged::Missing("X-Timestamp"))?.trim();
        let signature = signature.ok_or(Forged::Missing("X-Signature"))?.trim();
        // Some callers send fractions; the signature covers the whole seconds.
        let seconds: f64 = timestamp.parse().map_err(|_| Forged::Timestamp)?;
        if !seconds.is_finite() || !(0.0..1e11).contains(&seconds) {
            return Err(Forged::Timestamp);
        }
        #[expect(clippy::cast_possible_truncation, reason = "cut to whole seconds, below 1e11")]
        let seconds = seconds as i64;
        let at = Moment::from_seconds(seconds);
        if now.since(at) > WINDOW || at.since(now) > WINDOW {
            return Err(Forged::Late);
        }
        // SHA-256 has 32 bytes: what is no such thing needs no body.
        let given = decode(signature).filter(|given| given.len() == 32).ok_or(Forged::Signature)?;
        if secret.is_empty() {
            return Err(Forged::Signature);
        }
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Forged::Signature)?;
        mac.update(format!("{seconds}.").as_bytes());
        Ok(Self { mac, given })
    }

    /// The next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.mac.update(piece);
    }

    /// Whether it holds, after the last piece.
    ///
    /// # Errors
    /// When it does not.
    pub fn holds(self) -> Result<(), Forged> {
        self.mac.verify_slice(&self.given).map_err(|_| Forged::Signature)
    }
}

/// Bytes of a text in hexadecimal.
pub(crate) fn decode(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_767_614_400_000_000);

    // Made with `printf '1767614400.{}' | openssl dgst -sha256 -hmac segredo`.
    const GOOD: &str = "ad6cc28d1d332f281ec89fdaa762971a5e83002a58d4b8e25707b61467946b03";

    fn check(at: &str, signature: &str, body: &str) -> Result<(), Forged> {
        let mut check = Check::new("segredo", Some(at), Some(signature), NOW)?;
        // In pieces, as it comes.
        for piece in body.as_bytes().chunks(1) {
            check.update(piece);
        }
        check.holds()
    }

    #[test]
    fn a_signature_holds_for_its_body_and_time_only() {
        assert_eq!(check("1767614400", GOOD, "{}"), Ok(()));
        assert_eq!(check("1767614400.7", GOOD, "{}"), Ok(()));
        assert_eq!(check("1767614400", GOOD, "{ }"), Err(Forged::Signature));
        assert_eq!(check("1767614401", GOOD, "{}"), Err(Forged::Signature));
        assert_eq!(check("1767614099", GOOD, "{}"), Err(Forged::Late));
        assert_eq!(check("1767614701", GOOD, "{}"), Err(Forged::Late));
        assert_eq!(check("agora", GOOD, "{}"), Err(Forged::Timestamp));
        assert_eq!(check("NaN", GOOD, "{}"), Err(Forged::Timestamp));
        for bad in ["", "zz", "abc", &GOOD[2..], "çç"] {
            assert_eq!(check("1767614400", bad, "{}"), Err(Forged::Signature), "{bad}");
        }
        let none = Check::new("", Some("1767614400"), Some(GOOD), NOW);
        assert_eq!(none.err(), Some(Forged::Signature), "an empty secret is no secret");
    }
}
