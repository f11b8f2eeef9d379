//! What may be done to a body on its way: kept for others, compressed for the client.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use crate::body::{Cut, Kind};
use crate::compress::Flowing;

/// Of one body.
#[derive(Default)]
pub(crate) struct Extra {
    /// Keeps what passes.
    pub(crate) capture: Option<Capture>,
    /// Compresses what passes.
    pub(crate) flowing: Option<Flowing>,
    /// What comes after the last compressed piece.
    last: Option<Frame<Bytes>>,
}

impl Extra {
    /// The body is not at its end when its source is.
    pub(crate) fn has_more(&self) -> bool {
        self.flowing.is_some() || self.last.is_some()
    }

    /// The body came to its end.
    pub(crate) fn keep(&mut self) {
        if let Some(capture) = self.capture.take() {
            capture.end();
        }
    }

    /// The next piece as the client gets it.
    pub(crate) fn next(
        &mut self,
        source: &mut Kind,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if self.flowing.is_none() {
                return match self.last.take() {
                    Some(last) => Poll::Ready(Some(Ok(last))),
                    None => self.kept(source, cx),
                };
            }
            let next = self.kept(source, cx);
            let Some(flowing) = &mut self.flowing else { continue };
            let out = match next {
                Poll::Pending => match flowing.pause() {
                    Some(bytes) => Some(bytes),
                    None => return Poll::Pending,
                },
                Poll::Ready(Some(Err(cut))) => return Poll::Ready(Some(Err(cut))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => flowing.take(&data),
                    Err(trailers) => {
                        self.last = Some(trailers);
                        let out = flowing.end();
                        self.flowing = None;
                        out
                    }
                },
                Poll::Ready(None) => {
                    let out = flowing.end();
                    self.flowing = None;
                    match out {
                        Some(bytes) => Some(bytes),
                        None => return Poll::Ready(None),
                    }
                }
            };
            if let Some(bytes) = out {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    /// The next piece as it came, kept if it is to be.
    fn kept(
        &mut self,
        source: &mut Kind,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = std::task::ready!(source.next(cx));
        match &frame {
            Some(Ok(frame)) => {
                // What has trailers, or grows too large, is not kept.
                let taken = frame.data_ref().is_some_and(|data| {
                    self.capture.as_mut().is_some_and(|capture| capture.take(data))
                });
                if !taken {
                    self.capture = None;
                }
            }
            Some(Err(_)) => self.capture = None,
            None => self.keep(),
        }
        Poll::Ready(frame)
    }
}

/// Collects a body while it passes.
pub(crate) struct Capture {
    /// A copy: pieces may hold on to much larger buffers.
    body: Vec<u8>,
    largest: u64,
    done: Box<dyn FnOnce(Bytes)>,
}

impl Capture {
    /// `largest` in bytes; `done` gets the whole body.
    pub(crate) fn new(largest: u64, done: Box<dyn FnOnce(Bytes)>) -> Self {
        Self { body: Vec::new(), largest, done }
    }

    /// False when it has become too large.
    fn take(&mut self, piece: &Bytes) -> bool {
        let fits = (self.body.len() + piece.len()) as u64 <= self.largest;
        if fits {
            self.body.extend_from_slice(piece);
        }
        fits
    }

    fn end(self) {
        (self.done)(self.body.into());
    }
}
