//! One text, several questions: each is answered by itself, and what is not known is said.

use knowledge::{Extract, Index};

use crate::answer::asks;

/// Words that a thing begins with.
const ARTICLES: &[&str] = &["o", "a", "os", "as", "um", "uma", "the"];
/// Words that a topic, or a part of one, begins with.
const OPENERS: &[&str] = &[
    "o", "a", "os", "as", "um", "uma", "de", "do", "da", "dos", "das", "no", "na", "nos", "nas",
    "em", "para", "pra", "pro", "com", "the", "for", "on", "at",
];
/// Words that a question begins with.
const ASKING: &[&str] = &[
    "tem", "têm", "faz", "fazem", "vende", "vendem", "aceita", "aceitam", "atende", "atendem",
    "qual", "quais", "quanto", "quanta", "quantos", "quando", "onde", "como", "vocês", "voces",
    "vcs", "vc", "posso", "pode", "dá", "qto", "abre", "abrem", "do", "does", "is", "are", "can",
    "what", "how", "when", "where",
];
/// Log-odds from which half an answer is given when the rest is not known.
const SURE: f64 = 0.2;

/// Bytes of a question at most, and places in it, at which two are looked for: each costs look-ups.
const LONGEST_JOINED: usize = 300;
const JOINTS: usize = 3;

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
    let mut named: Option<&str> = None;
    for (at, part) in parts.iter().enumerate() {
        let mut one = if index.asks_of_nothing(part) {
            // "tem canal? quanto custa?", "quanto custa / a limpeza?", or of what was asked before.
            let topics = [named, parts.get(at + 1).copied(), before];
            let whole = topics.into_iter().flatten().find_map(|topic| {
                Some(index.extract(&format!("{part} {topic}"))).filter(Extract::supported)
            });
            alone(whole, part)
        } else {
            named = Some(part);
            joined(index, part)
        };
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
        && let Some(extract) = follow_up(index, text, before, found.extracts.is_empty())
    {
        return Found { extracts: vec![extract], unknown: Vec::new() };
    }
    found
}

fn alone(extract: Option<Extract>, part: &str) -> Found<'_> {
    match extract {
        Some(extract) => Found { extracts: vec![extract], unknown: Vec::new() },
        None => Found { extracts: Vec::new(), unknown: vec![part] },
    }
}

/// "e no sábado?" only means something after the question before it. `lost`: it means nothing alone.
fn follow_up(index: &Index, text: &str, before: &str, lost: bool) -> Option<Extract> {
    let topic = text.trim().strip_prefix("e ").or_else(|| text.trim().strip_prefix("E "));
    let rest = topic.unwrap_or(text);
    let first = rest.split_whitespace().next().unwrap_or_default().to_lowercase();
    // "e o implante?" names another thing, "e no sábado?" adds to the one that was named, and
    // "e aceitam cartão?" asks anew.
    let other = ARTICLES.contains(&first.as_str()) || rest.split_whitespace().count() == 1;
    let continues = topic.is_some() && (other || OPENERS.contains(&first.as_str()));
    if !continues && !lost {
        return None;
    }
    let replaced = format!("{} {rest}", without_topic(before));
    let added = format!("{before} {rest}");
    let tries = if other { [replaced, added] } else { [added, replaced] };
    tries
        .iter()
        .take(if other || lost { 2 } else { 1 })
        .map(|t| index.extract(t))
        .find(Extract::supported)
}

/// The questions of a text, by its question marks and lines; small talk between them is none.
fn questions(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text
        .split_inclusive(['?', '\n'])
        .map(str::trim)
        .filter(|part| part.chars().filter(|c| c.is_alphanumeric()).count() >= 6)
        .filter(|part| asks(part))
        .collect();
    if parts.is_empty() || parts.len() > 4 { vec![text] } else { parts }
}

/// One question, or two that an "e" joins.
fn joined<'a>(index: &Index, part: &'a str) -> Found<'a> {
    let look = |text: &str| Some(index.extract(text)).filter(|e| e.supported() && !e.of_nothing);
    let whole = look(part);
    let mut half: Option<(Extract, &str)> = None;
    let joints = if part.len() <= LONGEST_JOINED { JOINTS } else { 0 };
    for (at, _) in part.match_indices(" e ").take(joints) {
        let (first, second) = (part[..at].trim(), part[at + 3..].trim());
        if first.len() < 4 || second.len() < 3 {
            continue;
        }
        let one = look(first);
        // "quanto custa a limpeza e o canal", "o implante dói e quanto custa".
        let two = [
            second.to_owned(),
            format!("{} {second}", without_topic(first)),
            format!("{second} {first}"),
        ]
        .iter()
        .filter_map(|text| look(text))
        .find(|two| one.as_ref().is_none_or(|one| two.reply != one.reply));
        match (one, two) {
            (Some(one), Some(two))
                if whole.as_ref().is_none_or(|whole| one.score.min(two.score) > whole.score) =>
            {
                return Found { extracts: vec![one, two], unknown: Vec::new() };
            }
            (Some(one), None) if one.score > SURE => {
                if whole.is_some() && index.has_no_word_of(second) {
                    // The whole is only its known half.
                    return Found { extracts: vec![one], unknown: vec![second] };
                }
                half = half.or(Some((one, second)));
            }
            (None, Some(two)) if two.score > SURE => half = half.or(Some((two, first))),
            _ => {}
        }
    }
    if whole.is_some() {
        return alone(whole, part);
    }
    if half.is_none()
        && let Some((led, asked)) = part.rsplit_once(", ")
        && let Some(extract) = look(asked)
    {
        // "meu cachorro tem alergia, vocês têm xampu?": what led to the question needs no answer,
        // unless it asks by itself.
        let first = led.split_whitespace().next().unwrap_or_default().to_lowercase();
        let unknown = if ASKING.contains(&first.as_str()) { vec![led] } else { Vec::new() };
        return Found { extracts: vec![extract], unknown };
    }
    match half {
        Some((extract, unknown)) => Found { extracts: vec![extract], unknown: vec![unknown] },
        None => alone(None, part),
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
