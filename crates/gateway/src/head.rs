//! The raw bytes of HTTP/1.1 requests, looked at before the library that parses them.
//!
//! Two servers in a row that read a message differently can be made to disagree about where it ends; what an
//! attacker hides in the difference is called request smuggling. The library is lenient where it is harmless for
//! one server; a gateway must not be. So here every head is checked against the strict reading of RFC 9112, and
//! the body's framing is followed, so that the next head is found exactly where it begins.

use std::fmt;

use memchr::memchr;

/// Bytes of one chunk's extensions, and of all of a body's.
const EXTENSION: usize = 256;
const EXTENSIONS: usize = 16 << 10;
/// Bytes of the trailer section.
const TRAILERS: usize = 8 << 10;

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Refusal {}

const fn bad(reason: &'static str) -> Refusal {
    Refusal { status: 400, reason }
}

/// What may be passed on of the bytes that were looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// So many bytes; the rest is the beginning of a head that is not complete.
    Pass(usize),
    /// So many bytes, and then something that is refused.
    Refuse(usize, Refusal),
}

/// Where in the stream of messages a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Between messages, or in a head.
    Head,
    Body {
        left: u64,
    },
    Chunks(Chunk),
    /// A head asked for another protocol; nothing is passed until that is decided.
    Decide,
    /// Another protocol; all is passed.
    Tunnel,
}

/// Where in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    Size {
        value: u64,
        digits: u8,
    },
    Extension {
        length: usize,
        quoted: bool,
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    TrailerName {
        length: usize,
    },
    TrailerValue,
    TrailerLf,
    EndLf,
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub(crate) struct Checker {
    state: State,
    limit: usize,
    fields: usize,
    extensions: usize,
    trailers: usize,
}

impl Checker {
    /// `limit` is of a head in bytes, `fields` of its lines.
    pub(crate) fn new(limit: usize, fields: usize) -> Self {
        Self { state: State::Head, limit, fields, extensions: 0, trailers: 0 }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn decide(&mut self, tunnel: bool) {
        if self.state == State::Decide {
            self.state = if tunnel { State::Tunnel } else { State::Head };
        }
    }

    /// Looks at bytes that follow those passed before.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Seen {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Tunnel => return Seen::Pass(bytes.len()),
                State::Decide => return Seen::Pass(at),
                State::Body { left } => {
                    let taken = left.min((bytes.len() - at) as u64);
                    at += taken as usize;
                    self.state = match left - taken {
                        0 => State::Head,
                        left => State::Body { left },
                    };
                }
                State::Chunks(chunk) => match self.chunk(chunk, &bytes[at..]) {
                    Ok(taken) => at += taken,
                    Err(refusal) => return Seen::Refuse(at, refusal),
                },
                State::Head => match self.head(&bytes[at..]) {
                    Ok(Some(length)) => at += length,
                    Ok(None) => return Seen::Pass(at),
                    Err(refusal) => return Seen::Refuse(at, refusal),
                },
            }
        }
        Seen::Pass(at)
    }

    /// The length of a complete head, `None` while it is not complete.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let mut facts = Facts::default();
        // One empty line before a request is let pass: some clients end a body with one (RFC 9112, 2.2).
        let mut start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let mut first = true;
        let mut count = 0;
        loop {
            let Some(end) = memchr(b'\n', &bytes[start..]) else {
                let waiting = bytes.len() - start;
                if bytes.len() > self.limit {
                    return Err(too_large(first));
                }
                // What can be told from the beginning of a line is told at once.
                if !first && waiting > 0 && matches!(bytes[start], b' ' | b'\t') {
                    return Err(FOLDED);
                }
                if first && waiting > 0 && !is_token(bytes[start]) && bytes[start] != b'\r' {
                    return Err(bad("the request does not begin with a method"));
                }
                return Ok(None);
            };
            let end = start + end;
            if end + 1 > self.limit {
                return Err(too_large(first));
            }
            let Some((b'\r', line)) = bytes[start..end].split_last() else {
                return Err(bad("a line ends without a carriage return"));
            };
            start = end + 1;
            if first {
                facts.request_line(line)?;
                first = false;
            } else if line.is_empty() {
                self.state = facts.framing()?;
                self.extensions = 0;
                self.trailers = 0;
                return Ok(Some(start));
            } else {
                count += 1;
                if count > self.fields {
                    return Err(Refusal {
                        status: 431,
                        reason: "the request has too many header fields",
                    });
                }
                facts.field(line)?;
            }
        }
    }

    /// Steps through a chunked body; how many bytes were taken.
    fn chunk(&mut self, mut chunk: Chunk, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            chunk = match chunk {
                Chunk::Data { left } => {
                    let taken = left.min((bytes.len() - at) as u64);
                    at += taken as usize;
                    chunk = match left - taken {
                        0 => Chunk::DataCr,
                        left => Chunk::Data { left },
                    };
                    continue;
                }
                Chunk::Size { value, digits } => match (char::from(byte).to_digit(16), byte) {
                    (Some(digit), _) if digits < 15 => {
                        Chunk::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
                    }
                    (None, b'\r') if digits > 0 => Chunk::SizeLf { value },
                    (None, b';') if digits > 0 => {
                        Chunk::Extension { length: 0, quoted: false, value }
                    }
                    (None, _) => return Err(bad("a chunk's size is not hexadecimal")),
                    (Some(_), _) => return Err(bad("a chunk's size is too large")),
                },
                Chunk::Extension { length, quoted, value } => {
                    self.extensions += 1;
                    if length >= EXTENSION || self.extensions > EXTENSIONS {
                        return Err(bad("a chunk's extensions are too long"));
                    }
                    match byte {
                        b'\r' if !quoted => Chunk::SizeLf { value },
                        b'"' => Chunk::Extension { length: length + 1, quoted: !quoted, value },
                        b'\t' | 0x20..=0x7e | 0x80.. => {
                            Chunk::Extension { length: length + 1, quoted, value }
                        }
                        _ => return Err(bad("a chunk's extension has a control character")),
                    }
                }
                Chunk::SizeLf { value } => match (byte, value) {
                    (b'\n', 0) => Chunk::TrailerStart,
                    (b'\n', left) => Chunk::Data { left },
                    _ => return Err(bad("a chunk's size does not end with CR LF")),
                },
                Chunk::DataCr if byte == b'\r' => Chunk::DataLf,
                Chunk::DataLf if byte == b'\n' => Chunk::Size { value: 0, digits: 0 },
                Chunk::DataCr | Chunk::DataLf => {
                    return Err(bad("a chunk is longer than its size"));
                }
                Chunk::TrailerStart if byte == b'\r' => Chunk::EndLf,
                Chunk::TrailerStart if is_token(byte) => Chunk::TrailerName { length: 1 },
                Chunk::TrailerName { .. } if byte == b':' => Chunk::TrailerValue,
                Chunk::TrailerName { length } if is_token(byte) => {
                    Chunk::TrailerName { length: length + 1 }
                }
                Chunk::TrailerStart | Chunk::TrailerName { .. } => {
                    return Err(bad("a trailer is malformed"));
                }
                Chunk::TrailerValue if byte == b'\r' => Chunk::TrailerLf,
                Chunk::TrailerValue if byte == b'\t' || byte >= 0x20 && byte != 0x7f => {
                    Chunk::TrailerValue
                }
                Chunk::TrailerValue => return Err(bad("a trailer has a control character")),
                Chunk::TrailerLf if byte == b'\n' => Chunk::TrailerStart,
                Chunk::EndLf if byte == b'\n' => {
                    self.state = State::Head;
                    return Ok(at + 1);
                }
                Chunk::TrailerLf | Chunk::EndLf => {
                    return Err(bad("a trailer line does not end with CR LF"));
                }
            };
            at += 1;
            if matches!(
                chunk,
                Chunk::TrailerStart
                    | Chunk::TrailerName { .. }
                    | Chunk::TrailerValue
                    | Chunk::TrailerLf
            ) {
                self.trailers += 1;
                if self.trailers > TRAILERS {
                    return Err(Refusal { status: 431, reason: "the trailers are too large" });
                }
            }
        }
        self.state = State::Chunks(chunk);
        Ok(at)
    }
}

const FOLDED: Refusal = bad("a header field is folded over two lines");

fn too_large(in_request_line: bool) -> Refusal {
    if in_request_line {
        Refusal { status: 414, reason: "the address of the request is too long" }
    } else {
        Refusal { status: 431, reason: "the request's header is too large" }
    }
}

/// What the lines of a head said so far.
#[derive(Default)]
struct Facts {
    old: bool,
    length: Option<u64>,
    chunked: bool,
    host: bool,
    /// The authority of a target in absolute form.
    target: Option<Vec<u8>>,
    upgrade: bool,
    upgrades: bool,
}

impl Facts {
    fn request_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("the request line is not METHOD TARGET VERSION"));
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(bad("the method is malformed"));
        }
        match version {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.old = true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Refusal { status: 505, reason: "the version of HTTP is not served" });
            }
            _ => return Err(bad("the version of the request is malformed")),
        }
        let plain = |byte: u8| (0x21..=0x7e).contains(&byte) & (byte != b'#');
        if !target.iter().fold(true, |fine, byte| fine & plain(*byte)) {
            return Err(bad("the target has a character that must be escaped"));
        }
        if method == b"CONNECT" {
            return Err(Refusal {
                status: 405,
                reason: "CONNECT is not served: this is no forward proxy",
            });
        }
        match target {
            [b'/', ..] => {}
            b"*" if method == b"OPTIONS" => {}
            _ => {
                let rest = strip(target, b"http://").or_else(|| strip(target, b"https://"));
                let Some(rest) = rest else {
                    return Err(bad("the target is neither a path nor an address"));
                };
                let end =
                    rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
                self.target = Some(rest[..end].to_vec());
            }
        }
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if matches!(line[0], b' ' | b'\t') {
            return Err(FOLDED);
        }
        let Some(colon) = memchr(b':', line) else {
            return Err(bad("a header field has no colon"));
        };
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(bad("a header field's name is malformed"));
        }
        // Folded without a way out, so that it is done many bytes at a time.
        let control = |byte: u8| (byte < 32 && byte != b'\t') | (byte == 127);
        if value.iter().fold(false, |found, byte| found | control(*byte)) {
            return Err(bad("a header field has a control character"));
        }
        // By length first: most fields are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.host {
                    return Err(bad("the request has more than one Host"));
                }
                self.host = true;
                let text = std::str::from_utf8(value).unwrap_or_default();
                if crate::host::of_authority(text).is_none() {
                    return Err(bad("the Host is malformed"));
                }
                if let Some(target) = &self.target
                    && !target.eq_ignore_ascii_case(value)
                {
                    return Err(bad("the Host is another than the target's"));
                }
            }
            6 if name.eq_ignore_ascii_case(b"expect")
                && !value.eq_ignore_ascii_case(b"100-continue") =>
            {
                return Err(Refusal { status: 417, reason: "the expectation is not known" });
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let mut tokens = value.split(|byte| *byte == b',');
                self.upgrades |= tokens.any(|token| trim(token).eq_ignore_ascii_case(b"upgrade"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(bad("the request has more than one Content-Length"));
                }
                // Digits only, and few enough never to overflow.
                if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
                    return Err(bad("the Content-Length is not a number"));
                }
                self.length =
                    Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked {
                    return Err(bad("the request has more than one Transfer-Encoding"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal {
                        status: 501,
                        reason: "the only Transfer-Encoding that is served is chunked",
                    });
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// The state after this head.
    fn framing(&mut self) -> Result<State, Refusal> {
        // HTTP/1.0 knows no Host; such requests find only what is meant for every host.
        if !self.host && !self.old {
            return Err(bad("the request has no Host"));
        }
        if self.chunked && self.length.is_some() {
            return Err(bad("the request has both Content-Length and Transfer-Encoding"));
        }
        if self.chunked && self.old {
            return Err(bad("the request is HTTP/1.0 and has a Transfer-Encoding"));
        }
        Ok(match (self.chunked, self.length) {
            (true, _) => State::Chunks(Chunk::Size { value: 0, digits: 0 }),
            (false, Some(left)) if left > 0 => State::Body { left },
            _ if self.upgrade && self.upgrades && !self.old => State::Decide,
            _ => State::Head,
        })
    }
}

fn strip<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let start = bytes.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &bytes[prefix.len()..])
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Characters of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut index = 0;
        while index < 256 {
            let byte = index as u8;
            table[index] = byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
            index += 1;
        }
        table
    };
    TABLE[byte as usize]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checker() -> Checker {
        Checker::new(4096, 50)
    }

    fn refused(text: &str) -> u16 {
        match checker().look(text.as_bytes()) {
            Seen::Refuse(_, refusal) => refusal.status,
            Seen::Pass(count) => panic!("{text:?} passed {count} bytes"),
        }
    }

    #[test]
    fn the_next_head_begins_where_the_body_ends() {
        for (text, state) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", State::Head),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", State::Head),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", State::Body { left: 1 }),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nabcde\r\n0\r\nT: v\r\n\r\n",
                State::Head,
            ),
            (
                "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
                State::Decide,
            ),
            ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", State::Head),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", State::Head),
            ("GET / HTTP/1.0\r\n\r\n", State::Head),
        ] {
            let mut checker = checker();
            assert_eq!(checker.look(text.as_bytes()), Seen::Pass(text.len()), "{text:?}");
            assert_eq!(checker.state(), state, "{text:?}");
        }
    }

    #[test]
    fn limits_have_their_own_status() {
        let long = "x".repeat(5000);
        assert_eq!(refused(&format!("GET /{long} HTTP/1.1\r\n")), 414);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")), 431);
        let many = "X: y\r\n".repeat(51);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")), 431);
        let extension = "x".repeat(300);
        assert_eq!(
            refused(&format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{extension}\r\n"
            )),
            400
        );
    }

    proptest! {
        /// However the bytes are cut, the verdict is the same and passes the same number of them.
        #[test]
        fn pieces_do_not_change_the_verdict(cuts in prop::collection::vec(1usize..40, 0..40), which in 0usize..4) {
            let texts = [
                "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\na\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
                "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789GET / HTTP/1.1\r\nHost: b\r\n\r\n",
                "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            ];
            let text = texts[which].as_bytes();
            let mut whole = checker();
            let expected = whole.look(text);
            let mut pieces = checker();
            let mut passed = 0;
            let mut end = 0;
            let mut cuts = cuts.into_iter();
            let verdict = loop {
                end = (end + cuts.next().unwrap_or(usize::MAX / 2)).min(text.len());
                match pieces.look(&text[passed..end]) {
                    Seen::Pass(count) => passed += count,
                    Seen::Refuse(count, refusal) => break Seen::Refuse(passed + count, refusal),
                }
                if end == text.len() {
                    break Seen::Pass(passed);
                }
            };
            match (expected, verdict) {
                (Seen::Pass(a), Seen::Pass(b)) => prop_assert_eq!(a, b),
                (Seen::Refuse(_, a), Seen::Refuse(_, b)) => prop_assert_eq!(a, b),
                (a, b) => prop_assert!(false, "{:?} and {:?}", a, b),
            }
        }
    }
}
