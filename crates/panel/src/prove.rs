//! Proving once more who one is, before what opens the account later is changed: whoever finds a
//! browser open must not stay in after it is closed.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use identity::Guess;
use maud::html;
use serde::Deserialize;
use ui::{Field, Tone, notice};
use web::Problem;

use crate::address::redirect;
use crate::device::origin;
use crate::door::Me;
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::{PageAccess, Pages};

/// Where it is done; back to the account afterwards.
pub(crate) const PAGE: &str = "/painel/conta/confirmar";

pub(crate) fn pages(pages: &mut Pages) {
    pages.page(PAGE, PageAccess::SignedIn, show);
    pages.action(PAGE, PageAccess::SignedIn, prove);
}

/// Refuses what is for people who proved themselves just now only.
pub(crate) fn needed(me: &Me) -> Result<(), Failure> {
    if me.session.proved(me.visitor.now()) {
        return Ok(());
    }
    let why = me.lang().t(
        "Confirme primeiro que é você, em Minha conta.",
        "Confirm first that it is you, in My account.",
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "prove_first", why).into())
}

#[derive(Debug, Default, Deserialize)]
struct Nothing {}

async fn show(me: Me, Query(_): Query<Nothing>) -> Response {
    page(&me, None)
}

fn page(me: &Me, wrong: Option<&str>) -> Response {
    let lang = me.lang();
    let title = lang.t("Confirmar que é você", "Confirm that it is you");
    let body = html! {
        (ui::page_head(title, lang.t("Pedimos isto antes de mudar o que abre sua conta.", "We ask for this before what opens your account is changed."), None))
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        div.panel.stack.narrow {
            @if me.person.has_password {
                form.stack method="post" action=(PAGE) {
                    (ui::csrf_field(&me.visitor.csrf))
                    input type="hidden" name="username" value=(me.person.email) autocomplete="username";
                    (Field::input("password", lang.t("Senha", "Password"), "password").required().complete("current-password"))
                    div.row { (ui::submit(lang.t("Confirmar", "Confirm"))) a.button href="/painel/conta" { (lang.t("Cancelar", "Cancel")) } }
                }
            } @else {
                p { (lang.t("Sua conta não tem senha. Saia e entre de novo: por dez minutos a mudança é possível.", "Your account has no password. Sign out and in again: for ten minutes the change is possible.")) }
                form method="post" action="/painel/sair" { (ui::csrf_field(&me.visitor.csrf)) (ui::submit(lang.t("Sair", "Sign out"))) }
            }
        }
    };
    let mut response = me.page(title, &body);
    if wrong.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

#[derive(Debug, Deserialize)]
struct Password {
    password: String,
}

async fn prove(me: Me, Form(given): Form<Password>) -> Result<Response, Failure> {
    let lang = me.lang();
    if !password_is(&me, &given.password).await? {
        let wrong = lang.t("A senha não confere.", "The password is wrong.");
        return Ok(page(&me, Some(wrong)));
    }
    let mut tx = me.visitor.app.db.begin_system().await?;
    identity::prove_session(&mut tx, me.session.id, me.visitor.now()).await?;
    tx.commit().await?;
    Ok(redirect("/painel/conta"))
}

/// Whether it is the person's password; guesses are counted.
pub(crate) async fn password_is(me: &Me, password: &str) -> Result<bool, Failure> {
    let app = &me.visitor.app;
    let origin = origin(&me.visitor, &me.person.email);
    let guess = Guess::Password(&me.person.email);
    if app.throttle.attempt(guess, origin.from()).is_err() {
        return Ok(false);
    }
    let mut tx = app.db.read_system().await?;
    let hash = identity::password_hash(&mut tx, me.person.id).await?;
    drop(tx);
    let right = identity::verify_password(password, hash).await;
    if right {
        app.throttle.passed(guess, origin.from());
    }
    Ok(right)
}
