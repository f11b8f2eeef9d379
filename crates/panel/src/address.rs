//! Addresses: where browsers are sent, and how texts stand in a query.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A text as it stands in a query.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
        out
    })
}

/// Sends the browser to another page after a form.
pub(crate) fn redirect(path: &str) -> Response {
    let value = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/painel"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response()
}

/// A path of ours that somebody asked for before signing in; anything else is not followed.
pub(crate) fn safe_next(next: &str) -> &str {
    let plain = next.starts_with("/painel")
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n'])
        && next.as_bytes().get(7).is_none_or(|byte| matches!(byte, b'/' | b'?'));
    if plain { next } else { "/painel" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_are_returned_to() {
        for (next, to) in [
            ("/painel/t/clinica/conversas?x=1", "/painel/t/clinica/conversas?x=1"),
            ("/painel", "/painel"),
            ("/painelfalso", "/painel"),
            ("//evil.example", "/painel"),
            ("https://evil.example/painel", "/painel"),
            ("/painel\\..\\evil", "/painel"),
            ("/painel/\r\nSet-Cookie: a=b", "/painel"),
            ("", "/painel"),
        ] {
            assert_eq!(safe_next(next), to, "{next}");
        }
    }
}
