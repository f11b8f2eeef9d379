//! How servers and browsers behind may read a value: what is looked at is every such reading, not only the letters that came.

use std::borrow::Cow;

use crate::spelling::{plain_letters, unescape};

/// Readings of one value, at most: each costs a look.
const MOST: usize = 8;

/// The value as it came, and every other way in which it may be read.
pub(super) fn readings(text: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut all: Vec<Cow<'_, [u8]>> = vec![Cow::Borrowed(text)];
    let mut at = 0;
    while at < all.len() && all.len() < MOST {
        let text = all[at].clone();
        for read in [unescape_once, letters, entities, script_escapes, without_comments] {
            if let Some(other) = read(&text)
                && !all.iter().any(|known| **known == *other)
                && all.len() < MOST
            {
                all.push(Cow::Owned(other));
            }
        }
        at += 1;
    }
    all
}

fn unescape_once(text: &[u8]) -> Option<Vec<u8>> {
    let read = unescape(text);
    (*read != *text).then(|| read.into_owned())
}

/// Full-width letters, letters without width, and quotes of other scripts as plain ones.
fn letters(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return None;
    }
    let whole = String::from_utf8_lossy(text);
    let plain = plain_letters(&whole);
    (plain.as_bytes() != text && matches!(plain, Cow::Owned(_)))
        .then(|| plain.into_owned().into_bytes())
}

/// HTML's references: by number, and the names that hide scripts. Tabs and line breaks in words go, as in addresses.
fn entities(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'&') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut changed) = (0, false);
    while at < text.len() {
        if text[at] == b'&'
            && let Some((letter, length)) = reference(&text[at..])
        {
            if !matches!(letter, '\t' | '\n' | '\r') {
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            at += length;
            changed = true;
            continue;
        }
        out.push(text[at]);
        at += 1;
    }
    changed.then_some(out)
}

fn reference(text: &[u8]) -> Option<(char, usize)> {
    let rest = &text[1..text.len().min(12)];
    if rest.first() == Some(&b'#') {
        let (radix, digits) = match rest.get(1) {
            Some(b'x' | b'X') => (16, &rest[2..]),
            _ => (10, &rest[1..]),
        };
        let count = digits.iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
        let number = std::str::from_utf8(&digits[..count]).ok()?;
        let letter = char::from_u32(u32::from_str_radix(number, radix).ok()?)?;
        let mut length = 2 + usize::from(radix == 16) + count;
        length += usize::from(text.get(length) == Some(&b';'));
        return Some((letter, length));
    }
    [
        ("lt;", '<'),
        ("gt;", '>'),
        ("quot;", '"'),
        ("apos;", '\''),
        ("colon;", ':'),
        ("lpar;", '('),
        ("rpar;", ')'),
        ("grave;", '`'),
        ("Tab;", '\t'),
        ("NewLine;", '\n'),
        ("sol;", '/'),
    ]
    .into_iter()
    .find(|(name, _)| rest.starts_with(name.as_bytes()))
    .map(|(name, letter)| (letter, 1 + name.len()))
}

/// `\u003c`, `\x3c` and `\/` as scripts and JSON read them.
fn script_escapes(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'\\') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut changed) = (0, false);
    while at < text.len() {
        let rest = &text[at..];
        let digits = match rest {
            [b'\\', b'u', ..] => rest.get(2..6),
            [b'\\', b'x', ..] => rest.get(2..4),
            _ => None,
        };
        let code = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        if let (Some(code), Some(digits)) = (code, digits) {
            let letter = char::from_u32(code).unwrap_or('\u{fffd}');
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            at += 2 + digits.len();
            changed = true;
            continue;
        }
        out.push(rest[0]);
        at += 1;
    }
    changed.then_some(out)
}

/// SQL's comments as the spaces that they stand for; what MySQL runs inside `/*! */` stays.
fn without_comments(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(text, b"/*")?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = memchr::memmem::find(rest, b"/*") {
        out.extend_from_slice(&rest[..start]);
        out.push(b' ');
        let inside = &rest[start + 2..];
        let end = memchr::memmem::find(inside, b"*/");
        if inside.first() == Some(&b'!') {
            let digits = inside[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            out.extend_from_slice(&inside[1 + digits..end.unwrap_or(inside.len()).max(1 + digits)]);
            out.push(b' ');
        }
        rest = match end {
            Some(end) => &inside[end + 2..],
            None => &[],
        };
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::readings;

    #[test]
    fn a_value_is_read_in_every_way_that_somebody_may_read_it() {
        for (text, read) in [
            ("%253Cscript%253E", "<script>"),
            ("%u003cscript%u003e", "<script>"),
            ("\u{ff1c}script\u{ff1e}", "<script>"),
            ("&#x3c;script&#62;", "<script>"),
            ("jav&Tab;ascript&colon;x", "javascript:x"),
            (r"\u003cscript\x3e", "<script>"),
            ("un/**/ion/*!50000select*/1", "un ion select 1"),
            ("a/*!", "a  "),
            ("a/*b", "a "),
        ] {
            let all = readings(text.as_bytes());
            assert!(all.iter().any(|one| **one == *read.as_bytes()), "{text}: {all:?}");
        }
        for text in ["ol\u{e1}, tudo bem? 100% & mais", "a & b; c", "c:\\notas", "", "%zz"] {
            let all = readings(text.as_bytes());
            assert_eq!(all.len(), 1, "{text}: {all:?}");
        }
    }
}
