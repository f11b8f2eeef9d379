//! The cookie that brings a client back to its upstream: opaque, signed, and the same on every node that has
//! the secret. It says nothing of the upstream's address, and a forged or stale one is as good as none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// 16 bytes of HMAC-SHA256 over pool and address, in URL-safe Base64.
pub(crate) type Mark = [u8; 22];

pub(crate) fn mark(secret: &[u8; 32], pool: &str, address: &str) -> Mark {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("any length fits"));
    mac.update(pool.as_bytes());
    mac.update(&[0]);
    mac.update(address.as_bytes());
    let mut mark = [b'A'; 22];
    // 16 bytes are 22 characters.
    let _ = URL_SAFE_NO_PAD.encode_slice(&mac.finalize().into_bytes()[..16], &mut mark);
    mark
}

pub(crate) fn text(mark: &Mark) -> &str {
    std::str::from_utf8(mark).unwrap_or_default()
}

/// A cookie's value in the request's fields.
pub(crate) fn cookie<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    for field in headers.get_all(http::header::COOKIE) {
        for pair in field.to_str().unwrap_or_default().split(';') {
            if let Some((key, value)) = pair.split_once('=')
                && key.trim() == name
            {
                return Some(value.trim());
            }
        }
    }
    None
}
