//! Who runs the house: invited, listed, removed.

use axum::response::Response;
use kernel::PersonId;
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Field, Tone, badge, page_head};
use web::Problem;

use crate::address::redirect;
use crate::door::{Me, Operator, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::letters;
use crate::operator::{invited, note};
use crate::registry::{PageAccess, Pages};

const PAGE: &str = "/painel/operador/equipe";

pub(crate) fn pages(pages: &mut Pages) {
    let operator = PageAccess::Operator;
    pages.page(PAGE, operator, show);
    pages.action(PAGE, operator, invite);
    pages.action("/painel/operador/equipe/{id}/remover", operator, remove);
    pages.action("/painel/operador/equipe/convites/{id}/retirar", operator, withdraw);
}

async fn show(Operator(me): Operator) -> Result<Response, Failure> {
    page(&me, None).await
}

async fn page(me: &Me, said: Option<Markup>) -> Result<Response, Failure> {
    let (lang, csrf) = (me.lang(), &me.visitor.csrf);
    let mut tx = me.visitor.app.db.read_system().await?;
    let operators = identity::operators(&mut tx).await?;
    let invitations = identity::operator_invitations(&mut tx, me.visitor.now()).await?;
    drop(tx);
    let title = lang.t("Operadores", "Operators");
    let body = html! {
        (page_head(title, lang.t("Quem cuida desta instalação.", "Who runs this installation."), None))
        @if let Some(said) = said { (said) }
        ul.list {
            @for person in &operators { li {
                div.grow { strong { (person.name) } @if person.id == me.person.id { " " (badge(Tone::Accent, lang.t("você", "you"))) } p.small.muted { (person.email) } }
                @if person.has_second { (badge(Tone::Good, lang.t("duas etapas", "two steps"))) } @else if person.has_password { (badge(Tone::Warn, lang.t("só senha", "password only"))) } @else { (badge(Tone::Neutral, lang.t("pelo provedor", "by the provider"))) }
                @if person.id != me.person.id {
                    form method="post" action=(format!("{PAGE}/{}/remover", person.id)) data-confirm=(lang.t("Tirar esta pessoa dos operadores?", "Take this person out of the operators?")) {
                        (ui::csrf_field(csrf)) button.quiet type="submit" aria-label=(format!("{} {}", lang.t("Remover", "Remove"), person.name)) { (lang.t("Remover", "Remove")) }
                    }
                }
            } }
            @for (id, email, until) in &invitations { li {
                div.grow { strong { (email) } p.small.muted { (lang.t("Convite aberto até ", "Invitation open until ")) (ui::date(*until, "UTC", lang)) } }
                form method="post" action=(format!("{PAGE}/convites/{id}/retirar")) { (ui::csrf_field(csrf)) button.quiet type="submit" { (lang.t("Retirar", "Withdraw")) } }
            } }
        }
        form.panel.stack method="post" action=(PAGE) {
            (ui::csrf_field(csrf))
            (Field::input("email", lang.t("Convidar operador", "Invite an operator"), "email").required())
            div.row { (ui::submit(lang.t("Enviar convite", "Send invitation"))) }
        }
    };
    Ok(me.page(title, &body))
}

#[derive(Debug, Deserialize)]
struct Address {
    email: String,
}

async fn invite(Operator(me): Operator, Form(form): Form<Address>) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let mut tx = app.db.begin_system().await?;
    let by = (Some(me.person.id), me.person.name.as_str(), app.clock.now());
    let made = letters::post_invitation(app, &mut tx, &form.email, None, by, lang).await?;
    let url = made.map_err(|refused| Problem::field("email", refused.to_string()))?;
    note(&me, &mut tx, None, "operator.invited", form.email.trim(), None).await?;
    tx.commit().await?;
    page(&me, Some(invited(app, lang, &url))).await
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn remove(
    Operator(me): Operator,
    PageId(id): PageId<kernel::id::PersonKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let id: PersonId = id;
    // Whoever removes others stays: the house is never without an operator.
    if id == me.person.id {
        return Err(Failure::forbidden());
    }
    let mut tx = me.visitor.app.db.begin_system().await?;
    let person = identity::operators(&mut tx).await?.into_iter().find(|person| person.id == id);
    let person = person.ok_or_else(Failure::not_found)?;
    identity::set_operator(&mut tx, id, false).await?;
    identity::end_all_sessions(&mut tx, id, None).await?;
    note(&me, &mut tx, None, "operator.removed", &person.email, None).await?;
    tx.commit().await?;
    Ok(redirect(PAGE))
}

async fn withdraw(
    Operator(me): Operator,
    PageId(id): PageId<kernel::id::LinkKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let mut tx = me.visitor.app.db.begin_system().await?;
    let email = identity::withdraw_operator(&mut tx, id, me.visitor.now()).await?;
    let email = email.ok_or_else(Failure::not_found)?;
    note(&me, &mut tx, None, "invitation.withdrawn", &email, None).await?;
    tx.commit().await?;
    Ok(redirect(PAGE))
}
