//! A request: route, limits, upstream, response.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header, uri};
use hyper::body::{Body as _, Incoming};

use crate::account::{Account, Line};
use crate::answer::{self, Reader};
use crate::body::{Progress, RequestBody, ResponseBody};
use crate::cache::Key;
use crate::config::{self, Action, RateKey};
use crate::forward;
use crate::guard::Signals;
use crate::limits::{Limiter, Verdict};
use crate::serve::{self, Wanted};
use crate::session::{Open, Session};
use crate::table::{Found, Route, Table};
use crate::tls::Served;
use crate::trouble::Trouble;
use crate::worker::{LocalRoute, LocalTable};
use crate::{admin, cors, host, inspect, trust, waf};

/// A request on its way, and what was found out about it.
pub(crate) struct Passage {
    pub(crate) session: Rc<Session>,
    pub(crate) table: Rc<LocalTable>,
    pub(crate) account: Account,
    pub(crate) reader: Reader,
    pub(crate) client: IpAddr,
    trusted: bool,
    /// Whether the client takes heads before the answer's own.
    takes_early: bool,
}

/// Answers a request, in any case.
pub(crate) async fn handle(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let open = Open::new(&session);
    let upgrades = !session.http2 && request.headers().contains_key(header::UPGRADE);
    let waits = !session.http2 && request.headers().contains_key(header::EXPECT);
    let mut response = pass(&session, request).await;
    // What was announced belongs to an answer that did not come.
    session.signals.withdraw();
    if waits && !response.body().body_was_asked_for() {
        // It may send its body all the same: nobody is to read that as the next request.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if upgrades {
        session.signals.decide(response.status() == StatusCode::SWITCHING_PROTOCOLS);
    }
    if session.worker.shared.drained_since() != 0 && !session.http2 && !upgrades {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // The request stays open until its answer is written.
    response.body_mut().open = Some(open);
    Ok(response)
}

async fn pass(session: &Rc<Session>, request: Request<Incoming>) -> Response<ResponseBody> {
    let worker = &session.worker;
    let table = worker.table();
    let patience = table.global.limits.idle_timeout;
    let progress = Rc::new(Progress::new(worker.timers.clone(), patience));
    let trusted = !table.global.trusted.is_empty() && table.global.trusted.contains(session.peer);
    let client = if trusted {
        trust::client(session.peer, &table.global.trusted, request.headers())
    } else {
        session.peer
    };
    let mut account = Account::new(worker.clone(), progress.clone());
    if let Some(writer) = worker.log() {
        account.line = Some(Box::new(Line {
            writer,
            method: request.method().clone(),
            host: authority(&request).unwrap_or_default().to_owned(),
            path: request.uri().path().to_owned(),
            client,
            protocol: if session.http2 { "HTTP/2" } else { "HTTP/1.1" },
            secure: session.secure,
        }));
    }
    let reader = Reader::of(request.headers());
    let passage = Box::new(Passage {
        session: session.clone(),
        table: table.clone(),
        account,
        reader,
        client,
        trusted,
        takes_early: !session.http2 && request.version() == Version::HTTP_11,
    });
    if let Some(token) = admin_token(session, &table, &request) {
        return own(passage, admin::answer(&worker.shared, &token, request).await);
    }
    passage.route(request, progress).await
}

/// On the data plane's own address the admin API is for this machine alone, and never for what a proxy in front
/// passes on.
fn admin_token(
    session: &Session,
    table: &Table,
    request: &Request<Incoming>,
) -> Option<crate::config::Token> {
    let global = &table.global;
    let token = global.admin_token.as_ref()?;
    if global.admin.is_some()
        || !session.socket_peer.is_loopback()
        || !session.peer.is_loopback()
        || !admin::is_for(request.uri().path())
        || request.headers().contains_key("x-forwarded-for")
    {
        return None;
    }
    Some(token.clone())
}

impl Passage {
    async fn route(
        mut self: Box<Self>,
        mut request: Request<Incoming>,
        progress: Rc<Progress>,
    ) -> Response<ResponseBody> {
        let table = self.table.clone();
        let worker = self.session.worker.clone();
        let shared = &worker.shared;
        // Before anything is chosen by it.
        let passed = &table.global.pass_fields;
        let taken = forward::take_claims(request.headers_mut(), self.trusted, passed);
        if shared.refuses(self.session.since) {
            return self.refuse(Trouble::Draining);
        }
        if *request.method() == Method::CONNECT {
            // No forward proxy; HTTP/1.1 is refused before it is parsed.
            return self.refuse(Trouble::Method);
        }
        if self.session.http2 && request.headers().len() > table.global.limits.headers {
            return self.refuse(Trouble::HeadTooLarge);
        }
        if table.global.block.contains(self.client) {
            return self.refuse(Trouble::Forbidden);
        }
        let authority_text = match authority(&request) {
            Ok(text) => text.to_owned(),
            Err(trouble) => return self.refuse(trouble),
        };
        let name = match host::of_authority(&authority_text) {
            Some(name) => Some(name),
            None if authority_text.is_empty() => None,
            None => return self.refuse(Trouble::BadHost),
        };
        let Ok(read) = forward::read_path(request.uri().path()) else {
            return self.refuse(Trouble::BadPath);
        };
        let path = &*read.matched;
        if let Some(name) = &name
            && let Some(answer) = answer::challenge(&table, name, path)
        {
            return own(self, answer);
        }
        if let Some(limiter) = &table.limiter
            && !table.global.rate_exclude.iter().any(|prefix| path.starts_with(prefix.as_str()))
            && let Verdict::Wait(seconds) = limiter.take_ip(self.client)
        {
            return self.limited(limiter, seconds);
        }
        let route = match table.find(name.as_deref(), path, request.method(), request.headers()) {
            Found::Route(route) => table.route(route),
            Found::Method(methods) => {
                let list: Vec<&str> = methods.iter().map(Method::as_str).collect();
                let allow = HeaderValue::from_str(&list.join(", "));
                let mut response = self.refuse(Trouble::Method);
                if let Ok(allow) = allow {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                return response;
            }
            Found::NoPath => return self.refuse(Trouble::NoRoute),
            Found::NoHost if self.session.http2 => return self.refuse(Trouble::Misdirected),
            Found::NoHost => return self.refuse(Trouble::UnknownHost),
        };
        let LocalRoute { route, pool } = route;
        self.account.route = Some(route.clone());
        if let Some(tenant) = &route.config.tenant
            && shared.tenants.load().contains(tenant)
        {
            return self.refuse(Trouble::TenantDraining);
        }
        let served = name.as_deref().and_then(|name| table.certificates.of(name)).cloned();
        match self.encryption(route, name.as_deref(), served.as_deref(), request.headers()) {
            Encryption::Fine => {}
            Encryption::Misdirected => return self.refuse(Trouble::Misdirected),
            Encryption::Redirect => {
                let to = answer::secure_address(
                    shared.tls_port.load(Ordering::Relaxed),
                    name.as_deref().unwrap_or_default(),
                    request.uri(),
                );
                let status = if matches!(*request.method(), Method::GET | Method::HEAD) {
                    StatusCode::MOVED_PERMANENTLY
                } else {
                    StatusCode::PERMANENT_REDIRECT
                };
                return self.redirect(&to, status);
            }
        }
        let config = &route.config;
        if !self.may_enter(config, &table) {
            return self.refuse(Trouble::Forbidden);
        }
        if table.guards
            && let Some(trouble) = self.denied_otherwise(&table, name.as_deref(), &request, route)
        {
            return self.refuse(trouble);
        }
        if let (Some(limiter), Some((_, key))) = (&route.limiter, &config.rate)
            && let Verdict::Wait(seconds) = self.count(limiter, key, request.headers())
        {
            route.stats.limited.fetch_add(1, Ordering::Relaxed);
            return self.limited(limiter, seconds);
        }
        let limit = config.body_limit.unwrap_or(table.global.limits.body);
        if limit > 0 && request.body().size_hint().lower() > limit {
            return self.refuse(Trouble::TooLarge);
        }
        let origin = config.cors.as_ref().and_then(|cors| cors::allowed(cors, request.headers()));
        if let Some(cors) = &config.cors
            && *request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            let answer = cors::preflight(cors, origin.as_ref());
            return own(self, answer);
        }
        let change = match &config.action {
            Action::Redirect { to, status } => {
                let (path, query) = (read.passed(request.uri()), request.uri().query());
                let to = answer::fill(to, name.as_deref().unwrap_or_default(), path, query);
                return self.redirect(&to, *status);
            }
            Action::Nothing => return self.refuse(Trouble::NoRoute),
            Action::Forward { path, .. } => path,
        };
        let target = forward::target(request.uri(), &read, &config.prefix, change);
        let upgrade =
            if request.body().is_end_stream() { forward::upgrade(request.headers()) } else { None };
        let firewall = inspect::firewall(config, &table.global, path).map(|(waf, block)| {
            let found = waf::look_at_head(
                waf,
                [path, request.uri().path()],
                request.uri().query(),
                [request.headers(), &taken],
            );
            (waf, block, found)
        });
        let concerns_cache = table.cache.is_some()
            && upgrade.is_none()
            && (config.cache.is_some() || !request.method().is_safe());
        let asked_for = concerns_cache.then(|| {
            let (path, query) = (read.passed(request.uri()), request.uri().query());
            query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
        });
        let on_upgrade = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let http2 = request.version() == Version::HTTP_2;
        let mut request = request.map(|body| RequestBody::new(body, limit, http2, progress));
        if let Some((waf, block, found)) = firewall
            && let Some(refused) = self.look(waf, block, route, found, &mut request).await
        {
            return self.refuse(refused);
        }
        self.prepare(&mut request, &authority_text, target);
        forward::edit(request.headers_mut(), &config.request_headers);
        let pinned = self.session.secure && served.is_some() && !table.global.tls.hsts.is_zero();
        let wanted = Wanted {
            pool: pool.clone(),
            span: config.timeout,
            kept_as: asked_for.map(|target| {
                let host = name.as_deref().unwrap_or_default();
                let key = Key { host: host.to_owned(), target };
                (key, serve::place(route, host, &request))
            }),
            rule: config.cache.clone(),
            compress: config.compress.unwrap_or(table.global.compress),
        };
        let mut response = serve::answer(self, request, wanted, upgrade.zip(on_upgrade)).await;
        let headers = response.headers_mut();
        if let Some(cors) = &config.cors {
            cors::expose(cors, origin, headers);
        }
        if pinned && !headers.contains_key(STRICT_TRANSPORT_SECURITY) {
            let value = format!("max-age={}", table.global.tls.hsts.as_secs());
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(STRICT_TRANSPORT_SECURITY, value);
            }
        }
        if table.global.security_headers {
            answer::secure_headers(headers);
        }
        forward::edit(headers, &config.response_headers);
        response
    }

    /// Whether the client's address may reach the route.
    pub(crate) fn may_enter(&self, config: &config::Route, table: &Table) -> bool {
        let listed = config.allow.is_empty()
            || !config.allow_countries.is_empty()
            || config.allow.contains(self.client);
        self.may_come_from(config, table) && !config.deny.contains(self.client) && listed
    }

    /// Whether the client's country may reach the route. Networks that a route lets in need no country.
    fn may_come_from(&self, config: &config::Route, table: &Table) -> bool {
        let blocked = table.global.geo.as_ref().map_or(&[][..], |geo| &geo.blocked);
        let asks = !blocked.is_empty()
            || !config.allow_countries.is_empty()
            || !config.deny_countries.is_empty();
        if !asks || config.allow.contains(self.client) {
            return true;
        }
        let country = table.geo.as_ref().and_then(|geo| geo.country(self.client));
        let is_in =
            |list: &[String]| country.as_ref().is_some_and(|country| list.contains(country));
        !is_in(blocked)
            && !is_in(&config.deny_countries)
            && (config.allow_countries.is_empty() || is_in(&config.allow_countries))
    }

    /// Where heads before the answer's own go, when the client takes any.
    pub(crate) fn early(&self) -> Option<&Signals> {
        self.takes_early.then_some(&*self.session.signals)
    }

    /// A request of our own beside this one, which no client waits for.
    pub(crate) fn again(&self) -> Box<Self> {
        let worker = &self.session.worker;
        let progress = Rc::new(Progress::new(worker.timers.clone(), std::time::Duration::MAX));
        let mut account = Account::new(worker.clone(), progress);
        account.silent = true;
        account.route.clone_from(&self.account.route);
        Box::new(Self {
            session: self.session.clone(),
            table: self.table.clone(),
            account,
            reader: self.reader,
            client: self.client,
            trusted: self.trusted,
            takes_early: false,
        })
    }

    /// Makes the head fit for the upstream: one-hop fields away, forwarded ones true.
    fn prepare(
        &mut self,
        request: &mut Request<RequestBody>,
        authority: &str,
        target: Option<uri::PathAndQuery>,
    ) {
        let http2 = request.version() == Version::HTTP_2;
        let endless = matches!(request.body(), RequestBody::Stream { .. })
            && request.body().size_hint().exact().is_none();
        // Only a client of HTTP/1.1 waits for leave, and only while its body was not asked for.
        let waits = request.headers().contains_key(header::EXPECT);
        if waits && (http2 || request.version() == Version::HTTP_10 || request.body().is_begun()) {
            request.headers_mut().remove(header::EXPECT);
        }
        let headers = request.headers_mut();
        forward::strip(headers);
        if endless {
            // Otherwise the body of a GET would be left behind.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if http2 {
            forward::join_cookies(headers);
        }
        // HTTP/2 says it elsewhere, and HTTP/1.0 may say it in the target alone.
        if (http2 || !headers.contains_key(HOST))
            && !authority.is_empty()
            && let Ok(value) = HeaderValue::from_str(authority)
        {
            headers.insert(HOST, value);
        }
        let host = headers.get(HOST).cloned();
        forward::introduce(
            headers,
            &self.session.peer_text,
            self.trusted.then_some(self.client),
            self.trusted,
            self.session.secure,
            host,
        );
        let kept = self.trusted.then(|| headers.get(forward::REQUEST_ID)).flatten();
        if kept.is_none_or(|id| id.len() > 128)
            && let Ok(id) = HeaderValue::from_bytes(&self.account.id())
        {
            headers.insert(forward::REQUEST_ID, id);
        }
        match target {
            Some(target) => *request.uri_mut() = Uri::from(target),
            // In absolute form, as to a forward proxy, only the path is the upstream's.
            None if request.uri().authority().is_some() => {
                let path = request.uri().path_and_query().cloned();
                *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
            }
            None => {}
        }
        *request.version_mut() = Version::HTTP_11;
    }

    /// What a host's certificate asks of a connection.
    fn encryption(
        &self,
        route: &Route,
        name: Option<&str>,
        served: Option<&Served>,
        headers: &HeaderMap,
    ) -> Encryption {
        let table = &self.table;
        let claims_https = || self.trusted && forward::claims_https(headers);
        let lacking = served.is_none().then_some(name).flatten();
        let guarded = lacking.is_some_and(|name| table.certificates.guards(name));
        if let Some(name) = lacking
            && table.names(name)
            && table.certificates.lacks(name)
        {
            self.session.worker.shared.ask_for(name);
        }
        match (served, &self.session.served) {
            (None, Some(_)) if guarded => Encryption::Misdirected,
            (None, None) if guarded => Encryption::Redirect,
            // A connection made under another certificate was not checked as this host demands.
            (Some(wanted), Some(had)) if !wanted.is_like(had) => Encryption::Misdirected,
            (None, Some(had)) if had.client_ca.is_some() => Encryption::Misdirected,
            (_, Some(_)) => Encryption::Fine,
            (Some(wanted), None)
                if wanted.client_ca.is_some()
                    || (table.global.tls.force
                        && route.config.tls_required != Some(false)
                        && !claims_https()) =>
            {
                Encryption::Redirect
            }
            (_, None) if route.config.tls_required == Some(true) && !claims_https() => {
                Encryption::Redirect
            }
            _ => Encryption::Fine,
        }
    }

    fn count(&self, limiter: &Limiter, key: &RateKey, headers: &HeaderMap) -> Verdict {
        match key {
            RateKey::ClientIp => limiter.take_ip(self.client),
            RateKey::Route => limiter.take(&[]),
            RateKey::Header(name) => match headers.get(name) {
                Some(value) => limiter.take(value.as_bytes()),
                // Without the key, the address counts: leaving it out must not be a way around.
                None => limiter.take_ip(self.client),
            },
        }
    }

    pub(crate) fn refuse(mut self: Box<Self>, trouble: Trouble) -> Response<ResponseBody> {
        self.account.trouble = Some(trouble);
        let answer = answer::error(
            trouble,
            self.reader,
            &self.account.id_text(),
            &self.table.global.error_pages,
        );
        own(self, answer)
    }

    fn limited(self: Box<Self>, limiter: &Limiter, seconds: f64) -> Response<ResponseBody> {
        let rate = limiter.rate();
        let mut response = self.refuse(Trouble::Limited);
        *response.status_mut() = rate.status;
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.ceil().max(1.0) as u64));
        headers.insert("ratelimit-limit", HeaderValue::from(rate.burst as u64));
        headers.insert("ratelimit-remaining", HeaderValue::from(0u64));
        headers.insert("ratelimit-reset", HeaderValue::from(seconds.ceil().max(1.0) as u64));
        response
    }

    fn redirect(self: Box<Self>, to: &str, status: StatusCode) -> Response<ResponseBody> {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        match HeaderValue::from_str(to) {
            Ok(to) => {
                answer.headers_mut().insert(LOCATION, to);
                own(self, answer)
            }
            Err(_) => self.refuse(Trouble::BadPath),
        }
    }
}

enum Encryption {
    Fine,
    Misdirected,
    Redirect,
}

/// An answer of our own, counted.
pub(crate) fn own(mut passage: Box<Passage>, answer: Response<Bytes>) -> Response<ResponseBody> {
    passage.account.answered(answer.status());
    answer.map(|bytes| ResponseBody::own(bytes, passage))
}

/// What the request is for: `:authority`, the target's, or `Host`. Two that differ are refused.
fn authority(request: &Request<Incoming>) -> Result<&str, Trouble> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().map(|host| host.to_str().map_err(|_| Trouble::BadHost)).transpose()?;
    if hosts.next().is_some() {
        return Err(Trouble::BadHost);
    }
    match (request.uri().authority(), host) {
        (Some(target), Some(host)) if !target.as_str().eq_ignore_ascii_case(host) => {
            Err(Trouble::BadHost)
        }
        (Some(target), _) if target.as_str().contains('@') => Err(Trouble::BadHost),
        (Some(target), _) => Ok(target.as_str()),
        (None, host) => Ok(host.unwrap_or_default()),
    }
}
