//! What answers a request that may be forwarded: the cache, or the upstream; and how its body is passed on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::balance::Pool;
use crate::body::{RequestBody, ResponseBody};
use crate::cache::{Cache, Entry, Found, Key, Place};
use crate::compress::{self, Coding};
use crate::config;
use crate::extra::Capture;
use crate::forward;
use crate::freshness::{self, Asks, Control};
use crate::proxy::{Passage, own};
use crate::send::{self, Change};
use crate::trouble::Trouble;
use crate::worker::Near;

/// What a request is served by.
pub(crate) struct Wanted {
    pub(crate) pool: Option<Near<Pool>>,
    pub(crate) span: Option<Duration>,
    /// Under which an answer would be kept, where the route keeps any; or which address this request may change.
    pub(crate) kept_as: Option<(Key, Place)>,
    pub(crate) rule: Option<config::CacheRule>,
    /// Whether bodies are compressed here.
    pub(crate) compress: bool,
}

/// Answers from the cache or from upstream.
pub(crate) async fn answer(
    passage: Box<Passage>,
    request: Request<RequestBody>,
    wanted: Wanted,
    change: Option<Change>,
) -> Response<ResponseBody> {
    let Wanted { pool, span, kept_as, rule, compress } = wanted;
    let method = request.method().clone();
    let coding = if compress { compress::wanted(request.headers()) } else { None };
    let cache = passage.table.cache.clone();
    let mut response = match (cache, kept_as, rule) {
        (Some(cache), Some((key, place)), Some(rule))
            if change.is_none() && matches!(method, Method::GET | Method::HEAD) =>
        {
            let kept = Kept { cache, key, place, rule };
            match kept.look(passage, request, pool, span, coding).await {
                Looked::Kept(response) => return response,
                Looked::Fetched(response) => response,
            }
        }
        (Some(cache), Some((key, _)), _) if !method.is_safe() => {
            let response = send::send(passage, pool, span, request, change).await;
            if response.status().is_success() || response.status().is_redirection() {
                cache.forget(&key);
            }
            response
        }
        _ => send::send(passage, pool, span, request, change).await,
    };
    if compress {
        encode(&mut response, &method, coding);
    }
    response
}

/// A route's cache and the place of one request in it.
struct Kept {
    cache: Arc<Cache>,
    key: Key,
    place: Place,
    rule: config::CacheRule,
}

enum Looked {
    /// From the cache, ready as it is.
    Kept(Response<ResponseBody>),
    Fetched(Response<ResponseBody>),
}

impl Kept {
    async fn look(
        self,
        passage: Box<Passage>,
        request: Request<RequestBody>,
        pool: Option<Near<Pool>>,
        span: Option<Duration>,
        coding: Option<Coding>,
    ) -> Looked {
        let asks = freshness::asks(request.headers());
        // An answer may depend on a body, which is no part of the key.
        if asks == Asks::Nothing || !matches!(request.body(), RequestBody::Empty) {
            return Looked::Fetched(send::send(passage, pool, span, request, None).await);
        }
        let found = match asks {
            Asks::Fresh => self.cache.find(&self.key, &self.place, request.headers()),
            _ => Found::Nothing,
        };
        let counts = &self.cache.counts;
        let old = match found {
            Found::Fresh(entry) => {
                counts.hits.fetch_add(1, Ordering::Relaxed);
                return Looked::Kept(give(passage, &entry, &request, coding, "hit"));
            }
            Found::Stale(entry, refresh) => {
                counts.stale.fetch_add(1, Ordering::Relaxed);
                if refresh {
                    self.refresh(&passage, &request, pool, span, entry.clone());
                }
                let state = "hit; detail=stale-while-revalidate";
                return Looked::Kept(give(passage, &entry, &request, coding, state));
            }
            Found::Old(entry) => Some(entry),
            Found::Nothing => None,
        };
        counts.misses.fetch_add(1, Ordering::Relaxed);
        if Control::of(request.headers()).only_if_cached {
            return Looked::Kept(passage.refuse(Trouble::NotCached));
        }
        self.fetch(passage, request, pool, span, old, coding).await
    }

    /// Asks the upstream, and keeps what it says. With an old answer it is only asked whether that changed.
    async fn fetch(
        self,
        passage: Box<Passage>,
        mut request: Request<RequestBody>,
        pool: Option<Near<Pool>>,
        span: Option<Duration>,
        old: Option<Arc<Entry>>,
        coding: Option<Coding>,
    ) -> Looked {
        let asked = request.headers().clone();
        let conditional = asked.contains_key(IF_NONE_MATCH)
            || asked.contains_key(IF_MODIFIED_SINCE)
            || asked.contains_key("if-match")
            || asked.contains_key("if-unmodified-since");
        let get = *request.method() == Method::GET;
        let mut ours = false;
        if let Some(old) = &old
            && get
            && !conditional
        {
            for (from, to) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
                if let Some(value) = old.headers().get(&from) {
                    request.headers_mut().insert(to, value.clone());
                    ours = true;
                }
            }
        }
        let mut response = send::send(passage, pool, span, request, None).await;
        let status = response.status();
        if let Some(old) = old {
            let unchanged = ours && status == StatusCode::NOT_MODIFIED;
            let failed = status.is_server_error() && old.serves_errors();
            if unchanged || failed {
                let mut given = old.clone();
                let mut state = "hit; detail=stale-if-error";
                if unchanged {
                    state = "hit; detail=revalidated";
                    let standard = self.rule.standard.as_secs();
                    let headers = old.updated(response.headers());
                    if let Some(life) = freshness::life(&asked, old.status(), &headers, standard) {
                        given = Arc::new(old.renewed(headers, life, &asked));
                        self.cache.insert(self.key.clone(), given.clone());
                    }
                }
                let coding = choose(&given, coding);
                let (head, bytes) = given.answer(&asked, coding, state).into_parts();
                response.body_mut().replace(head.status, bytes);
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                return Looked::Kept(response);
            }
        }
        if get && !conditional {
            let standard = self.rule.standard.as_secs();
            let too_large = response
                .body()
                .size_hint()
                .exact()
                .is_some_and(|length| length > self.rule.largest);
            if !too_large
                && let Some(life) = freshness::life(&asked, status, response.headers(), standard)
            {
                let headers = response.headers().clone();
                let Self { cache, key, place, rule } = self;
                let entry = move |body: Bytes| {
                    let entry = Entry::new(place, status, headers, body, life, &asked);
                    cache.insert(key, Arc::new(entry));
                };
                response.body_mut().capture(Capture::new(rule.largest, Box::new(entry)));
            }
        }
        let missed = HeaderValue::from_static("gateway; fwd=miss");
        response.headers_mut().insert("cache-status", missed);
        Looked::Fetched(response)
    }

    /// Fetches a newer answer while the old one is given. Nobody waits for it.
    fn refresh(
        &self,
        passage: &Passage,
        request: &Request<RequestBody>,
        pool: Option<Near<Pool>>,
        span: Option<Duration>,
        old: Arc<Entry>,
    ) {
        let passage = passage.again();
        let mut request = send::copy(request);
        *request.method_mut() = Method::GET;
        request.headers_mut().remove(IF_NONE_MATCH);
        request.headers_mut().remove(IF_MODIFIED_SINCE);
        let kept = Self {
            cache: self.cache.clone(),
            key: self.key.clone(),
            place: self.place.clone(),
            rule: self.rule.clone(),
        };
        tokio::task::spawn_local(async move {
            let looked = kept.fetch(passage, request, pool, span, Some(old.clone()), None).await;
            if let Looked::Fetched(mut response) = looked {
                // What is read to its end is kept.
                while let Some(Ok(_)) = response.body_mut().frame().await {}
            }
            old.give_back();
        });
    }
}

fn choose(entry: &Entry, coding: Option<Coding>) -> Option<Coding> {
    let length = Some(entry.length() as u64);
    coding.filter(|_| compress::fits(false, entry.status(), entry.headers(), length))
}

fn give(
    passage: Box<Passage>,
    entry: &Entry,
    request: &Request<RequestBody>,
    coding: Option<Coding>,
    state: &str,
) -> Response<ResponseBody> {
    let coding = choose(entry, coding);
    let mut answer = entry.answer(request.headers(), coding, state);
    if compress::varies(entry.status(), entry.headers()) {
        compress::mark_varying(answer.headers_mut());
    }
    if *request.method() == Method::HEAD {
        // Its length is that of the answer to a GET; hyper writes none for an empty body that says its own.
        let length = answer.body().len();
        answer.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        *answer.body_mut() = Bytes::new();
    }
    own(passage, answer)
}

/// Has the body compressed on its way, where that is fit.
fn encode(response: &mut Response<ResponseBody>, method: &Method, coding: Option<Coding>) {
    let status = response.status();
    let varies = compress::varies(status, response.headers());
    if varies {
        compress::mark_varying(response.headers_mut());
    }
    let length = response.body().size_hint().exact();
    let head = *method == Method::HEAD;
    if let Some(coding) =
        coding.filter(|_| compress::fits(head, status, response.headers(), length))
    {
        compress::mark(response.headers_mut(), coding);
        response.body_mut().encode(coding);
    }
}

/// How a prepared request reached its address. What a proxy in front says of scheme and host may make another answer.
pub(crate) fn place(
    route: &crate::table::Route,
    host: &str,
    request: &Request<RequestBody>,
) -> Place {
    let headers = request.headers();
    let said = headers.get("x-forwarded-host").and_then(|value| value.to_str().ok());
    Place {
        route: route.label.as_str().into(),
        tenant: route.config.tenant.as_deref().map(Into::into),
        secure: forward::claims_https(headers),
        said: said.filter(|said| *said != host).map(ToOwned::to_owned),
    }
}
