//! What goes wrong next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::Value;

/// One way for a call to go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer this status without doing anything.
    Status(u16),
    /// Answer 429 without doing anything, with this many seconds in Retry-After.
    Throttle(u64),
    /// Do it, then answer this status.
    DoneButStatus(u16),
    /// Do it, then close the connection without an answer.
    DoneButSilent,
    /// Close the connection without doing anything.
    Silent,
    /// Close the connection after this long, without doing anything.
    Stall(Duration),
    /// Do it, and answer late.
    Slow(Duration),
    /// Do it, and answer well, a byte at a time with this long between.
    SlowBody(Duration),
    /// Do it, and answer 200 with megabytes of JSON.
    Oversized,
    /// Do it, and answer 200 with something that is not JSON.
    Garbage,
    /// The number is not on WhatsApp.
    NotOnWhatsApp,
    /// Meta's error of this code and status, without doing anything.
    Code(i64, u16),
    /// Whaticket's error of this name, with status 400, without doing anything.
    Named(&'static str),
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

    /// Forgets what was to go wrong next.
    pub fn clear(&self) {
        self.next.lock().clear();
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        self.next.lock().pop_front().or_else(|| self.always.lock().clone())
    }
}

/// Whether a call is done at all.
pub(crate) enum Gate {
    Do,
    Answer(u16, Option<u64>),
    HangUp,
    Stall(Duration),
}

pub(crate) fn gate(fault: Option<&Fault>) -> Gate {
    match fault {
        Some(Fault::Status(status)) => Gate::Answer(*status, None),
        Some(Fault::Throttle(seconds)) => Gate::Answer(429, Some(*seconds)),
        Some(Fault::Silent) => Gate::HangUp,
        Some(Fault::Stall(wait)) => Gate::Stall(*wait),
        _ => Gate::Do,
    }
}

/// The answer of a call that was done.
pub(crate) async fn after(
    fault: Option<Fault>,
    answer: Value,
    status: StatusCode,
    fail: fn(u16, Option<u64>) -> Response,
) -> Response {
    match fault {
        Some(Fault::DoneButStatus(status)) => return fail(status, None),
        Some(Fault::DoneButSilent) => return hang_up(),
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::SlowBody(wait)) => return slowly(&answer, status, wait),
        Some(Fault::Oversized) => {
            let text = format!("{{\"padding\":\"{}\"}}", "x".repeat(6 * 1024 * 1024));
            return (StatusCode::OK, [("content-type", "application/json")], text).into_response();
        }
        Some(Fault::Garbage) => return (StatusCode::OK, "<html>?</html>").into_response(),
        _ => {}
    }
    (status, Json(answer)).into_response()
}

fn slowly(answer: &Value, status: StatusCode, wait: Duration) -> Response {
    let bytes = answer.to_string().into_bytes();
    let stream = futures_util::stream::unfold(bytes.into_iter(), move |mut bytes| async move {
        let byte = bytes.next()?;
        tokio::time::sleep(wait).await;
        Some((Ok::<_, std::io::Error>(bytes::Bytes::from(vec![byte])), bytes))
    });
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(axum::body::Body::from_stream(stream))
        .expect("a valid response")
}

/// Ends the connection without a word, as a crashing server does.
pub(crate) fn hang_up() -> Response {
    let broken =
        futures_util::stream::iter([Err::<bytes::Bytes, _>(std::io::Error::other("gone"))]);
    Response::builder()
        .status(201)
        .header("content-length", "1000")
        .body(axum::body::Body::from_stream(broken))
        .expect("a valid response")
}
