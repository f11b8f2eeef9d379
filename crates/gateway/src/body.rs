//! Bodies on their way through: counted, watched for standing still, never held as a whole.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::client::{Channel, Worn};
use crate::lease::Lease;
use crate::proxy::Passage;
use crate::session::Open;
use crate::timers::Timer;
use crate::upstream::Outcome;

/// What became of a request's body.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) received: Cell<u64>,
    pub(crate) fault: Cell<Option<Fault>>,
}

/// Why a request's body ended early. The fault is the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLarge,
    Broken,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large",
            Self::Broken => "the client did not send its body to the end",
        })
    }
}

impl std::error::Error for Fault {}

/// A request's body on its way to an upstream.
pub(crate) enum RequestBody {
    Empty,
    Stream { inner: Incoming, left: u64, progress: Rc<Progress> },
}

impl RequestBody {
    /// `limit` in bytes; 0 for none.
    pub(crate) fn new(inner: Incoming, limit: u64, progress: Rc<Progress>) -> Self {
        if inner.is_end_stream() {
            return Self::Empty;
        }
        Self::Stream { inner, left: if limit == 0 { u64::MAX } else { limit }, progress }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Self::Stream { inner, left, progress } = self.get_mut() else {
            return Poll::Ready(None);
        };
        let frame = match std::task::ready!(Pin::new(inner).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(_)) => {
                progress.fault.set(Some(Fault::Broken));
                return Poll::Ready(Some(Err(Fault::Broken)));
            }
            Some(Ok(frame)) => frame,
        };
        let frame = match frame.into_data() {
            Ok(data) => {
                let length = data.remaining() as u64;
                progress.received.set(progress.received.get() + length);
                if length > *left {
                    progress.fault.set(Some(Fault::TooLarge));
                    return Poll::Ready(Some(Err(Fault::TooLarge)));
                }
                *left -= length;
                Frame::data(data)
            }
            Err(other) => match other.into_trailers() {
                Ok(mut trailers) => {
                    crate::forward::clean_trailers(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(other) => other,
            },
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream { inner, .. } => inner.size_hint(),
        }
    }
}

/// A response's body on its way to the client. Dropping it is the end of the request.
pub(crate) struct ResponseBody {
    kind: Kind,
    passage: Box<Passage>,
    /// Keeps the request counted as open.
    pub(crate) open: Option<Open>,
}

enum Kind {
    Own(Option<Bytes>),
    Flow(Box<Flow>),
}

/// A body that comes from an upstream.
pub(crate) struct Flow {
    pub(crate) inner: Incoming,
    /// The connection it comes over, driven by reading; `None` where a task of its own drives it (HTTP/2).
    pub(crate) channel: Option<Channel>,
    pub(crate) lease: Lease,
    pub(crate) idle: Timer,
    pub(crate) idle_span: Duration,
    /// Runs out when the whole request has taken too long.
    pub(crate) total: Option<Timer>,
    pub(crate) worn: Worn,
}

/// The upstream did not finish its answer.
#[derive(Debug)]
pub(crate) struct Cut(pub(crate) &'static str);

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Cut {}

impl ResponseBody {
    pub(crate) fn own(bytes: Bytes, passage: Box<Passage>) -> Self {
        Self { kind: Kind::Own((!bytes.is_empty()).then_some(bytes)), passage, open: None }
    }

    pub(crate) fn flow(flow: Flow, passage: Box<Passage>) -> Self {
        Self { kind: Kind::Flow(Box::new(flow)), passage, open: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let frame = match &mut this.kind {
            Kind::Own(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Kind::Flow(flow) => std::task::ready!(flow.poll(cx)),
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.passage.account.sent += data.len() as u64;
                }
            }
            Some(Err(_)) => this.passage.account.cut = true,
            None => this.passage.account.whole = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own(bytes) => bytes.is_none(),
            Kind::Flow(flow) => flow.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Flow(flow) => flow.inner.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body whose length is known is dropped when its last byte was taken, not asked for its end.
        if self.is_end_stream() {
            self.passage.account.whole = true;
        }
    }
}

impl Flow {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let inner = &mut self.inner;
        // Driving the connection is what brings the next piece.
        let frame = match &mut self.channel {
            Some(channel) => channel.drive(cx, |cx| Pin::new(&mut *inner).poll_frame(cx)),
            None => Pin::new(inner).poll_frame(cx),
        };
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.idle.set(self.idle_span);
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => {
                self.end();
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(_))) => return self.cut("the upstream broke off its answer"),
            Poll::Pending => {}
        }
        if self.idle.is_due(cx) {
            return self.cut("the upstream stopped in the middle of its answer");
        }
        if self.total.as_ref().is_some_and(|total| total.is_due(cx)) {
            return self.cut("the whole request took too long");
        }
        Poll::Pending
    }

    fn cut(&mut self, why: &'static str) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.channel = None;
        self.lease.settle(Outcome::Failed);
        Poll::Ready(Some(Err(Cut(why))))
    }

    /// The answer is complete: its connection may carry another request.
    fn end(&mut self) {
        self.idle.off();
        if let Some(channel) = self.channel.take() {
            self.worn.give_back(channel);
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.end();
        }
    }
}
