//! JSON as providers really send it: with broken UTF-8, halves of letters, and bytes that no text has.

use serde_json::Value;

/// What stands in a text in JSON, with what no text may hold mended: invalid UTF-8 and lone surrogates become `U+FFFD`,
/// NUL goes, other raw control characters in strings are escaped. `None` when it is no JSON all the same, or nested
/// deeper than 128 levels.
pub fn read(bytes: &[u8]) -> Option<Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if memchr::memmem::find(bytes, b"\\u").is_none()
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Some(value);
    }
    serde_json::from_slice(&mend(bytes)).ok()
}

fn mend(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut inside) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                inside = !inside;
                out.push(byte);
                at += 1;
            }
            b'\\' if inside => at += escape(&bytes[at..], &mut out),
            0 => at += 1,
            0x01..0x20 if inside => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                at += 1;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Copies one escape, mended; how many bytes it has.
fn escape(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let unit = |from: usize| {
        let digits = bytes.get(from..from + 6)?.strip_prefix(b"\\u")?;
        let text = std::str::from_utf8(digits).ok()?;
        text.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
        u16::from_str_radix(text, 16).ok()
    };
    match unit(0) {
        Some(0) => 6,
        Some(0xd800..0xdc00) if matches!(unit(6), Some(0xdc00..0xe000)) => {
            out.extend_from_slice(&bytes[..12]);
            12
        }
        Some(0xd800..0xe000) => {
            out.extend_from_slice(b"\\ufffd");
            6
        }
        Some(_) => {
            out.extend_from_slice(&bytes[..6]);
            6
        }
        None => {
            let length = bytes.len().min(2);
            out.extend_from_slice(&bytes[..length]);
            length
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn what_no_text_may_hold_is_mended_and_the_rest_stays() {
        for (text, is) in [
            (&br#"{"a":"\ud83d"}"#[..], json!({"a": "\u{fffd}"})),
            (br#"{"a":"\udc00x\ud83d\ude00"}"#, json!({"a": "\u{fffd}x\u{1f600}"})),
            (br#"{"a":"\ud83dx\\u0000"}"#, json!({"a": "\u{fffd}x\\u0000"})),
            (br#"{"a\u0000b":"x\u0000y"}"#, json!({"ab": "xy"})),
            (b"{\"a\":\"x\0y\x07\"}", json!({"a": "xy\u{7}"})),
            (b"{\"a\":\"caf\xe9\"}", json!({"a": "caf\u{fffd}"})),
            (b"\xef\xbb\xbf{\"a\":\"\xc3\xa9\\n\\\"\"}", json!({"a": "\u{e9}\n\""})),
            (br#"{"a":"\u00e9\ud800\ud800\udc00"}"#, json!({"a": "\u{e9}\u{fffd}\u{10000}"})),
        ] {
            assert_eq!(read(text), Some(is), "{}", String::from_utf8_lossy(text));
        }
        for text in [&b""[..], b"{", br#"{"a":"\u12"}"#, br#"{"a":"\"#, b"\"\\", &[b'['; 200]] {
            assert_eq!(read(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
