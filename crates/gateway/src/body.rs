//! Bodies on their way through: counted, watched for standing still, never held as a whole.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::client::{StreamPlace, Worn};
use crate::codec::Channel;
use crate::compress::{Coding, Flowing};
use crate::extra::{Capture, Extra};
use crate::lease::Lease;
use crate::proxy::Passage;
use crate::session::Open;
use crate::timers::{Timer, Timers};
use crate::upstream::Outcome;
use crate::worker::Worker;

/// Bytes of an answer of ours that are handed over at once.
const PIECE: usize = 64 << 10;

/// What became of a request's body.
pub(crate) struct Progress {
    pub(crate) received: Cell<u64>,
    pub(crate) fault: Cell<Option<Fault>>,
    /// Since when more is awaited from the client, in milliseconds of the worker's timers; 0 when it is not.
    awaited: Cell<u64>,
    /// The client was asked for its body: one that waits for leave to send it has it.
    pub(crate) begun: Cell<bool>,
    /// What had been received when the upstream was last given time.
    seen: Cell<u64>,
    timers: Rc<Timers>,
    /// How long a client may leave its body standing.
    patience: Duration,
}

impl Progress {
    pub(crate) fn new(timers: Rc<Timers>, patience: Duration) -> Self {
        Self {
            received: Cell::new(0),
            fault: Cell::new(None),
            awaited: Cell::new(0),
            begun: Cell::new(false),
            seen: Cell::new(0),
            timers,
            patience,
        }
    }

    /// A time-out of the worker's.
    pub(crate) fn timer(&self) -> Timer {
        self.timers.timer()
    }

    /// Whether the upstream's time for an answer is over. It does not run while the client still sends, or while the
    /// upstream still takes what is sent.
    pub(crate) fn is_late(&self, timer: &Timer, span: Duration, cx: &mut Context<'_>) -> bool {
        loop {
            if !timer.is_due(cx) {
                return false;
            }
            if timer.is_over() {
                return true;
            }
            let since = self.awaited.get();
            if since != 0 {
                let end = since + self.patience.as_millis() as u64;
                if timer.now() >= end {
                    self.fault.set(Some(Fault::Stalled));
                    return true;
                }
                timer.set(Duration::from_millis(end - timer.now()));
            } else if self.received.get() != self.seen.get() {
                self.seen.set(self.received.get());
                timer.set(span);
            } else {
                return true;
            }
        }
    }
}

/// Why a request's body ended early. The fault is the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLarge,
    Broken,
    Stalled,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large",
            Self::Broken => "the client did not send its body to the end",
            Self::Stalled => "the client stopped in the middle of its body",
        })
    }
}

impl std::error::Error for Fault {}

/// A request's body on its way to an upstream.
pub(crate) enum RequestBody {
    Empty,
    Stream {
        inner: Incoming,
        /// The stream says when the body is whole; one that was reset without an error only seems so.
        says_end: bool,
        left: u64,
        progress: Rc<Progress>,
        /// What was read to be looked at.
        ahead: Option<Box<Ahead>>,
    },
}

/// The beginning of a body, read before it is passed on.
#[derive(Default)]
pub(crate) struct Ahead {
    frames: VecDeque<Frame<Bytes>>,
    length: u64,
    ended: bool,
}

impl RequestBody {
    /// Whether there is no body, or some of it was read to be looked at.
    pub(crate) fn is_begun(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream { ahead, .. } => ahead.is_some(),
        }
    }

    /// `limit` in bytes; 0 for none.
    pub(crate) fn new(inner: Incoming, limit: u64, http2: bool, progress: Rc<Progress>) -> Self {
        if inner.is_end_stream() {
            return Self::Empty;
        }
        let left = if limit == 0 { u64::MAX } else { limit };
        Self::Stream { inner, says_end: http2, left, progress, ahead: None }
    }

    /// Reads up to `most` bytes, or to the end, and keeps them for the upstream.
    pub(crate) async fn look(&mut self, most: usize, timer: &Timer) -> Result<Vec<u8>, Fault> {
        let mut seen = Vec::new();
        while seen.len() < most {
            let patience = match self {
                Self::Empty => break,
                Self::Stream { progress, .. } => progress.patience,
            };
            timer.set(patience);
            let frame = std::future::poll_fn(|cx| match self.poll_inner(cx) {
                Poll::Pending if timer.is_due(cx) => Poll::Ready(Some(Err(Fault::Stalled))),
                other => other,
            })
            .await;
            let Self::Stream { ahead, .. } = self else { break };
            let ahead = ahead.get_or_insert_default();
            match frame {
                None => {
                    ahead.ended = true;
                    break;
                }
                Some(Err(fault)) => return Err(fault),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        ahead.length += data.len() as u64;
                        seen.extend_from_slice(data);
                    }
                    ahead.frames.push_back(frame);
                }
            }
        }
        seen.truncate(most);
        Ok(seen)
    }

    /// The next piece from the client.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Self::Stream { inner, says_end, left, progress, .. } = self else {
            return Poll::Ready(None);
        };
        progress.begun.set(true);
        let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(cx) else {
            if progress.awaited.get() == 0 {
                progress.awaited.set(progress.timers.now().max(1));
            }
            return Poll::Pending;
        };
        progress.awaited.set(0);
        let frame = match frame {
            None if !*says_end || inner.is_end_stream() => return Poll::Ready(None),
            None | Some(Err(_)) => {
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
                    crate::forward::take_claims(&mut trailers, false, &[]);
                    crate::forward::clean_trailers(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(other) => other,
            },
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        if let Self::Stream { ahead: Some(ahead), .. } = this {
            if let Some(frame) = ahead.frames.pop_front() {
                ahead.length -= frame.data_ref().map_or(0, |data| data.len() as u64);
                return Poll::Ready(Some(Ok(frame)));
            }
            if ahead.ended {
                return Poll::Ready(None);
            }
        }
        this.poll_inner(cx)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream { ahead: Some(ahead), .. } if !ahead.frames.is_empty() => false,
            Self::Stream { ahead: Some(ahead), inner, .. } => ahead.ended || inner.is_end_stream(),
            Self::Stream { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream { inner, ahead: None, .. } => inner.size_hint(),
            Self::Stream { inner, ahead: Some(ahead), .. } => {
                let hint = inner.size_hint();
                let mut sum = SizeHint::new();
                if let Some(upper) = hint.upper() {
                    sum.set_upper(upper + ahead.length);
                } else if ahead.ended {
                    sum.set_upper(ahead.length);
                }
                sum.set_lower(hint.lower() + ahead.length);
                sum
            }
        }
    }
}

/// A response's body on its way to the client. Dropping it is the end of the request.
pub(crate) struct ResponseBody {
    kind: Kind,
    passage: Box<Passage>,
    /// A piece was handed over, and the next was not asked for.
    untaken: bool,
    /// What is done to it on its way; mostly nothing.
    extra: Option<Box<Extra>>,
    /// Keeps the request counted as open.
    pub(crate) open: Option<Open>,
}

pub(crate) enum Kind {
    Own(Option<Bytes>),
    Flow(Box<Flow>),
}

/// A body that comes from an upstream.
pub(crate) struct Flow {
    pub(crate) source: Source,
    pub(crate) lease: Lease,
    pub(crate) idle: Timer,
    pub(crate) idle_span: Duration,
    pub(crate) worn: Worn,
}

/// Where a body comes from.
pub(crate) enum Source {
    /// A connection of its own, until it is given back.
    Channel(Option<Box<Channel>>),
    /// The library, with a task that drives the connection (HTTP/2, and what might have become a tunnel).
    Library(Incoming),
}

impl Source {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Channel(channel) => {
                channel.as_ref().is_none_or(|channel| channel.is_end_stream())
            }
            Self::Library(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Channel(None) => SizeHint::with_exact(0),
            Self::Channel(Some(channel)) => channel.size_hint(),
            Self::Library(inner) => inner.size_hint(),
        }
    }
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
    /// Whether the client was asked for the body of its request.
    pub(crate) fn body_was_asked_for(&self) -> bool {
        self.passage.account.progress.begun.get()
    }

    pub(crate) fn own(bytes: Bytes, passage: Box<Passage>) -> Self {
        Self::of(Kind::Own((!bytes.is_empty()).then_some(bytes)), passage)
    }

    pub(crate) fn flow(flow: Flow, passage: Box<Passage>) -> Self {
        Self::of(Kind::Flow(Box::new(flow)), passage)
    }

    fn of(kind: Kind, passage: Box<Passage>) -> Self {
        Self { kind, passage, untaken: false, extra: None, open: None }
    }

    /// Keeps what passes, if it comes to its end.
    pub(crate) fn capture(&mut self, capture: Capture) {
        self.extra.get_or_insert_default().capture = Some(capture);
    }

    /// Compresses what passes.
    pub(crate) fn encode(&mut self, coding: Coding) {
        self.extra.get_or_insert_default().flowing = Some(Flowing::new(coding));
    }

    /// Gives something else instead, and lets the upstream go.
    pub(crate) fn replace(&mut self, status: StatusCode, bytes: Bytes) {
        self.kind = Kind::Own((!bytes.is_empty()).then_some(bytes));
        self.passage.account.answered(status);
    }

    /// The next piece as the client gets it.
    fn passed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.extra {
            None => self.kind.next(cx),
            Some(extra) => extra.next(&mut self.kind, cx),
        }
    }

    /// Tells the session whether the client takes what comes.
    fn taken(&mut self, yes: bool) {
        let session = &self.passage.session;
        if self.untaken == yes {
            self.untaken = !yes;
            if yes {
                session.untaken.set(session.untaken.get() - 1);
                session.taken.set(session.taken.get().wrapping_add(1));
            } else {
                session.untaken.set(session.untaken.get() + 1);
            }
        }
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
        this.taken(true);
        let frame = std::task::ready!(this.passed(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.passage.account.sent += data.len() as u64;
                }
                this.taken(false);
            }
            Some(Err(_)) => this.passage.account.cut = true,
            None => this.passage.account.whole = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if self.extra.as_ref().is_some_and(|extra| extra.has_more()) {
            return false;
        }
        match &self.kind {
            Kind::Own(bytes) => bytes.is_none(),
            Kind::Flow(flow) => flow.source.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.extra.as_ref().is_some_and(|extra| extra.has_more()) {
            return SizeHint::default();
        }
        match &self.kind {
            Kind::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Flow(flow) => flow.source.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.taken(true);
        // A body whose length is known is dropped when its last byte was taken, not asked for its end.
        if self.is_end_stream() {
            self.passage.account.whole = true;
            if let Some(extra) = &mut self.extra {
                extra.keep();
            }
        }
    }
}

impl Kind {
    pub(crate) fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self {
            Self::Own(bytes) => {
                // In pieces, so that it is seen whether the client takes them.
                let piece = bytes.as_mut().map(|all| all.split_to(all.len().min(PIECE)));
                bytes.take_if(|rest| rest.is_empty());
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Self::Flow(flow) => flow.poll(cx),
        }
    }
}

impl Flow {
    /// For an answer whose head is there.
    pub(crate) fn new(
        source: Source,
        lease: Lease,
        idle: Timer,
        worker: &Worker,
        stream: Option<StreamPlace>,
    ) -> Self {
        let idle_span = lease.pool.config.timeouts.idle;
        idle.set(idle_span);
        let worn = Worn {
            connections: worker.connections.clone(),
            upstream: lease.upstream().id,
            timers: worker.timers.clone(),
            stream,
        };
        Self { source, lease, idle, idle_span, worn }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = match &mut self.source {
            // Reading is what brings the next piece.
            Source::Channel(Some(channel)) => channel.poll_body(cx),
            Source::Channel(None) => Poll::Ready(None),
            Source::Library(inner) => {
                const BROKEN: Cut = Cut("the upstream broke off its answer");
                match Pin::new(&mut *inner).poll_frame(cx) {
                    // A stream that was reset without an error only seems to be at its end.
                    Poll::Ready(None) if self.worn.stream.is_some() && !inner.is_end_stream() => {
                        Poll::Ready(Some(Err(BROKEN)))
                    }
                    frame => frame.map(|frame| frame.map(|frame| frame.map_err(|_| BROKEN))),
                }
            }
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
            Poll::Ready(Some(Err(Cut(why)))) => return self.cut(why),
            Poll::Pending => {}
        }
        if !self.idle.is_due(cx) {
            return Poll::Pending;
        }
        self.cut(if self.idle.is_over() {
            "the whole request took too long"
        } else {
            "the upstream stopped in the middle of its answer"
        })
    }

    fn cut(&mut self, why: &'static str) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.source = Source::Channel(None);
        self.lease.settle(Outcome::Failed);
        Poll::Ready(Some(Err(Cut(why))))
    }

    /// The answer is complete: its connection may carry another request.
    fn end(&mut self) {
        self.idle.off();
        if let Source::Channel(channel) = &mut self.source
            && let Some(channel) = channel.take()
        {
            self.worn.give_back(channel);
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.source.is_end_stream() {
            self.end();
        } else {
            self.lease.leave_unfinished();
        }
    }
}
