//! A connection whose requests are checked before the HTTP library reads them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::gather;
use crate::head::{Checker, Refusal, Seen, State};

/// What the connection's task sees of its stream.
#[derive(Default)]
pub(crate) struct Signals {
    /// Counts reads and writes that moved bytes.
    pub(crate) moved: AtomicU32,
    /// Part of a head is there.
    pub(crate) in_head: AtomicBool,
    /// A body is awaited from the client, who does not send.
    pub(crate) reading: AtomicBool,
    /// The client does not take what is written.
    pub(crate) writing: AtomicBool,
    /// Status of a refusal; 0 while there is none.
    pub(crate) refused: AtomicU16,
    /// The rest of a head did not come in time.
    pub(crate) late: AtomicBool,
    /// The connection is over but for a body that its client still sends.
    pub(crate) lingers: AtomicBool,
    /// What became of a request for another protocol.
    decision: AtomicU8,
    /// Who reads, and waits for the decision.
    undecided: Mutex<Option<Waker>>,
    /// Heads that leave before the answer's own, and how far they are.
    early: Mutex<BytesMut>,
    early_is: AtomicU8,
}

/// States of [`Signals::early`].
const NONE: u8 = 0;
const WAITS: u8 = 1;
/// Part of it is written: the rest has to follow.
const BEGUN: u8 = 2;

impl Signals {
    /// Heads that come before the answer's own are to be written.
    pub(crate) fn announce(&self, head: &[u8]) {
        self.early.lock().extend_from_slice(head);
        let _ = self.early_is.compare_exchange(NONE, WAITS, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether some of them are not written yet.
    pub(crate) fn announces(&self) -> bool {
        self.early_is.load(Ordering::Relaxed) != NONE
    }

    /// Another answer comes: what is not begun is not written.
    pub(crate) fn withdraw(&self) {
        if self.early_is.compare_exchange(WAITS, NONE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.early.lock().clear();
        }
    }

    /// Answers a request for another protocol: all further bytes belong to it, or the next message follows.
    pub(crate) fn decide(&self, tunnel: bool) {
        self.decision.store(if tunnel { 2 } else { 1 }, Ordering::Relaxed);
        if let Some(reader) = self.undecided.lock().take() {
            reader.wake();
        }
    }
}

/// Bytes that are read and thrown away after a refusal, so that the client sees the answer and not a reset.
const LINGER: usize = 256 << 10;

/// As [`LINGER`], of a body that was answered before it was read.
const LINGER_BODY: usize = 64 << 20;
/// Connections whose body is read away at the same time; of others no more than [`LINGER`] is: many who send much
/// that nobody wants must not take the processor.
const AT_ONCE: usize = 8;
/// What is read away at once, and the pause after it: 50 MB a second of a connection.
const PIECE: usize = 256 << 10;
const PAUSE: Duration = Duration::from_millis(5);

static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// The place of one connection whose body is read away.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let place = Self;
        // Given back at once when there is none.
        (LINGERING.fetch_add(1, Ordering::Relaxed) < AT_ONCE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    }
}

const LATE: Refusal = Refusal { status: 408, reason: "the request's header did not come in time" };

pub(crate) struct Guard<S> {
    stream: S,
    /// Read and not passed on: the beginning of a head, or what came before the library was asked.
    ahead: BytesMut,
    /// How much of `ahead` may be passed.
    passed: usize,
    checker: Checker,
    refusal: Option<Refusal>,
    /// What is left to write of the refusal, when it is written.
    farewell: Option<(Vec<u8>, usize)>,
    lingered: usize,
    place: Option<Option<Place>>,
    pause: Option<Pin<Box<Sleep>>>,
    signals: Arc<Signals>,
}

impl<S> Guard<S> {
    pub(crate) fn new(stream: S, ahead: BytesMut, checker: Checker, signals: Arc<Signals>) -> Self {
        let mut guard = Self {
            stream,
            ahead,
            passed: 0,
            checker,
            refusal: None,
            farewell: None,
            lingered: 0,
            place: None,
            pause: None,
            signals,
        };
        guard.look_ahead();
        guard
    }

    /// Looks at what is kept beyond the part that may be passed.
    fn look_ahead(&mut self) {
        let decision = self.signals.decision.load(Ordering::Relaxed);
        if decision != 0 && self.checker.state() == State::Decide {
            self.signals.decision.store(0, Ordering::Relaxed);
            self.checker.decide(decision == 2);
        }
        if self.refusal.is_none() && self.passed < self.ahead.len() {
            let seen = self.checker.look(&self.ahead[self.passed..]);
            self.forget_decision();
            match seen {
                Seen::Pass(count) => self.passed += count,
                Seen::Refuse(count, refusal) => {
                    self.passed += count;
                    self.refuse(refusal);
                }
            }
        }
        self.tell_in_head();
    }

    /// A decision of before is not one for the request that just asked.
    fn forget_decision(&self) {
        if self.checker.state() == State::Decide {
            self.signals.decision.store(0, Ordering::Relaxed);
        }
    }

    fn tell_in_head(&self) {
        let partial = self.passed < self.ahead.len()
            && self.refusal.is_none()
            && self.checker.state() == State::Head;
        self.signals.in_head.store(partial, Ordering::Relaxed);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
        self.signals.refused.store(refusal.status, Ordering::Relaxed);
    }

    fn give(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let count = self.passed.min(out.remaining());
        if count > 0 {
            out.put_slice(&self.ahead.split_to(count));
            self.passed -= count;
        }
        count > 0
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.signals.reading.store(false, Ordering::Relaxed);
        loop {
            if this.checker.state() == State::Decide {
                this.look_ahead();
            }
            if this.passed > 0 {
                this.give(out);
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = this.refusal {
                // In a body the reader must hear of it; between messages the task ends the connection in order.
                if matches!(this.checker.state(), State::Chunks(_)) {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal)));
                }
                return Poll::Pending;
            }
            if this.checker.state() == State::Decide {
                // Nothing is read for a protocol that is not agreed on.
                *this.signals.undecided.lock() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if !this.ahead.is_empty() {
                let mut piece = [0u8; 4096];
                let mut piece = ReadBuf::new(&mut piece);
                match Pin::new(&mut this.stream).poll_read(cx, &mut piece) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(done) => done?,
                }
                if piece.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                this.ahead.extend_from_slice(piece.filled());
                this.look_ahead();
                continue;
            }
            let before = out.filled().len();
            match Pin::new(&mut this.stream).poll_read(cx, out) {
                Poll::Pending => {
                    let in_body =
                        matches!(this.checker.state(), State::Body { .. } | State::Chunks(_));
                    this.signals.reading.store(in_body, Ordering::Relaxed);
                    return Poll::Pending;
                }
                Poll::Ready(done) => done?,
            }
            this.signals.moved.fetch_add(1, Ordering::Relaxed);
            let fresh = &out.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let seen = this.checker.look(fresh);
            this.forget_decision();
            let count = match seen {
                Seen::Pass(count) => count,
                Seen::Refuse(count, refusal) => {
                    this.refuse(refusal);
                    count
                }
            };
            if count < fresh.len() {
                this.ahead.extend_from_slice(&fresh[count..]);
                out.set_filled(before + count);
                this.tell_in_head();
            }
            if count > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.finish_early(cx))?;
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&done);
        done
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.finish_early(cx))?;
        let done = gather::write_gathered(&mut self.stream, cx, pieces);
        self.wrote(&done);
        done
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The library flushes when it has nothing left to write, and before it begins the next answer: what is written
        // here stands after the last answer and before the next.
        if self.signals.announces() {
            ready!(self.poll_early(cx))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let late = this.signals.late.load(Ordering::Relaxed).then_some(LATE);
        let unread = matches!(this.checker.state(), State::Body { .. } | State::Chunks(_));
        let Some(refusal) = this.refusal.or(late) else {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if unread {
                this.signals.lingers.store(true, Ordering::Relaxed);
                return this.poll_linger(cx, LINGER_BODY);
            }
            return Poll::Ready(Ok(()));
        };
        // In a body the refusal was the answer to the request already.
        let answered = matches!(this.checker.state(), State::Chunks(_));
        let (text, written) = this.farewell.get_or_insert_with(|| {
            let text = if answered { String::new() } else { crate::answer::raw(refusal) };
            (text.into_bytes(), 0)
        });
        while *written < text.len() {
            *written += ready!(Pin::new(&mut this.stream).poll_write(cx, &text[*written..]))?;
        }
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        this.poll_linger(cx, LINGER)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Writes the rest of an early head that was begun.
    fn finish_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.signals.early_is.load(Ordering::Relaxed) == BEGUN {
            return self.poll_early(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let signals = self.signals.clone();
        let mut early = signals.early.lock();
        while !early.is_empty() {
            let done = Pin::new(&mut self.stream).poll_write(cx, &early);
            self.wrote(&done);
            let count = ready!(done)?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            early.advance(count);
            signals.early_is.store(BEGUN, Ordering::Relaxed);
        }
        signals.early_is.store(NONE, Ordering::Relaxed);
        // The answer itself may be waiting for this.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Reads and throws away what the client still sends, so that it sees the answer and not a reset.
    fn poll_linger(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        let most = match most > LINGER && self.place.get_or_insert_with(Place::take).is_none() {
            true => LINGER,
            false => most,
        };
        let mut waste = [0u8; 16 << 10];
        while self.lingered < most {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let mut piece = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                break;
            }
            let before = self.lingered / PIECE;
            self.lingered += piece.filled().len();
            if self.lingered / PIECE > before {
                self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Guard<S> {
    fn wrote(&self, done: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(_)) = done {
            self.signals.moved.fetch_add(1, Ordering::Relaxed);
        }
        self.signals.writing.store(done.is_pending(), Ordering::Relaxed);
    }
}
