//! Signing in and out, invitations, and new passwords.

use axum::extract::{Query, RawPathParams};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::{
    Actor, Change, LinkKind, NewPerson, Opening, PasswordRefused, Person, Session, Stage, Throttled,
};
use kernel::PersonId;
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Field, Lang, Tone, notice};

use crate::app::App;
use crate::door::{Me, Visitor, redirect, safe_next, session_cookie};
use crate::failure::Failure;
use crate::form::Form;
use crate::letters;
use crate::registry::{PageAccess, Pages};
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    let public = PageAccess::Public;
    pages.page("/painel", public, front);
    pages.page("/painel/entrar", public, show);
    pages.action("/painel/entrar", public, enter);
    pages.page("/painel/entrar/codigo", public, show_code);
    pages.action("/painel/entrar/codigo", public, enter_code);
    pages.action("/painel/sair", PageAccess::SignedIn, leave);
    pages.page("/painel/senha", public, show_forgotten);
    pages.action("/painel/senha", public, forgotten);
    pages.page("/painel/senha/{secret}", public, show_reset);
    pages.action("/painel/senha/{secret}", public, reset);
    pages.page("/painel/convite/{secret}", public, show_invitation);
    pages.action("/painel/convite/{secret}", public, accept);
    pages.page("/painel/assets/{version}/{name}", public, asset);
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
        format!("/painel/senha?t={}", wanted.t)
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

fn wait_text(lang: Lang, Throttled(wait): Throttled) -> String {
    let time = ui::duration(wait, lang);
    match lang {
        Lang::Pt => format!("Tentativas demais. Espere {time} e tente de novo."),
        Lang::En => format!("Too many attempts. Wait {time} and try again."),
    }
}

async fn enter(visitor: Visitor, Form(given): Form<Credentials>) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    let wanted = Wanted { next: given.next.clone(), t: given.t.clone(), ok: String::new() };
    let refused = |status, text: &str| {
        sign_in_page(&visitor, status, &wanted, &given.email, Some(text))
    };
    if let Err(throttled) = app.throttle.check(&given.email, &visitor.address) {
        return Ok(refused(StatusCode::TOO_MANY_REQUESTS, &wait_text(lang, throttled)));
    }
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
            let locked = app.throttle.failed(&given.email, &visitor.address);
            tracing::info!(event = "sign_in_refused");
            if let (true, Some(person)) = (locked, other) {
                note_person(app, &person, "person.locked", &visitor.address).await?;
            }
            let text = lang.t(
                "E-mail ou senha não conferem.",
                "E-mail address and password do not match.",
            );
            return Ok(refused(StatusCode::UNAUTHORIZED, text));
        }
    };
    app.throttle.passed(&given.email);
    if person.has_second {
        let cookie = open(&visitor, person.id, Stage::Second, "password").await?;
        let path = format!("/painel/entrar/codigo?next={}", safe_next(&given.next).replace('?', "%3F").replace('&', "%26"));
        return Ok(with_session(&visitor, &cookie, redirect(&path)));
    }
    let cookie = open(&visitor, person.id, Stage::Open, "password").await?;
    note_person(app, &person, "person.signed_in", &visitor.address).await?;
    Ok(with_session(&visitor, &cookie, redirect(safe_next(&given.next))))
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
    let change = Change {
        actor: &Actor::Person { id: person.id, name: person.name.clone() },
        action,
        target: person.email.clone(),
        before: None,
        after: None,
        address,
    };
    let mut tx = app.db.begin_system().await?;
    identity::house_audit(&mut tx, None, &change, app.clock.now()).await?;
    tx.commit().await?;
    Ok(())
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
    let tried = format!("second {}", person.id);
    if let Err(throttled) = app.throttle.check(&tried, &visitor.address) {
        let text = wait_text(lang, throttled);
        return Ok(code_page(&visitor, StatusCode::TOO_MANY_REQUESTS, &given.next, Some(&text)));
    }
    let now = app.clock.now();
    let mut tx = app.db.begin_system().await?;
    if !identity::verify_second(&mut tx, &app.vault, person.id, &given.code, now).await? {
        drop(tx);
        app.throttle.failed(&tried, &visitor.address);
        let text = lang.t("O código não confere, ou já foi usado.", "The code is wrong, or was used already.");
        return Ok(code_page(&visitor, StatusCode::UNAUTHORIZED, &given.next, Some(text)));
    }
    let cookie = identity::pass_second(&mut tx, session.id, (app.options.life, now)).await?;
    tx.commit().await?;
    app.throttle.passed(&tried);
    note_person(app, person, "person.signed_in", &visitor.address).await?;
    Ok(with_session(&visitor, &cookie, redirect(safe_next(&given.next))))
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

async fn show_forgotten(visitor: Visitor) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Nova senha", "New password")) }
        p.muted { (lang.t("Enviaremos um link por e-mail. Ele vale por uma hora.",
            "We will send you a link by e-mail. It works for an hour.")) }
        form.stack method="post" action="/painel/senha" {
            (ui::csrf_field(&visitor.csrf))
            (Field::input("email", lang.t("E-mail", "E-mail"), "email").required().complete("username"))
            button.primary.wide type="submit" { (lang.t("Enviar link", "Send link")) }
        }
        p { a href="/painel" { (lang.t("Voltar", "Back")) } }
    };
    visitor.bare(StatusCode::OK, lang.t("Nova senha", "New password"), &body)
}

#[derive(Debug, Deserialize)]
struct Forgotten {
    email: String,
}

async fn forgotten(visitor: Visitor, Form(given): Form<Forgotten>) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    // A letter an address may be asked for, but not without end.
    let counted = format!("reset {}", given.email);
    if app.throttle.check(&counted, &visitor.address).is_ok() {
        app.throttle.failed(&counted, &visitor.address);
        let mut tx = app.db.begin_system().await?;
        let person = identity::person_by_email(&mut tx, &given.email).await?;
        if let Some(person) = person.filter(|person| !person.disabled) {
            letters::post_reset(app, &mut tx, &person.email, lang, app.clock.now()).await?;
            tx.commit().await?;
        }
    }
    // The same words whether or not somebody has this address.
    let body = html! {
        h1 { (lang.t("Confira seu e-mail", "Look at your e-mail")) }
        p { (lang.t("Se existe uma conta com este e-mail, o link está a caminho.",
            "If there is an account of this address, the link is on its way.")) }
        p { a href="/painel" { (lang.t("Voltar", "Back")) } }
    };
    Ok(visitor.bare(StatusCode::OK, lang.t("Nova senha", "New password"), &body))
}

fn secret(params: &RawPathParams) -> String {
    params.iter().find(|(name, _)| *name == "secret").map_or(String::new(), |(_, v)| v.to_owned())
}

fn used_up(visitor: &Visitor) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Este link não vale mais", "This link no longer works")) }
        p { (lang.t("Ele já foi usado ou expirou. Peça outro.", "It was used or has expired. Ask for another one.")) }
        p { a.button href="/painel/senha" { (lang.t("Pedir nova senha", "Ask for a new password")) } }
    };
    visitor.bare(StatusCode::GONE, lang.t("Link expirado", "Link expired"), &body)
}

/// Why a password was refused, in the visitor's words.
pub(crate) fn password_text(lang: Lang, refused: PasswordRefused) -> String {
    match (refused, lang) {
        (PasswordRefused::Short, Lang::Pt) => format!("Use ao menos {} caracteres.", identity::SHORTEST),
        (PasswordRefused::Long, Lang::Pt) => "Use no máximo 200 caracteres.".to_owned(),
        (PasswordRefused::Guessable, Lang::Pt) => {
            "Fácil de adivinhar: é comum, vazou em algum site, ou usa seu nome. Junte três ou quatro palavras."
                .to_owned()
        }
        (PasswordRefused::Short, Lang::En) => format!("Use at least {} characters.", identity::SHORTEST),
        (PasswordRefused::Long, Lang::En) => "Use at most 200 characters.".to_owned(),
        (PasswordRefused::Guessable, Lang::En) => {
            "Easy to guess: it is common, leaked somewhere, or uses your name. Join three or four words.".to_owned()
        }
    }
}

pub(crate) fn new_password_field(lang: Lang, error: Option<&str>) -> Markup {
    let hint = match lang {
        Lang::Pt => format!("Ao menos {} caracteres. Três ou quatro palavras juntas são fáceis de lembrar.", identity::SHORTEST),
        Lang::En => format!("At least {} characters. Three or four words are easy to remember.", identity::SHORTEST),
    };
    html! {
        (Field::input("password", lang.t("Nova senha", "New password"), "password").required()
            .complete("new-password").hint(&hint).error(error))
    }
}

fn reset_page(visitor: &Visitor, secret: &str, email: &str, error: Option<&str>) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Definir nova senha", "Set a new password")) }
        form.stack method="post" action=(format!("/painel/senha/{secret}")) {
            (ui::csrf_field(&visitor.csrf))
            (Field::input("email", lang.t("E-mail", "E-mail"), "email").value(email).complete("username"))
            (new_password_field(lang, error))
            button.primary.wide type="submit" { (lang.t("Trocar senha", "Change password")) }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    visitor.bare(status, lang.t("Nova senha", "New password"), &body)
}

async fn show_reset(visitor: Visitor, params: RawPathParams) -> Result<Response, Failure> {
    let secret = secret(&params);
    let mut tx = visitor.app.db.read_system().await?;
    let link = identity::find_link(&mut tx, LinkKind::Reset, &secret, visitor.now()).await?;
    Ok(match link {
        Some(link) => reset_page(&visitor, &secret, &link.email, None),
        None => used_up(&visitor),
    })
}

#[derive(Debug, Deserialize)]
struct NewPassword {
    password: String,
}

async fn reset(
    visitor: Visitor,
    params: RawPathParams,
    Form(given): Form<NewPassword>,
) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    let (secret, now) = (secret(&params), app.clock.now());
    let mut tx = app.db.read_system().await?;
    let link = identity::find_link(&mut tx, LinkKind::Reset, &secret, now).await?;
    let person = match &link {
        Some(link) => identity::person_by_email(&mut tx, &link.email).await?,
        None => None,
    };
    drop(tx);
    let (Some(link), Some(person)) = (link, person) else { return Ok(used_up(&visitor)) };
    if let Err(refused) = identity::check_password(&given.password, &[&person.email, &person.name]) {
        let text = password_text(lang, refused);
        return Ok(reset_page(&visitor, &secret, &link.email, Some(&text)));
    }
    let hash = identity::hash_password(&given.password).await;
    let mut tx = app.db.begin_system().await?;
    if !identity::use_link(&mut tx, link.id, now).await? {
        return Ok(used_up(&visitor));
    }
    identity::set_password(&mut tx, person.id, &hash, now).await?;
    // Whoever had the old one is out.
    identity::end_all_sessions(&mut tx, person.id, None).await?;
    tx.commit().await?;
    app.throttle.passed(&person.email);
    note_person(app, &person, "person.password_changed", &visitor.address).await?;
    Ok(redirect("/painel/entrar?ok=senha"))
}

/// An invitation that can be accepted, with what the page needs of it.
struct Invited {
    link: identity::Link,
    person: Option<Person>,
    place: String,
    slug: Option<String>,
}

async fn invited(visitor: &Visitor, secret: &str) -> Result<Option<Invited>, Failure> {
    let app = &visitor.app;
    let mut tx = app.db.read_system().await?;
    let link = identity::find_link(&mut tx, LinkKind::Invite, secret, visitor.now()).await?;
    let Some(link) = link else { return Ok(None) };
    let person = identity::person_by_email(&mut tx, &link.email).await?;
    drop(tx);
    let (place, slug) = match link.tenant {
        Some(id) => match tenancy::by_id(&app.db, id).await? {
            Some(tenant) => (tenant.name, Some(tenant.slug.to_string())),
            None => return Ok(None),
        },
        None => (visitor.brand.name.clone(), None),
    };
    Ok(Some(Invited { link, person, place, slug }))
}

fn invitation_page(
    visitor: &Visitor,
    secret: &str,
    invited: &Invited,
    given: (&str, Option<(&str, &str)>),
) -> Response {
    let (lang, link) = (visitor.lang, &invited.link);
    let (name, wrong) = given;
    let error = |field: &str| wrong.filter(|(at, _)| *at == field).map(|(_, why)| why);
    let brand = if invited.slug.is_some() { "?t=" } else { "" };
    let action = format!("/painel/convite/{secret}{brand}{}", invited.slug.as_deref().unwrap_or_default());
    let known = invited.person.as_ref().is_some_and(|person| person.has_password);
    let body = html! {
        h1 { (lang.t("Entrar em ", "Join ")) (invited.place) }
        @if let Some(role) = link.role {
            p.muted { (lang.t("Seu papel: ", "Your role: ")) (words::role(lang, role)) }
        }
        form.stack method="post" action=(action) {
            (ui::csrf_field(&visitor.csrf))
            p { strong { (link.email) } }
            @if known {
                p { (lang.t("Você já tem uma conta. Confirme com a sua senha.", "You have an account already. Confirm with your password.")) }
                (Field::input("password", lang.t("Senha", "Password"), "password").required()
                    .complete("current-password").error(error("password")))
            } @else {
                (Field::input("name", lang.t("Seu nome", "Your name"), "text").value(name).required().most(80)
                    .complete("name").error(error("name")))
                (new_password_field(lang, error("password")))
            }
            button.primary.wide type="submit" { (lang.t("Aceitar convite", "Accept invitation")) }
        }
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    visitor.bare(status, lang.t("Convite", "Invitation"), &body)
}

async fn show_invitation(visitor: Visitor, params: RawPathParams) -> Result<Response, Failure> {
    let secret = secret(&params);
    Ok(match invited(&visitor, &secret).await? {
        Some(invited) => invitation_page(&visitor, &secret, &invited, ("", None)),
        None => used_up(&visitor),
    })
}

#[derive(Debug, Deserialize)]
struct Accepted {
    #[serde(default)]
    name: String,
    password: String,
}

async fn accept(
    visitor: Visitor,
    params: RawPathParams,
    Form(given): Form<Accepted>,
) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    let (secret, now) = (secret(&params), app.clock.now());
    let Some(invited) = invited(&visitor, &secret).await? else { return Ok(used_up(&visitor)) };
    let again = |field, text: &str| {
        invitation_page(&visitor, &secret, &invited, (&given.name, Some((field, text))))
    };
    let known = invited.person.clone().filter(|person| person.has_password);
    let (person, hash) = match known {
        Some(person) => {
            if let Err(throttled) = app.throttle.check(&person.email, &visitor.address) {
                return Ok(again("password", &wait_text(lang, throttled)));
            }
            let mut tx = app.db.read_system().await?;
            let hash = identity::password_hash(&mut tx, person.id).await?;
            drop(tx);
            if !identity::verify_password(&given.password, hash).await {
                app.throttle.failed(&person.email, &visitor.address);
                return Ok(again("password", lang.t("A senha não confere.", "The password is wrong.")));
            }
            (Some(person), None)
        }
        None => {
            if let Err(refused) =
                identity::check_password(&given.password, &[&invited.link.email, &given.name])
            {
                return Ok(again("password", &password_text(lang, refused)));
            }
            (invited.person.clone(), Some(identity::hash_password(&given.password).await))
        }
    };
    let mut tx = app.db.begin_system().await?;
    if !identity::use_link(&mut tx, invited.link.id, now).await? {
        return Ok(used_up(&visitor));
    }
    let id = match (&person, &hash) {
        (Some(person), None) => person.id,
        (Some(person), Some(hash)) => {
            identity::set_password(&mut tx, person.id, hash, now).await?;
            person.id
        }
        (None, hash) => {
            let new = NewPerson {
                email: &invited.link.email,
                name: &given.name,
                password_hash: hash.as_deref(),
                operator: false,
            };
            match identity::create_person(&mut tx, &new, now).await {
                Ok(id) => id,
                Err(identity::PersonError::Storage(error)) => return Err(error.into()),
                Err(_) => {
                    let text = lang.t("Diga seu nome, com até 80 letras.", "Give your name, up to 80 letters.");
                    return Ok(again("name", text));
                }
            }
        }
    };
    match (invited.link.tenant, invited.link.role) {
        (Some(tenant), Some(role)) => identity::join(&mut tx, tenant, id, role, now).await?,
        _ => identity::set_operator(&mut tx, id, true).await?,
    }
    let name = person.as_ref().map_or(given.name.trim(), |person| person.name.as_str());
    let change = Change {
        actor: &Actor::Person { id, name: name.to_owned() },
        action: "member.joined",
        target: invited.link.email.clone(),
        before: None,
        after: invited.link.role.map(|role| serde_json::json!({ "role": role })),
        address: &visitor.address,
    };
    identity::house_audit(&mut tx, invited.link.tenant, &change, now).await?;
    tx.commit().await?;
    // A second factor is asked for here as at any sign-in.
    if person.is_some_and(|person| person.has_second) {
        return Ok(redirect("/painel/entrar"));
    }
    let cookie = open(&visitor, id, Stage::Open, "password").await?;
    let to = match &invited.slug {
        Some(slug) => format!("/painel/t/{slug}"),
        None => "/painel/operador".to_owned(),
    };
    Ok(with_session(&visitor, &cookie, redirect(&to)))
}

/// Signs a browser in without asking. For the demo's front page, which nobody reaches from outside.
pub async fn sign_in_as(app: &App, headers: &HeaderMap, email: &str, to: &str) -> Response {
    let opened = async {
        let mut tx = app.db.begin_system().await?;
        let Some(person) = identity::person_by_email(&mut tx, email).await? else { return Ok(None) };
        let opening = Opening { how: "password", agent: "", address: "local" };
        let lives = (app.options.life, app.clock.now());
        let cookie = identity::open_session(&mut tx, person.id, Stage::Open, opening, lives).await?;
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
