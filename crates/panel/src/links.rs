//! What links of e-mails lead to: new passwords and invitations.

use std::time::Duration;

use axum::extract::{Query, RawPathParams};
use axum::http::StatusCode;
use axum::response::Response;
use identity::{
    Actor, Change, From, Guess, LinkKind, NewPerson, PasswordRefused, Person, Source, Stage,
};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Field, Lang};

use crate::address::{encode, redirect};
use crate::device::{origin, remember};
use crate::door::Visitor;
use crate::failure::Failure;
use crate::form::Form;
use crate::letters;
use crate::registry::{PageAccess, Pages};
use crate::sign_in::{note_person, open, wait_text, with_session};
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    let public = PageAccess::Public;
    pages.page("/painel/senha", public, show_forgotten);
    pages.action("/painel/senha", public, forgotten);
    pages.page("/painel/senha/{secret}", public, show_reset);
    pages.action("/painel/senha/{secret}", public, reset);
    pages.page("/painel/convite/{secret}", public, show_invitation);
    pages.action("/painel/convite/{secret}", public, accept);
}

/// The brand that a link was opened under, for the address of its form.
#[derive(Debug, Deserialize)]
struct Under {
    #[serde(default)]
    t: String,
}

impl Under {
    fn query(&self) -> String {
        if self.t.is_empty() { String::new() } else { format!("?t={}", encode(&self.t)) }
    }
}

async fn show_forgotten(visitor: Visitor, Query(under): Query<Under>) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Nova senha", "New password")) }
        @if !visitor.app.options.mails {
            (ui::notice(ui::Tone::Warn, lang.t("Este sistema não envia e-mails. Peça uma nova senha a quem cuida dele.",
                "This system sends no e-mail. Ask whoever runs it for a new password.")))
            p { a href="/painel" { (lang.t("Voltar", "Back")) } }
        } @else {
        p.muted { (lang.t("Enviaremos um link por e-mail. Ele vale por uma hora.",
            "We will send you a link by e-mail. It works for an hour.")) }
        form.stack method="post" action=(format!("/painel/senha{}", under.query())) {
            (ui::csrf_field(&visitor.csrf))
            (Field::input("email", lang.t("E-mail", "E-mail"), "email").required().complete("username"))
            button.primary.wide type="submit" { (lang.t("Enviar link", "Send link")) }
        }
        p { a href="/painel" { (lang.t("Voltar", "Back")) } }
        }
    };
    visitor.bare(StatusCode::OK, lang.t("Nova senha", "New password"), &body)
}

#[derive(Debug, Deserialize)]
struct Forgotten {
    email: String,
}

/// How long asking for a letter takes, whether or not there is an account: the time must not tell.
const ALIKE: Duration = Duration::from_millis(200);

async fn forgotten(visitor: Visitor, Form(given): Form<Forgotten>) -> Result<Response, Failure> {
    let (app, lang) = (&visitor.app, visitor.lang);
    let until = tokio::time::Instant::now() + ALIKE;
    // A letter an address may be asked for, but not without end.
    let from = From { address: &visitor.address, device: None };
    if app.throttle.attempt(Guess::Reset(&given.email), from).is_ok() {
        let mut tx = app.db.begin_system().await?;
        let person = identity::person_by_email(&mut tx, &given.email).await?;
        if let Some(person) = person.filter(|person| !person.disabled) {
            letters::post_reset(app, &mut tx, &person, lang, app.clock.now()).await?;
            tx.commit().await?;
        }
    }
    tokio::time::sleep_until(until).await;
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
        Lang::Pt => format!(
            "Ao menos {} caracteres. Três ou quatro palavras juntas são fáceis de lembrar.",
            identity::SHORTEST
        ),
        Lang::En => format!(
            "At least {} characters. Three or four words are easy to remember.",
            identity::SHORTEST
        ),
    };
    html! {
        (Field::input("password", lang.t("Nova senha", "New password"), "password").required()
            .complete("new-password").hint(&hint).error(error))
    }
}

fn reset_page(
    visitor: &Visitor,
    (secret, under): (&str, &Under),
    email: &str,
    error: Option<&str>,
) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Definir nova senha", "Set a new password")) }
        form.stack method="post" action=(format!("/painel/senha/{secret}{}", under.query())) {
            (ui::csrf_field(&visitor.csrf))
            (Field::input("email", lang.t("E-mail", "E-mail"), "email").value(email).complete("username"))
            (new_password_field(lang, error))
            button.primary.wide type="submit" { (lang.t("Trocar senha", "Change password")) }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    visitor.bare(status, lang.t("Nova senha", "New password"), &body)
}

async fn show_reset(
    visitor: Visitor,
    Query(under): Query<Under>,
    params: RawPathParams,
) -> Result<Response, Failure> {
    let secret = secret(&params);
    let mut tx = visitor.app.db.read_system().await?;
    let link = identity::find_link(&mut tx, LinkKind::Reset, &secret, visitor.now()).await?;
    Ok(match link {
        Some(link) => reset_page(&visitor, (&secret, &under), &link.email, None),
        None => used_up(&visitor),
    })
}

#[derive(Debug, Deserialize)]
struct NewPassword {
    password: String,
}

async fn reset(
    visitor: Visitor,
    Query(under): Query<Under>,
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
    if let Err(refused) = identity::check_password(&given.password, &[&person.email, &person.name])
    {
        let text = password_text(lang, refused);
        return Ok(reset_page(&visitor, (&secret, &under), &link.email, Some(&text)));
    }
    let hash = identity::hash_password(&given.password).await;
    let mut tx = app.db.begin_system().await?;
    if !identity::use_link(&mut tx, link.id, now).await? {
        return Ok(used_up(&visitor));
    }
    identity::set_password(&mut tx, person.id, &hash, now).await?;
    // Whoever had the old one is out, also by a passkey they may have made.
    identity::end_all_sessions(&mut tx, person.id, None).await?;
    identity::remove_passkeys(&mut tx, person.id).await?;
    letters::post_changed(app, &mut tx, &person, lang, now).await?;
    tx.commit().await?;
    note_person(app, &person, "person.password_changed", &visitor.address).await?;
    let t = if under.t.is_empty() { String::new() } else { format!("&t={}", encode(&under.t)) };
    Ok(redirect(&format!("/painel/entrar?ok=senha{t}")))
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

/// How whoever is invited proves that the address is theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    /// Signed in as the one who is invited.
    SignedIn,
    Password,
    /// A passkey or an identity provider opens it. An invitation sets no password for it: whoever
    /// sent it must not get in by it.
    Other,
    None,
}

fn known(visitor: &Visitor, invited: &Invited) -> Account {
    let Some(person) = &invited.person else { return Account::None };
    let here = visitor.session.as_ref().filter(|session| session.stage == Stage::Open);
    match person.has_password {
        _ if here.is_some_and(|session| session.person.id == person.id) => Account::SignedIn,
        true => Account::Password,
        false => Account::Other,
    }
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
    let action =
        format!("/painel/convite/{secret}{brand}{}", invited.slug.as_deref().unwrap_or_default());
    let next = format!("/painel/entrar?next={}", encode(&action));
    let body = html! {
        h1 { (lang.t("Entrar em ", "Join ")) (invited.place) }
        @if let Some(role) = link.role {
            p.muted { (lang.t("Seu papel: ", "Your role: ")) (words::role(lang, role)) }
        }
        form.stack method="post" action=(action) {
            (ui::csrf_field(&visitor.csrf))
            p { strong { (link.email) } }
            @match known(visitor, invited) {
                Account::SignedIn => {}
                Account::Password => {
                    p { (lang.t("Você já tem uma conta. Confirme com a sua senha.", "You have an account already. Confirm with your password.")) }
                    (Field::input("password", lang.t("Senha", "Password"), "password").required()
                        .complete("current-password").error(error("password")))
                }
                Account::Other => {
                    p { (lang.t("Você já tem uma conta, sem senha. Entre como sempre entra, e o convite abre de novo.", "You have an account already, without a password. Sign in as you always do, and the invitation opens again.")) }
                }
                Account::None => {
                    (Field::input("name", lang.t("Seu nome", "Your name"), "text").value(name).required().most(80)
                        .complete("name").error(error("name")))
                    (new_password_field(lang, error("password")))
                }
            }
            @if known(visitor, invited) == Account::Other {
                a.button.primary.wide href=(next) { (lang.t("Entrar", "Sign in")) }
            } @else {
                button.primary.wide type="submit" { (lang.t("Aceitar convite", "Accept invitation")) }
            }
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
    #[serde(default)]
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
    let account = known(&visitor, &invited);
    let person = invited.person.clone();
    let mut hash = None;
    match account {
        Account::SignedIn => {}
        Account::Other => return Ok(invitation_page(&visitor, &secret, &invited, ("", None))),
        Account::Password => {
            let origin = origin(&visitor, &invited.link.email);
            let guess = Guess::Password(&invited.link.email);
            if let Err(throttled) = app.throttle.attempt(guess, origin.from()) {
                return Ok(again("password", &wait_text(lang, throttled)));
            }
            let mut tx = app.db.read_system().await?;
            let kept = match &person {
                Some(person) => identity::password_hash(&mut tx, person.id).await?,
                None => None,
            };
            drop(tx);
            if !identity::verify_password(&given.password, kept).await {
                return Ok(again(
                    "password",
                    lang.t("A senha não confere.", "The password is wrong."),
                ));
            }
            app.throttle.passed(guess, origin.from());
        }
        Account::None => {
            if let Err(refused) =
                identity::check_password(&given.password, &[&invited.link.email, &given.name])
            {
                return Ok(again("password", &password_text(lang, refused)));
            }
            hash = Some(identity::hash_password(&given.password).await);
        }
    }
    let mut tx = app.db.begin_system().await?;
    if !identity::use_link(&mut tx, invited.link.id, now).await? {
        return Ok(used_up(&visitor));
    }
    let id = match &person {
        Some(person) => person.id,
        None => {
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
                    let text = lang.t(
                        "Diga seu nome, com até 80 letras.",
                        "Give your name, up to 80 letters.",
                    );
                    return Ok(again("name", text));
                }
            }
        }
    };
    match (invited.link.tenant, invited.link.role) {
        (Some(tenant), Some(role)) => {
            // Whoever belongs there already keeps the role they have.
            identity::join(&mut tx, tenant, id, (role, Source::Team), now).await?;
        }
        (None, None) => identity::set_operator(&mut tx, id, true).await?,
        // A role that this version does not know gives nothing.
        _ => return Ok(used_up(&visitor)),
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
    let to = match &invited.slug {
        Some(slug) => format!("/painel/t/{slug}"),
        None => "/painel/operador".to_owned(),
    };
    if account == Account::SignedIn {
        return Ok(redirect(&to));
    }
    // A second factor is asked for here as at any sign-in.
    if person.is_some_and(|person| person.has_second) {
        return Ok(redirect("/painel/entrar"));
    }
    let cookie = open(&visitor, id, Stage::Open, "password").await?;
    let response = with_session(&visitor, &cookie, redirect(&to));
    Ok(remember(&visitor, &invited.link.email, response))
}
