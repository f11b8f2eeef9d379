//! Texts of one line: names, subjects, labels, file names.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// 1 to `MOST` characters on one line: trimmed, no control character, nothing that turns the direction of reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line<const MOST: usize>(String);

/// The text is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotALine {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most {0} characters")]
    Long(usize),
    #[error("must be one line, without control characters")]
    Broken,
}

/// Whether a character ends a line, or changes how what follows is read.
fn breaks(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text stays on its line.
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(breaks)
}

impl<const MOST: usize> Line<MOST> {
    /// What is shown of a text from outside, which cannot be sent back: what breaks becomes a blank, runs of blanks
    /// one, and the rest is cut. `None` when nothing is left.
    pub fn shown(text: &str) -> Option<Self> {
        // Nearly every text is one already.
        if text.len() <= MOST
            && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && !text.contains("  ")
        {
            let text = text.trim_matches(' ');
            return (!text.is_empty()).then(|| Self(text.to_owned()));
        }
        let even: String = text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
        let words: Vec<&str> = even.split_whitespace().collect();
        let cut: String = words.join(" ").chars().take(MOST).collect();
        let cut = cut.trim_end();
        (!cut.is_empty()).then(|| Self(cut.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> FromStr for Line<MOST> {
    type Err = NotALine;

    fn from_str(text: &str) -> Result<Self, NotALine> {
        let text = text.trim_matches(' ');
        if !is_one_line(text) {
            return Err(NotALine::Broken);
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(NotALine::Empty);
        }
        if text.chars().count() > MOST {
            return Err(NotALine::Long(MOST));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<const MOST: usize> TryFrom<String> for Line<MOST> {
    type Error = NotALine;
    fn try_from(text: String) -> Result<Self, NotALine> {
        text.parse()
    }
}

impl<const MOST: usize> From<Line<MOST>> for String {
    fn from(line: Line<MOST>) -> Self {
        line.0
    }
}

impl<const MOST: usize> Deref for Line<MOST> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> fmt::Display for Line<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters of a stranger's name that a letter carries.
const QUOTED: usize = 40;

/// A stranger's name as a letter carries it: quoted, short, and without anything that a mail program makes a link of.
pub fn quoted(name: &str) -> String {
    let cut: String = unlinked(name).replace(['“', '”', '"'], " ").chars().take(QUOTED).collect();
    let words: Vec<&str> = cut.split_whitespace().collect();
    format!("“{}”", words.join(" "))
}

/// A text on one line, of which no mail program makes a link.
pub fn unlinked(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // What stands between the parts of an address, in any script.
        let joins = matches!(
            c,
            '@' | '/' | '\\' | ':' | '<' | '>' | '．' | '。' | '｡' | '：' | '／' | '＠'
        );
        // A full stop ends a word: within one it makes an address of it.
        let within = c == '.' && rest.peek().is_some_and(|next| !next.is_whitespace());
        kept.push(if joins || within || breaks(c) { ' ' } else { c });
    }
    let words: Vec<&str> = kept.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_breaks_and_a_bound() {
        assert_eq!("  Ana Lima ".parse::<Line<10>>().unwrap().as_str(), "Ana Lima");
        for broken in
            ["A\nB", "A\r\nB", "A\0B", "A\u{202e}B", "A\u{2028}B", "\tA", "A\u{85}B", "\nA"]
        {
            assert_eq!(broken.parse::<Line<10>>(), Err(NotALine::Broken), "{broken:?}");
        }
        assert_eq!("   ".parse::<Line<10>>(), Err(NotALine::Empty));
        assert_eq!("12345678901".parse::<Line<10>>(), Err(NotALine::Long(10)));
        assert_eq!("ação ação!".parse::<Line<10>>().unwrap().as_str(), "ação ação!");
    }

    #[test]
    fn what_comes_from_outside_is_made_one() {
        assert_eq!(
            Line::<20>::shown("Ana\r\n\r\nSUPORTE: entre").unwrap().as_str(),
            "Ana SUPORTE: entre"
        );
        assert_eq!(Line::<5>::shown("Ana Maria").unwrap().as_str(), "Ana M");
        assert_eq!(Line::<4>::shown("Ana Maria").unwrap().as_str(), "Ana");
        assert_eq!(Line::<5>::shown("\r\n\0"), None);
    }

    #[test]
    fn a_quoted_name_is_no_link_and_no_paragraph() {
        for (name, expected) in [
            ("Dra. Ana D'Ávila", "“Dra. Ana D'Ávila”"),
            (
                "Ana\r\n\r\nEntre em http://evil.example/painel",
                "“Ana Entre em http evil example painel”",
            ),
            ("evil.example", "“evil example”"),
            ("a@b.com", "“a b com”"),
            ("www。evil．com", "“www evil com”"),
            ("“fim” começo", "“fim começo”"),
            ("x\u{202e}moc.live", "“x moc live”"),
            ("", "“”"),
        ] {
            assert_eq!(quoted(name), expected);
        }
        assert!(quoted(&"a".repeat(500)).chars().count() <= QUOTED + 2);
    }
}
