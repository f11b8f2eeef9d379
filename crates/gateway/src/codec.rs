//! HTTP/1.1 towards upstreams: one request at a time on a connection, driven by the request that uses it. Nobody has to
//! wake anybody to pass an answer on, heads are written and read in one pass, and bodies are passed on as they lie.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use tokio::io::AsyncWrite as _;
use tokio_util::io::poll_read_buf;

use crate::body::{Cut, Progress, RequestBody};
use crate::chunks::{Chunk, Piece};
use crate::client::{Fail, Stream};
use crate::config::Answer;
use crate::forward;
use crate::guard::Signals;
use crate::response_head::{early_head, end_of_head, parse};
use crate::timers::Timer;

/// Heads before the answer's own (103 and its kin) that are passed on of one answer.
const EARLY: u32 = 32;
/// What is read at once of a head, and of a body.
const FIRST: usize = 8 << 10;
const PIECE: usize = 64 << 10;

/// One connection.
pub(crate) struct Channel {
    stream: Stream,
    /// Read and not used.
    buffer: BytesMut,
    /// What of the request is not written yet.
    out: BytesMut,
    pieces: VecDeque<Bytes>,
    /// The rest of the request's body, when the answer came before it was sent.
    rest: Option<RequestBody>,
    framing: Framing,
    reading: Reading,
    /// Something of an answer came.
    answered: bool,
    /// Whether it can carry another request after this one.
    goes_on: bool,
    /// Whether it carried a request before: then the upstream may have closed it meanwhile.
    pub(crate) used: bool,
    /// The client waits for leave to send its body, and so does the body.
    held: bool,
    /// Heads that came before the answer's own.
    early: u32,
}

/// On what terms a request is sent.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// How long the answer's head may take.
    pub(crate) span: Duration,
    /// How long an upstream is waited for to ask for a body that is held back.
    pub(crate) leave: Duration,
    pub(crate) answer: Answer,
    /// Where heads before the answer's own are passed on, for clients that take them.
    pub(crate) early: Option<&'a Signals>,
}

/// How the request's body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// All of it is written.
    Done,
    /// So many bytes are left.
    Length(u64),
    Chunked,
}

/// What is to be read of the answer's body.
enum Reading {
    Done,
    Length(u64),
    Chunked(Chunk),
    UntilClose,
}

impl Channel {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            out: BytesMut::new(),
            pieces: VecDeque::new(),
            rest: None,
            framing: Framing::Done,
            reading: Reading::Done,
            answered: false,
            goes_on: true,
            used: false,
            held: false,
            early: 0,
        }
    }

    /// Whether it can take a request now. An idle connection that the upstream closed, or said something on, cannot.
    pub(crate) fn is_fresh(&mut self) -> bool {
        let done = matches!(self.reading, Reading::Done)
            && self.framing == Framing::Done
            && self.out.is_empty()
            && self.pieces.is_empty();
        if !(done && self.goes_on && self.buffer.is_empty()) {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        poll_read_buf(Pin::new(&mut self.stream), &mut cx, &mut self.buffer).is_pending()
    }

    /// Sends a request and reads the head of its answer. After a failure the request is as it was where nothing of it
    /// was written ([`Fail::Stale`]); one without a body is in any case.
    pub(crate) async fn exchange(
        &mut self,
        request: &mut Request<RequestBody>,
        timer: &Timer,
        terms: &Terms<'_>,
        progress: &Progress,
    ) -> Result<Response<()>, Fail> {
        self.begin(request);
        let mut written = false;
        let mut broken = false;
        let head_only = *request.method() == Method::HEAD;
        // Whether the body is wanted is the upstream's to say: the client is told to send it when it is asked for.
        self.held = request.headers().contains_key(EXPECT)
            && self.framing != Framing::Done
            && !terms.leave.is_zero();
        let patience = self.held.then(|| {
            let timer = progress.timer();
            timer.set(terms.leave);
            timer
        });
        std::future::poll_fn(|cx| {
            loop {
                // An upstream that knows nothing of expectations waits for the body.
                if self.held && patience.as_ref().is_some_and(|timer| timer.is_due(cx)) {
                    self.held = false;
                }
                let held = self.held;
                if !broken {
                    match self.poll_send(request.body_mut(), cx, &mut written) {
                        Poll::Ready(Ok(())) | Poll::Pending => {}
                        Poll::Ready(Err(_)) if progress.fault.get().is_some() => {
                            return Poll::Ready(Err(Fail::Closed));
                        }
                        // It may have answered before it stopped to listen.
                        Poll::Ready(Err(_)) if written => broken = true,
                        Poll::Ready(Err(_)) => return Poll::Ready(Err(Fail::Stale)),
                    }
                }
                return match self.poll_head(head_only, terms, cx) {
                    Poll::Ready(head) => {
                        if head.is_ok() && self.framing != Framing::Done {
                            let body = std::mem::replace(request.body_mut(), RequestBody::Empty);
                            if self.held {
                                // It was answered unseen, and never leaves: the connection ends with the answer.
                                self.held = false;
                                self.framing = Framing::Done;
                                self.goes_on = false;
                            } else {
                                // The answer came first; what is left of the request goes on beside it.
                                self.goes_on &= !broken;
                                self.rest = Some(body);
                            }
                        }
                        Poll::Ready(head)
                    }
                    // The upstream asked for the body just now.
                    Poll::Pending if held && !self.held => continue,
                    Poll::Pending if progress.is_late(timer, terms.span, cx) => {
                        Poll::Ready(Err(Fail::Timeout))
                    }
                    Poll::Pending => Poll::Pending,
                };
            }
        })
        .await
    }

    /// Writes the head into the buffer.
    fn begin(&mut self, request: &Request<RequestBody>) {
        let (headers, body) = (request.headers(), request.body());
        self.answered = false;
        self.early = 0;
        let out = &mut self.out;
        out.reserve(512);
        out.put_slice(request.method().as_str().as_bytes());
        out.put_u8(b' ');
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        out.put_slice(path.as_bytes());
        out.put_slice(b" HTTP/1.1\r\n");
        let mut length = None;
        let mut chunked = false;
        for (name, value) in headers {
            // What says how long the body is comes last, by the body that is really sent.
            if name == CONTENT_LENGTH {
                length = value.to_str().ok().and_then(|text| text.parse().ok());
                continue;
            }
            if name == TRANSFER_ENCODING {
                chunked = true;
                continue;
            }
            out.put_slice(name.as_str().as_bytes());
            out.put_slice(b": ");
            out.put_slice(value.as_bytes());
            out.put_slice(b"\r\n");
        }
        let exact = body.size_hint().exact();
        self.framing = match body {
            RequestBody::Empty => {
                // Without it, some servers wait for a body.
                if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
                    out.put_slice(b"content-length: 0\r\n");
                }
                Framing::Done
            }
            RequestBody::Stream { .. } => match exact.or(length).filter(|_| !chunked) {
                Some(known) => {
                    out.put_slice(format!("content-length: {known}\r\n").as_bytes());
                    Framing::Length(known)
                }
                None => {
                    out.put_slice(b"transfer-encoding: chunked\r\n");
                    Framing::Chunked
                }
            },
        };
        out.put_slice(b"\r\n");
    }

    /// Writes what there is of the request. Ready when all is written.
    fn poll_send(
        &mut self,
        body: &mut RequestBody,
        cx: &mut Context<'_>,
        written: &mut bool,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.out.is_empty() || !self.pieces.is_empty() {
                let count = ready!(self.poll_write(cx))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *written = true;
                let mut left = count;
                let head = left.min(self.out.len());
                self.out.advance(head);
                left -= head;
                while left > 0
                    && let Some(piece) = self.pieces.front_mut()
                {
                    let part = left.min(piece.len());
                    piece.advance(part);
                    left -= part;
                    if piece.is_empty() {
                        self.pieces.pop_front();
                    }
                }
            }
            if self.framing == Framing::Done {
                return Pin::new(&mut self.stream).poll_flush(cx);
            }
            if self.held {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                return Poll::Pending;
            }
            let frame = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                    return Poll::Pending;
                }
            };
            match frame {
                None => {
                    match self.framing {
                        Framing::Chunked => self.out.put_slice(b"0\r\n\r\n"),
                        // What comes next would be read as the rest of it.
                        Framing::Length(1..) => {
                            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                        }
                        _ => {}
                    }
                    self.framing = Framing::Done;
                }
                Some(Err(fault)) => return Poll::Ready(Err(io::Error::other(fault))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) if self.framing == Framing::Chunked => {
                        self.out.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
                        self.pieces.push_back(data);
                        self.pieces.push_back(Bytes::from_static(b"\r\n"));
                    }
                    Ok(data) => {
                        if let Framing::Length(left) = &mut self.framing {
                            let Some(rest) = left.checked_sub(data.len() as u64) else {
                                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                            };
                            *left = rest;
                        }
                        self.pieces.push_back(data);
                    }
                    Err(trailers) => {
                        if self.framing == Framing::Chunked {
                            self.out.put_slice(b"0\r\n");
                            for (name, value) in trailers.trailers_ref().into_iter().flatten() {
                                self.out.put_slice(name.as_str().as_bytes());
                                self.out.put_slice(b": ");
                                self.out.put_slice(value.as_bytes());
                                self.out.put_slice(b"\r\n");
                            }
                            self.out.put_slice(b"\r\n");
                        }
                        self.framing = Framing::Done;
                    }
                },
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if self.pieces.is_empty() {
            return stream.poll_write(cx, &self.out);
        }
        let mut slices = [IoSlice::new(&[]); 8];
        let mut count = 0;
        let out = std::iter::once(&self.out[..]).filter(|out| !out.is_empty());
        for (slice, bytes) in slices.iter_mut().zip(out.chain(self.pieces.iter().map(|p| &p[..]))) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        stream.poll_write_vectored(cx, &slices[..count])
    }

    /// Reads until the head of the answer is there.
    fn poll_head(
        &mut self,
        head_only: bool,
        terms: &Terms<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Fail>> {
        let most = terms.answer;
        loop {
            if terms.early.is_some_and(Signals::announces) {
                // What came before the answer leaves before it; whoever writes it wakes this task.
                return Poll::Pending;
            }
            if let Some(end) = end_of_head(&self.buffer) {
                if end > most.head {
                    return Poll::Ready(Err(Fail::TooLarge));
                }
                let head = self.buffer.split_to(end).freeze();
                let response = parse(&head, most.fields)?;
                let status = response.status();
                if status == StatusCode::SWITCHING_PROTOCOLS {
                    // Nobody asked for that here.
                    return Poll::Ready(Err(Fail::Garbled));
                }
                if status == StatusCode::CONTINUE {
                    self.held = false;
                    continue;
                }
                if status.is_informational() {
                    self.early += 1;
                    if self.early > EARLY {
                        return Poll::Ready(Err(Fail::Garbled));
                    }
                    if let Some(early) = terms.early {
                        early.announce(&early_head(response));
                    }
                    continue;
                }
                self.reading = match self.body_of(&response, head_only) {
                    Some(reading) => reading,
                    None => return Poll::Ready(Err(Fail::Garbled)),
                };
                return Poll::Ready(Ok(response));
            }
            let beginning = self.buffer.len().min(5);
            if self.buffer[..beginning] != b"HTTP/"[..beginning] {
                return Poll::Ready(Err(Fail::Garbled));
            }
            if self.buffer.len() > most.head {
                return Poll::Ready(Err(Fail::TooLarge));
            }
            self.buffer.reserve(FIRST);
            match ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer)) {
                Ok(0) | Err(_) => {
                    let fail = if self.answered { Fail::Broken } else { Fail::Closed };
                    return Poll::Ready(Err(fail));
                }
                Ok(_) => self.answered = true,
            }
        }
    }

    /// How the body of an answer is framed; `None` when it could be read in two ways.
    fn body_of(&mut self, response: &Response<()>, head_only: bool) -> Option<Reading> {
        let headers = response.headers();
        let named = |name: &str| {
            headers.get_all(CONNECTION).iter().any(|value| {
                let text = value.to_str().unwrap_or_default();
                text.split(',').any(|one| one.trim().eq_ignore_ascii_case(name))
            })
        };
        self.goes_on = match response.version() {
            Version::HTTP_11 => !headers.contains_key(CONNECTION) || !named("close"),
            _ => named("keep-alive"),
        };
        let status = response.status();
        if head_only || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Some(Reading::Done);
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        if let Some(coding) = codings.next() {
            let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
            return (chunked && codings.next().is_none()).then_some(Reading::Chunked(Chunk::Size));
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(length) = lengths.next() else {
            self.goes_on = false;
            return Some(Reading::UntilClose);
        };
        let text = length.to_str().ok()?;
        if lengths.any(|other| other != length)
            || text.is_empty()
            || !text.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        Some(match text.parse().ok()? {
            0 => Reading::Done,
            length => Reading::Length(length),
        })
    }

    /// The next piece of the answer's body.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        const BROKEN: Cut = Cut("the upstream broke off its answer");
        if let Some(mut rest) = self.rest.take() {
            match self.poll_send(&mut rest, cx, &mut true) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.goes_on = false,
                Poll::Pending => self.rest = Some(rest),
            }
        }
        loop {
            match &mut self.reading {
                Reading::Done => return Poll::Ready(None),
                Reading::Length(left) => {
                    if !self.buffer.is_empty() {
                        let most = usize::try_from(*left).unwrap_or(usize::MAX);
                        let data = self.buffer.split_to(most.min(self.buffer.len())).freeze();
                        *left -= data.len() as u64;
                        if *left == 0 {
                            self.reading = Reading::Done;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    let wanted = usize::try_from(*left).unwrap_or(PIECE).clamp(FIRST, PIECE);
                    self.buffer.reserve(wanted);
                }
                Reading::UntilClose => {
                    if !self.buffer.is_empty() {
                        let data = self.buffer.split().freeze();
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    self.buffer.reserve(PIECE);
                }
                Reading::Chunked(chunk) => match chunk.next(&mut self.buffer) {
                    Ok(Some(Piece::Data(data))) => {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Ok(Some(Piece::End(trailers))) => {
                        self.reading = Reading::Done;
                        if let Some(mut trailers) = trailers {
                            forward::clean_trailers(&mut trailers);
                            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                        }
                        return Poll::Ready(None);
                    }
                    Ok(None) => self.buffer.reserve(FIRST),
                    Err(()) => return Poll::Ready(Some(Err(BROKEN))),
                },
            }
            match ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer)) {
                Ok(0) if matches!(self.reading, Reading::UntilClose) => {
                    self.reading = Reading::Done;
                }
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(BROKEN))),
                Ok(_) => {}
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        matches!(self.reading, Reading::Done)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.reading {
            Reading::Done => SizeHint::with_exact(0),
            Reading::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}
