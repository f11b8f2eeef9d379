//! Bodies of requests: how large each route takes them, how long they may take, and that they are counted.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::budget::{Budget, Holding, NoRoom};
use crate::{Problem, TrustedProxies};

/// How large the body of a route may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodySize {
    /// A form, a sign-in, a few settings.
    #[default]
    Small,
    /// JSON of a program.
    Program,
    /// A text that people edit.
    Text,
    /// Files.
    Upload,
    /// The route reads it by itself, and counts what it holds.
    Own,
}

/// Bytes of each [`BodySize`], and the time that one may take.
#[derive(Debug, Clone, Copy)]
pub struct BodySizes {
    pub small: usize,
    pub program: usize,
    pub text: usize,
    pub upload: usize,
    pub time: Duration,
}

/// What the middleware knows.
#[derive(Clone)]
pub struct Bodies {
    budget: Budget,
    sizes: BodySizes,
    proxies: TrustedProxies,
    routes: Arc<HashMap<(Method, &'static str), BodySize>>,
}

impl Bodies {
    /// `routes`: those whose bodies are not [`BodySize::Small`].
    pub fn new(
        budget: Budget,
        sizes: BodySizes,
        proxies: TrustedProxies,
        routes: HashMap<(Method, &'static str), BodySize>,
    ) -> Self {
        Self { budget, sizes, proxies, routes: Arc::new(routes) }
    }

    fn size_of(&self, parts: &Parts) -> BodySize {
        let Some(path) = parts.extensions.get::<MatchedPath>() else { return BodySize::Small };
        // A webhook is one of a few addresses, whatever its method.
        let key = (parts.method.clone(), path.as_str());
        self.routes.get(&key as &dyn Route).copied().unwrap_or_default()
    }
}

/// Looks routes up by a path that is not static.
trait Route {
    fn key(&self) -> (&Method, &str);
}
impl Route for (Method, &str) {
    fn key(&self) -> (&Method, &str) {
        (&self.0, self.1)
    }
}
impl std::hash::Hash for dyn Route + '_ {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
impl PartialEq for dyn Route + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for dyn Route + '_ {}
impl<'a> std::borrow::Borrow<dyn Route + 'a> for (Method, &'static str) {
    fn borrow(&self) -> &(dyn Route + 'a) {
        self
    }
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy)]
enum Cut {
    TooLarge(usize),
    NoRoom(NoRoom),
    Late(Duration),
}

impl From<Cut> for Problem {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::TooLarge(limit) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the body is over the limit of {limit} bytes of this address"),
            ),
            Cut::NoRoom(full) => full.into(),
            Cut::Late(time) => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_late",
                format!("the body did not come within {} seconds", time.as_secs()),
            ),
        }
    }
}

/// Tells, after a body could not be read, why.
#[derive(Clone, Default)]
pub struct WhyCut(Arc<Mutex<Option<Cut>>>);

impl WhyCut {
    /// What to answer in place of what the reader made of it.
    pub fn of(extensions: &Extensions) -> Option<Problem> {
        extensions.get::<Self>()?.problem()
    }

    /// The reason, when there is one.
    pub fn problem(&self) -> Option<Problem> {
        (*self.0.lock()).map(Problem::from)
    }
}

/// Middleware for all routes: bounds, times and counts bodies. What it cut off is answered by its own reason.
pub async fn bodies(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    let hint = request.body().size_hint();
    if hint.exact() == Some(0) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let address = bodies.proxies.client(&parts.headers, &parts.extensions);
    let holding = bodies.budget.open(address);
    parts.extensions.insert(holding.clone());
    let sizes = &bodies.sizes;
    let limit = match bodies.size_of(&parts) {
        BodySize::Own => return next.run(Request::from_parts(parts, body)).await,
        BodySize::Small => sizes.small,
        BodySize::Program => sizes.program,
        BodySize::Text => sizes.text,
        BodySize::Upload => sizes.upload,
    };
    let why = WhyCut::default();
    parts.extensions.insert(why.clone());
    let watched = Watched {
        body,
        holding,
        why,
        left: limit,
        limit,
        announced: hint.lower(),
        time: sizes.time,
        late: None,
    };
    next.run(Request::from_parts(parts, Body::new(watched))).await
}

/// A body that is bounded, timed and counted.
struct Watched {
    body: Body,
    holding: Holding,
    why: WhyCut,
    limit: usize,
    left: usize,
    announced: u64,
    time: Duration,
    late: Option<Pin<Box<Sleep>>>,
}

/// Copies of a body that are held at the same time: its bytes, and what is made of them.
const COPIES: usize = 2;

impl Watched {
    fn cut<T>(&self, cut: Cut) -> Poll<Option<Result<T, axum::Error>>> {
        *self.why.0.lock() = Some(cut);
        Poll::Ready(Some(Err(axum::Error::new(std::io::Error::other("the body was cut off")))))
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let limit = self.limit;
        // What says beforehand that it is too large is not even begun.
        if self.announced > limit as u64 {
            return self.cut(Cut::TooLarge(limit));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(other) => return Poll::Ready(other),
            Poll::Pending => {
                let time = self.time;
                let late = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
                if late.as_mut().poll(cx).is_ready() {
                    return self.cut(Cut::Late(time));
                }
                return Poll::Pending;
            }
        };
        if let Some(data) = frame.data_ref() {
            let Some(left) = self.left.checked_sub(data.len()) else {
                return self.cut(Cut::TooLarge(limit));
            };
            self.left = left;
            if let Err(full) = self.holding.grow(COPIES * data.len()) {
                return self.cut(Cut::NoRoom(full));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
