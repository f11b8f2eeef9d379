//! What one setting is, and what its value may be.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    Address,
    Number {
        least: u64,
        most: u64,
    },
    Real {
        least: f64,
        most: f64,
    },
    Flag,
    OneOf(&'static [&'static str]),
    /// A secret of ours: at least 16 characters.
    Secret,
    /// A secret that somebody else issued: any text, a short one is warned about.
    Issued,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub key: &'static str,
    /// Environment variables that set it; the first is ours, the others are what guides call it.
    pub variables: &'static [&'static str],
    pub default: &'static str,
    pub kind: Kind,
    pub about: &'static str,
}

impl Setting {
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Issued)
            || matches!(self.key, "database.url" | "redis.url" | "smtp.url")
    }
}

impl Kind {
    /// The fault of a value and its fix, if it has one.
    pub(super) fn check(self, value: &str) -> Option<(String, String)> {
        let bad = |fault: &str, fix: String| Some((fault.to_owned(), fix));
        match self {
            Self::Text => None,
            Self::Address => {
                if value.parse::<std::net::SocketAddr>().is_err() {
                    return bad(
                        "is no address",
                        "write IP:PORT, such as 127.0.0.1:8080".to_owned(),
                    );
                }
                None
            }
            Self::Number { least, most } => match value.parse::<u64>() {
                Ok(n) if (least..=most).contains(&n) => None,
                _ => bad("is out of range", format!("use a whole number from {least} to {most}")),
            },
            Self::Real { least, most } => match value.parse::<f64>() {
                Ok(n) if (least..=most).contains(&n) => None,
                _ => bad("is out of range", format!("use a number from {least} to {most}")),
            },
            Self::Flag => {
                if ["0", "1", "true", "false"].contains(&value) {
                    return None;
                }
                bad("is neither true nor false", "use true, false, 1 or 0".to_owned())
            }
            Self::OneOf(list) => {
                if list.contains(&value) {
                    return None;
                }
                bad("is not one of the allowed values", format!("use {}", list.join(", ")))
            }
            Self::Secret => {
                let length = value.chars().count();
                if length >= 16 {
                    return None;
                }
                let fault = format!("is a weak secret of {length} characters");
                Some((
                    fault,
                    "use 16 or more, such as the output of `openssl rand -hex 32`".to_owned(),
                ))
            }
            Self::Issued => {
                if value.is_empty() {
                    return bad("is empty", "set it, or leave it out".to_owned());
                }
                None
            }
        }
    }
}

pub(super) const fn number(least: u64, most: u64) -> Kind {
    Kind::Number { least, most }
}
