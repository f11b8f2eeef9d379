//! Time-outs of one worker: many, mostly never due, and moved with every piece of data. A look at all of them
//! twenty times a second costs less than one entry in a timer wheel per request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::clock;

/// How exact a time-out is.
pub(crate) const TICK: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(crate) struct Timers {
    entries: RefCell<Vec<Option<Rc<Entry>>>>,
    free: RefCell<Vec<usize>>,
    now: Cell<u64>,
}

struct Entry {
    /// In milliseconds of [`clock`]; `u64::MAX` when off.
    deadline: Cell<u64>,
    /// No deadline lies behind it.
    ceiling: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One time-out; off until it is set.
pub(crate) struct Timer {
    timers: Rc<Timers>,
    entry: Rc<Entry>,
    index: usize,
}

impl Timers {
    /// Milliseconds, as of the last tick.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(crate) fn tick(&self) {
        let now = clock::millis();
        self.now.set(now);
        for entry in self.entries.borrow().iter().flatten() {
            if entry.deadline.get() <= now
                && let Some(waker) = entry.waker.borrow_mut().take()
            {
                waker.wake();
            }
        }
    }

    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let entry = Rc::new(Entry {
            deadline: Cell::new(u64::MAX),
            ceiling: Cell::new(u64::MAX),
            waker: RefCell::new(None),
        });
        let index = self.free.borrow_mut().pop();
        let mut entries = self.entries.borrow_mut();
        let index = match index {
            Some(index) => {
                entries[index] = Some(entry.clone());
                index
            }
            None => {
                entries.push(Some(entry.clone()));
                entries.len() - 1
            }
        };
        Timer { timers: self.clone(), entry, index }
    }
}

impl Timer {
    pub(crate) fn set(&self, after: Duration) {
        let wanted = self.timers.now() + (after + TICK).as_millis() as u64;
        self.entry.deadline.set(wanted.min(self.entry.ceiling.get()));
    }

    /// Whatever is set from here on, it is due after this span at the latest.
    pub(crate) fn limit(&self, span: Duration) {
        self.entry.ceiling.set(self.timers.now() + (span + TICK).as_millis() as u64);
    }

    /// The span of [`Self::limit`] is over.
    pub(crate) fn is_over(&self) -> bool {
        self.entry.ceiling.get() <= self.timers.now()
    }

    pub(crate) fn now(&self) -> u64 {
        self.timers.now()
    }

    pub(crate) fn off(&self) {
        self.entry.deadline.set(self.entry.ceiling.get());
    }

    /// Whether it is due; if not, the task is woken when it is.
    pub(crate) fn is_due(&self, cx: &mut Context<'_>) -> bool {
        if self.entry.deadline.get() <= self.timers.now() {
            return true;
        }
        if self.entry.deadline.get() != u64::MAX {
            let mut waker = self.entry.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        false
    }

    /// Waits until it is due.
    pub(crate) async fn due(&self) {
        std::future::poll_fn(|cx| {
            if self.is_due(cx) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.timers.entries.borrow_mut()[self.index] = None;
        self.timers.free.borrow_mut().push(self.index);
    }
}
