//! Bodies in fewer bytes, for clients that take them so.

use std::io::Write as _;

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, VARY,
};

/// A coding of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// Not worth it below; a frame of any coding takes some bytes itself.
const LEAST: u64 = 512;

/// Quality and speed: what a proxy can afford for each answer.
const BROTLI: u32 = 4;
const GZIP: u32 = 5;
const ZSTD: i32 = 3;

/// Whether an answer may be, and is worth being, compressed. `length` when it is known.
pub(crate) fn fits(
    head: bool,
    status: StatusCode,
    response: &HeaderMap,
    length: Option<u64>,
) -> bool {
    let bodiless = head
        || status.is_informational()
        || matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
        );
    !bodiless
        && !response.contains_key(CONTENT_ENCODING)
        && !response.contains_key(CONTENT_RANGE)
        && length.is_none_or(|length| length >= LEAST)
        && is_text(response)
        && !says_no_transform(response)
}

/// Whether an answer's coding depends on what the client takes, so that caches must tell clients apart.
pub(crate) fn varies(status: StatusCode, response: &HeaderMap) -> bool {
    status.is_success()
        && !response.contains_key(CONTENT_ENCODING)
        && is_text(response)
        && !says_no_transform(response)
}

fn says_no_transform(response: &HeaderMap) -> bool {
    response.get_all(CACHE_CONTROL).iter().any(|value| {
        value.to_str().unwrap_or_default().to_ascii_lowercase().contains("no-transform")
    })
}

fn is_text(response: &HeaderMap) -> bool {
    let kind = response.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Events are passed on one by one, and small.
    if kind == "text/event-stream" {
        return false;
    }
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/wasm"
                | "application/manifest+json"
                | "application/x-ndjson"
                | "image/svg+xml"
                | "font/ttf"
                | "font/otf"
        )
}

/// The best coding that the client takes.
pub(crate) fn wanted(request: &HeaderMap) -> Option<Coding> {
    let mut best: Option<(f32, Coding)> = None;
    let mut consider = |quality: f32, coding: Coding| {
        // Between equals the first stays: zstd is the quickest, then brotli the smallest.
        if quality > 0.0 && best.is_none_or(|(other, _)| quality > other) {
            best = Some((quality, coding));
        }
    };
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
    let all: Vec<String> = request.get_all(ACCEPT_ENCODING).iter().map(text).collect();
    for coding in [Coding::Zstd, Coding::Brotli, Coding::Gzip] {
        let quality = all.iter().flat_map(|list| list.split(',')).find_map(|part| {
            let (name, quality) = part.split_once(';').unwrap_or((part, ""));
            (name.trim() == coding.name()).then(|| {
                let quality = quality.trim().strip_prefix("q=").unwrap_or("1");
                quality.parse().unwrap_or(0.0)
            })
        });
        consider(quality.unwrap_or(0.0), coding);
    }
    best.map(|(_, coding)| coding)
}

/// Says in the head that the body is in this coding.
pub(crate) fn mark(headers: &mut HeaderMap, coding: Coding) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    // The bytes are others, so a strong tag would lie.
    if let Some(tag) = headers.get(ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(tag) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(ETAG, tag);
    }
}

/// Says that the answer depends on what the client takes.
pub(crate) fn mark_varying(headers: &mut HeaderMap) {
    let named = headers.get_all(VARY).iter().any(|value| {
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        text.split(',').any(|name| matches!(name.trim(), "accept-encoding" | "*"))
    });
    if !named {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// A whole body at once.
pub(crate) fn whole(coding: Coding, body: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(coding);
    let mut out = encoder.take(body);
    out.extend(encoder.end());
    out
}

/// A body piece by piece.
pub(crate) enum Encoder {
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    /// After the end, or where an encoder could not be made.
    Spent,
}

impl Encoder {
    pub(crate) fn new(coding: Coding) -> Self {
        match coding {
            // Only without memory this fails; then so does everything else.
            Coding::Zstd => zstd::stream::write::Encoder::new(Vec::new(), ZSTD)
                .map_or(Self::Spent, |encoder| Self::Zstd(Box::new(encoder))),
            Coding::Brotli => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), 4096, BROTLI, 20)))
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(GZIP);
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), level)))
            }
        }
    }

    /// Takes a piece in; what came out so far. Writing to memory does not fail.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Zstd(encoder) => {
                let _ = encoder.write_all(piece);
                std::mem::take(encoder.get_mut())
            }
            Self::Brotli(encoder) => {
                let _ = encoder.write_all(piece);
                std::mem::take(encoder.get_mut())
            }
            Self::Gzip(encoder) => {
                let _ = encoder.write_all(piece);
                std::mem::take(encoder.get_mut())
            }
            Self::Spent => Vec::new(),
        }
    }

    /// Gives out all that was taken in, so that a client who waits sees it.
    pub(crate) fn flush(&mut self) -> Vec<u8> {
        match self {
            Self::Zstd(encoder) => {
                let _ = encoder.flush();
                std::mem::take(encoder.get_mut())
            }
            Self::Brotli(encoder) => {
                let _ = encoder.flush();
                std::mem::take(encoder.get_mut())
            }
            Self::Gzip(encoder) => {
                let _ = encoder.flush();
                std::mem::take(encoder.get_mut())
            }
            Self::Spent => Vec::new(),
        }
    }

    pub(crate) fn end(&mut self) -> Vec<u8> {
        match std::mem::replace(self, Self::Spent) {
            Self::Zstd(encoder) => encoder.finish().unwrap_or_default(),
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Gzip(encoder) => encoder.finish().unwrap_or_default(),
            Self::Spent => Vec::new(),
        }
    }
}

/// A body that is compressed while it passes; `held`: something was taken in and not given out.
pub(crate) struct Flowing {
    encoder: Encoder,
    held: bool,
}

impl Flowing {
    pub(crate) fn new(coding: Coding) -> Self {
        Self { encoder: Encoder::new(coding), held: false }
    }

    pub(crate) fn take(&mut self, piece: &[u8]) -> Option<Bytes> {
        self.held = true;
        some(self.encoder.take(piece))
    }

    /// What the client may see while the upstream is silent.
    pub(crate) fn pause(&mut self) -> Option<Bytes> {
        if !std::mem::take(&mut self.held) {
            return None;
        }
        some(self.encoder.flush())
    }

    pub(crate) fn end(&mut self) -> Option<Bytes> {
        some(self.encoder.end())
    }
}

fn some(bytes: Vec<u8>) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_among_what_we_have() {
        for (text, wanted_coding) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, br", Some(Coding::Brotli)),
            ("gzip;q=1.0, br;q=0.5", Some(Coding::Gzip)),
            ("br;q=0, gzip", Some(Coding::Gzip)),
            ("deflate", None),
            ("", None),
        ] {
            let mut request = HeaderMap::new();
            request.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(wanted(&request), wanted_coding, "{text}");
        }
    }
}
