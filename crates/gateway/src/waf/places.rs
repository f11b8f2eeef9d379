//! Bodies taken apart into the texts that servers take out of them: forms, JSON, parts, and what claims to be none.

use std::borrow::Cow;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::rules::From;

/// Strings of a JSON body that are looked at.
const STRINGS: usize = 10_000;
/// Pairs of a form whose values are also looked at joined, as servers join fields of one name.
const JOINED: usize = 64;

/// How a body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Form,
    Json,
    Parts(String),
    Xml,
    /// Text without fields.
    Raw,
    /// Nobody says what it is, or in no way that is known: whoever reads it tries.
    Unclear,
    /// Pictures, sound, archives: texts are not looked for, unless it is one.
    Opaque,
    /// Frames that go both ways while the body is open.
    Streamed,
}

/// What texts are given to; where it says that it found something, the rest is not looked at.
pub(super) trait Look<T>: FnMut(From, &[u8]) -> Option<T> {}
impl<T, F: FnMut(From, &[u8]) -> Option<T>> Look<T> for F {}

/// What a body is said to be: by every field that says so.
fn kinds(headers: &HeaderMap) -> Vec<Kind> {
    let values: Vec<Cow<'_, str>> = headers
        .get_all(CONTENT_TYPE)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let mut kinds: Vec<Kind> =
        values.iter().flat_map(|value| value.split(',')).map(|one| kind(one.trim())).collect();
    if kinds.is_empty() {
        kinds.push(Kind::Unclear);
    }
    kinds
}

fn kind(text: &str) -> Kind {
    let name = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "application/x-www-form-urlencoded" => Kind::Form,
        "application/json" | "text/json" | "application/csp-report" => Kind::Json,
        "application/xml" | "text/xml" => Kind::Xml,
        "text/plain" => Kind::Unclear,
        "application/octet-stream"
        | "application/pdf"
        | "application/zip"
        | "application/gzip"
        | "application/wasm"
        | "application/protobuf"
        | "application/x-protobuf"
        | "application/msword"
        | "application/x-tar" => Kind::Opaque,
        name if name.starts_with("application/grpc") => Kind::Streamed,
        name if name.starts_with("multipart/") => boundary(text).map_or(Kind::Unclear, Kind::Parts),
        name if name.ends_with("+json") => Kind::Json,
        name if name.ends_with("+xml") => Kind::Xml,
        name if name.starts_with("text/") => Kind::Raw,
        name if ["image/", "audio/", "video/", "font/", "model/", "application/vnd."]
            .iter()
            .any(|start| name.starts_with(start)) =>
        {
            Kind::Opaque
        }
        _ => Kind::Unclear,
    }
}

fn boundary(text: &str) -> Option<String> {
    let (_, value) = text
        .split(';')
        .skip(1)
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether a body is looked at: all that may be read as text, and of what may not, what came whole and is small.
pub(super) fn reads(headers: &HeaderMap, most: usize) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    kinds(headers).iter().any(|kind| match kind {
        Kind::Streamed => false,
        Kind::Opaque => length.is_some_and(|length: usize| length <= most),
        _ => true,
    })
}

/// Whether a form or JSON is said to be in letters that hide what it says.
pub(super) fn is_odd(headers: &HeaderMap) -> bool {
    let values: Vec<_> = headers.get_all(CONTENT_TYPE).iter().collect();
    let plain = |charset: &str| {
        let name = charset.trim().trim_matches('"').to_ascii_lowercase();
        matches!(
            name.as_str(),
            "utf-8"
                | "utf8"
                | "us-ascii"
                | "ascii"
                | "iso-8859-1"
                | "latin1"
                | "iso-8859-15"
                | "windows-1252"
        )
    };
    let hides = |text: &str| {
        let fields = matches!(kind(text), Kind::Form | Kind::Json | Kind::Parts(_));
        text.split(';').skip(1).filter_map(|part| part.split_once('=')).any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset")
                && !plain(value)
                && (fields || value.to_ascii_lowercase().contains("utf-7"))
        })
    };
    values.len() > 1 || values.iter().any(|value| hides(&String::from_utf8_lossy(value.as_bytes())))
}

/// Hands every text of a body, or of its beginning, on.
pub(super) fn body<T>(
    headers: &HeaderMap,
    body: &[u8],
    most: usize,
    look: &mut impl Look<T>,
) -> Option<T> {
    let body = unpacked(headers, body, most);
    let body = narrow(&body);
    kinds(headers).into_iter().find_map(|kind| by_kind(&kind, &body, look))
}

fn by_kind<T>(kind: &Kind, body: &[u8], look: &mut impl Look<T>) -> Option<T> {
    match kind {
        Kind::Form => pairs(body, From::Body, look),
        Kind::Json => json(body, look),
        Kind::Parts(boundary) => parts(body, boundary.as_bytes(), look),
        Kind::Xml if body.trim_ascii_start().starts_with(b"<") => {
            look(From::Raw, body).or_else(|| xml(body, look)).or_else(|| guessed(body, look))
        }
        Kind::Raw => look(From::Raw, body).or_else(|| guessed(body, look)),
        Kind::Xml | Kind::Unclear => {
            look(From::Raw, body).or_else(|| look(From::Body, body)).or_else(|| guessed(body, look))
        }
        Kind::Opaque if is_text(body) => {
            look(From::Raw, body).or_else(|| look(From::Body, body)).or_else(|| guessed(body, look))
        }
        Kind::Opaque | Kind::Streamed => None,
    }
}

/// What servers that guess make of a body.
fn guessed<T>(body: &[u8], look: &mut impl Look<T>) -> Option<T> {
    let start = body.trim_ascii_start();
    if start.starts_with(b"--")
        && let Some(end) = memchr::memchr(b'\n', start)
        && memchr::memmem::find(start, b"ontent-").is_some()
    {
        return parts(body, start[2..end].trim_ascii_end(), look);
    }
    if matches!(start.first(), Some(b'{' | b'[')) {
        return json(body, look);
    }
    let name = &start[..memchr::memchr(b'=', start).unwrap_or(0)];
    let formed = (1..=64).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]%".contains(byte));
    formed.then(|| pairs(body, From::Body, look)).flatten()
}

/// What stands between the tags, and in the quotes inside them.
fn xml<T>(body: &[u8], look: &mut impl Look<T>) -> Option<T> {
    let pieces = body.split(|byte| matches!(byte, b'<')).take(STRINGS);
    pieces.into_iter().find_map(|piece| {
        let (tag, text) = match memchr::memchr(b'>', piece) {
            Some(end) => (&piece[..end], &piece[end + 1..]),
            None => (piece, &b""[..]),
        };
        let mut values = tag.split(|byte| matches!(byte, b'"')).skip(1).step_by(2);
        look(From::Body, text.trim_ascii())
            .or_else(|| values.find_map(|value| look(From::Body, value)))
    })
}

fn is_text(body: &[u8]) -> bool {
    let end = body.len().min(4096);
    let text = match std::str::from_utf8(&body[..end]) {
        Ok(text) => text,
        // A letter may be cut at the end.
        Err(error) if error.valid_up_to() + 4 > end => {
            std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|letter| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r'))
}

/// A packed body unpacked, as far as is looked at.
fn unpacked<'b>(headers: &HeaderMap, body: &'b [u8], most: usize) -> Cow<'b, [u8]> {
    let Some(coding) = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) else {
        return Cow::Borrowed(body);
    };
    let mut out = Vec::new();
    let most = most as u64;
    // What broke off or is damaged is looked at as far as it goes.
    let _ = match coding.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => {
            flate2::read::MultiGzDecoder::new(body).take(most).read_to_end(&mut out)
        }
        "deflate" if body.first() == Some(&0x78) => {
            flate2::read::ZlibDecoder::new(body).take(most).read_to_end(&mut out)
        }
        "deflate" => flate2::read::DeflateDecoder::new(body).take(most).read_to_end(&mut out),
        "br" => brotli::Decompressor::new(body, 4096).take(most).read_to_end(&mut out),
        _ => return Cow::Borrowed(body),
    };
    Cow::Owned(out)
}

/// Letters of two bytes as one: ASCII is all that attacks are made of.
fn narrow(body: &[u8]) -> Cow<'_, [u8]> {
    let wide = body.starts_with(b"\xff\xfe")
        || body.starts_with(b"\xfe\xff")
        || (body.len() >= 16
            && body.iter().take(64).filter(|byte| **byte == 0).count() * 5
                > body.len().min(64) * 2);
    if !wide {
        return Cow::Borrowed(body);
    }
    let zeros = body.iter().copied().filter(|byte| !matches!(byte, 0 | 0xfe | 0xff));
    Cow::Owned(zeros.collect())
}

/// The names and values of a form or query; of one name also joined, as some servers do.
pub(super) fn pairs<T>(text: &[u8], from: From, look: &mut impl Look<T>) -> Option<T> {
    let mut together: Vec<(Cow<'_, str>, String, usize)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        if let Some(found) = look(from, name.as_bytes()).or_else(|| look(from, value.as_bytes())) {
            return Some(found);
        }
        match together.iter().position(|(known, ..)| *known == name) {
            Some(at) => {
                let (_, joined, count) = &mut together[at];
                joined.push(',');
                joined.push_str(&value);
                *count += 1;
            }
            None if together.len() < JOINED => together.push((name, value.into_owned(), 1)),
            None => {}
        }
    }
    let many = together.into_iter().filter(|(.., count)| *count > 1);
    many.into_iter().find_map(|(_, joined, _)| look(from, joined.as_bytes()))
}

fn json<T>(body: &[u8], look: &mut impl Look<T>) -> Option<T> {
    let mut walk = Walk { look, left: STRINGS, found: None, path: String::new() };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let whole = walk.deserialize_any(&mut reader).is_ok() && reader.end().is_ok();
    let found = walk.found.take();
    if found.is_some() || whole {
        return found;
    }
    // Cut off, or JSON of a lenient kind: as it is.
    look(From::Raw, body).or_else(|| look(From::Body, body))
}

/// Goes through JSON as it comes: of two fields of one name both are seen.
struct Walk<'w, T, L> {
    look: &'w mut L,
    left: usize,
    found: Option<T>,
    path: String,
}

impl<T, L: Look<T>> Walk<'_, T, L> {
    fn deserialize_any<'de, D: Deserializer<'de>>(&mut self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(&mut *self)
    }

    fn text(&mut self, text: &str) {
        if self.found.is_none() && self.left > 0 {
            self.left -= 1;
            self.found = (self.look)(From::Body, text.as_bytes());
        }
    }
}

impl<'de, T, L: Look<T>> DeserializeSeed<'de> for &mut Walk<'_, T, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, T, L: Look<T>> Visitor<'de> for &mut Walk<'_, T, L> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            self.text(&name);
            let length = self.path.len();
            // As a form names it: `user[$ne]`.
            if length == 0 {
                self.path.push_str(&name);
            } else if length < 512 {
                self.path.push('[');
                self.path.push_str(&name);
                self.path.push(']');
                let path = self.path.clone();
                self.text(&path);
            }
            fields.next_value_seed(&mut *self)?;
            self.path.truncate(length);
        }
        Ok(())
    }
}

/// The fields of a multipart body with their heads, and the heads of its files; not what is in the files.
fn parts<T>(body: &[u8], boundary: &[u8], look: &mut impl Look<T>) -> Option<T> {
    let mark = [b"--", boundary].concat();
    let mut starts: Vec<usize> = memchr::memmem::find_iter(body, &mark).collect();
    if starts.is_empty() {
        return look(From::Raw, body).or_else(|| look(From::Body, body));
    }
    starts.push(body.len());
    starts.windows(2).find_map(|pair| {
        let part = &body[(pair[0] + mark.len()).min(pair[1])..pair[1]];
        let ends = [(&b"\r\n\r\n"[..], 4), (b"\n\n", 2)];
        let (end, gap) = ends
            .iter()
            .filter_map(|(gap, length)| Some((memchr::memmem::find(part, gap)?, *length)))
            .min()?;
        let (head, text) = (&part[..end], &part[end + gap..]);
        let head_says = String::from_utf8_lossy(head).to_ascii_lowercase();
        if is_file(head) {
            return look(From::File, head)
                .or_else(|| look(From::Body, parameter(head, "filename").as_bytes()));
        }
        let text = text.strip_suffix(b"\r\n").unwrap_or(text);
        let names = look(From::Body, parameter(head, "name").as_bytes());
        let said = names.or_else(|| look(From::Body, text)).or_else(|| look(From::Raw, text));
        said.or_else(|| {
            if head_says.contains("base64") {
                let letters: Vec<u8> =
                    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                let plain = STANDARD.decode(letters).ok()?;
                return look(From::Body, &plain);
            }
            (head_says.contains("json")).then(|| json(text, look)).flatten()
        })
    })
}

/// What a part's head says of the field.
fn parameter(head: &[u8], name: &str) -> String {
    let head = String::from_utf8_lossy(head);
    let mut pairs = head.split([';', '\n']).filter_map(|part| part.split_once('='));
    let found = pairs.find(|(own, _)| own.trim().trim_end_matches('*').eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
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
