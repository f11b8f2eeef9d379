//! Addresses that people take for one another.

use unicode_security::confusable_detection::skeleton;

/// What an address looks like, by the Unicode table of confusable letters (UTS 39): the same for
/// `ana@rnail.example` and `ana@mail.example`.
pub fn shape(address: &str) -> String {
    skeleton(&address.trim().to_lowercase()).collect::<String>().to_lowercase()
}

/// Whether two addresses are different and look the same.
pub fn looks_like(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() != other.trim().to_lowercase() && shape(one) == shape(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_look_alike_are_told_and_others_are_not() {
        for (one, other) in [
            ("ana@mail.example", "ana@rnail.example"),
            ("dona@alfa.example", "d\u{43e}na@alfa.example"),
            ("joao@sol.example", "j0ao@s0l.example"),
            ("clara@sol.example", "c1ara@sol.example"),
        ] {
            assert!(looks_like(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("ana@mail.example", "ANA@mail.example"),
            ("ana@mail.example", "eva@mail.example"),
            ("ana@mail.example", "ana@mail.example.br"),
        ] {
            assert!(!looks_like(one, other), "{one} {other}");
        }
    }
}
