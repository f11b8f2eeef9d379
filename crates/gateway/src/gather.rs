//! Small pieces written as one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// What is written in one piece: gathering a few small ones costs less than telling the kernel of each.
const SMALL: usize = 2048;

/// Writes pieces, small ones as one.
pub(crate) fn write_gathered<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    if total > SMALL {
        return Pin::new(stream).poll_write_vectored(cx, pieces);
    }
    if let [piece] = pieces {
        return Pin::new(stream).poll_write(cx, piece);
    }
    let mut gathered = [0u8; SMALL];
    let mut at = 0;
    for piece in pieces {
        gathered[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    Pin::new(stream).poll_write(cx, &gathered[..total])
}
