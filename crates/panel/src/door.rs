//! Who looks at a page, in which tenant, and whether they may.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use db::TenantTx;
use identity::{Actor, Change, Grant, Membership, Person, Role, Session, Stage};
use kernel::{Id, Moment};
use maud::{Markup, html};
use serde_json::Value;
use tenancy::Tenant;
use ui::{Brand, Document, Icon, Lang, NavItem, Shell};
use web::Permission;

use crate::address::redirect;
use crate::app::App;
use crate::brand;
use crate::failure::Failure;

/// Cookie names; the session's carries a prefix by which browsers hold it to this host over TLS.
const SESSION: &str = "sid";
const VISIT: &str = "visit";

pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value)
}

/// Whether browsers reach us by TLS.
pub(crate) fn secure(app: &App, headers: &HeaderMap) -> bool {
    match &app.options.public_url {
        Some(url) => url.starts_with("https://"),
        // A proxy in front says so; what a browser pretends only hurts itself.
        None => headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https"),
    }
}

fn session_name(secure: bool) -> String {
    if secure { format!("__Host-{SESSION}") } else { SESSION.to_owned() }
}

/// The names a session's cookie may have where pages are reached at this address.
pub(crate) fn session_names(public_url: Option<&str>) -> Vec<String> {
    match public_url {
        Some(url) => vec![session_name(url.starts_with("https://"))],
        None => vec![session_name(true), session_name(false)],
    }
}

/// The `Set-Cookie` of a new session; an empty value ends it.
pub(crate) fn session_cookie(app: &App, headers: &HeaderMap, value: &str) -> HeaderValue {
    let secure = secure(app, headers);
    let age = if value.is_empty() { 0 } else { app.options.life.as_secs() };
    let mark = if secure { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{mark}",
        session_name(secure)
    );
    HeaderValue::from_str(&text).expect("a token is plain text")
}

/// What forms must carry: bound to the session's cookie, or to the visit's before sign-in.
pub(crate) fn expected_csrf(app: &App, headers: &HeaderMap) -> Option<String> {
    let name = session_name(secure(app, headers));
    cookie(headers, &name).or_else(|| cookie(headers, VISIT)).map(identity::csrf_token)
}

/// Manners of every page: a visit's cookie, security headers, and no foreign forms.
pub(crate) async fn manners(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let asset = request.uri().path().starts_with("/painel/assets/");
    if !matches!(*request.method(), Method::GET | Method::HEAD) && foreign(&app, &headers) {
        return Failure::foreign().into_response();
    }
    let mut visit = None;
    if cookie(&headers, VISIT).is_none() && !asset {
        let fresh = identity::token();
        // This request's page already uses it.
        let text = match headers.get(header::COOKIE).and_then(|value| value.to_str().ok()) {
            Some(before) => format!("{before}; {VISIT}={fresh}"),
            None => format!("{VISIT}={fresh}"),
        };
        if let Ok(value) = HeaderValue::from_str(&text) {
            request.headers_mut().insert(header::COOKIE, value);
        }
        visit = Some(fresh);
    }
    let mut response = next.run(request).await;
    let secure = secure(&app, &headers);
    let out = response.headers_mut();
    if let Some(fresh) = visit {
        let mark = if secure { "; Secure" } else { "" };
        let text =
            format!("{VISIT}={fresh}; Path=/painel; HttpOnly; SameSite=Lax; Max-Age=604800{mark}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            out.append(header::SET_COOKIE, value);
        }
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, ui::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        if !out.contains_key(&name) {
            out.insert(name, HeaderValue::from_static(value));
        }
    }
    out.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    out.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=()"),
    );
    if secure {
        out.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Whether a form comes from another site, by what the browser says itself.
fn foreign(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return false,
        Some(_) => return true,
        None => {}
    }
    let Some(origin) = text("origin") else { return false };
    let host = text("host").unwrap_or_default();
    let ours = app.options.public_url.as_deref() == Some(origin);
    !ours && origin.split_once("://").map(|(_, rest)| rest) != Some(host)
}

/// Somebody before sign-in.
pub(crate) struct Visitor {
    pub(crate) app: App,
    pub(crate) headers: HeaderMap,
    pub(crate) lang: Lang,
    pub(crate) brand: Brand,
    pub(crate) csrf: String,
    pub(crate) address: String,
    pub(crate) session: Option<Session>,
    /// The path and query of this request, if it only reads.
    pub(crate) here: String,
}

fn lang_of(headers: &HeaderMap, person: Option<&Person>) -> Lang {
    let own = person.and_then(|person| person.language.as_deref()?.parse().ok());
    own.unwrap_or_else(|| {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        accepted.map_or(Lang::Pt, Lang::accepted)
    })
}

impl Visitor {
    pub(crate) async fn of(parts: &Parts, app: &App) -> Result<Self, Failure> {
        let name = session_name(secure(app, &parts.headers));
        let session = match cookie(&parts.headers, &name) {
            Some(value) if value.len() <= 100 => {
                identity::find_session(&app.db, value, app.options.idle, app.clock.now()).await?
            }
            _ => None,
        };
        let query = parts.uri.query().unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("t="));
        let brand = match asked {
            Some(slug) => brand::of_slug(app, slug).await?,
            None => brand::of_house(app).await?,
        };
        let address = app.options.proxies.client(&parts.headers, &parts.extensions);
        let here = parts.uri.path_and_query().map_or("/painel", |p| p.as_str());
        Ok(Self {
            lang: lang_of(&parts.headers, session.as_ref().map(|s| &s.person)),
            brand,
            csrf: expected_csrf(app, &parts.headers).unwrap_or_default(),
            address: address.map_or_else(|| "local".to_owned(), |address| address.to_string()),
            session,
            here: if parts.method == Method::GET { here.to_owned() } else { "/painel".to_owned() },
            headers: parts.headers.clone(),
            app: app.clone(),
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.app.clock.now()
    }

    pub(crate) fn agent(&self) -> &str {
        self.headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// A page without navigation.
    pub(crate) fn bare(&self, status: StatusCode, title: &str, body: &Markup) -> Response {
        let document = Document { lang: self.lang, brand: &self.brand, title, csrf: &self.csrf };
        (status, ui::bare(&document, body)).into_response()
    }

    /// Sends the browser on.
    pub(crate) fn to(&self, path: &str) -> Response {
        redirect(path)
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        Self::of(parts, app).await
    }
}

/// Somebody who is signed in.
pub(crate) struct Me {
    pub(crate) visitor: Visitor,
    pub(crate) person: Person,
    pub(crate) session: Session,
    pub(crate) places: Vec<Membership>,
}

impl Me {
    async fn of(parts: &Parts, app: &App) -> Result<Self, Failure> {
        let visitor = Visitor::of(parts, app).await?;
        match visitor.session.clone() {
            Some(session) if session.stage == Stage::Open => {
                let mut tx = app.db.read_system().await?;
                let places = identity::memberships(&mut tx, session.person.id).await?;
                Ok(Self { person: session.person.clone(), session, places, visitor })
            }
            _ => Err(Failure::sign_in(&visitor.here)),
        }
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor::Person { id: self.person.id, name: self.person.name.clone() }
    }

    pub(crate) fn lang(&self) -> Lang {
        self.visitor.lang
    }

    /// A page that belongs to no tenant.
    pub(crate) fn page(&self, title: &str, body: &Markup) -> Response {
        let lang = self.lang();
        let nav = if self.person.operator {
            crate::operator::nav(lang, &self.visitor.here)
        } else {
            self.ways_back()
        };
        let place = lang.t("Minha conta", "My account");
        self.shell(title, nav, place, body)
    }

    /// From the own account back to where somebody works.
    fn ways_back(&self) -> Vec<NavItem> {
        let account = (
            "/painel/conta".to_owned(),
            Icon::Person,
            self.lang().t("Minha conta", "My account"),
            true,
        );
        let places = self.places.iter().take(8).map(|place| {
            (format!("/painel/t/{}", place.slug), Icon::Building, place.name.as_str(), false)
        });
        places
            .chain([account])
            .map(|(href, icon, text, current)| NavItem {
                href,
                icon,
                text: text.to_owned(),
                count: None,
                current,
                thumb: true,
            })
            .collect()
    }

    pub(crate) fn shell(
        &self,
        title: &str,
        nav: Vec<NavItem>,
        place: &str,
        body: &Markup,
    ) -> Response {
        let visitor = &self.visitor;
        ui::shell(
            &Shell {
                document: Document {
                    lang: visitor.lang,
                    brand: &visitor.brand,
                    title,
                    csrf: &visitor.csrf,
                },
                nav,
                place,
                person: &self.person.name,
                person_id: self.person.id.to_string(),
                places: self.places_menu(),
                banner: None,
                full: false,
                events: None,
            },
            body,
        )
        .into_response()
    }

    fn places_menu(&self) -> Vec<(String, String)> {
        let mut places: Vec<(String, String)> = self
            .places
            .iter()
            .take(20)
            .map(|place| (format!("/painel/t/{}", place.slug), place.name.clone()))
            .collect();
        if self.person.operator {
            let name = self.lang().t("Operação", "Operations").to_owned();
            places.push(("/painel/operador".to_owned(), name));
        }
        places
    }
}

impl FromRequestParts<App> for Me {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        Self::of(parts, app).await
    }
}

/// Somebody who runs the house.
pub(crate) struct Operator(pub(crate) Me);

impl FromRequestParts<App> for Operator {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let me = Me::of(parts, app).await?;
        // Whoever does not run the house need not know that there is such a page.
        if me.person.operator { Ok(Self(me)) } else { Err(Failure::not_found()) }
    }
}

/// Somebody within a tenant who may do `P` there.
pub(crate) struct At<P> {
    pub(crate) me: Me,
    pub(crate) app: App,
    pub(crate) tenant: Tenant,
    pub(crate) role: Role,
    /// An operator's stay.
    pub(crate) support: Option<Grant>,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> FromRequestParts<App> for At<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Failure::not_found())?;
        let slug = params.iter().find(|(name, _)| *name == "slug").map(|(_, v)| v.to_owned());
        let mut me = Me::of(parts, app).await?;
        let slug = slug.unwrap_or_default();
        let tenant = match tenancy::by_slug(&app.db, &slug).await {
            Ok(tenant) => tenant,
            Err(tenancy::TenantError::NoSuchTenant(_)) => return Err(Failure::not_found()),
            Err(other) => return Err(web::Problem::from(other).into()),
        };
        let member = me.places.iter().find(|place| place.tenant == tenant.id).map(|p| p.role);
        let mut support = None;
        let role = match member {
            Some(role) => role,
            None if me.person.operator => {
                let mut tx = app.db.read_system().await?;
                let now = app.clock.now();
                support = identity::grant_for(&mut tx, tenant.id, me.person.id, now).await?;
                // Whoever supports may not hand out what outlasts the stay.
                if support.is_none() {
                    return Err(Failure::not_found());
                }
                Role::Admin
            }
            None => return Err(Failure::not_found()),
        };
        if let Some(holding) = parts.extensions.get::<web::Holding>() {
            holding.belongs_to(tenant.id).map_err(web::Problem::from)?;
        }
        me.visitor.brand = brand::of_tenant(app, &tenant).await?;
        let keys = support.is_some() && matches!(P::SCOPE, "keys:write" | "people:write");
        if keys || !role.scopes().contains(&P::SCOPE) {
            return Err(Failure::forbidden());
        }
        Ok(Self { app: app.clone(), me, tenant, role, support, permission: PhantomData })
    }
}

impl<P: Permission> At<P> {
    pub(crate) fn lang(&self) -> Lang {
        self.me.visitor.lang
    }

    pub(crate) fn now(&self) -> Moment {
        self.app.clock.now()
    }

    pub(crate) fn zone(&self) -> &str {
        &self.tenant.time_zone
    }

    pub(crate) fn csrf(&self) -> &str {
        &self.me.visitor.csrf
    }

    pub(crate) async fn begin(&self) -> Result<TenantTx, Failure> {
        Ok(self.app.db.begin(self.tenant.id).await?)
    }

    pub(crate) async fn read(&self) -> Result<TenantTx, Failure> {
        Ok(self.app.db.read(self.tenant.id).await?)
    }

    /// An address within the tenant.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("/painel/t/{}{path}", self.tenant.slug)
    }

    /// Whether the role may do something else than `P`.
    pub(crate) fn may(&self, permission: identity::Permission) -> bool {
        self.role.may(permission)
    }

    pub(crate) fn actor(&self) -> Actor {
        let (id, name) = (self.me.person.id, self.me.person.name.clone());
        if self.support.is_some() {
            Actor::Support { id, name }
        } else {
            Actor::Person { id, name }
        }
    }

    /// Writes a change down in its own transaction.
    pub(crate) async fn note(
        &self,
        tx: &mut TenantTx,
        action: &'static str,
        target: impl Into<String>,
        (before, after): (Option<Value>, Option<Value>),
    ) -> Result<(), Failure> {
        let change = Change {
            actor: &self.actor(),
            action,
            target: target.into(),
            before,
            after,
            address: &self.me.visitor.address,
        };
        identity::audit(tx, &change, self.now()).await?;
        Ok(())
    }

    /// Sends the browser on to a page of the tenant that says what was done.
    pub(crate) fn done(&self, path: &str, said: &str) -> Response {
        let (path, place) =
            path.split_once('#').map_or((path, String::new()), |(p, f)| (p, format!("#{f}")));
        let mark = if path.contains('?') { '&' } else { '?' };
        redirect(&format!("{}{mark}ok={said}{place}", self.url(path)))
    }

    /// What the form before this page did, by its code.
    pub(crate) fn said(&self) -> Option<&str> {
        let (_, query) = self.me.visitor.here.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("ok="))
    }

    /// Takes back what [`At::said`] tells of, from the toast that tells it.
    pub(crate) fn undo(&self, path: &str) -> Markup {
        html! { form hidden method="post" action=(self.url(path)) data-undo { (ui::csrf_field(self.csrf())) input type="hidden" name="undo" value="1"; } }
    }

    fn nav(&self) -> Vec<NavItem> {
        use identity::Permission as P;
        let lang = self.lang();
        let here = self.me.visitor.here.split('?').next().unwrap_or_default();
        let items = [
            ("", Icon::Home, lang.t("Início", "Home"), P::TenantRead, true),
            ("/conversas", Icon::Inbox, lang.t("Conversas", "Conversations"), P::InboxRead, true),
            (
                "/conhecimento",
                Icon::Book,
                lang.t("Conhecimento", "Knowledge"),
                P::KnowledgeRead,
                true,
            ),
            ("/assistente", Icon::Spark, lang.t("Assistente", "Assistant"), P::AssistantRead, true),
            ("/canais", Icon::Plug, lang.t("Canais", "Channels"), P::ChannelsRead, false),
            ("/simulador", Icon::Phone, lang.t("Simulador", "Simulator"), P::InboxWrite, false),
            ("/equipe", Icon::People, lang.t("Equipe", "Team"), P::PeopleRead, false),
            ("/marca", Icon::Palette, lang.t("Marca", "Brand"), P::BrandWrite, false),
            ("/chaves", Icon::Key, lang.t("Chaves de API", "API keys"), P::KeysWrite, false),
            ("/auditoria", Icon::Scroll, lang.t("Auditoria", "Audit trail"), P::AuditRead, false),
            ("/ajustes", Icon::Gear, lang.t("Ajustes", "Settings"), P::InboxWrite, false),
        ];
        items
            .into_iter()
            .filter(|(path, .., permission, _)| {
                self.may(*permission)
                    && (*path != "/simulador" || self.app.customer.is_some())
                    && !(self.support.is_some() && *path == "/chaves")
            })
            .map(|(path, icon, text, _, thumb)| {
                let href = self.url(path);
                let current = if path.is_empty() { here == href } else { here.starts_with(&href) };
                // Filled in by the live events; the first number comes with them.
                let count = (path == "/conversas").then_some(0);
                NavItem { href, icon, text: text.to_owned(), current, count, thumb }
            })
            .collect()
    }

    /// Whether our own script sent the form, which stays on its page when it is refused.
    pub(crate) fn scripted(&self) -> bool {
        self.me.visitor.headers.contains_key("x-form")
    }

    /// A page of the tenant.
    pub(crate) fn page(&self, title: &str, body: &Markup) -> Response {
        self.show(title, body, false)
    }

    /// A page that fills the window.
    pub(crate) fn full_page(&self, title: &str, body: &Markup) -> Response {
        self.show(title, body, true)
    }

    fn show(&self, title: &str, body: &Markup, full: bool) -> Response {
        let visitor = &self.me.visitor;
        let lang = self.lang();
        let banner = crate::banners::above(self);
        let said = self.said().and_then(|code| crate::words::done(lang, code));
        let events = self.may(identity::Permission::InboxRead).then(|| self.url("/eventos"));
        let body = html! {
            @if let Some(said) = said { div hidden data-toast=(said) {} }
            (body)
        };
        ui::shell(
            &Shell {
                document: Document { lang, brand: &visitor.brand, title, csrf: &visitor.csrf },
                nav: self.nav(),
                place: &self.tenant.name,
                person: &self.me.person.name,
                person_id: self.me.person.id.to_string(),
                places: self.me.places_menu(),
                banner,
                full,
                events,
            },
            &body,
        )
        .into_response()
    }
}

/// The id in a page's address. What is no id is not found, like an id that nobody has.
pub(crate) struct PageId<K>(pub(crate) Id<K>);

impl<K> FromRequestParts<App> for PageId<K> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Failure::not_found())?;
        let text = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value);
        text.and_then(|text| text.parse().ok()).map(Self).ok_or_else(Failure::not_found)
    }
}
