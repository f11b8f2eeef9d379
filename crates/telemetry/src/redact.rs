//! The last net under the rule that nothing personal is logged.

/// Masks every run of eight or more digits (phones, documents, cards), keeping the last two.
/// Digits inside an id, next to a letter or hyphen, are left alone.
pub fn redact(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        if !chars[i].is_ascii_digit() {
            out.push(chars[i]);
            i += 1;
            continue;
        }
        let start = i;
        while i < chars.len() && chars[i].is_ascii_digit() {
            i += 1;
        }
        let glued = |c: Option<&char>| c.is_some_and(|c| c.is_alphabetic() || *c == '-');
        let part_of_id = (start > 0 && glued(chars.get(start - 1))) || glued(chars.get(i));
        if i - start >= 8 && !part_of_id {
            out.push('…');
            out.extend(&chars[i - 2..i]);
        } else {
            out.extend(&chars[start..i]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn phones_are_masked_and_ids_are_not() {
        assert_eq!(redact("to 5511987654321 failed"), "to …21 failed");
        assert_eq!(redact("+5511987654321"), "+…21");
        let id = "018f2f6e-7a7b-7cc0-8000-446655440000";
        assert_eq!(redact(id), id);
        assert_eq!(redact("status 503 in 1200 ms"), "status 503 in 1200 ms");
    }
}
