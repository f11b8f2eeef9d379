//! Chunks of an answer's body, read out of what came.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::response_head::{FIELDS, end_of_head};

/// Bytes of the line that begins a chunk, and of all trailers.
const CHUNK_LINE: usize = 4096;
const TRAILERS: usize = 16 << 10;

/// What comes next.
pub(crate) enum Chunk {
    Size,
    Data(u64),
    /// The line end after the data.
    End,
    Trailers,
}

/// What was read.
pub(crate) enum Piece {
    Data(Bytes),
    End(Option<HeaderMap>),
}

impl Chunk {
    /// What can be taken out of the buffer; `None` when more must be read, an error when it is no chunk.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Piece>, ()> {
        loop {
            match self {
                Self::Size => {
                    let Some(end) = memchr::memchr(b'\n', buffer) else {
                        return if buffer.len() > CHUNK_LINE { Err(()) } else { Ok(None) };
                    };
                    let line = buffer.split_to(end + 1);
                    let line = line.strip_suffix(b"\r\n").ok_or(())?;
                    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let text = std::str::from_utf8(digits.trim_ascii_end()).map_err(|_| ())?;
                    if text.is_empty()
                        || text.len() > 15
                        || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
                    {
                        return Err(());
                    }
                    *self = match u64::from_str_radix(text, 16).map_err(|_| ())? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let data = buffer.split_to(most.min(buffer.len())).freeze();
                    *left -= data.len() as u64;
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                Self::End => {
                    if buffer.len() < 2 {
                        return Ok(None);
                    }
                    if buffer.split_to(2) != b"\r\n"[..] {
                        return Err(());
                    }
                    *self = Self::Size;
                }
                Self::Trailers => {
                    if buffer.starts_with(b"\r\n") {
                        buffer.advance(2);
                        return Ok(Some(Piece::End(None)));
                    }
                    let Some(end) = end_of_head(buffer) else {
                        return if buffer.len() > TRAILERS { Err(()) } else { Ok(None) };
                    };
                    let text = buffer.split_to(end).freeze();
                    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
                    let Ok(httparse::Status::Complete((_, fields))) =
                        httparse::parse_headers(&text, &mut fields)
                    else {
                        return Err(());
                    };
                    let mut trailers = HeaderMap::new();
                    for field in fields {
                        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| ())?;
                        let value = HeaderValue::from_bytes(field.value).map_err(|_| ())?;
                        trailers.append(name, value);
                    }
                    return Ok(Some(Piece::End(Some(trailers))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a chunked body holds, fed in pieces of this size.
    fn chunks(text: &[u8], size: usize) -> Result<(Vec<u8>, bool), ()> {
        let (mut chunk, mut buffer, mut body) = (Chunk::Size, BytesMut::new(), Vec::new());
        for piece in text.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(piece) = chunk.next(&mut buffer)? {
                match piece {
                    Piece::Data(data) => body.extend_from_slice(&data),
                    Piece::End(trailers) => return Ok((body, trailers.is_some())),
                }
            }
        }
        Err(())
    }

    #[test]
    fn chunks_are_read_however_they_are_cut() {
        for size in [1, 2, 3, 7, 100] {
            let plain = b"5\r\nhello\r\n6 ;a=b\r\n world\r\n0\r\n\r\n";
            assert_eq!(chunks(plain, size), Ok((b"hello world".to_vec(), false)));
            let trailers = b"A\r\n0123456789\r\n0\r\nx-a: 1\r\n\r\n";
            assert_eq!(chunks(trailers, size), Ok((b"0123456789".to_vec(), true)));
            for broken in [
                &b"5\r\nhelloXX0\r\n\r\n"[..],
                b"x\r\n",
                b"\r\n",
                b"-1\r\n",
                b"5\nhello\r\n0\r\n\r\n",
                b"ffffffffffffffffff\r\n",
                b"0\r\nno field\r\n\r\n",
            ] {
                assert_eq!(chunks(broken, size), Err(()), "{broken:?}");
            }
        }
    }
}
