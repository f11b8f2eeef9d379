//! What goes wrong next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// One way for a call to go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer this status without doing anything.
    Status(u16),
    /// Do it, then answer this status.
    DoneButStatus(u16),
    /// Do it, then close the connection without an answer.
    DoneButSilent,
    /// Close the connection without doing anything.
    Silent,
    /// Do it, and answer late.
    Slow(Duration),
    /// Answer 200 with something that is not JSON.
    Garbage,
    /// The number is not on WhatsApp.
    NotOnWhatsApp,
}

/// Faults of one server: used up one call at a time, or every so many calls.
#[derive(Clone, Default)]
pub struct Faults {
    next: Arc<Mutex<VecDeque<Fault>>>,
    always: Arc<Mutex<Option<Fault>>>,
}

impl Faults {
    /// The next call goes wrong this way; calls queue up.
    pub fn push(&self, fault: Fault) {
        self.next.lock().push_back(fault);
    }

    /// Every call goes wrong this way, until told otherwise.
    pub fn always(&self, fault: Option<Fault>) {
        *self.always.lock() = fault;
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        self.next.lock().pop_front().or_else(|| self.always.lock().clone())
    }
}
