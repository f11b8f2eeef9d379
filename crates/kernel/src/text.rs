//! Portuguese text for matching: folding, words, stems, stop words.

use std::collections::HashSet;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// One character without its accent, lower-cased. Characters of other scripts pass unchanged.
fn fold_char(c: char) -> char {
    let lower = c.to_lowercase().next().unwrap_or(c);
    match lower {
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' | 'ª' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' | 'º' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    }
}

/// Lower case without accents; the same number of characters as the input.
pub fn fold(text: &str) -> String {
    text.chars().map(fold_char).collect()
}

/// Folded text with every run of other characters as one space: for phrase look-ups.
pub fn fold_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in words(text) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&fold(word));
    }
    out
}

/// Whether `phrase` (already folded words) stands in `folded` on word borders.
pub fn has_phrase(folded: &str, phrase: &str) -> bool {
    let mut from = 0;
    while let Some(at) = folded[from..].find(phrase) {
        let start = from + at;
        let end = start + phrase.len();
        let bytes = folded.as_bytes();
        let left = start == 0 || bytes[start - 1] == b' ';
        let right = end == bytes.len() || bytes[end] == b' ';
        if left && right {
            return true;
        }
        from = start + phrase.len().max(1);
        if from >= folded.len() || !folded.is_char_boundary(from) {
            break;
        }
    }
    false
}

/// Runs of letters and digits.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty())
}

/// Words that carry no topic of their own, folded.
pub fn is_stop_word(folded: &str) -> bool {
    STOP_WORDS.contains(folded)
}

/// The Portuguese Snowball stem of a lower-case word that still has its accents, folded after.
pub fn stem(word: &str) -> String {
    thread_local! {
        static STEMMER: Stemmer = Stemmer::create(Algorithm::Portuguese);
    }
    let lower = word.to_lowercase();
    fold(&STEMMER.with(|s| s.stem(&lower).into_owned()))
}

static STOP_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    "a ao aos aquela aquelas aquele aqueles aquilo as ate com como da das de dela delas dele deles \
     depois do dos e ela elas ele eles em entre era eram essa essas esse esses esta estao estas \
     estava estavam este estes eu foi foram ha isso isto ja lhe lhes mais mas me mesmo meu meus \
     minha minhas muito na nao nas nem no nos nossa nossas nosso nossos num numa o os ou para pela \
     pelas pelo pelos por pra pro qual quais quando quanto quantos quantas quanta que quem se sem \
     ser sera seu seus so sua suas sao tambem te tem tinha tu tua tuas um uma umas uns voce voces \
     vos onde sobre ter pode podem porque ai la ne oi ola the of"
        .split_whitespace()
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_length_and_drops_accents() {
        assert_eq!(fold("Ação É Já"), "acao e ja");
        assert_eq!(fold_words("Oi, tudo bem? É já!"), "oi tudo bem e ja");
    }

    #[test]
    fn phrases_match_on_word_borders_only() {
        assert!(has_phrase("quero falar com atendente agora", "falar com atendente"));
        assert!(!has_phrase("coisa boa", "oi"));
        assert!(has_phrase("oi", "oi"));
    }
}
