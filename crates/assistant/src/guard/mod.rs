//! What must stand in the evidence before a model's words leave.

use std::collections::HashSet;

/// Whether every number, link and e-mail of an answer stands in what it may draw on.
pub(crate) fn is_grounded(answer: &str, allowed: &[&str]) -> bool {
    let mut known: HashSet<String> = HashSet::new();
    let mut text = String::new();
    for source in allowed {
        known.extend(numbers(source));
        text.push_str(&source.to_lowercase());
        text.push('\n');
    }
    let small = |number: &str| number.len() == 1;
    let numbers_hold =
        numbers(answer).into_iter().all(|number| small(&number) || known.contains(&number));
    let links_hold = answer
        .split_whitespace()
        .filter(|word| word.contains("http") || word.contains("www.") || word.contains('@'))
        .all(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            text.contains(&word)
        });
    numbers_hold && links_hold
}

/// Runs of digits with their inner punctuation dropped: 1.200,00 and 120000 are told apart from 12.
fn numbers(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            current.push(c);
        } else if matches!(c, '.' | ',')
            && !current.is_empty()
            && chars.peek().is_some_and(char::is_ascii_digit)
        {
            current.push('.');
        } else if !current.is_empty() {
            out.push(canonical(&current));
            current.clear();
        }
    }
    if !current.is_empty() {
        out.push(canonical(&current));
    }
    out
}

/// "150", "150,00" and "0150" are one number; so are "1.200" and "1200".
fn canonical(number: &str) -> String {
    let mut parts: Vec<&str> = number.split('.').collect();
    if parts.len() > 1 && parts.last().is_some_and(|cents| *cents == "00") {
        parts.pop();
    }
    let joined = match parts.as_slice() {
        [whole, cents] if cents.len() != 3 => format!("{whole}.{cents}"),
        all => all.concat(),
    };
    let trimmed = joined.trim_start_matches('0');
    if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_must_stand_in_the_evidence() {
        let evidence = ["A limpeza custa R$ 150,00 e abrimos às 8h. Ligue (11) 3333-4444."];
        assert!(is_grounded("A limpeza sai por R$ 150.", &evidence));
        assert!(!is_grounded("A limpeza sai por R$ 180.", &evidence));
        assert!(!is_grounded("Veja em http://outro.com", &evidence));
        assert!(is_grounded("Ligue (11) 3333-4444", &evidence));
        assert!(is_grounded("São R$ 1.200,00", &["custa 1200 reais"]));
    }
}
