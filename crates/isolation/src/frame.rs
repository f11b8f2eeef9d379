//! What child and parent say to each other: frames of a kind, a length, and that many bytes.

use std::io::{self, Write};

/// Bytes of a frame before its payload: the kind, and the length in little-endian order.
const HEAD: usize = 5;

/// One thing that a child said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// It has got further; the time for the next step begins anew.
    Progress,
    /// What it was asked for, in the words of whoever asked.
    Answer(Vec<u8>),
}

/// A child that does not keep to the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    #[error("a frame of {length} bytes; at most {limit} are taken")]
    TooLong { length: usize, limit: usize },
}

/// Puts frames together from pieces of a stream.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    limit: usize,
}

impl Decoder {
    /// `limit`: bytes of an answer at most.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit }
    }

    /// Takes more of the stream in. Nothing is kept beyond the limit: ask [`Decoder::take`] after each piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more has come.
    ///
    /// # Errors
    /// When what came is no frame, or announces more than is taken.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<HEAD>() else { return Ok(None) };
        let [kind, length @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let limit = match kind {
            b'p' => 0,
            b'a' => self.limit,
            other => return Err(FrameError::Kind(other)),
        };
        if length > limit {
            return Err(FrameError::TooLong { length, limit });
        }
        let Some(payload) = self.buffer.get(HEAD..HEAD + length) else { return Ok(None) };
        let frame = if kind == b'p' { Frame::Progress } else { Frame::Answer(payload.to_vec()) };
        self.buffer.drain(..HEAD + length);
        Ok(Some(frame))
    }
}

/// Writes a frame.
pub(crate) fn write(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let (kind, payload): (u8, &[u8]) = match frame {
        Frame::Progress => (b'p', &[]),
        Frame::Answer(bytes) => (b'a', bytes),
    };
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(payload)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_that_announces_too_much_is_refused_before_it_came() {
        let mut decoder = Decoder::new(10);
        decoder.push(b"a\xff\xff\xff\xff");
        assert_eq!(
            decoder.take(),
            Err(FrameError::TooLong { length: 0xffff_ffff, limit: 10 }),
            "four gigabytes are not waited for"
        );
        let mut decoder = Decoder::new(10);
        decoder.push(b"x\0\0\0\0");
        assert_eq!(decoder.take(), Err(FrameError::Kind(b'x')));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
            answers in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..50)), 0..8),
            cut in 1usize..20,
        ) {
            let frames: Vec<Frame> = answers.into_iter().map(|a| a.map_or(Frame::Progress, Frame::Answer)).collect();
            let mut stream = Vec::new();
            for frame in &frames {
                write(&mut stream, frame).unwrap();
            }
            let mut decoder = Decoder::new(50);
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.take().unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(64);
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.take() {}
        }
    }
}
