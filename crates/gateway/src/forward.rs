//! What of a message is for the next hop only, what is passed on, and what is added.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use percent_encoding::AsciiSet;

use crate::config::{Edits, PathChange};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes away what is for one hop only (RFC 9110, 7.6.1), and what the message itself names as such.
pub(crate) fn strip(headers: &mut HeaderMap) {
    // One look at the names first: mostly there is nothing to take away, and each removal costs a search.
    let mut found = 0u16;
    for name in headers.keys() {
        found |= match name.as_str() {
            "connection" => 1,
            "keep-alive" => 2,
            "proxy-connection" => 4,
            "proxy-authenticate" => 8,
            "proxy-authorization" => 16,
            "transfer-encoding" => 32,
            "upgrade" => 64,
            "http2-settings" => 128,
            "te" => 256,
            _ => 0,
        };
    }
    if found == 0 {
        return;
    }
    if found & 1 != 0 {
        let mut named = Vec::new();
        for value in headers.get_all(CONNECTION) {
            // The usual values name no field.
            let bytes = value.as_bytes();
            if bytes.eq_ignore_ascii_case(b"keep-alive") || bytes.eq_ignore_ascii_case(b"close") {
                continue;
            }
            let tokens = value.to_str().unwrap_or_default().split(',');
            named.extend(
                tokens.filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok()),
            );
        }
        headers.remove(CONNECTION);
        for name in named {
            // These are not a client's to take away from what comes after us.
            if name != HOST && name != CONTENT_LENGTH {
                headers.remove(name);
            }
        }
    }
    for (bit, name) in [
        (2, KEEP_ALIVE),
        (4, PROXY_CONNECTION),
        (8, PROXY_AUTHENTICATE),
        (16, PROXY_AUTHORIZATION),
        (32, TRANSFER_ENCODING),
        (64, UPGRADE),
        (128, HTTP2_SETTINGS),
    ] {
        if found & bit != 0 {
            headers.remove(name);
        }
    }
    if found & 256 != 0
        && let Some(value) = headers.remove(TE)
    {
        let wants = value.to_str().unwrap_or_default().split(',').any(|part| {
            part.split(';')
                .next()
                .is_some_and(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
        });
        if wants {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Fields that say how a message is framed or routed have no place behind it.
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    strip(trailers);
    for name in
        [CONTENT_LENGTH, HOST, COOKIE, http::header::AUTHORIZATION, http::header::CONTENT_ENCODING]
    {
        trailers.remove(name);
    }
}

/// The protocol that a request asks to change to, if it does.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let asked = headers.get_all(CONNECTION).iter().any(|value| {
        value
            .to_str()
            .unwrap_or_default()
            .split(',')
            .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
    });
    // HTTP/2 in clear is spoken with prior knowledge; as an upgrade it would slip past every check here.
    let plain = !protocol.to_str().unwrap_or("h2c").to_ascii_lowercase().contains("h2c");
    (asked && plain).then(|| protocol.clone())
}

/// HTTP/2 may send cookies in crumbs; HTTP/1.1 has one field for them.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (values.next(), values.next()) else { return };
    let mut joined = [first.as_bytes(), second.as_bytes()].join(&b"; "[..]);
    for value in values {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(value.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, value);
    }
}

/// Takes away what only a proxy in front may say, in any spelling that a server behind may read as the same field.
/// Gives it back, for who judges requests.
pub(crate) fn take_claims(
    headers: &mut HeaderMap,
    trusted: bool,
    passed: &[HeaderName],
) -> HeaderMap {
    let mut taken = HeaderMap::new();
    let found: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_claim(name.as_str(), trusted) && !passed.contains(name))
        .cloned()
        .collect();
    for name in found {
        for value in headers.get_all(&name) {
            taken.append(name.clone(), value.clone());
        }
        headers.remove(&name);
    }
    taken
}

/// Whether a field is not for a client to say.
fn is_claim(name: &str, trusted: bool) -> bool {
    // Servers that hand fields on as variables read `_`, `.` and `-` as one.
    let odd = name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-');
    let folded = match odd {
        true => Cow::Owned(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        false => Cow::Borrowed(name),
    };
    // Nobody's to say, whoever asks: a proxy in front passes them on from its clients.
    let never = matches!(
        &*folded,
        "proxy"
            | "x-original-url"
            | "x-rewrite-url"
            | "x-http-method-override"
            | "x-http-method"
            | "x-method-override"
    );
    if never {
        return true;
    }
    if trusted && !odd {
        return false;
    }
    folded.starts_with("x-forwarded")
        || folded.starts_with("x-original-")
        || matches!(
            &*folded,
            "forwarded"
                | "x-real-ip"
                | "x-request-id"
                | "x-host"
                | "x-http-host-override"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "client-ip"
                | "x-originating-ip"
                | "x-remote-ip"
                | "x-remote-addr"
                | "true-client-ip"
                | "cf-connecting-ip"
                | "cf-connecting-ipv6"
                | "cf-pseudo-ipv4"
                | "cf-visitor"
                | "fastly-client-ip"
                | "x-azure-clientip"
                | "x-azure-socketip"
                | "x-envoy-external-address"
                | "x-envoy-original-path"
                | "x-scheme"
                | "x-url-scheme"
                | "front-end-https"
                | "wl-proxy-client-ip"
                | "proxy-client-ip"
                | "x-proxyuser-ip"
                | "x-accel-redirect"
                | "x-sendfile"
        )
}

/// Says on whose behalf the request comes. What a peer says of others is believed only when it is trusted.
pub(crate) fn introduce(
    headers: &mut HeaderMap,
    peer: &HeaderValue,
    client: Option<IpAddr>,
    trusted: bool,
    secure: bool,
    host: Option<HeaderValue>,
) {
    let scheme = HeaderValue::from_static(if secure { "https" } else { "http" });
    if trusted {
        let mut chain = Vec::new();
        for value in headers.get_all(FORWARDED_FOR) {
            chain.extend_from_slice(value.as_bytes());
            chain.extend_from_slice(b", ");
        }
        chain.extend_from_slice(peer.as_bytes());
        if let Ok(value) = HeaderValue::from_bytes(&chain) {
            headers.insert(FORWARDED_FOR, value);
        }
        if !headers.contains_key(FORWARDED_PROTO) {
            headers.insert(FORWARDED_PROTO, scheme);
        }
        if let Some(host) = host
            && !headers.contains_key(FORWARDED_HOST)
        {
            headers.insert(FORWARDED_HOST, host);
        }
        let client = client.and_then(|client| HeaderValue::from_str(&client.to_string()).ok());
        headers.insert(REAL_IP, client.unwrap_or_else(|| peer.clone()));
        return;
    }
    headers.remove(FORWARDED);
    headers.remove(FORWARDED_PORT);
    headers.insert(FORWARDED_FOR, peer.clone());
    headers.insert(FORWARDED_PROTO, scheme);
    match host {
        Some(host) => {
            headers.insert(FORWARDED_HOST, host);
        }
        None => {
            headers.remove(FORWARDED_HOST);
        }
    }
    headers.insert(REAL_IP, peer.clone());
}

/// Whether a proxy in front says that the client came by HTTPS. The proxy nearest to us has the last word.
pub(crate) fn claims_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back();
    let text = last.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.rsplit(',').next().is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

pub(crate) fn edit(headers: &mut HeaderMap, edits: &Edits) {
    for name in &edits.remove {
        headers.remove(name);
    }
    for (name, value) in &edits.set {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in &edits.add {
        headers.append(name.clone(), value.clone());
    }
}

/// A path, read once for routes and upstreams.
pub(crate) struct PathRead<'p> {
    /// As routes see it: decoded, without `.`, `..` and doubled slashes, so that no other spelling of an address
    /// gets around what a route says of it.
    pub(crate) matched: Cow<'p, str>,
    /// As it is passed on when that is not as it came: without `.` and `..`.
    cleaned: Option<String>,
}

impl PathRead<'_> {
    /// The path as it is passed on.
    pub(crate) fn passed<'u>(&'u self, uri: &'u http::Uri) -> &'u str {
        self.cleaned.as_deref().unwrap_or(uri.path())
    }
}

/// Reads a path. An error when it leads above the root, or means different things to those who decode it and those
/// who do not.
pub(crate) fn read_path(path: &str) -> Result<PathRead<'_>, ()> {
    let cleaned = normal_path(path)?;
    let base = cleaned.as_deref().unwrap_or(path);
    if !base.contains('%') && !base.contains("//") {
        let matched = cleaned.clone().map_or(Cow::Borrowed(path), Cow::Owned);
        return Ok(PathRead { matched, cleaned });
    }
    let decoded = percent_encoding::percent_decode_str(base).decode_utf8_lossy();
    if decoded.contains('\0') || decoded.split('/').any(|part| part == "." || part == "..") {
        return Err(());
    }
    let mut matched = String::with_capacity(decoded.len());
    for c in decoded.chars() {
        if c != '/' || !matched.ends_with('/') {
            matched.push(c);
        }
    }
    Ok(PathRead { matched: Cow::Owned(matched), cleaned })
}

/// The path as routes and upstreams should both see it: without `.` and `..`, also where they are escaped.
/// `None` when it is fine as it is, an error when it leads above the root.
fn normal_path(path: &str) -> Result<Option<String>, ()> {
    if !path.contains("/.") && !path.contains("%2e") && !path.contains("%2E") {
        return Ok(None);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut changed = false;
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let plain = part.replace("%2e", ".").replace("%2E", ".");
        match plain.as_str() {
            "." => {
                changed = true;
                if last {
                    kept.push("");
                }
            }
            ".." => {
                changed = true;
                if kept.pop().is_none() {
                    return Err(());
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(part),
        }
    }
    if !changed {
        return Ok(None);
    }
    Ok(Some(format!("/{}", kept.join("/"))))
}

/// What stays as it is in a path that is written anew.
const PLAIN: &AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The target for the upstream. `None` when it is the one that came.
pub(crate) fn target(
    uri: &http::Uri,
    read: &PathRead<'_>,
    prefix: &str,
    change: &PathChange,
) -> Option<PathAndQuery> {
    let path = read.passed(uri);
    let mut target = match change {
        PathChange::Keep if read.cleaned.is_none() => return None,
        PathChange::Keep => path.to_owned(),
        PathChange::Replace(to) => {
            let after = |path: &str| {
                let rest = path.strip_prefix(prefix)?;
                (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
            };
            let rest = after(path).unwrap_or_else(|| {
                let rest = read.matched.strip_prefix(prefix).unwrap_or(&read.matched);
                percent_encoding::utf8_percent_encode(rest, PLAIN).to_string()
            });
            let joined = format!("{to}{rest}");
            if joined.starts_with('/') { joined } else { format!("/{joined}") }
        }
    };
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    target.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hop_fields_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret, Host, content-length"),
            ("x-secret", "1"),
            ("host", "a"),
            ("content-length", "1"),
            ("te", "gzip;q=0.5, trailers"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("x-kept", "1"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(upgrade(&headers), None);
        strip(&mut headers);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "host", "te", "x-kept"]);
        assert_eq!(headers["te"], "trailers");
    }

    #[test]
    fn dots_lead_nowhere_else() {
        for (path, normal) in [
            ("/a/b", None),
            ("/a/.well-known/x", None),
            ("/a/../b", Some("/b")),
            ("/a/./b", Some("/a/b")),
            ("/a/%2e%2E/b", Some("/b")),
            ("/a/.%2e/b/..", Some("/")),
            ("/a/b/.", Some("/a/b/")),
        ] {
            assert_eq!(normal_path(path).expect(path).as_deref(), normal, "{path}");
        }
        assert!(normal_path("/../x").is_err() && normal_path("/a/../../x").is_err());
    }

    #[test]
    fn prefixes_are_replaced() {
        let replace = |to: &str| PathChange::Replace(to.to_owned());
        for (uri, prefix, change, target_path) in [
            ("/api/x?q=1", "/api", replace(""), "/x?q=1"),
            ("/api", "/api", replace(""), "/"),
            ("/api/x", "/api", replace("/v2"), "/v2/x"),
            ("/api", "/api", replace("/v2"), "/v2"),
            ("/api/a%2Fb%20c", "/api", replace(""), "/a%2Fb%20c"),
            ("//api/a%20b", "/api", replace("/v2"), "/v2/a%20b"),
            ("/x/../api/y", "", PathChange::Keep, "/api/y"),
        ] {
            let uri: http::Uri = uri.parse().expect("address");
            let read = read_path(uri.path()).expect("path");
            let found = target(&uri, &read, prefix, &change).expect("changes");
            assert_eq!(found.as_str(), target_path);
        }
        let uri = http::Uri::from_static("/x");
        let read = read_path("/x").expect("path");
        assert!(target(&uri, &read, "", &PathChange::Keep).is_none());
    }

    #[test]
    fn every_spelling_of_a_path_meets_its_route() {
        for (path, matched) in [
            ("/admin/x", "/admin/x"),
            ("//admin//x", "/admin/x"),
            ("/%61dmin", "/admin"),
            ("/admin%2Fx", "/admin/x"),
            ("/%2e/admin", "/admin"),
            ("/caf%C3%A9", "/café"),
            ("/%zz", "/%zz"),
        ] {
            assert_eq!(read_path(path).expect(path).matched, matched, "{path}");
        }
        for path in ["/public/..%2fadmin", "/a%00b", "/../x", "/a/%2e%2e%2Fb"] {
            assert!(read_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2", "c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(crumb));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }
}
