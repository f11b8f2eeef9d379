//! Signing in and out, invitations, and new passwords.

use axum::extract::{Query, RawPathParams};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::{Actor, Change, Guess, Opening, Person, Session, Stage, Throttled};
use kernel::PersonId;
use maud::html;
use serde::Deserialize;
use ui::{Field, Lang, Tone, notice};

use crate::address::{encode, redirect, safe_next};
use crate::app::App;
use crate::device::{origin, remember};
use crate::door::{Me, Visitor, session_cookie};
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::{PageAccess, Pages};

pub(crate) fn pages(pages: &mut Pages) {
    let public = PageAccess::Public;
    pages.page("/painel", public, front);
    pages.page("/painel/entrar", public, show);
    pages.action("/painel/entrar", public, enter);
    pages.page("/painel/entrar/codigo", public, show_code);
    pages.action("/painel/entrar/codigo", public, enter_code);
    pages.action("/painel/sair", PageAccess::SignedIn, leave);
    pages.page("/painel/assets/{version}/{name}", public, asset);
    pages.page("/painel/{*rest}", public, missing);
}

/// What is at no other address: a page that says so, in the visitor's language.
async fn missing() -> Failure {
    Failure::not_found()
}

async fn asset(params: RawPathParams) -> Response {
    let name = params.iter().find(|(key, _)| *key == "name").map_or("", |(_, value)| value);
    match ui::asset(name) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.mime),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.body,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
    #[serde(default)]
    t: String,
    #[serde(default)]
    ok: String,
}

/// The panel's front door: sign-in, or the place where the person works.
async fn front(visitor: Visitor, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    match visitor.session.clone() {
        Some(session) if session.stage == Stage::Open => {
            let app = visitor.app.clone();
            let place = place_of(&app, &session.person).await?;
            Ok(redirect(&place.unwrap_or_else(|| "/painel/conta".to_owned())))
        }
        _ => Ok(sign_in_page(&visitor, StatusCode::OK, &wanted, "", None)),
    }
}

/// Where somebody works who asks for nothing in particular.
async fn place_of(app: &App, person: &Person) -> Result<Option<String>, Failure> {
    let mut tx = app.db.read_system().await?;
    let places = identity::memberships(&mut tx, person.id).await?;
    let house = person.operator.then(|| "/painel/operador".to_owned());
    Ok(places.first().map(|place| format!("/painel/t/{}", place.slug)).or(house))
}

async fn show(visitor: Visitor, Query(wanted): Query<Wanted>) -> Response {
    if visitor.session.as_ref().is_some_and(|session| session.stage == Stage::Open) {
        return redirect(safe_next(&wanted.next));
    }
    sign_in_page(&visitor, StatusCode::OK, &wanted, "", None)
}

fn sign_in_page(
    visitor: &Visitor,
    status: StatusCode,
    wanted: &Wanted,
    email: &str,
    wrong: Option<&str>,
) -> Response {
    let lang = visitor.lang;
    let forgotten = if wanted.t.is_empty() {
        "/painel/senha".to_owned()
    } else {
        format!("/painel/senha?t={}", encode(&wanted.t))
    };
    let body = html! {
        h1 { (lang.t("Entrar", "Sign in")) }
        @if let Some(welcome) = &visitor.brand.welcome { p.muted { (welcome) } }
        @if wanted.ok == "senha" {
            (notice(Tone::Good, lang.t("Senha trocada. Entre com a nova.", "Password changed. Sign in with the new one.")))
        }
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        form.stack method="post" action="/painel/entrar" {
            (ui::csrf_field(&visitor.csrf))
            input type="hidden" name="next" value=(safe_next(&wanted.next));
            input type="hidden" name="t" value=(wanted.t);
            (Field::input("email", lang.t("E-mail", "E-mail"), "email").value(email).required().complete("username"))
            (Field::input("password", lang.t("Senha", "Password"), "password").required().complete("current-password"))
            button.primary.wide type="submit" { (lang.t("Entrar", "Sign in")) }
        }
        @if visitor.app.oidc.is_some() || crate::passkey_page::site(&visitor.app, &visitor.headers).is_some() {
            p.or { (lang.t("ou", "or")) }
        }
        (crate::passkey_page::sign_in_button(visitor, safe_next(&wanted.next)))
        @if let Some(provider) = &visitor.app.oidc {
            a.button.wide href=(format!("/painel/oidc?next={}", encode(safe_next(&wanted.next)))) {
                (crate::oidc_page::button_text(lang, provider.settings().kind))
            }
        }
        @if let Some(customer) = &visitor.app.customer {
            @let (accounts, password) = customer.accounts();
            div.notice { div.stack {
                p.small { strong { (lang.t("Demonstração.", "Demo.")) } " " (lang.t("Escolha uma conta; a senha de todas é ", "Choose an account; the password of all is ")) code { (password) } }
                div.row { @for account in &accounts { button.quiet type="button" data-text=(account) data-into="[name=email]" { (account) } } }
            } }
        }
        p { a href=(forgotten) { (lang.t("Esqueci a senha", "I forgot my password")) } }
    };
    visitor.bare(status, lang.t("Entrar", "Sign in"), &body)
}

#[derive(Debug, Deserialize)]
struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    t: String,
}

/// The page, with how long to wait told to programs too.
fn wait(mut page: Response, Throttled(wait): Throttled) -> Response {
    page.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    page
}

pub(crate) fn wait_text(lang: Lang, Throttled(wait): Throttled) -> String {
    let time = ui::duration(wait, lang);
    match lang {
        Lang::Pt => format!("Tentativas demais. Espere {time} e tente de novo."),
        Lang::En => format!("Too many attempts. Wait {time} and try again."),
    }
}

async fn enter(visitor: Visitor, Form(given): Form<Credentials>) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    let wanted = Wanted { next: given.next.clone(), t: given.t.clone(), ok: String::new() };
    let refused =
        |status, text: &str| sign_in_page(&visitor, status, &wanted, &given.email, Some(text));
    let origin = origin(&visitor, &given.email);
    let guess = Guess::Password(&given.email);
    let attempt = match app.throttle.attempt(guess, origin.from()) {
        Ok(attempt) => attempt,
        Err(throttled) => {
            let page = refused(StatusCode::TOO_MANY_REQUESTS, &wait_text(lang, throttled));
            return Ok(wait(page, throttled));
        }
    };
    let mut tx = app.db.read_system().await?;
    let person = identity::person_by_email(&mut tx, &given.email).await?;
    let hash = match &person {
        Some(person) => identity::password_hash(&mut tx, person.id).await?,
        None => None,
    };
    drop(tx);
    let right = identity::verify_password(&given.password, hash).await;
    let person = match person {
        Some(person) if right && !person.disabled => person,
        other => {
            tracing::info!(event = "sign_in_refused");
            if let (true, Some(person)) = (attempt.locks, other) {
                note_locked(app, &person, &visitor.address).await?;
            }
            let text = lang
                .t("E-mail ou senha não conferem.", "E-mail address and password do not match.");
            return Ok(refused(StatusCode::UNAUTHORIZED, text));
        }
    };
    app.throttle.passed(guess, origin.from());
    if person.has_second {
        let cookie = open(&visitor, person.id, Stage::Second, "password").await?;
        let path = format!("/painel/entrar/codigo?next={}", encode(safe_next(&given.next)));
        return Ok(with_session(&visitor, &cookie, redirect(&path)));
    }
    let cookie = open(&visitor, person.id, Stage::Open, "password").await?;
    note_person(app, &person, "person.signed_in", &visitor.address).await?;
    let response = with_session(&visitor, &cookie, redirect(safe_next(&given.next)));
    Ok(remember(&visitor, &person.email, response))
}

/// Opens a session in a transaction of its own.
pub(crate) async fn open(
    visitor: &Visitor,
    person: PersonId,
    stage: Stage,
    how: &str,
) -> Result<String, Failure> {
    let app = &visitor.app;
    let opening = Opening { how, agent: visitor.agent(), address: &visitor.address };
    let mut tx = app.db.begin_system().await?;
    let lives = (app.options.life, app.clock.now());
    let cookie = identity::open_session(&mut tx, person, stage, opening, lives).await?;
    tx.commit().await?;
    Ok(cookie)
}

pub(crate) fn with_session(visitor: &Visitor, cookie: &str, mut response: Response) -> Response {
    let value = session_cookie(&visitor.app, &visitor.headers, cookie);
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}

/// Writes what somebody did with the own account to the house's trail.
pub(crate) async fn note_person(
    app: &App,
    person: &Person,
    action: &'static str,
    address: &str,
) -> Result<(), Failure> {
    let actor = Actor::Person { id: person.id, name: person.name.clone() };
    note_by(app, &actor, person, (action, address)).await
}

async fn note_by(
    app: &App,
    actor: &Actor,
    person: &Person,
    (action, address): (&'static str, &str),
) -> Result<(), Failure> {
    let change =
        Change { actor, action, target: person.email.clone(), before: None, after: None, address };
    let mut tx = app.db.begin_system().await?;
    identity::house_audit(&mut tx, None, &change, app.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Somebody, nobody knows who, guessed until the account was locked.
async fn note_locked(app: &App, person: &Person, address: &str) -> Result<(), Failure> {
    note_by(app, &Actor::Nobody, person, ("person.locked", address)).await
}

fn waiting(visitor: &Visitor) -> Option<Session> {
    visitor.session.clone().filter(|session| session.stage == Stage::Second)
}

fn code_page(visitor: &Visitor, status: StatusCode, next: &str, wrong: Option<&str>) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Código de verificação", "Verification code")) }
        p.muted { (lang.t("Abra o aplicativo autenticador e digite o código de 6 números. Sem o celular, use um código de recuperação.",
            "Open your authenticator app and type the code of 6 digits. Without your phone, use a recovery code.")) }
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        form.stack method="post" action="/painel/entrar/codigo" {
            (ui::csrf_field(&visitor.csrf))
            input type="hidden" name="next" value=(safe_next(next));
            (Field::input("code", lang.t("Código", "Code"), "text").required().most(20).complete("one-time-code"))
            button.primary.wide type="submit" { (lang.t("Confirmar", "Confirm")) }
        }
    };
    visitor.bare(status, lang.t("Código de verificação", "Verification code"), &body)
}

async fn show_code(visitor: Visitor, Query(wanted): Query<Wanted>) -> Response {
    match waiting(&visitor) {
        Some(_) => code_page(&visitor, StatusCode::OK, &wanted.next, None),
        None => redirect("/painel/entrar"),
    }
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
    #[serde(default)]
    next: String,
}

async fn enter_code(visitor: Visitor, Form(given): Form<Code>) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    let Some(session) = waiting(&visitor) else { return Ok(redirect("/painel/entrar")) };
    let person = &session.person;
    // Counted apart from the password: whoever knows that one must not lock its owner out of it.
    let origin = origin(&visitor, &person.email);
    let guess = Guess::Second(person.id);
    if let Err(throttled) = app.throttle.attempt(guess, origin.from()) {
        let text = wait_text(lang, throttled);
        let page = code_page(&visitor, StatusCode::TOO_MANY_REQUESTS, &given.next, Some(&text));
        return Ok(wait(page, throttled));
    }
    let now = app.clock.now();
    let mut tx = app.db.begin_system().await?;
    if !identity::verify_second(&mut tx, &app.vault, person.id, &given.code, now).await? {
        drop(tx);
        let text = lang
            .t("O código não confere, ou já foi usado.", "The code is wrong, or was used already.");
        return Ok(code_page(&visitor, StatusCode::UNAUTHORIZED, &given.next, Some(text)));
    }
    let cookie = identity::pass_second(&mut tx, session.id, (app.options.life, now)).await?;
    tx.commit().await?;
    app.throttle.passed(guess, origin.from());
    note_person(app, person, "person.signed_in", &visitor.address).await?;
    let response = with_session(&visitor, &cookie, redirect(safe_next(&given.next)));
    Ok(remember(&visitor, &person.email, response))
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn leave(me: Me, Form(_): Form<Nothing>) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let mut tx = app.db.begin_system().await?;
    identity::end_session(&mut tx, me.person.id, me.session.id).await?;
    tx.commit().await?;
    Ok(with_session(&me.visitor, "", redirect("/painel")))
}

/// Signs a browser in without asking. For the demo's front page, which nobody reaches from outside.
pub async fn sign_in_as(app: &App, headers: &HeaderMap, email: &str, to: &str) -> Response {
    let opened = async {
        let mut tx = app.db.begin_system().await?;
        let Some(person) = identity::person_by_email(&mut tx, email).await? else {
            return Ok(None);
        };
        let opening = Opening { how: "password", agent: "", address: "local" };
        let lives = (app.options.life, app.clock.now());
        let cookie =
            identity::open_session(&mut tx, person.id, Stage::Open, opening, lives).await?;
        tx.commit().await?;
        Ok::<_, db::Error>(Some(cookie))
    };
    match opened.await {
        Ok(Some(cookie)) => {
            let mut response = redirect(to);
            let value = session_cookie(app, headers, &cookie);
            response.headers_mut().append(header::SET_COOKIE, value);
            response
        }
        Ok(None) => Failure::not_found().into_response(),
        Err(error) => Failure::from(error).into_response(),
    }
}
