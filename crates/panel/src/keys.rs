//! API keys of the tenant: made, shown once, ended.

use std::time::Duration;

use axum::response::Response;
use kernel::{ApiKeyId, Moment};
use maud::{Markup, html};
use serde_json::json;
use tenancy::Scopes;
use ui::{Field, Icon, Lang, Tone, badge, page_head};
use web::Problem;
use web::permission::KeysWrite;

use crate::api::scopes_of;
use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::Pages;
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<KeysWrite, _, _>("/painel/t/{slug}/chaves", show);
    pages.tenant_action::<KeysWrite, _, _>("/painel/t/{slug}/chaves", create);
    pages.tenant_action::<KeysWrite, _, _>("/painel/t/{slug}/chaves/{id}/encerrar", revoke);
}

async fn show(at: At<KeysWrite>) -> Result<Response, Failure> {
    page(&at, None).await
}

async fn page(at: &At<KeysWrite>, fresh: Option<Markup>) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let mut tx = at.read().await?;
    let keys = tenancy::list_keys(&mut tx).await?;
    drop(tx);
    let all = scopes_of(at.role);
    let held: Vec<&str> = Scopes::names().iter().copied().filter(|name| all.allows(name)).collect();
    let body = html! {
        (page_head(lang.t("Chaves de API", "API keys"), lang.t(
            "Para programas: o documento da API está em /openapi.json.",
            "For programs: the document of the API is at /openapi.json."), None))
        @if let Some(fresh) = fresh { (fresh) }
        form.panel.stack method="post" action=(at.url("/chaves")) {
            (ui::csrf_field(at.csrf()))
            h2 { (lang.t("Nova chave", "New key")) }
            (self::fields(lang, &held))
            div.row { (ui::submit(lang.t("Criar chave", "Make key"))) }
        }
        @if keys.is_empty() {
            (ui::empty(Icon::Key, lang.t("Nenhuma chave", "No key"), lang.t("Programas não entram sem uma.", "Programs do not enter without one."), None))
        } @else {
            section { h2 { (lang.t("Chaves", "Keys")) } ul.list { @for key in &keys {
                @let ended = key.revoked_at.is_some() || key.expires_at.is_some_and(|at| at <= now);
                li {
                    div.grow { strong { (key.name) } " " code { (key.prefix) "…" }
                        p.small.muted { (key.scopes) " · " (lang.t("criada ", "made ")) (ui::date(key.created_at, at.zone(), lang))
                            @if let Some(until) = key.expires_at { " · " (lang.t("até ", "until ")) (ui::date(until, at.zone(), lang)) } } }
                    @if ended { (badge(Tone::Neutral, lang.t("encerrada", "ended"))) }
                    @else { form method="post" action=(at.url(&format!("/chaves/{}/encerrar", key.id))) data-confirm=(lang.t("Encerrar esta chave? Programas que a usam param agora.", "End this key? Programs that use it stop now.")) { (ui::csrf_field(at.csrf())) button.quiet type="submit" { (lang.t("Encerrar", "End")) } } }
                }
            } } }
        }
    };
    Ok(at.page(lang.t("Chaves de API", "API keys"), &body))
}

async fn create(
    at: At<KeysWrite>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let wanted = Wanted::of(&fields, lang, now)?;
    let scopes: Scopes = wanted
        .scopes
        .parse()
        .map_err(|bad: tenancy::UnknownScope| Problem::field("scope", bad.to_string()))?;
    // Nobody hands out more than they hold.
    if !scopes_of(at.role).covers(&scopes) {
        return Err(Failure::forbidden());
    }
    let (name, expires) = (wanted.name, wanted.expires);
    let mut tx = at.begin().await?;
    let made = tenancy::create_key(&mut tx, &name, &scopes, expires, now).await?;
    at.note(&mut tx, "key.created", name, (None, Some(json!({ "scopes": scopes })))).await?;
    tx.commit().await?;
    page(&at, Some(shown_once(lang, &made.secret))).await
}

/// What is asked for of a new key or token.
pub(crate) struct Wanted {
    pub(crate) name: String,
    /// Names of scopes, with blanks between them.
    pub(crate) scopes: String,
    pub(crate) expires: Option<Moment>,
}

impl Wanted {
    pub(crate) fn of(
        fields: &[(String, String)],
        lang: Lang,
        now: Moment,
    ) -> Result<Self, Problem> {
        let one =
            |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, v)| v.trim());
        let name = one("name");
        if name.parse::<kernel::line::Line<60>>().is_err() {
            let why = lang.t(
                "Um nome tem de 1 a 60 letras, em uma linha.",
                "A name has 1 to 60 letters, on one line.",
            );
            return Err(Problem::field("name", why));
        }
        let chosen: Vec<&str> =
            fields.iter().filter(|(key, _)| key == "scope").map(|(_, v)| v.as_str()).collect();
        if chosen.is_empty() {
            let why = lang.t("Escolha ao menos uma permissão.", "Choose at least one permission.");
            return Err(Problem::field("scope", why));
        }
        let expires = match one("days") {
            "" => None,
            text => match text.parse::<u64>() {
                Ok(days @ 1..=3650) => Some(now + Duration::from_secs(days * 86_400)),
                _ => {
                    let why = lang.t("De 1 a 3.650 dias.", "1 to 3,650 days.");
                    return Err(Problem::field("days", why));
                }
            },
        };
        Ok(Self { name: name.to_owned(), scopes: chosen.join(" "), expires })
    }
}

/// The fields of a new key or token.
pub(crate) fn fields(lang: Lang, scopes: &[&str]) -> Markup {
    html! {
        div.pair {
            (Field::input("name", lang.t("Nome", "Name"), "text").required().most(60).hint(lang.t("Para que serve.", "What it is for.")))
            (Field::input("days", lang.t("Vale por (dias)", "Lives for (days)"), "number").hint(lang.t("Vazio: sem fim.", "Empty: no end.")))
        }
        fieldset {
            legend { (lang.t("O que pode fazer", "What it may do")) }
            div.pair { @for scope in scopes {
                div.field.switch { input type="checkbox" id={ "s-" (scope) } name="scope" value=(scope); label for={ "s-" (scope) } { (words::scope(lang, scope)) " " code.muted { (scope) } } }
            } }
        }
    }
}

/// A secret that is shown this once.
pub(crate) fn shown_once(lang: Lang, secret: &str) -> Markup {
    html! {
        div.notice.good role="status" { div {
            p { strong { (lang.t("Copie agora. Não será mostrado de novo.", "Copy it now. It is not shown again.")) } }
            div data-once { (ui::copyable(lang.t("Chave", "Key"), secret, lang.t("Copiar", "Copy"))) }
        } }
    }
}

#[derive(Debug, serde::Deserialize)]
struct Nothing {}

async fn revoke(
    at: At<KeysWrite>,
    PageId(id): PageId<kernel::id::ApiKeyKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let id: ApiKeyId = id;
    let mut tx = at.begin().await?;
    let name = tenancy::list_keys(&mut tx).await?.into_iter().find(|k| k.id == id).map(|k| k.name);
    if !tenancy::revoke_key(&mut tx, id, at.now()).await? {
        return Err(Failure::not_found());
    }
    at.note(&mut tx, "key.revoked", name.unwrap_or_default(), (None, None)).await?;
    tx.commit().await?;
    Ok(at.done("/chaves", "removido"))
}
