//! Signing in by passkey, and making and removing them. The browser's part is in the page's script.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use identity::{From, Guess, Kept, Stage};
use kernel::PasskeyId;
use maud::{Markup, html};
use passkeys::{Begun, Passkey, Refused, Site};
use serde::Deserialize;
use serde_json::{Value, json};
use ui::Lang;
use web::Problem;

use crate::address::{redirect, safe_next};
use crate::app::App;
use crate::device::remember;
use crate::door::{Me, PageId, Visitor};
use crate::failure::Failure;
use crate::form::{Form, Script};
use crate::prove;
use crate::registry::{PageAccess, Pages};
use crate::sign_in::{note_person, open, with_session};

pub(crate) fn pages(pages: &mut Pages) {
    pages.action("/painel/entrar/chave", PageAccess::Public, begin_using);
    pages.action("/painel/entrar/chave/fim", PageAccess::Public, finish_using);
    pages.action("/painel/conta/chaves", PageAccess::SignedIn, begin_making);
    pages.action("/painel/conta/chaves/fim", PageAccess::SignedIn, finish_making);
    pages.action("/painel/conta/chaves/{id}/remover", PageAccess::SignedIn, remove);
}

/// Where passkeys are for, as pages are reached; `None` where browsers allow none.
pub(crate) fn site(app: &App, headers: &HeaderMap) -> Option<Site> {
    if let Some(url) = &app.options.public_url {
        return Site::of(url);
    }
    let host = headers.get("host").and_then(|value| value.to_str().ok())?;
    let scheme = if crate::door::secure(app, headers) { "https" } else { "http" };
    Site::of(&format!("{scheme}://{host}"))
}

fn here(visitor: &Visitor) -> Result<Site, Failure> {
    site(&visitor.app, &visitor.headers).ok_or_else(Failure::not_found)
}

fn unfit(refused: &Refused) -> Failure {
    // Which check failed is of use to whoever runs the house, and to whoever attacks it.
    tracing::info!(event = "sign_in_refused", how = "passkey", cause = %refused);
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "passkey_refused",
        "the passkey was not accepted",
    )
    .into()
}

async fn begun(visitor: &Visitor, begun: Begun, me: Option<&Me>) -> Result<Response, Failure> {
    let app = &visitor.app;
    let mut tx = app.db.begin_system().await?;
    let person = me.map(|me| me.person.id);
    let ceremony = identity::begin_ceremony(&mut tx, begun.state, person, visitor.now()).await?;
    tx.commit().await?;
    let options = begun.options.get("publicKey").cloned().unwrap_or(begun.options);
    Ok(Json(json!({ "ceremony": ceremony, "publicKey": options })).into_response())
}

#[derive(Debug, Deserialize)]
struct Nothing {}

#[derive(Debug, Deserialize)]
struct Finished {
    ceremony: String,
    credential: Value,
    #[serde(default)]
    next: String,
}

/// Counts an attempt; nobody's account is known before it is verified.
fn attempt(visitor: &Visitor) -> Result<(), Failure> {
    let from = From { address: &visitor.address, device: None };
    match visitor.app.throttle.attempt(Guess::Passkey, from) {
        Ok(_) => Ok(()),
        Err(throttled) => {
            Err(Problem::too_many("too_many", "too many attempts", throttled.0).into())
        }
    }
}

async fn begin_using(visitor: Visitor, Script(_): Script<Nothing>) -> Result<Response, Failure> {
    // A ceremony is a row: nobody makes them without end.
    attempt(&visitor)?;
    let begin = here(&visitor)?.begin_using().map_err(|refused| unfit(&refused))?;
    begun(&visitor, begin, None).await
}

async fn finish_using(
    visitor: Visitor,
    Script(given): Script<Finished>,
) -> Result<Response, Failure> {
    let (app, site, now) = (&visitor.app, here(&visitor)?, visitor.now());
    attempt(&visitor)?;
    let credential = Site::presented(&given.credential).map_err(|refused| unfit(&refused))?;
    let mut tx = app.db.begin_system().await?;
    let state = identity::take_ceremony(&mut tx, &given.ceremony, None, now).await?;
    let kept = identity::find_passkey(&mut tx, &credential).await?;
    let (Some(state), Some(kept)) = (state, kept) else {
        tx.commit().await?;
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "passkey_refused",
            "the passkey was not accepted",
        )
        .into());
    };
    let passkey = Passkey { id: kept.credential, fixed: kept.fixed, moving: kept.moving };
    let handle: [u8; 64] = kept.handle.try_into().map_err(|_| Failure::not_found())?;
    let moving = match site.finish_using(&state, &given.credential, &passkey, handle) {
        Ok(moving) => moving,
        Err(refused) => {
            // The ceremony is over all the same.
            tx.commit().await?;
            return Err(unfit(&refused));
        }
    };
    identity::used_passkey(&mut tx, kept.id, moving, now).await?;
    let person =
        identity::find_person(&mut tx, kept.person).await?.ok_or_else(Failure::not_found)?;
    tx.commit().await?;
    // It proves possession and the person at once: no second step.
    let cookie = open(&visitor, person.id, Stage::Open, "passkey").await?;
    note_person(app, &person, "person.signed_in", &visitor.address).await?;
    let from = From { address: &visitor.address, device: None };
    // The beginning and the end were counted.
    app.throttle.passed(Guess::Passkey, from);
    app.throttle.passed(Guess::Passkey, from);
    let answer = Json(json!({ "next": safe_next(&given.next) })).into_response();
    Ok(remember(&visitor, &person.email, with_session(&visitor, &cookie, answer)))
}

async fn begin_making(me: Me, Script(_): Script<Nothing>) -> Result<Response, Failure> {
    prove::needed(&me)?;
    let site = here(&me.visitor)?;
    let mut tx = me.visitor.app.db.read_system().await?;
    let (handle, ids) = identity::passkey_handle(&mut tx, me.person.id).await?;
    drop(tx);
    let mut begin = site
        .begin_making(handle, (&me.person.email, &me.person.name), &ids)
        .map_err(|refused| unfit(&refused))?;
    // The handle is needed again at the end.
    begin.state.splice(0..0, handle);
    begun(&me.visitor, begin, Some(&me)).await
}

async fn finish_making(me: Me, Script(given): Script<Finished>) -> Result<Response, Failure> {
    let (app, site, now) = (&me.visitor.app, here(&me.visitor)?, me.visitor.now());
    let mut tx = app.db.begin_system().await?;
    let state = identity::take_ceremony(&mut tx, &given.ceremony, Some(me.person.id), now).await?;
    let state = state.filter(|state| state.len() > 64).ok_or_else(Failure::not_found)?;
    let (handle, state) = state.split_at(64);
    let made = site.finish_making(state, &given.credential).map_err(|refused| unfit(&refused))?;
    let kept = Kept {
        id: PasskeyId::generate(),
        person: me.person.id,
        handle: handle.to_vec(),
        credential: made.id,
        fixed: made.fixed,
        moving: made.moving,
    };
    let name = crate::account::agent(me.visitor.agent());
    if !identity::add_passkey(&mut tx, &kept, &name, now).await? {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "passkey_taken",
            "this passkey is known already",
        )
        .into());
    }
    tx.commit().await?;
    note_person(app, &me.person, "person.passkey_added", &me.visitor.address).await?;
    Ok(Json(json!({ "next": "/painel/conta" })).into_response())
}

async fn remove(
    me: Me,
    PageId(id): PageId<kernel::id::PasskeyKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    prove::needed(&me)?;
    let app = &me.visitor.app;
    let mut tx = app.db.begin_system().await?;
    if !identity::remove_passkey(&mut tx, me.person.id, id).await? {
        return Err(Failure::not_found());
    }
    tx.commit().await?;
    note_person(app, &me.person, "person.passkey_removed", &me.visitor.address).await?;
    Ok(redirect("/painel/conta"))
}

/// The button of the sign-in page, where browsers allow passkeys.
pub(crate) fn sign_in_button(visitor: &Visitor, next: &str) -> Markup {
    let lang = visitor.lang;
    html! {
        @if site(&visitor.app, &visitor.headers).is_some() {
            button.wide type="button" data-passkey="get" data-start="/painel/entrar/chave" data-finish="/painel/entrar/chave/fim" data-next=(next) {
                (lang.t("Entrar com chave de acesso", "Sign in with a passkey"))
            }
        }
    }
}

/// The section of the account's page.
pub(crate) fn section(me: &Me, kept: &[identity::PasskeyView]) -> Markup {
    let lang: Lang = me.lang();
    let now = me.visitor.now();
    let proved = me.session.proved(now);
    html! {
        section.panel {
            h2 { (lang.t("Chaves de acesso", "Passkeys")) }
            p.muted { (lang.t("Entre com a digital, o rosto ou o PIN do aparelho, sem senha para vazar.", "Sign in with your device's fingerprint, face or PIN, without a password that could leak.")) }
            @if site(&me.visitor.app, &me.visitor.headers).is_none() {
                p.small { (lang.t("Só funcionam quando o painel tem um nome próprio com https.", "They only work where the panel has a name of its own with https.")) }
            }
            ul { @for key in kept { li.row.between {
                span { strong { (key.name) } " " span.small.muted {
                    @match key.used_at { Some(at) => { (lang.t("usada ", "used ")) (ui::ago(at, now, lang)) } None => { (lang.t("criada ", "made ")) (ui::ago(key.created_at, now, lang)) } }
                } }
                @if proved { form method="post" action=(format!("/painel/conta/chaves/{}/remover", key.id)) data-confirm=(lang.t("Remover esta chave de acesso?", "Remove this passkey?")) { (ui::csrf_field(&me.visitor.csrf)) button.quiet type="submit" { (lang.t("Remover", "Remove")) } } }
            } } }
            @if !proved { (crate::account::confirm_first(lang)) }
            @else if site(&me.visitor.app, &me.visitor.headers).is_some() {
                button type="button" data-passkey="create" data-start="/painel/conta/chaves" data-finish="/painel/conta/chaves/fim" { (lang.t("Criar chave de acesso", "Make a passkey")) }
            }
        }
    }
}
