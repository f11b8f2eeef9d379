//! Cutting text: into words and stems, sentences, and pieces of about 800 characters.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;
use rust_stemmers::{Algorithm, Stemmer};

use crate::lexicon;

/// Characters of a piece, and so of a sentence, at most.
pub const PIECE: usize = 800;
/// Characters that a piece repeats of the one before, at most: a fifth.
pub const OVERLAP: usize = 160;

pub(crate) type Words = HashSet<&'static str>;

/// A regular expression of our own, which is therefore sound.
pub(crate) fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a valid expression")
}

pub(crate) static STOP: LazyLock<Words> = LazyLock::new(|| set(lexicon::STOP));
pub(crate) static NUMBERS: LazyLock<Words> = LazyLock::new(|| set(lexicon::NUMBERS));
static ABBREVIATIONS: LazyLock<Words> = LazyLock::new(|| set(lexicon::ABBREVIATIONS));

pub(crate) fn set(words: &'static str) -> Words {
    words.split_whitespace().collect()
}

/// Runs of letters and digits of folded text.
pub(crate) fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
}

/// Plural endings that the stemmer leaves apart from their singular once accents are gone.
const PLURALS: &[(&str, &str)] = &[
    ("coes", "cao"),
    ("soes", "sao"),
    ("oes", "ao"),
    ("aes", "ao"),
    ("ais", "al"),
    ("eis", "el"),
    ("ois", "ol"),
    ("ns", "m"),
];

/// The stem of a folded word.
pub(crate) fn stem(word: &str) -> String {
    thread_local! {
        static STEMMER: Stemmer = Stemmer::create(Algorithm::Portuguese);
    }
    let plural = if word.len() > 4 {
        PLURALS.iter().find_map(|(from, to)| Some(format!("{}{to}", word.strip_suffix(from)?)))
    } else {
        None
    };
    let word = plural.as_deref().unwrap_or(word);
    STEMMER.with(|stemmer| stemmer.stem(word).into_owned())
}

/// An amount of money: whole part, what stands after the comma, and whether of thousands. Or a number with dots between
/// its thousands.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let whole = r"([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)";
    let spoken = format!(r"{whole}(?:,([0-9]{{1,2}}))?( ?mil)? ?reais\b");
    expression(&format!(
        r"r\$ ?{whole}(?:[.,]([0-9]{{1,2}}))?( ?mil\b)?|\b{spoken}|\b([0-9]{{1,3}}(?:\.[0-9]{{3}})+)\b"
    ))
});

/// The words of folded text, each with whether it is an amount of money. An amount is one word however it is written:
/// "R$ 2.000,00", "2 mil reais" and "2000 reais" are the same.
pub(crate) fn words_and_amounts(folded: &str) -> Vec<(Cow<'_, str>, bool)> {
    let plain = |text| words(text).map(|word| (Cow::Borrowed(word), false));
    let mut out = Vec::new();
    let mut from = 0;
    for found in NUMBER.captures_iter(folded) {
        let Some(all) = found.get(0) else { continue };
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        out.extend(plain(&folded[from..all.start()]));
        from = all.end();
        out.push(match [1, 4].into_iter().find(|at| found.get(*at).is_some()) {
            Some(at) => {
                (Cow::Owned(amount(part(at), part(at + 1), !part(at + 2).is_empty())), true)
            }
            None => (Cow::Owned(part(7).replace('.', "")), false),
        });
    }
    out.extend(plain(&folded[from..]));
    out
}

/// An amount as its term has it: "2000", or "37,50" with cents.
fn amount(whole: &str, fraction: &str, thousands: bool) -> String {
    let whole = whole.replace('.', "");
    if thousands {
        // "2,5 mil": what follows the comma are thousandths.
        return format!("{whole}{fraction:0<3}");
    }
    match fraction.bytes().any(|digit| digit != b'0') {
        true => format!("{whole},{fraction:0<2}"),
        false => whole,
    }
}

/// The term of an amount of money: another thing than the same number in a name, so that "room 300" is not found in
/// "R$ 300".
pub(crate) fn amount_term(amount: &str) -> String {
    format!("{AMOUNT}{amount}")
}

/// What terms of amounts begin with, and no other.
pub(crate) const AMOUNT: &str = "$";

pub(crate) fn all_digits(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit())
}

/// A text with its first letter in upper case.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The stems of a text's words, without stop words, in order.
pub fn terms(text: &str) -> Vec<String> {
    words_and_amounts(&fold(text))
        .into_iter()
        .filter(|(word, _)| !STOP.contains(&**word))
        .map(|(word, amount)| if amount { amount_term(&word) } else { stem(&word) })
        .collect()
}

static BOUNDARY: LazyLock<Regex> =
    LazyLock::new(|| expression(r#"[.!?…]+["”’»')\]]*(?:\s+|$)|\n+"#));

/// Sentences with the offset of each in the text.
pub(crate) fn sentences(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut push = |from: usize, to: usize| {
        let part = &text[from..to];
        let mut rest = part.trim();
        let mut at = from + (part.len() - part.trim_start().len());
        // What has no end for this long is no sentence; it is cut, between words where there are any.
        while let Some((most, _)) = rest.char_indices().nth(PIECE) {
            let cut =
                rest[..most].rfind(char::is_whitespace).filter(|cut| *cut > 0).unwrap_or(most);
            out.push((at, rest[..cut].trim_end()));
            let left = rest[cut..].trim_start();
            at += rest.len() - left.len();
            rest = left;
        }
        if !rest.is_empty() {
            out.push((at, rest));
        }
    };
    for found in BOUNDARY.find_iter(text) {
        let end = found.end();
        let mark = found.as_str();
        if mark.starts_with('.') && end < text.len() && !mark.ends_with('\n') {
            let before = text[..found.start()]
                .rsplit(char::is_whitespace)
                .next()
                .map(fold)
                .unwrap_or_default();
            let before = before.trim_start_matches(['(', '"', '“', '\'', '[']);
            let mut chars = before.chars();
            let single =
                matches!((chars.next(), chars.next()), (Some(c), None) if c.is_alphabetic());
            if ABBREVIATIONS.contains(before)
                || (before.contains('.') && before.chars().count() <= 5)
                || single
                || text[end..].chars().next().is_some_and(char::is_lowercase)
            {
                continue;
            }
        }
        push(start, end);
        start = end;
    }
    push(start, text.len());
    out
}

/// Cuts a text at sentence ends into pieces that overlap by about a fifth.
pub fn pieces(text: &str) -> Vec<String> {
    let all = sentences(text);
    let length = |i: usize| all[i].1.chars().count();
    if all.is_empty() {
        return Vec::new();
    }
    if text.chars().count() <= PIECE {
        return vec![join(text, &all)];
    }
    let mut out = Vec::new();
    let mut first = 0;
    loop {
        let mut end = first;
        let mut used = 0;
        while end < all.len() && (used == 0 || used + 1 + length(end) <= PIECE) {
            used += length(end) + 1;
            end += 1;
        }
        out.push(join(text, &all[first..end]));
        if end >= all.len() {
            return out;
        }
        let mut back = end;
        let mut overlap = 0;
        while back - 1 > first && overlap + length(back - 1) <= OVERLAP {
            back -= 1;
            overlap += length(back);
        }
        first = back;
    }
}

/// Puts sentences together again so that they would be cut the same way.
fn join(text: &str, sentences: &[(usize, &str)]) -> String {
    let mut out = String::new();
    let mut last_end = None;
    for (at, sentence) in sentences {
        if let Some(end) = last_end {
            let gap: &str = &text[end..*at];
            out.push(if gap.contains('\n') { '\n' } else { ' ' });
        }
        out.push_str(sentence);
        last_end = Some(at + sentence.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_agree_with_the_reference() {
        for (word, expected) in [
            ("inscricao", "inscrica"),
            ("inscricoes", "inscrica"),
            ("horarios", "horari"),
            ("entregamos", "entreg"),
            ("homens", "hom"),
        ] {
            assert_eq!(stem(word), expected, "{word}");
        }
    }

    #[test]
    fn an_amount_is_one_term_however_it_is_written() {
        for (text, wanted) in [
            ("R$ 1.500,00", vec!["$1500"]),
            ("R$\u{a0}1500", vec!["$1500"]),
            ("1.500 reais", vec!["$1500"]),
            ("2 mil reais", vec!["$2000"]),
            ("R$ 2 mil", vec!["$2000"]),
            ("R$ 37,5", vec!["$37,50"]),
            ("R$37.50", vec!["$37,50"]),
            ("R$ 2,5 mil", vec!["$2500"]),
            ("1,5 mil reais", vec!["$1500"]),
            ("2mil reais", vec!["$2000"]),
            ("R$ 80/h", vec!["$80", "h"]),
            ("R$50h", vec!["$50", "h"]),
            ("R$35un", vec!["$35", "un"]),
            ("dias 10,15", vec!["dias", "10", "15"]),
            ("sala 300", vec!["sal", "300"]),
            ("CNPJ 12.345.678", vec!["cnpj", "12345678"]),
            ("12,50% de R$ 20", vec!["12", "50", "$20"]),
            ("01.02.2024", vec!["01", "02", "2024"]),
        ] {
            assert_eq!(terms(text), wanted, "{text}");
        }
    }

    #[test]
    fn sentences_do_not_end_at_abbreviations() {
        let cut: Vec<&str> =
            sentences("O Dr. Silva atende na Av. Brasil, n. 10. Ligue antes! Ok?\nFim")
                .into_iter()
                .map(|(_, s)| s)
                .collect();
        assert_eq!(cut, ["O Dr. Silva atende na Av. Brasil, n. 10.", "Ligue antes!", "Ok?", "Fim"]);
    }

    #[test]
    fn what_never_ends_is_cut() {
        let letters = "a".repeat(10_000);
        assert!(pieces(&letters).iter().all(|piece| piece.chars().count() <= PIECE));
        assert_eq!(pieces(&letters).concat(), letters);
        let words = "palavra ".repeat(2000);
        let cut = pieces(&words);
        assert!(cut.len() > 10);
        for piece in &cut {
            assert!(piece.chars().count() <= PIECE);
            assert!(piece.split(' ').all(|word| word == "palavra"), "words stay whole");
        }
    }

    #[test]
    fn pieces_end_at_sentences_and_overlap() {
        let text: String =
            (0..60).map(|i| format!("Esta é a frase de número {i} do texto. ")).collect();
        let cut = pieces(&text);
        assert!(cut.len() > 2);
        for piece in &cut {
            assert!(piece.chars().count() <= PIECE);
            assert!(piece.ends_with('.'));
        }
        let last_of_first = sentences(&cut[0]).pop().unwrap().1;
        assert!(cut[1].contains(last_of_first), "the second piece repeats the end of the first");
    }
}
