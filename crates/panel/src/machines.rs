//! Machine tokens of the house: made, shown once, ended.

use axum::response::Response;
use identity::Change;
use kernel::MachineTokenId;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tenancy::HouseScopes;
use ui::{Icon, Tone, badge, page_head};
use web::Problem;

use crate::address::redirect;
use crate::door::{Me, Operator, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::keys::{self, Wanted};
use crate::registry::{PageAccess, Pages};

const PAGE: &str = "/painel/operador/chaves";

pub(crate) fn pages(pages: &mut Pages) {
    pages.page(PAGE, PageAccess::Operator, show);
    pages.action(PAGE, PageAccess::Operator, create);
    pages.action("/painel/operador/chaves/{id}/encerrar", PageAccess::Operator, revoke);
}

async fn show(Operator(me): Operator) -> Result<Response, Failure> {
    page(&me, None).await
}

async fn page(me: &Me, fresh: Option<Markup>) -> Result<Response, Failure> {
    let (lang, now, zone) = (me.lang(), me.visitor.app.clock.now(), "UTC");
    let mut tx = me.visitor.app.db.read_system().await?;
    let tokens = tenancy::list_machine_tokens(&mut tx).await?;
    drop(tx);
    let title = lang.t("Chaves da instalação", "Keys of the installation");
    let body = html! {
        (page_head(title, lang.t(
            "Para programas seus que criam empresas ou olham a fila. Não entram em nenhuma empresa.",
            "For programs of yours that make businesses or watch the queue. They enter no business."), None))
        @if let Some(fresh) = fresh { (fresh) }
        form.panel.stack method="post" action=(PAGE) {
            (ui::csrf_field(&me.visitor.csrf))
            h2 { (lang.t("Nova chave", "New key")) }
            (keys::fields(lang, HouseScopes::names()))
            div.row { (ui::submit(lang.t("Criar chave", "Make key"))) }
        }
        @if tokens.is_empty() {
            (ui::empty(Icon::Key, lang.t("Nenhuma chave", "No key"), lang.t("Programas não entram sem uma.", "Programs do not enter without one."), None))
        } @else {
            section { h2 { (lang.t("Chaves", "Keys")) } ul.list { @for token in &tokens {
                @let ended = token.revoked_at.is_some() || token.expires_at.is_some_and(|at| at <= now);
                li {
                    div.grow { strong { (token.name) } " " code { (token.prefix) "…" }
                        p.small.muted { (token.scopes) " · " (lang.t("criada ", "made ")) (ui::date(token.created_at, zone, lang))
                            @if let Some(until) = token.expires_at { " · " (lang.t("até ", "until ")) (ui::date(until, zone, lang)) } } }
                    @if ended { (badge(Tone::Neutral, lang.t("encerrada", "ended"))) }
                    @else { form method="post" action=(format!("{PAGE}/{}/encerrar", token.id)) data-confirm=(lang.t("Encerrar esta chave? Programas que a usam param agora.", "End this key? Programs that use it stop now.")) { (ui::csrf_field(&me.visitor.csrf)) button.quiet type="submit" { (lang.t("Encerrar", "End")) } } }
                }
            } } }
        }
    };
    Ok(me.page(title, &body))
}

async fn note(
    me: &Me,
    tx: &mut db::SystemTx,
    action: &'static str,
    target: String,
    after: Option<serde_json::Value>,
) -> Result<(), Failure> {
    let change = Change {
        actor: &me.actor(),
        action,
        target,
        before: None,
        after,
        address: &me.visitor.address,
    };
    identity::house_audit(tx, None, &change, me.visitor.app.clock.now()).await?;
    Ok(())
}

async fn create(
    Operator(me): Operator,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let (lang, now) = (me.lang(), me.visitor.app.clock.now());
    let wanted = Wanted::of(&fields, lang, now)?;
    let scopes: HouseScopes = wanted
        .scopes
        .parse()
        .map_err(|bad: tenancy::UnknownHouseScope| Problem::field("scope", bad.to_string()))?;
    let mut tx = me.visitor.app.db.begin_system().await?;
    let made =
        tenancy::create_machine_token(&mut tx, &wanted.name, &scopes, wanted.expires, now).await?;
    let after = Some(json!({ "scopes": scopes }));
    note(&me, &mut tx, "machine_token.created", wanted.name, after).await?;
    tx.commit().await?;
    page(&me, Some(keys::shown_once(lang, &made.secret))).await
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn revoke(
    Operator(me): Operator,
    PageId(id): PageId<kernel::id::MachineTokenKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let id: MachineTokenId = id;
    let now = me.visitor.app.clock.now();
    let mut tx = me.visitor.app.db.begin_system().await?;
    let Some(name) = tenancy::revoke_machine_token(&mut tx, id, now).await? else {
        return Err(Failure::not_found());
    };
    note(&me, &mut tx, "machine_token.revoked", name, None).await?;
    tx.commit().await?;
    Ok(redirect(PAGE))
}
