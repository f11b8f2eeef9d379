//! Portuguese text for matching: folding, words, phrases.

/// One character without its accent, lower-cased; a space that does not break is a space. Characters of other scripts
/// pass unchanged.
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
        '\u{a0}' | '\u{202f}' => ' ',
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
    // Most texts are shorter than most phrases, and preparing a search costs more than this.
    if phrase.len() > folded.len() {
        return false;
    }
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
