//! Other ways in which servers read what stands in a request: paths and values in odd spellings.

use std::borrow::Cow;

use crate::config::Denials;

/// Bytes with `%41`, `%u0041`, and letters in over-long UTF-8 as what they stand for.
pub(crate) fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.iter().any(|byte| *byte == b'%' || *byte >= 0xc0) {
        return Cow::Borrowed(bytes);
    }
    let hex = |digits: &[u8]| {
        let text = std::str::from_utf8(digits).ok()?;
        let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest[0] == b'%' {
            if matches!(rest.get(1), Some(b'u' | b'U'))
                && let Some(code) = rest.get(2..6).and_then(hex)
            {
                let letter = char::from_u32(code).unwrap_or('\u{fffd}');
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += 6;
                continue;
            }
            if let Some(code) = rest.get(1..3).and_then(hex) {
                out.push(u8::try_from(code).unwrap_or(b'%'));
                at += 3;
                continue;
            }
        }
        out.push(rest[0]);
        at += 1;
    }
    Cow::Owned(short(&out))
}

/// Letters of ASCII that were written with more bytes than they need, as lenient servers read them.
fn short(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let tail = |from: usize| bytes.get(from).filter(|byte| **byte & 0xc0 == 0x80);
        match bytes[at] {
            lead @ (0xc0 | 0xc1) if let Some(next) = tail(at + 1) => {
                out.push(((lead & 1) << 6) | (next & 0x3f));
                at += 2;
            }
            0xe0 if let (Some(one), Some(two)) = (tail(at + 1), tail(at + 2))
                && *one < 0xa0 =>
            {
                let code = (u32::from(one & 0x3f) << 6) | u32::from(two & 0x3f);
                let letter = char::from_u32(code).unwrap_or('\u{fffd}');
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += 3;
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
    out
}

/// A text with full-width letters as plain ones, and without those that take no room.
pub(crate) fn plain_letters(text: &str) -> Cow<'_, str> {
    let odd = |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{3000}');
    if text.is_ascii() || !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        '\u{3000}' => Some(' '),
        c if odd(c) => None,
        c => Some(c),
    };
    Cow::Owned(text.chars().filter_map(plain).collect())
}

/// Whether a path could be read otherwise than it was.
pub(crate) fn is_odd(path: &str, rules: &Denials) -> bool {
    path.contains("//")
        || path.bytes().any(|byte| {
            matches!(byte, b'%' | b';' | b'\\' | b'.' | b' ' | b'\t')
                || !byte.is_ascii()
                || (rules.ignore_case && byte.is_ascii_uppercase())
        })
}

/// The paths that servers behind may understand, decoded once and more.
pub(crate) fn readings(path: &str, rules: &Denials) -> Vec<String> {
    let mut bytes = path.as_bytes().to_vec();
    let mut found: Vec<String> = Vec::new();
    for _ in 0..=(1 + usize::from(rules.decode_twice)) {
        let reading = strict(&bytes, rules.ignore_case);
        if !found.contains(&reading) {
            found.push(reading);
        }
        let next = unescape(&bytes).into_owned();
        if next == bytes {
            break;
        }
        bytes = next;
    }
    found
}

/// A path as the strictest server reads it: `\\` parts as `/` does, parameters and ends of names do not count.
fn strict(bytes: &[u8], ignore_case: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = plain_letters(&text);
    let text = text.split(['?', '#', '\0']).next().unwrap_or_default();
    let mut kept: Vec<&str> = Vec::new();
    for part in text.split(['/', '\\']) {
        let part = part.split(';').next().unwrap_or_default();
        let part = part.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        if part == ".." {
            kept.pop();
            continue;
        }
        let part = part.trim_end_matches(['.', ' ']);
        if !part.is_empty() {
            kept.push(part);
        }
    }
    let mut out = String::with_capacity(text.len() + 1);
    for part in kept {
        out.push('/');
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    if ignore_case { out.to_lowercase() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_strictest_reading() {
        let rules = Denials::default();
        for path in [
            "/admin/x",
            "//admin/x",
            "/./admin/x",
            "/x/../admin/x",
            "/%61dmin/x",
            "/%2561dmin/x",
            "/admin%2fx",
            "/admin%252fx",
            "/admin;x/x",
            "/;y/admin/x",
            "/admin;/x",
            "/x/..;/admin/x",
            "/ADMIN/x",
            "/admin./x",
            "/admin%20/x",
            "/admin%2e/x",
            "/\\admin\\x",
            "/x%5c..%5cadmin/x",
            "/%c1%a1dmin/x",
            "/%ef%bd%81dmin/x",
            "/%u0061dmin/x",
            "/admin%E2%80%8B/x",
            "/admin/x?y",
            "/admin/x%00.css",
            "/admin/x%23y",
            "/adm%69n%2Fx",
            "/admin%09/x",
        ] {
            assert!(
                readings(path, &rules).contains(&"/admin/x".to_owned()),
                "{path}: {:?}",
                readings(path, &rules)
            );
        }
        for (path, reading) in
            [("/administracao", "/administracao"), ("/public;v=2", "/public"), ("/", "/")]
        {
            assert_eq!(readings(path, &rules), [reading]);
        }
        let exact = Denials { ignore_case: false, decode_twice: false };
        assert!(!readings("/ADMIN", &exact).contains(&"/admin".to_owned()));
        assert!(!readings("/%2561dmin", &exact).contains(&"/admin".to_owned()));
        assert!(!is_odd("/painel/t/x", &rules));
    }

    #[test]
    fn escapes_are_read_as_lenient_servers_do() {
        for (bytes, read) in [
            (&b"a%41%u0042%zz%"[..], &b"aAB%zz%"[..]),
            (b"%c0%ae%c0%af", b"./"),
            (b"%e0%80%af", b"/"),
            ("a\u{e7}\u{e3}o".as_bytes(), "a\u{e7}\u{e3}o".as_bytes()),
        ] {
            assert_eq!(&*unescape(bytes), read);
        }
        assert_eq!(plain_letters("\u{ff41}\u{200b}b\u{e7}"), "ab\u{e7}");
    }
}
