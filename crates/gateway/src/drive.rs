//! Driving a connection of HTTP/1.1: what it waits for, and for how long.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::HttpService;

use crate::config::Limits;
use crate::guard::Signals;
use crate::timers::Timer;

/// After the last answer on a connection that ends, so long is waited for the client to close.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// What a connection's driver asks of its requests.
pub(crate) trait Requests {
    /// Those that are not answered yet.
    fn open(&self) -> usize;
    /// Nothing new is to be taken.
    fn draining(&self) -> bool;
    /// Waits until nothing new is to be taken.
    fn ended(&self) -> impl Future<Output = ()>;
    /// A head was refused.
    fn refused(&self);
}

/// One time-out, off until it is set.
pub(crate) trait Deadline {
    fn set(&mut self, after: Duration);
    fn off(&mut self);
    /// Whether it is due; if not, the task is woken when it is.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool;
}

impl Deadline for Timer {
    fn set(&mut self, after: Duration) {
        Timer::set(self, after);
    }
    fn off(&mut self) {
        Timer::off(self);
    }
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        Timer::is_due(self, cx)
    }
}

/// A connection that can be asked to end after what is under way.
pub(crate) trait Graceful: Future {
    fn finish(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for UpgradeableConnection<I, S>
where
    S: HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin + Send + 'static,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// The next request.
    Idle,
    /// The next request or the end, on a node that drains.
    Leaving,
    /// The rest of a head.
    Head,
    /// The client, who neither sends nor takes.
    Stalled,
    /// Us, or an upstream.
    Working,
}

impl Phase {
    fn of(open: usize, signals: &Signals) -> Self {
        if signals.writing.load(Ordering::Relaxed) || signals.reading.load(Ordering::Relaxed) {
            Self::Stalled
        } else if open > 0 {
            Self::Working
        } else if signals.in_head.load(Ordering::Relaxed) {
            Self::Head
        } else {
            Self::Idle
        }
    }
}

/// Serves a connection until it ends, or one of its time-outs is over.
pub(crate) async fn drive<C: Graceful>(
    mut connection: Pin<&mut C>,
    signals: &Signals,
    requests: &impl Requests,
    mut timer: impl Deadline,
    limits: &Limits,
) {
    let mut ended = pin!(requests.ended());
    let mut registered = false;
    let mut told = false;
    let mut last = Phase::New;
    let mut moved = 0;
    std::future::poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            // A refused head: what is under way ends, then the guard says why.
            if signals.refused.load(Ordering::Relaxed) != 0 && !told {
                told = true;
                requests.refused();
                connection.as_mut().finish();
                timer.set(FAREWELL);
                continue;
            }
            break;
        }
        if !registered {
            // Once is enough: what it wakes for is seen in `draining`.
            registered = true;
            let _ = ended.as_mut().poll(cx);
        }
        if told {
            return if timer.is_due(cx) { Poll::Ready(()) } else { Poll::Pending };
        }
        let phase = match Phase::of(requests.open(), signals) {
            // Idle connections are closed a little later: a request may be on its way, and is still served.
            Phase::Idle if requests.draining() || signals.lingers.load(Ordering::Relaxed) => {
                Phase::Leaving
            }
            phase => phase,
        };
        let count = signals.moved.load(Ordering::Relaxed);
        if phase != last || (count != moved && phase != Phase::Head) {
            match phase {
                Phase::New | Phase::Idle => timer.set(limits.keep_alive),
                Phase::Leaving => timer.set(FAREWELL),
                Phase::Head => timer.set(limits.header_timeout),
                Phase::Stalled => timer.set(limits.idle_timeout),
                Phase::Working => timer.off(),
            }
            last = phase;
            moved = count;
        }
        if !timer.is_due(cx) {
            return Poll::Pending;
        }
        if phase != Phase::Head {
            return Poll::Ready(());
        }
        // Who began to speak is told why it ends.
        signals.late.store(true, Ordering::Relaxed);
        told = true;
        connection.as_mut().finish();
        timer.set(FAREWELL);
        connection.as_mut().poll(cx).map(|_| ())
    })
    .await;
}
