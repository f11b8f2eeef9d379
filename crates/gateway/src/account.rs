//! What a request comes to: counted when it is over, however it ended, and written to the access log.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use http::{Method, StatusCode};

use crate::access::Writer;
use crate::body::Progress;
use crate::clock;
use crate::table::Route;
use crate::trouble::Trouble;
use crate::worker::{Near, Worker};

/// Nginx's number for a client that went away before there was an answer.
const GONE: u16 = 499;

/// One request. Dropping it counts it.
pub(crate) struct Account {
    pub(crate) started: u64,
    pub(crate) route: Option<Near<Route>>,
    /// Place of the upstream in the route's pool.
    pub(crate) upstream: Option<usize>,
    pub(crate) status: u16,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) progress: Rc<Progress>,
    pub(crate) sent: u64,
    pub(crate) retries: u32,
    /// The whole answer was passed on.
    pub(crate) whole: bool,
    /// The upstream broke off.
    pub(crate) cut: bool,
    pub(crate) request_id: u128,
    pub(crate) worker: Rc<Worker>,
    pub(crate) line: Option<Box<Line>>,
    /// Of our own making: no client asked.
    pub(crate) silent: bool,
}

/// What only the access log needs.
pub(crate) struct Line {
    pub(crate) writer: Rc<Writer>,
    pub(crate) method: Method,
    pub(crate) host: String,
    /// Without the query: it may hold what a log must not.
    pub(crate) path: String,
    pub(crate) client: std::net::IpAddr,
    pub(crate) protocol: &'static str,
    pub(crate) secure: bool,
}

impl Account {
    /// A request that begins now.
    pub(crate) fn new(worker: Rc<Worker>, progress: Rc<Progress>) -> Self {
        Self {
            started: clock::micros(),
            route: None,
            upstream: None,
            status: 0,
            trouble: None,
            progress,
            sent: 0,
            retries: 0,
            whole: false,
            cut: false,
            request_id: rand::random(),
            worker,
            line: None,
            silent: false,
        }
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    /// The request's name in headers and logs: 32 hexadecimal digits.
    pub(crate) fn id(&self) -> [u8; 32] {
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.request_id.to_be_bytes()) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        text
    }

    /// The address of the upstream that was asked last.
    pub(crate) fn upstream(&self) -> Option<&str> {
        let pool = self.route.as_ref()?.pool.as_ref()?;
        Some(&pool.members.get(self.upstream?)?.address)
    }

    pub(crate) fn id_text(&self) -> String {
        String::from_utf8_lossy(&self.id()).into_owned()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.silent {
            return;
        }
        if self.status == 0 {
            self.status = GONE;
        }
        let took = clock::micros() - self.started;
        match &self.route {
            Some(route) => {
                let received = self.progress.received.get();
                route.stats.count(self.worker.index, self.status, took, received, self.sent);
            }
            None => {
                self.worker.shared.house.unrouted.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let Some(line) = self.line.take() {
            line.writer.clone().write(self, &line, took);
        }
    }
}
