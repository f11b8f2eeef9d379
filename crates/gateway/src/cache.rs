//! Answers that are kept for whoever asks next. One store for all workers, bounded in bytes.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{AGE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use quick_cache::Weighter;
use quick_cache::sync::Cache as Store;

use crate::clock;
use crate::compress::{self, Coding};
use crate::freshness::Life;

/// Answers of one address, chosen by fields of the request; more than these are not kept beside each other.
const VARIANTS: usize = 16;
/// What an entry takes beside its body.
const OVERHEAD: u64 = 1024;

/// All that is kept.
pub(crate) struct Cache {
    store: Store<Key, Arc<Resource>, Weigh>,
    size: u64,
    pub(crate) counts: Counts,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) hits: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) stored: AtomicU64,
}

/// An address as clients name it: what changes it by one route changes it for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) host: String,
    /// Path and query, before a route makes others of them.
    pub(crate) target: String,
}

/// How an address was reached. Answers of different places never stand in for each other: so tenants never share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) route: Arc<str>,
    pub(crate) tenant: Option<Arc<str>>,
    pub(crate) secure: bool,
    /// The host that a trusted proxy names, where it is another.
    pub(crate) said: Option<String>,
}

/// The answers of one address.
struct Resource {
    variants: Vec<Arc<Entry>>,
    weight: u64,
}

/// One answer.
pub(crate) struct Entry {
    place: Place,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// The body in other codings, made when somebody first takes one.
    encoded: [OnceLock<Bytes>; 3],
    life: Life,
    /// Fields of the request that this answer is for.
    chosen_by: Vec<(HeaderName, Option<HeaderValue>)>,
    tags: Vec<String>,
    /// Milliseconds of [`clock`].
    stored: u64,
    refreshing: AtomicBool,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Arc<Resource>> for Weigh {
    fn weight(&self, key: &Key, resource: &Arc<Resource>) -> u64 {
        resource.weight + key.target.len() as u64
    }
}

/// What is found.
pub(crate) enum Found {
    Fresh(Arc<Entry>),
    /// Old, and may be given while a newer one is fetched; `true` for the one who should fetch it.
    Stale(Arc<Entry>, bool),
    /// Too old to be given, unless the upstream fails; good for asking whether it changed.
    Old(Arc<Entry>),
    Nothing,
}

/// What is to be forgotten.
pub(crate) enum Purge<'p> {
    All,
    Tenant(&'p str),
    Tag(&'p str),
    Host(&'p str),
    /// A host's path, with whatever query.
    Path(&'p str, &'p str),
}

impl Cache {
    /// `size` in bytes.
    pub(crate) fn new(size: u64) -> Self {
        let items = usize::try_from(size / (16 << 10)).unwrap_or(usize::MAX).max(64);
        Self { store: Store::with_weighter(items, size, Weigh), size, counts: Counts::default() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes and addresses that are kept.
    pub(crate) fn filled(&self) -> (u64, usize) {
        (self.store.weight(), self.store.len())
    }

    pub(crate) fn find(&self, key: &Key, place: &Place, request: &HeaderMap) -> Found {
        let Some(resource) = self.store.get(key) else { return Found::Nothing };
        let fits = |entry: &&Arc<Entry>| entry.place == *place && entry.is_for(request);
        let Some(entry) = resource.variants.iter().find(fits).cloned() else {
            return Found::Nothing;
        };
        let (age, life) = (entry.age(), &entry.life);
        if age < life.fresh {
            Found::Fresh(entry)
        } else if age < life.fresh + life.stale_while_revalidate {
            let first = !entry.refreshing.swap(true, Ordering::Relaxed);
            Found::Stale(entry, first)
        } else {
            Found::Old(entry)
        }
    }

    pub(crate) fn insert(&self, key: Key, entry: Arc<Entry>) {
        let mut variants = vec![entry.clone()];
        if let Some(before) = self.store.get(&key) {
            // Its successors go by other fields only when the upstream changed its mind.
            let others = before.variants.iter().filter(|other| {
                let elsewhere = other.place != entry.place;
                let other_fields =
                    other.chosen_by != entry.chosen_by && other.life.vary == entry.life.vary;
                (elsewhere || other_fields) && !other.is_spent()
            });
            variants.extend(others.take(VARIANTS - 1).cloned());
        }
        let weight = variants.iter().map(|entry| entry.weight()).sum();
        self.store.insert(key, Arc::new(Resource { variants, weight }));
        self.counts.stored.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets; how many addresses.
    pub(crate) fn purge(&self, what: &Purge<'_>) -> usize {
        let before = self.store.len();
        match what {
            Purge::All => self.store.clear(),
            Purge::Tenant(tenant) => {
                let theirs = |entry: &Arc<Entry>| entry.place.tenant.as_deref() == Some(*tenant);
                self.store.retain(|_, resource| !resource.variants.iter().any(theirs));
            }
            Purge::Tag(tag) => self.store.retain(|_, resource| {
                !resource.variants.iter().any(|entry| entry.tags.iter().any(|one| one == tag))
            }),
            Purge::Host(host) => self.store.retain(|key, _| key.host != *host),
            Purge::Path(host, path) => self
                .store
                .retain(|key, _| key.host != *host || key.target.split('?').next() != Some(*path)),
        }
        before - self.store.len().min(before)
    }

    /// After something changed an address: what was kept of it is not true any more (RFC 9111, 4.4).
    pub(crate) fn forget(&self, key: &Key) {
        self.store.remove(key);
    }
}

impl Entry {
    pub(crate) fn new(
        place: Place,
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        life: Life,
        request: &HeaderMap,
    ) -> Self {
        let chosen_by = life.vary.iter();
        let chosen_by = chosen_by
            .map(|name| (name.clone(), normal(request, name).as_ref().map(of_its_own)))
            .collect();
        // A value may be a part of a connection's buffer, and would hold on to all of it.
        for value in headers.values_mut() {
            *value = of_its_own(value);
        }
        let mut tags = Vec::new();
        for name in ["cache-tag", "surrogate-key"] {
            for value in headers.get_all(name) {
                let text = value.to_str().unwrap_or_default();
                let parts = text.split([',', ' ']).filter(|tag| !tag.is_empty());
                tags.extend(parts.map(ToOwned::to_owned));
            }
        }
        headers.remove(AGE);
        Self {
            place,
            status,
            headers,
            body,
            encoded: Default::default(),
            life,
            chosen_by,
            tags,
            stored: clock::millis(),
            refreshing: AtomicBool::new(false),
        }
    }

    /// Its fields with those of an answer that says that it did not change.
    pub(crate) fn updated(&self, news: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in news.keys() {
            // What frames the body is that of the body which is kept.
            if *name != http::header::CONTENT_LENGTH && *name != http::header::CONTENT_ENCODING {
                headers.remove(name);
                for value in news.get_all(name) {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        headers
    }

    /// The same once more, with these fields and this life.
    pub(crate) fn renewed(&self, headers: HeaderMap, life: Life, request: &HeaderMap) -> Self {
        Self::new(self.place.clone(), self.status, headers, self.body.clone(), life, request)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether it may stand in for an upstream that fails.
    pub(crate) fn serves_errors(&self) -> bool {
        self.age() < self.life.fresh + self.life.stale_if_error
    }

    /// Nobody refreshes it any more; the next who finds it stale may.
    pub(crate) fn give_back(&self) {
        self.refreshing.store(false, Ordering::Relaxed);
    }

    fn is_for(&self, request: &HeaderMap) -> bool {
        // Whoever is signed in must not get the page of those who are not, either.
        if self.life.given && request.contains_key(http::header::COOKIE) {
            return false;
        }
        self.chosen_by.iter().all(|(name, value)| normal(request, name) == *value)
    }

    fn is_spent(&self) -> bool {
        let life = &self.life;
        self.age() >= life.fresh + life.stale_while_revalidate.max(life.stale_if_error)
    }

    /// Seconds since the upstream made it.
    fn age(&self) -> u64 {
        self.life.age + clock::millis().saturating_sub(self.stored) / 1000
    }

    fn weight(&self) -> u64 {
        // Twice the body: it is kept in other codings, too.
        let fields: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        OVERHEAD + fields as u64 + self.body.len() as u64 * 2
    }

    /// The answer to a request. `coding`: how the client takes it, where that is worth it.
    pub(crate) fn answer(
        &self,
        request: &HeaderMap,
        coding: Option<Coding>,
        state: &str,
    ) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status;
        let mut headers = self.headers.clone();
        headers.insert(AGE, HeaderValue::from(self.age()));
        let left = self.life.fresh as i64 - self.age() as i64;
        if let Ok(value) = HeaderValue::from_str(&format!("gateway; {state}; ttl={left}")) {
            headers.insert("cache-status", value);
        }
        if self.status == StatusCode::OK && is_unchanged(request, &headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            headers.remove(http::header::CONTENT_LENGTH);
        } else {
            *response.body_mut() = match coding {
                None => self.body.clone(),
                Some(coding) => {
                    compress::mark(&mut headers, coding);
                    let whole = || Bytes::from(compress::whole(coding, &self.body));
                    self.encoded[coding as usize].get_or_init(whole).clone()
                }
            };
        }
        *response.headers_mut() = headers;
        response
    }

    pub(crate) fn length(&self) -> usize {
        self.body.len()
    }
}

/// The same value in memory of its own.
fn of_its_own(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// A field as variants are compared by it: spaces and order of fields do not make another answer.
fn normal(request: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = request.get_all(name).iter();
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(first.clone()) };
    let mut joined = [first.as_bytes(), second.as_bytes()].join(&b", "[..]);
    for value in values {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// Whether the client has this already.
fn is_unchanged(request: &HeaderMap, headers: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let Some(own) = headers.get(ETAG).map(|tag| weak(tag.as_bytes())) else { return false };
        return request.get_all(IF_NONE_MATCH).iter().any(|value| {
            value.as_bytes().split(|byte| *byte == b',').any(|tag| {
                let tag = tag.trim_ascii();
                tag == b"*" || weak(tag) == own
            })
        });
    }
    let both = request.get(IF_MODIFIED_SINCE).zip(headers.get(LAST_MODIFIED));
    let read = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    both.and_then(|(since, last)| Some(read(last)? <= read(since)?)).unwrap_or(false)
}

/// A tag without its mark of weakness, and without the coding that we added.
fn weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
