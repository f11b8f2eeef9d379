//! A waker that knows when its task is at work.
//!
//! The parts of a connection to an upstream wake each other while one request drives them all. Such a wake-up means
//! "look again", and whoever drives does that anyway; told to the runtime, it would run the task once more for
//! nothing, once a request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;

#[derive(Default)]
pub(crate) struct Relay {
    task: Mutex<Option<Waker>>,
    /// The task runs right now, and looks at `woken` before it rests.
    at_work: AtomicBool,
    woken: AtomicBool,
}

impl Relay {
    /// The task in `cx` drives from here on, until [`Self::rest`].
    pub(crate) fn work(&self, cx: &Context<'_>) {
        let mut task = self.task.lock();
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        self.at_work.store(true, Ordering::Relaxed);
    }

    /// Whether somebody was woken since the last call.
    pub(crate) fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }

    /// From here on a wake-up is told to the runtime; one that was not looked at is told now.
    pub(crate) fn rest(&self) {
        self.at_work.store(false, Ordering::Relaxed);
        if self.take()
            && let Some(task) = &*self.task.lock()
        {
            task.wake_by_ref();
        }
    }

    /// Nobody uses the connection.
    pub(crate) fn forget(&self) {
        self.at_work.store(false, Ordering::Relaxed);
        *self.task.lock() = None;
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.at_work.load(Ordering::Relaxed) {
            self.woken.store(true, Ordering::Relaxed);
        } else if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }
}

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
