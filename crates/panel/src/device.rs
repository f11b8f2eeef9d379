//! Browsers in which somebody was signed in before: strangers who guess elsewhere do not lock them.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::From;

use crate::door::{Visitor, cookie, secure};

const DEVICE: &str = "device";
const ABOUT: &str = "a browser that somebody was signed in in";
const LASTS: u64 = 180 * 86_400;

/// Where an attempt for this account comes from.
pub(crate) struct Origin<'a> {
    address: &'a str,
    device: Option<String>,
}

impl Origin<'_> {
    pub(crate) fn from(&self) -> From<'_> {
        From { address: self.address, device: self.device.as_deref() }
    }
}

fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The mark is the account's address and a random text, sealed: only this house makes one.
pub(crate) fn origin<'a>(visitor: &'a Visitor, email: &str) -> Origin<'a> {
    let mark = cookie(&visitor.headers, DEVICE).filter(|text| text.len() <= 1_000);
    let plain = mark.and_then(|text| {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        String::from_utf8(visitor.app.vault.open_for_house(ABOUT, &sealed).ok()?).ok()
    });
    let device = plain.and_then(|plain| {
        let (random, of) = plain.split_once(' ')?;
        (of == normal(email)).then(|| random.to_owned())
    });
    Origin { address: &visitor.address, device }
}

/// Marks the browser as one in which this account was signed in.
pub(crate) fn remember(visitor: &Visitor, email: &str, mut response: Response) -> Response {
    if origin(visitor, email).device.is_some() {
        return response;
    }
    let plain = format!("{} {}", identity::token(), normal(email));
    let sealed = visitor.app.vault.seal_for_house(ABOUT, plain.as_bytes());
    let mark = if secure(&visitor.app, &visitor.headers) { "; Secure" } else { "" };
    let text = format!(
        "{DEVICE}={}; Path=/painel; HttpOnly; SameSite=Lax; Max-Age={LASTS}{mark}",
        URL_SAFE_NO_PAD.encode(sealed)
    );
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
