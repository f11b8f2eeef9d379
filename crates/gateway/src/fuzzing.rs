//! What strangers' bytes reach first, each with what must hold of it. For `make fuzz`; panics are what it looks for.

use http::{HeaderMap, HeaderValue, header};

use crate::config::{Waf, WafLevel};
use crate::head::{Checker, Seen, State};
use crate::proxy_protocol::Header;
use crate::{forward, proxy_protocol, sticky, waf};

/// What a checker lets pass of bytes that come in pieces, and the status of its refusal.
fn checked(bytes: &[u8], mut cut: impl FnMut() -> usize) -> (usize, Option<u16>) {
    let mut checker = Checker::new(4096, 50);
    let (mut passed, mut there) = (0, 0);
    while there < bytes.len() {
        there = (there + cut().max(1)).min(bytes.len());
        loop {
            if checker.state() == State::Decide {
                checker.decide(false);
            }
            match checker.look(&bytes[passed..there]) {
                Seen::Pass(0) => break,
                Seen::Pass(count) => passed += count,
                Seen::Refuse(count, refusal) => return (passed + count, Some(refusal.status)),
            }
            assert!(passed <= there, "no more passes than is there");
        }
    }
    (passed, None)
}

/// Requests are judged the same however they are cut.
pub fn head(bytes: &[u8]) {
    let whole = checked(bytes, || bytes.len());
    let single = checked(bytes, || 1);
    assert_eq!(whole.1.is_some(), single.1.is_some(), "cut otherwise, judged otherwise");
    if whole.1.is_none() {
        assert_eq!(whole.0, single.0);
    }
    // What passes as a first head is one that the library can read.
    if whole.1.is_none()
        && let Some(end) = memchr::memmem::find(&bytes[..whole.0], b"\r\n\r\n")
    {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(&bytes[..end + 4]);
        assert!(matches!(parsed, Ok(httparse::Status::Complete(_))), "{parsed:?}");
        let hosts = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
        assert!(hosts.count() <= 1);
        let both = ["content-length", "transfer-encoding"].map(|name| {
            request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count()
        });
        assert!(both[0] + both[1] <= 1, "two ways to frame one body");
    }
}

/// A header of the PROXY protocol ends where it says.
pub fn proxy_header(bytes: &[u8]) {
    if let Header::Complete(length, source) = proxy_protocol::parse(bytes) {
        assert!(length <= bytes.len());
        assert_eq!(proxy_protocol::parse(&bytes[..length]), Header::Complete(length, source));
        assert_eq!(proxy_protocol::parse(&bytes[..length - 1]), Header::More);
    }
}

/// A cookie is found or not.
pub fn cookie(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, value.clone());
    headers.append(header::COOKIE, value);
    if let Some(mark) = sticky::cookie(&headers, "gateway_route") {
        assert!(mark.len() < bytes.len());
    }
    forward::join_cookies(&mut headers);
    assert_eq!(headers.get_all(header::COOKIE).iter().count(), 1);
}

/// A file is read, or its faults have lines.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A file that it names is not this test's.
    if text.contains("template") {
        return;
    }
    let report = crate::check(text, &|_| None);
    assert_eq!(report.config.is_some(), report.faults.is_empty());
    // In YAML a lone carriage return ends a line, too.
    let lines = text.split(['\n', '\r']).count() + 1;
    for fault in report.faults.iter().chain(&report.notes) {
        assert!((1..=lines).contains(&fault.line), "{fault}");
    }
}

/// What routes see of a path has no way up, and is the same when it is read again.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(uri) = text.parse::<http::Uri>() else { return };
    if !uri.path().starts_with('/') {
        return;
    }
    if let Ok(read) = forward::read_path(uri.path()) {
        let matched = &*read.matched;
        assert!(matched.starts_with('/'), "{matched}");
        assert!(!matched.contains("//") || !uri.path().contains("//"));
        assert!(matched.split('/').all(|part| part != "." && part != ".."), "{matched}");
    }
}

/// The firewall looks at anything.
pub fn firewall(bytes: &[u8]) {
    let waf = Waf {
        block: true,
        level: WafLevel::Strict,
        body: 1 << 17,
        without_paths: Vec::new(),
        without_rules: Vec::new(),
        log: false,
    };
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (kind, body) = bytes.split_at(end);
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let _ = waf::look_at_body(&waf, &headers, body);
    let text = String::from_utf8_lossy(body);
    let _ = waf::look_at_head(&waf, [&*text; 2], Some(&text), [&headers; 2]);
}
