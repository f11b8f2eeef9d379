//! A tenant's short name, as it stands in commands, URLs and logs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// 2 to 40 lower-case letters, digits or hyphens, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// Why a text is no slug, with the form that would be accepted where there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSlug {
    #[error("slug `{given}` has upper-case letters; use `{offer}`")]
    UpperCase { given: String, offer: String },
    #[error(
        "slug `{0}` must have 2 to 40 lower-case letters, digits or hyphens, not start or end with a hyphen"
    )]
    Shape(String),
}

impl Slug {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = BadSlug;

    fn from_str(text: &str) -> Result<Self, BadSlug> {
        let shape = |s: &str| {
            (2..=40).contains(&s.len())
                && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !s.starts_with('-')
                && !s.ends_with('-')
        };
        if shape(text) {
            return Ok(Self(text.to_owned()));
        }
        let offer = text.to_lowercase().replace(['_', ' '], "-");
        if offer != text && text.chars().any(char::is_uppercase) && shape(&offer) {
            return Err(BadSlug::UpperCase { given: text.to_owned(), offer });
        }
        Err(BadSlug::Shape(text.to_owned()))
    }
}

impl TryFrom<String> for Slug {
    type Error = BadSlug;
    fn try_from(text: String) -> Result<Self, BadSlug> {
        text.parse()
    }
}
impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}
impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_is_refused_with_the_lower_case_form_offered() {
        let error = "DistribuidoraXYZ".parse::<Slug>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "slug `DistribuidoraXYZ` has upper-case letters; use `distribuidoraxyz`"
        );
        assert!("a".parse::<Slug>().is_err());
        assert!("clinica-sorriso".parse::<Slug>().is_ok());
        assert!("-x".parse::<Slug>().is_err());
        assert!("á-b".parse::<Slug>().is_err());
    }
}
