//! One text, several questions: each is answered by itself, and what is not known is said.

use knowledge::{Extract, Index};

use crate::guard::{Intent, intent};

/// Words that a new topic begins with.
const OPENERS: &[&str] = &[
    "o", "a", "os", "as", "um", "uma", "de", "do", "da", "dos", "das", "no", "na", "nos", "nas",
    "em", "para", "pra", "pro", "com", "the", "for", "on", "at",
];
/// Log-odds from which half an answer is given when the rest is not known.
const SURE: f64 = 0.2;

/// What the knowledge says to a text.
pub(crate) struct Found<'a> {
    pub(crate) extracts: Vec<Extract>,
    /// The questions that it does not answer, when it answers others.
    pub(crate) unknown: Vec<&'a str>,
}

/// Looks each question of a text up; `before` is what the contact asked last.
pub(crate) fn find<'a>(index: &Index, text: &'a str, before: Option<&str>) -> Found<'a> {
    let mut found = Found { extracts: Vec::new(), unknown: Vec::new() };
    let parts = questions(text);
    for part in &parts {
        let mut one = joined(index, part);
        found.extracts.append(&mut one.extracts);
        found.unknown.append(&mut one.unknown);
    }
    if found.extracts.is_empty() && parts.len() > 1 {
        // Said in several lines, but one question.
        let whole = index.extract(text);
        if whole.supported() {
            return Found { extracts: vec![whole], unknown: Vec::new() };
        }
    }
    if let Some(before) = before
        && parts.len() <= 1
        && text.split_whitespace().count() <= 5
    {
        let extracts = follow_up(index, text, before, found.extracts);
        return Found { extracts, unknown: Vec::new() };
    }
    found
}

/// "e no sábado?" only means something after the question before it.
fn follow_up(index: &Index, text: &str, before: &str, alone: Vec<Extract>) -> Vec<Extract> {
    let topic = text.trim().strip_prefix("e ").or_else(|| text.trim().strip_prefix("E "));
    // "e o implante?" names a thing and asks what was asked before; "e aceitam cartão?" asks anew.
    let continues = topic.is_some_and(|rest| {
        let mut words = rest.split_whitespace();
        let opens =
            words.next().is_some_and(|word| OPENERS.contains(&word.to_lowercase().as_str()));
        opens || words.next().is_none()
    });
    if !alone.is_empty() && !continues {
        return alone;
    }
    let rest = topic.unwrap_or(text);
    let tries = [format!("{} {rest}", without_topic(before)), format!("{before} {text}")];
    let together = tries.iter().map(|text| index.extract(text)).find(Extract::supported);
    match together {
        Some(extract) => vec![extract],
        None => alone,
    }
}

/// The questions of a text, by its question marks and lines; small talk between them is none.
fn questions(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text
        .split_inclusive(['?', '\n'])
        .map(str::trim)
        .filter(|part| part.chars().filter(|c| c.is_alphanumeric()).count() >= 6)
        .filter(|part| intent(part) == Intent::Question)
        .collect();
    if parts.is_empty() || parts.len() > 4 { vec![text] } else { parts }
}

/// One question, or two that an "e" joins.
fn joined<'a>(index: &Index, part: &'a str) -> Found<'a> {
    let whole = index.extract(part);
    let mut half = None;
    for (at, _) in part.match_indices(" e ") {
        let (first, second) = (part[..at].trim(), part[at + 3..].trim());
        if first.len() < 4 || second.len() < 3 {
            continue;
        }
        let one = index.extract(first);
        // "quanto custa a limpeza e o canal", "o implante dói e quanto custa".
        let two = [
            second.to_owned(),
            format!("{} {second}", without_topic(first)),
            format!("{second} {first}"),
        ]
        .iter()
        .filter(|text| !index.asks_any_price(text))
        .map(|text| index.extract(text))
        .find(|two| two.supported() && two.pieces.first() != one.pieces.first());
        match (one.supported(), two) {
            (true, Some(two)) if !whole.supported() || one.score.min(two.score) > whole.score => {
                return Found { extracts: vec![one, two], unknown: Vec::new() };
            }
            (true, None) if one.score > SURE => half = half.or(Some((one, second))),
            (false, Some(two)) if two.score > SURE => half = half.or(Some((two, first))),
            _ => {}
        }
    }
    if whole.supported() {
        return Found { extracts: vec![whole], unknown: Vec::new() };
    }
    if half.is_none()
        && let Some((_, asked)) = part.rsplit_once(", ")
    {
        // "meu cachorro tem alergia, vocês têm xampu?": what led to the question says little of it.
        half = Some(index.extract(asked)).filter(|e| e.supported()).map(|e| (e, ""));
    }
    match half {
        Some((extract, "")) => Found { extracts: vec![extract], unknown: Vec::new() },
        Some((extract, unknown)) => Found { extracts: vec![extract], unknown: vec![unknown] },
        None => Found { extracts: Vec::new(), unknown: vec![part] },
    }
}

/// A question without what it is about: "quanto custa o clareamento" becomes "quanto custa".
fn without_topic(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words
        .iter()
        .rposition(|word| OPENERS.contains(&word.to_lowercase().as_str()))
        .filter(|at| *at > 0)
        .unwrap_or_else(|| words.len().saturating_sub(1));
    words[..at].join(" ")
}
