//! Files of messages on their way out: on the disk or where they are, never copied whole in memory.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Bytes of a file that are read at once: a multiple of three, so that pieces of base64 fit together.
const PIECE: u64 = 48 << 10;

/// A file that is sent.
#[derive(Clone)]
pub(crate) struct Attachment {
    held: Held,
    length: u64,
}

#[derive(Clone)]
enum Held {
    Memory(Bytes),
    /// Without a name: it is gone with the last that holds it.
    Disk(Arc<File>),
}

impl Attachment {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { held: Held::Memory(bytes.into()), length }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The file as it is.
    pub(crate) fn body(&self) -> reqwest::Body {
        self.pieces(false, Bytes::new(), Bytes::new())
    }

    /// The file in base64 between two texts.
    pub(crate) fn base64_between(&self, before: String, after: String) -> reqwest::Body {
        self.pieces(true, before.into(), after.into())
    }

    fn pieces(&self, encoded: bool, before: Bytes, after: Bytes) -> reqwest::Body {
        let file = self.clone();
        reqwest::Body::wrap(Pieces {
            before: Some(before),
            file,
            at: 0,
            encoded,
            after: Some(after),
        })
    }

    fn read(&self, at: u64) -> std::io::Result<Bytes> {
        let end = self.length.min(at + PIECE);
        let cut = |place: u64| usize::try_from(place).map_err(std::io::Error::other);
        match &self.held {
            Held::Memory(bytes) => Ok(bytes.slice(cut(at)?..cut(end)?)),
            Held::Disk(file) => {
                let mut piece = vec![0; cut(end - at)?];
                file.read_exact_at(&mut piece, at)?;
                Ok(piece.into())
            }
        }
    }
}

/// A file that comes in pieces.
pub(crate) struct Coming {
    file: File,
    length: u64,
    most: u64,
}

/// Why a piece was not taken.
pub(crate) enum NotTaken {
    TooLarge,
    Disk,
}

impl Coming {
    pub(crate) fn new(folder: &Path, most: u64) -> std::io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(folder)?, length: 0, most })
    }

    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<(), NotTaken> {
        self.length += piece.len() as u64;
        if self.length > self.most {
            return Err(NotTaken::TooLarge);
        }
        self.file.write_all(piece).map_err(|_| NotTaken::Disk)
    }

    pub(crate) fn whole(self) -> Attachment {
        Attachment { held: Held::Disk(Arc::new(self.file)), length: self.length }
    }
}

struct Pieces {
    before: Option<Bytes>,
    file: Attachment,
    at: u64,
    encoded: bool,
    after: Option<Bytes>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(before) = self.before.take().filter(|text| !text.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(before))));
        }
        if self.at < self.file.length {
            let piece = match self.file.read(self.at) {
                Ok(piece) => piece,
                Err(cause) => return Poll::Ready(Some(Err(cause))),
            };
            self.at += piece.len() as u64;
            let piece = if self.encoded { BASE64.encode(piece).into() } else { piece };
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let after = self.after.take().filter(|text| !text.is_empty());
        Poll::Ready(after.map(|after| Ok(Frame::data(after))))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.file.length - self.at;
        let left = if self.encoded { left.div_ceil(3) * 4 } else { left };
        let texts = [&self.before, &self.after];
        let texts: usize = texts.into_iter().flatten().map(Bytes::len).sum();
        SizeHint::with_exact(left + texts as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use http_body::Body as _;

    use super::*;

    async fn collected(body: reqwest::Body) -> Vec<u8> {
        let said = body.size_hint().exact().expect("a length");
        let mut body = pin!(body);
        let mut all = Vec::new();
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            all.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert_eq!(all.len() as u64, said, "as long as it says");
        all
    }

    #[tokio::test]
    async fn a_file_is_the_same_from_memory_and_disk_plain_and_encoded() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0usize, 1, 2, 3, 49_151, 49_152, 49_153, 200_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut coming = Coming::new(folder.path(), 200_000).unwrap();
            assert!(bytes.chunks(777).all(|piece| coming.take(piece).is_ok()));
            for file in [Attachment::of(bytes.clone()), coming.whole()] {
                assert_eq!(file.length(), length as u64);
                assert_eq!(collected(file.body()).await, bytes);
                let encoded =
                    collected(file.base64_between("{\"a\":\"".into(), "\"}".into())).await;
                let text = format!("{{\"a\":\"{}\"}}", BASE64.encode(&bytes));
                assert_eq!(encoded, text.as_bytes());
            }
        }
        let mut coming = Coming::new(folder.path(), 3).unwrap();
        assert!(matches!(coming.take(b"abcd"), Err(NotTaken::TooLarge)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing has a name");
    }
}
