//! The team: who belongs to the business, as what; invitations; and support stays of the operator.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;
use axum::response::Response;
use identity::{Permission as P, PersonError, Role};
use kernel::PersonId;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use ui::{Field, Lang, Tone, badge, page_head};
use web::permission::{PeopleRead, PeopleWrite};
use web::{Permission, Problem};

use crate::address::redirect;
use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::letters;
use crate::registry::Pages;
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<PeopleRead, _, _>("/painel/t/{slug}/equipe", show);
    pages.tenant_action::<PeopleWrite, _, _>("/painel/t/{slug}/equipe/convites", invite);
    pages.tenant_action::<PeopleWrite, _, _>(
        "/painel/t/{slug}/equipe/convites/{id}/retirar",
        withdraw,
    );
    pages.tenant_action::<PeopleWrite, _, _>("/painel/t/{slug}/equipe/{id}/papel", set_role);
    pages.tenant_action::<PeopleWrite, _, _>("/painel/t/{slug}/equipe/{id}/remover", remove);
    pages.tenant_action::<PeopleWrite, _, _>(
        "/painel/t/{slug}/equipe/suporte/encerrar",
        end_support,
    );
}

async fn show(at: At<PeopleRead>) -> Result<Response, Failure> {
    page(&at, None).await
}

fn roles(lang: Lang, mine: Role) -> Vec<(String, String)> {
    Role::ALL
        .into_iter()
        .filter(|role| mine.may_hand_out(*role))
        .map(|role| (role.name().to_owned(), words::role(lang, role).to_owned()))
        .collect()
}

async fn page<Q: Permission>(
    at: &At<Q>,
    said: Option<(Tone, Markup)>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let mut tx = at.app.db.read_system().await?;
    let members = identity::members(&mut tx, at.tenant.id).await?;
    let invitations = identity::invitations(&mut tx, at.tenant.id, now).await?;
    let grants = identity::grants(&mut tx, at.tenant.id).await?;
    drop(tx);
    let writes = at.may(P::PeopleWrite) && at.support.is_none();
    let options = roles(lang, at.role);
    let running: Vec<_> =
        grants.iter().filter(|g| g.ended_at.is_none() && g.expires_at > now).collect();
    let refused = matches!(said, Some((Tone::Bad, _)));
    // Addresses of one shape, by which they are easily taken for one another.
    let mut shapes: HashMap<String, HashSet<String>> = HashMap::new();
    for email in members.iter().map(|m| &m.email).chain(invitations.iter().map(|i| &i.email)) {
        shapes.entry(identity::shape(email)).or_default().insert(email.to_lowercase());
    }
    let alike = |email: &str| -> Option<String> {
        let others = shapes.get(&identity::shape(email))?;
        others.iter().find(|other| **other != email.to_lowercase()).cloned()
    };
    let body = html! {
        (page_head(lang.t("Equipe", "Team"), lang.t("Quem entra neste painel, e o que pode fazer.", "Who enters this panel, and what they may do."), None))
        @if let Some((tone, text)) = &said { div.notice.good[*tone == Tone::Good].warn[*tone == Tone::Warn].bad[*tone == Tone::Bad] role="status" { div { (text) } } }
        @if !running.is_empty() {
            @for grant in &running {
                div.notice.warn role="status" { div.row.between {
                    p { (lang.t("A operação está aqui como suporte até ", "The operator is here as support until ")) (ui::clock_time(grant.expires_at, at.zone())) ": " (grant.reason) }
                    @if writes { form method="post" action=(at.url("/equipe/suporte/encerrar")) { (ui::csrf_field(at.csrf())) button type="submit" { (lang.t("Encerrar acesso", "End access")) } } }
                } }
            }
        }
        @if writes {
            form.panel.stack method="post" action=(at.url("/equipe/convites")) {
                (ui::csrf_field(at.csrf()))
                h2 { (lang.t("Convidar", "Invite")) }
                div.pair {
                    (Field::input("email", lang.t("E-mail", "E-mail"), "email").required().complete("off"))
                    (Field::select("role", lang.t("Papel", "Role"), &options).value("attendant"))
                }
                div.row { (ui::submit(lang.t("Enviar convite", "Send invitation"))) }
            }
        }
        section {
            ul.list {
                @for member in &members {
                    li {
                        div.grow {
                            strong { (member.name) }
                            @if member.person == at.me.person.id { " " (badge(Tone::Accent, lang.t("você", "you"))) }
                            p.small.muted {
                                (member.email) " · "
                                @match member.seen_at { Some(seen) => { (lang.t("aqui ", "here ")) (ui::ago(seen, now, lang)) } None => (lang.t("sem sessão aberta", "no open session")) }
                                @if member.disabled { " · " (lang.t("conta desativada", "account disabled")) }
                                @if member.has_second { " · " (lang.t("duas etapas", "two steps")) }
                                @if let Some(other) = alike(&member.email) { " " (looks_like(lang, &other)) }
                            }
                        }
                        @if writes && at.role.may_hand_out(member.role) {
                            form.row method="post" action=(at.url(&format!("/equipe/{}/papel", member.person))) {
                                (ui::csrf_field(at.csrf()))
                                label.visually-hidden for={ "papel-" (member.person) } { (lang.t("Papel de ", "Role of ")) (member.name) }
                                select id={ "papel-" (member.person) } name="role" {
                                    @for (value, text) in &options { option value=(value) selected[value == member.role.name()] { (text) } }
                                }
                                button type="submit" { (lang.t("Mudar", "Change")) }
                            }
                            form method="post" action=(at.url(&format!("/equipe/{}/remover", member.person))) data-confirm=(lang.t("Tirar esta pessoa da equipe? As conversas que ela atende voltam a esperar por alguém.", "Take this person out of the team? The conversations they attend wait for somebody again.")) {
                                (ui::csrf_field(at.csrf()))
                                button.quiet type="submit" aria-label=(format!("{} {}", lang.t("Remover", "Remove"), member.name)) { (lang.t("Remover", "Remove")) }
                            }
                        } @else { (badge(Tone::Neutral, words::role(lang, member.role))) }
                    }
                }
                @for invitation in &invitations {
                    li {
                        div.grow { strong { (invitation.email) } @if let Some(other) = alike(&invitation.email) { " " (looks_like(lang, &other)) } p.small.muted { (lang.t("Convite aberto até ", "Invitation open until ")) (ui::date(invitation.expires_at, at.zone(), lang)) } }
                        (badge(Tone::Neutral, words::role(lang, invitation.role)))
                        @if writes { form method="post" action=(at.url(&format!("/equipe/convites/{}/retirar", invitation.id))) { (ui::csrf_field(at.csrf())) button.quiet type="submit" { (lang.t("Retirar", "Withdraw")) } } }
                    }
                }
            }
        }
        section {
            h2 { (lang.t("O que cada papel pode", "What each role may do")) }
            div.scroll tabindex="0" role="region" aria-label=(lang.t("Tabela", "Table")) { table {
                thead { tr { th scope="col" { (lang.t("Permissão", "Permission")) } @for role in Role::ALL { th scope="col" { (words::role(lang, role)) } } } }
                tbody { @for permission in P::ALL { tr {
                    th scope="row" { (words::permission(lang, permission)) }
                    @for role in Role::ALL { td { (if role.may(permission) { lang.t("sim", "yes") } else { "–" }) } }
                } } }
            } }
        }
    };
    let mut response = at.page(lang.t("Equipe", "Team"), &body);
    if refused {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

fn role(text: &str) -> Result<Role, Failure> {
    text.parse()
        .map_err(|bad: identity::UnknownRole| Problem::field("role", bad.to_string()).into())
}

/// Marks an address that is easily taken for another one of the team.
fn looks_like(lang: Lang, other: &str) -> Markup {
    let text = format!("{} {other}", lang.t("é parecido com", "looks like"));
    badge(Tone::Warn, &text)
}

#[derive(Debug, Deserialize)]
struct Invite {
    email: String,
    role: String,
}

async fn invite(at: At<PeopleWrite>, Form(form): Form<Invite>) -> Result<Response, Failure> {
    let lang = at.lang();
    let role = role(&form.role)?;
    if !at.role.may_hand_out(role) {
        return Err(Failure::forbidden());
    }
    let no = async |text: &str| {
        if at.scripted() {
            return Err(Problem::field("email", text).into());
        }
        page(&at, Some((Tone::Bad, html! { p { (text) } }))).await
    };
    if !at.app.options.mails {
        return no(lang.t(
            "Sem servidor de e-mail os convites não chegam. Peça a quem cuida do sistema que configure um (smtp.url) ou convide por você.",
            "Without a mail server invitations do not arrive. Ask whoever runs the system to set one (smtp.url), or to invite for you.",
        ))
        .await;
    }
    let now = at.now();
    let mut tx = at.app.db.begin_system().await?;
    let team = identity::members(&mut tx, at.tenant.id).await?;
    if team.iter().any(|member| member.email.eq_ignore_ascii_case(form.email.trim())) {
        drop(tx);
        return no(lang.t(
            "Esta pessoa já é da equipe. Mude o papel na lista.",
            "This person belongs to the team already. Change the role in the list.",
        ))
        .await;
    }
    let twin = team.iter().find(|member| identity::looks_like(&member.email, &form.email));
    let twin = twin.map(|member| format!("{} ({})", member.name, member.email));
    let by = (Some(at.me.person.id), at.me.person.name.as_str(), now);
    let made =
        letters::post_invitation(&at.app, &mut tx, &form.email, Some((&at.tenant, role)), by, lang)
            .await?;
    if let Err(refused) = made {
        drop(tx);
        return match refused {
            PersonError::Email(_) => {
                no(lang.t("Isto não é um e-mail.", "This is no e-mail address.")).await
            }
            PersonError::ManyToOne => {
                no(lang.t(
                    "Este endereço já recebeu vários convites hoje. Espere até amanhã.",
                    "This address was sent several invitations today. Wait until tomorrow.",
                ))
                .await
            }
            PersonError::ManyInvitations => {
                no(lang.t(
                    "A empresa já mandou 30 convites hoje. Espere até amanhã.",
                    "The business sent 30 invitations today. Wait until tomorrow.",
                ))
                .await
            }
            other => no(&other.to_string()).await,
        };
    }
    let change = identity::Change {
        actor: &at.actor(),
        action: "member.invited",
        target: form.email.trim().to_lowercase(),
        before: None,
        after: Some(json!({ "role": role })),
        address: &at.me.visitor.address,
    };
    identity::house_audit(&mut tx, Some(at.tenant.id), &change, now).await?;
    tx.commit().await?;
    // The link goes to the address only: who opens it proves that the address is theirs.
    let said = html! {
        p { (lang.t("O convite está a caminho. O link vale por 7 dias.", "The invitation is on its way. Its link works for 7 days.")) }
        @if let Some(twin) = &twin { p { strong { (lang.t("Atenção: este endereço é parecido com o de ", "Note: this address looks like that of ")) (twin)
            (lang.t(", mas não é o mesmo. Se foi engano, retire o convite.", ", but is not the same. If that was a mistake, withdraw the invitation.")) } } }
    };
    page(&at, Some((if twin.is_some() { Tone::Warn } else { Tone::Good }, said))).await
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn withdraw(
    at: At<PeopleWrite>,
    PageId(id): PageId<kernel::id::LinkKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let now = at.now();
    let mut tx = at.app.db.begin_system().await?;
    let email =
        identity::withdraw(&mut tx, at.tenant.id, id, now).await?.ok_or_else(Failure::not_found)?;
    note(&at, &mut tx, "invitation.withdrawn", &email, (None, None)).await?;
    tx.commit().await?;
    Ok(at.done("/equipe", "retirado"))
}

async fn note(
    at: &At<PeopleWrite>,
    tx: &mut db::SystemTx,
    action: &'static str,
    target: &str,
    (before, after): (Option<Role>, Option<Role>),
) -> Result<(), Failure> {
    let json = |role: Option<Role>| role.map(|role| json!({ "role": role }));
    let change = identity::Change {
        actor: &at.actor(),
        action,
        target: target.to_owned(),
        before: json(before),
        after: json(after),
        address: &at.me.visitor.address,
    };
    identity::house_audit(tx, Some(at.tenant.id), &change, at.now()).await?;
    Ok(())
}

/// The member of this id with name and role, if the person who asks may change them.
async fn member(
    at: &At<PeopleWrite>,
    tx: &mut db::SystemTx,
    id: PersonId,
) -> Result<identity::Member, Failure> {
    let members = identity::members(tx, at.tenant.id).await?;
    let member =
        members.into_iter().find(|member| member.person == id).ok_or_else(Failure::not_found)?;
    if at.role.may_hand_out(member.role) { Ok(member) } else { Err(Failure::forbidden()) }
}

fn last_owner(lang: Lang) -> Failure {
    let text = lang.t(
        "A empresa precisa de ao menos uma pessoa dona.",
        "The business needs at least one owner.",
    );
    Problem::new(StatusCode::CONFLICT, "last_owner", text).into()
}

#[derive(Debug, Deserialize)]
struct NewRole {
    role: String,
}

async fn set_role(
    at: At<PeopleWrite>,
    PageId(id): PageId<kernel::id::PersonKind>,
    Form(form): Form<NewRole>,
) -> Result<Response, Failure> {
    let role = role(&form.role)?;
    if !at.role.may_hand_out(role) {
        return Err(Failure::forbidden());
    }
    let mut tx = at.app.db.begin_system().await?;
    let member = member(&at, &mut tx, id).await?;
    let before = identity::set_role(&mut tx, at.tenant.id, id, role).await?;
    let before = before.ok_or_else(|| last_owner(at.lang()))?;
    note(&at, &mut tx, "member.role_changed", &member.email, (Some(before), Some(role))).await?;
    tx.commit().await?;
    Ok(at.done("/equipe", "salvo"))
}

async fn remove(
    at: At<PeopleWrite>,
    PageId(id): PageId<kernel::id::PersonKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let mut tx = at.app.db.begin_system().await?;
    let member = member(&at, &mut tx, id).await?;
    drop(tx);
    // First, and again if what follows fails: whom they attended waits for somebody else.
    inbox::release(&at.app.db, id, [at.tenant.id], at.now()).await?;
    let mut tx = at.app.db.begin_system().await?;
    let before = identity::leave(&mut tx, at.tenant.id, id, at.now()).await?;
    let before = before.ok_or_else(|| last_owner(at.lang()))?;
    note(&at, &mut tx, "member.removed", &member.email, (Some(before), None)).await?;
    tx.commit().await?;
    if id == at.me.person.id {
        return Ok(redirect("/painel"));
    }
    Ok(at.done("/equipe", "removido"))
}

async fn end_support(at: At<PeopleWrite>, Form(_): Form<Nothing>) -> Result<Response, Failure> {
    let mut tx = at.app.db.begin_system().await?;
    identity::end_grant(&mut tx, at.tenant.id, None, at.now()).await?;
    note(&at, &mut tx, "support.ended", at.tenant.slug.as_str(), (None, None)).await?;
    tx.commit().await?;
    Ok(at.done("/equipe", "encerrada"))
}
