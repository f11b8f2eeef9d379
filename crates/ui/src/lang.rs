//! Portuguese first, English complete: a text is written down in both at once.

use std::fmt;
use std::str::FromStr;

/// A language of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    Pt,
    En,
}

impl Lang {
    /// The text in this language.
    pub fn t<'a>(self, portuguese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Pt => portuguese,
            Self::En => english,
        }
    }

    /// BCP 47.
    pub fn tag(self) -> &'static str {
        self.t("pt-BR", "en")
    }

    /// The first language of an `Accept-Language` header that there is; Portuguese otherwise.
    pub fn accepted(header: &str) -> Self {
        let mut wanted: Vec<(f32, Self)> = header
            .split(',')
            .filter_map(|part| {
                let mut pieces = part.trim().split(';');
                let lang = pieces.next()?.parse().ok()?;
                let weight = pieces
                    .find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok())
                    .unwrap_or(1.0);
                Some((weight, lang))
            })
            .filter(|(weight, _)| *weight > 0.0)
            .collect();
        // Stable: of equal weights the first named wins.
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
        wanted.first().map_or(Self::Pt, |(_, lang)| *lang)
    }
}

/// The text names no language of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLang;

impl FromStr for Lang {
    type Err = UnknownLang;
    fn from_str(text: &str) -> Result<Self, UnknownLang> {
        match text.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "pt" => Ok(Self::Pt),
            "en" => Ok(Self::En),
            _ => Err(UnknownLang),
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_is_answered_in_the_language_it_asks_for() {
        for (header, lang) in [
            ("", Lang::Pt),
            ("en-US,en;q=0.9", Lang::En),
            ("pt-BR,pt;q=0.9,en-US;q=0.8", Lang::Pt),
            ("fr;q=1.0, en;q=0.3, pt;q=0.8", Lang::Pt),
            ("de", Lang::Pt),
            ("en;q=0", Lang::Pt),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
    }
}
