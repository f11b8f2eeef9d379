//! Which origins' pages may read an answer.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue, VARY};
use http::{Response, StatusCode};

use crate::config::Cors;

/// The origin that may read the answer.
pub(crate) fn allowed(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    if cors.origins.is_empty() {
        return Some(HeaderValue::from_static("*"));
    }
    let text = origin.to_str().ok()?.to_lowercase();
    cors.origins.contains(&text).then(|| origin.clone())
}

pub(crate) fn preflight(cors: &Cors, origin: Option<&HeaderValue>) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        for (name, text) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers),
        ] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
        if cors.credentials {
            headers
                .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
    headers.insert(VARY, HeaderValue::from_static("origin"));
    answer
}

pub(crate) fn expose(cors: &Cors, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    // The gateway speaks for the route; what the upstream says of origins is not mixed in.
    headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if cors.credentials {
            headers
                .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
    if !cors.origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}
