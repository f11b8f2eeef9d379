//! What may be kept of an answer, and for how long (RFC 9111, as a cache that many clients share).

use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, COOKIE, DATE, EXPIRES, HeaderMap, PRAGMA, RANGE, SET_COOKIE,
    VARY,
};
use http::{HeaderName, StatusCode};

/// `Cache-Control`, as far as a shared cache goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Control {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) no_transform: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<u64>,
    pub(crate) s_maxage: Option<u64>,
    pub(crate) stale_while_revalidate: u64,
    pub(crate) stale_if_error: u64,
}

impl Control {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            // Unreadable directives are those of somebody who wanted to say something: nothing is kept.
            let Ok(text) = value.to_str() else {
                control.no_store = true;
                continue;
            };
            for part in text.split(',') {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let value = value.trim().trim_matches('"');
                // A number too large to read is a long time; one that is none is no time at all.
                let seconds = || {
                    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                    if digits { value.parse().unwrap_or(u64::from(u32::MAX)) } else { 0 }
                };
                match name.trim().to_ascii_lowercase().as_str() {
                    "no-store" => control.no_store = true,
                    "no-cache" => control.no_cache = true,
                    "no-transform" => control.no_transform = true,
                    "private" => control.private = true,
                    "public" => control.public = true,
                    "must-revalidate" | "proxy-revalidate" => control.must_revalidate = true,
                    "only-if-cached" => control.only_if_cached = true,
                    "max-age" => control.max_age = Some(seconds()),
                    "s-maxage" => control.s_maxage = Some(seconds()),
                    "stale-while-revalidate" => control.stale_while_revalidate = seconds(),
                    "stale-if-error" => control.stale_if_error = seconds(),
                    _ => {}
                }
            }
        }
        control
    }
}

/// What a request wants of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Whatever is fresh.
    Fresh,
    /// The upstream's own word; what it says may be kept.
    Anew,
    /// Nothing of a cache.
    Nothing,
}

pub(crate) fn asks(headers: &HeaderMap) -> Asks {
    let control = Control::of(headers);
    if control.no_store || headers.contains_key(RANGE) {
        return Asks::Nothing;
    }
    let pragma = !headers.contains_key(CACHE_CONTROL)
        && headers.get(PRAGMA).is_some_and(|value| value.as_bytes() == b"no-cache");
    if control.no_cache || control.max_age == Some(0) || pragma {
        return Asks::Anew;
    }
    Asks::Fresh
}

/// How long an answer that may be kept is fresh, and usable afterwards; all in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    /// By the route's own time: the upstream said nothing.
    pub(crate) given: bool,
    pub(crate) fresh: u64,
    /// What it was old already when it came.
    pub(crate) age: u64,
    pub(crate) stale_while_revalidate: u64,
    pub(crate) stale_if_error: u64,
    /// The request's fields that chose this answer.
    pub(crate) vary: Vec<HeaderName>,
}

/// Whether an answer may be kept, and how long. `standard` seconds where the upstream says nothing.
pub(crate) fn life(
    request: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
    standard: u64,
) -> Option<Life> {
    let kept = matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 410);
    let control = Control::of(response);
    if !kept || control.no_store || control.private || control.no_cache {
        return None;
    }
    if response.contains_key(SET_COOKIE) {
        return None;
    }
    // What was asked with a secret is for who asked, unless the upstream says that it is not.
    let shared = control.public || control.must_revalidate || control.s_maxage.is_some();
    if request.contains_key(AUTHORIZATION) && !shared {
        return None;
    }
    let mut vary = Vec::new();
    for value in response.get_all(VARY) {
        for name in value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name == "*" {
                return None;
            }
            vary.push(HeaderName::from_bytes(name.as_bytes()).ok()?);
        }
    }
    // An upstream that encodes and does not say what by, went by this.
    if response.contains_key(http::header::CONTENT_ENCODING) {
        vary.push(http::header::ACCEPT_ENCODING);
    }
    vary.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    vary.dedup();
    let said = control.s_maxage.or(control.max_age).or_else(|| expires(response));
    // Where the upstream says nothing, what was asked with a cookie may be for who asked.
    let applies = standard > 0 && status == StatusCode::OK && !request.contains_key(COOKIE);
    let given = said.is_none();
    let fresh = said.or(applies.then_some(standard))?;
    let age = response.get(AGE).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let age = age.unwrap_or(0);
    let (revalidate, error) = if control.must_revalidate {
        (0, 0)
    } else {
        (control.stale_while_revalidate, control.stale_if_error)
    };
    if age >= fresh + revalidate.max(error) {
        return None;
    }
    let (stale_while_revalidate, stale_if_error) = (revalidate, error);
    Some(Life { fresh, given, age, stale_while_revalidate, stale_if_error, vary })
}

/// `Expires` minus `Date`. A date that cannot be read is one in the past.
fn expires(headers: &HeaderMap) -> Option<u64> {
    let expires = headers.get(EXPIRES)?;
    let read = |value: &http::HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    let Some(until) = read(expires) else { return Some(0) };
    let from = headers.get(DATE).and_then(read)?;
    Some(until.duration_since(from).map_or(0, |span| span.as_secs()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn what_is_kept_is_what_the_standard_lets_a_shared_cache_keep() {
        let none: &[(&str, &str)] = &[];
        let secret: &[(&str, &str)] = &[("authorization", "Bearer x")];
        for (request, status, response, fresh) in [
            (none, 200, &[("cache-control", "max-age=60")][..], Some(60)),
            (none, 200, &[("cache-control", "public, MAX-AGE=60, s-maxage=10")], Some(10)),
            (none, 200, &[("cache-control", "max-age=60"), ("cache-control", "no-store")], None),
            (none, 200, &[("cache-control", "private, max-age=60")], None),
            (none, 200, &[("cache-control", "private=\"x-a\", max-age=60")], None),
            (none, 200, &[("cache-control", "no-cache, max-age=60")], None),
            (none, 200, &[("cache-control", "max-age=60"), ("set-cookie", "a=1")], None),
            (none, 200, &[("cache-control", "max-age=60"), ("vary", "*")], None),
            (none, 200, &[("cache-control", "max-age=60"), ("age", "60")], None),
            (none, 200, &[("cache-control", "max-age=nonsense")], None),
            (none, 200, &[], None),
            (none, 500, &[("cache-control", "max-age=60")], None),
            (none, 206, &[("cache-control", "max-age=60")], None),
            (none, 404, &[("cache-control", "max-age=60")], Some(60)),
            (secret, 200, &[("cache-control", "max-age=60")], None),
            (secret, 200, &[("cache-control", "public, max-age=60")], Some(60)),
            (secret, 200, &[("cache-control", "s-maxage=60")], Some(60)),
            (
                none,
                200,
                &[
                    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
                ],
                Some(60),
            ),
            (none, 200, &[("expires", "0")], None),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            let found = life(&headers(request), status, &headers(response), 0);
            assert_eq!(found.map(|life| life.fresh), fresh, "{status} {response:?}");
        }
        let given = life(&headers(&[]), StatusCode::OK, &headers(&[]), 30);
        assert_eq!(given.map(|life| life.fresh), Some(30));
    }

    #[test]
    fn requests_may_pass_the_cache_by() {
        for (fields, wanted) in [
            (&[][..], Asks::Fresh),
            (&[("cache-control", "max-age=0")], Asks::Anew),
            (&[("cache-control", "no-cache")], Asks::Anew),
            (&[("pragma", "no-cache")], Asks::Anew),
            (&[("cache-control", "no-store")], Asks::Nothing),
            (&[("range", "bytes=0-1")], Asks::Nothing),
        ] {
            assert_eq!(asks(&headers(fields)), wanted, "{fields:?}");
        }
    }
}
