//! The audit trail: who did what, filtered and exported.

use axum::extract::Query;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use identity::{Entry, Filter};
use kernel::Moment;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use ui::{Field, Icon, Lang, Tone, badge, page_head};
use web::permission::AuditRead;

use crate::address::encode;
use crate::door::{At, Operator};
use crate::failure::Failure;
use crate::registry::{PageAccess, Pages};
use crate::words;

/// Lines of a page, and of an export at most.
const LINES: usize = 100;
const EXPORTED: usize = 50_000;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<AuditRead, _, _>("/painel/t/{slug}/auditoria", show);
    pages.tenant_page::<AuditRead, _, _>("/painel/t/{slug}/auditoria.csv", export);
    pages.page("/painel/operador/auditoria", PageAccess::Operator, show_house);
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    acao: String,
    #[serde(default)]
    quem: String,
    #[serde(default)]
    antes: String,
}

impl Wanted {
    fn filter(&self) -> Filter {
        let before = self
            .antes
            .split_once('_')
            .and_then(|(at, id)| Some((Moment(at.parse().ok()?), id.parse().ok()?)));
        Filter { action: self.acao.clone(), actor: self.quem.clone(), before }
    }
}

fn actions(lang: Lang) -> Vec<(String, String)> {
    [
        ("", lang.t("Tudo", "Everything")),
        ("assistant", lang.t("Assistente", "Assistant")),
        ("knowledge", lang.t("Conhecimento", "Knowledge")),
        ("channel", lang.t("Canais", "Channels")),
        ("member", lang.t("Equipe", "Team")),
        ("conversation", lang.t("Conversas", "Conversations")),
        ("key", lang.t("Chaves de API", "API keys")),
        ("brand", lang.t("Marca", "Brand")),
        ("support", lang.t("Suporte", "Support")),
        ("person", lang.t("Contas", "Accounts")),
        ("tenant", lang.t("Empresas", "Businesses")),
    ]
    .into_iter()
    .map(|(value, text)| (value.to_owned(), text.to_owned()))
    .collect()
}

/// The lines; `base`: where the pages of the business are, whose conversations can be opened.
fn table(lang: Lang, zone: &str, base: Option<&str>, entries: &[Entry]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(lang.t("Tabela", "Table")) { table {
            thead { tr {
                th scope="col" { (lang.t("Quando", "When")) @if zone == "UTC" { " (" (zone) ")" } } th scope="col" { (lang.t("Quem", "Who")) }
                th scope="col" { (lang.t("O que fez", "What they did")) } th scope="col" { (lang.t("Antes e depois", "Before and after")) }
                th scope="col" { (lang.t("De onde", "From where")) }
            } }
            tbody { @for entry in entries { tr {
                td { (ui::date_time(entry.at, zone, lang)) }
                td { (entry.actor) @if entry.actor_kind == "support" { " " (badge(Tone::Warn, lang.t("suporte", "support"))) } }
                td { (words::deed(lang, &entry.action)) (target(lang, base, entry)) }
                td { (difference(lang, entry)) }
                td { (entry.address) }
            } } }
        } }
    }
}

fn target(lang: Lang, base: Option<&str>, entry: &Entry) -> Markup {
    let conversation = base.filter(|_| entry.action.starts_with("conversation."));
    html! {
        @if let Some(base) = conversation {
            p.small { a href=(format!("{base}/conversas/{}", entry.target)) { (lang.t("ver conversa", "see conversation")) } }
        } @else if !entry.target.is_empty() {
            p.small.muted { (entry.target) }
        }
    }
}

fn difference(lang: Lang, entry: &Entry) -> Markup {
    if entry.before.is_none() && entry.after.is_none() {
        return html! { "–" };
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    };
    let mut names: Vec<&String> = Vec::new();
    for value in [&entry.before, &entry.after].into_iter().flatten() {
        if let Some(map) = value.as_object() {
            names.extend(map.keys());
        }
    }
    names.sort();
    names.dedup();
    // What did not change says nothing.
    names.retain(|name| {
        let of = |value: &Option<Value>| value.as_ref().map(|value| value[name.as_str()].clone());
        of(&entry.before) != of(&entry.after)
    });
    if names.is_empty() {
        return html! { "–" };
    }
    html! {
        details {
            summary { (names.len()) " " (if names.len() == 1 { lang.t("campo", "field") } else { lang.t("campos", "fields") }) }
            dl { @for name in names {
                dt { (words::field(lang, name)) }
                dd.small { (entry.before.as_ref().map_or("–".to_owned(), |v| text(&v[name]))) " → " (entry.after.as_ref().map_or("–".to_owned(), |v| text(&v[name]))) }
            } }
        }
    }
}

fn filter_form(lang: Lang, action: &str, wanted: &Wanted) -> Markup {
    html! {
        form.row method="get" action=(action) {
            div { (Field::select("acao", lang.t("Sobre", "About"), &actions(lang)).value(&wanted.acao)) }
            div { (Field::input("quem", lang.t("Quem", "Who"), "search").value(&wanted.quem).most(80)) }
            button type="submit" { (lang.t("Filtrar", "Filter")) }
        }
    }
}

fn more(lang: Lang, base: &str, wanted: &Wanted, entries: &[Entry]) -> Markup {
    html! {
        @if entries.len() == LINES {
            @if let Some(last) = entries.last() {
                p { a.button href=(format!("{base}?acao={}&quem={}&antes={}_{}", encode(&wanted.acao), encode(&wanted.quem), last.at.0, last.id)) { (lang.t("Mais antigas", "Older ones")) } }
            }
        }
    }
}

async fn show(at: At<AuditRead>, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let entries = identity::entries(&mut tx, &wanted.filter(), LINES).await?;
    drop(tx);
    let base = at.url("/auditoria");
    let narrowed = !wanted.acao.is_empty() || !wanted.quem.is_empty();
    let export = format!(
        "{}?acao={}&quem={}",
        at.url("/auditoria.csv"),
        encode(&wanted.acao),
        encode(&wanted.quem)
    );
    let body = html! {
        (page_head(lang.t("Auditoria", "Audit trail"), lang.t("Cada mudança, por quem, e o que era antes. Nada é apagado daqui.", "Each change, by whom, and what it was before. Nothing is deleted from here."),
            Some(ui::link_button(&export, lang.t("Exportar CSV", "Export CSV")))))
        (filter_form(lang, &base, &wanted))
        section {
            @if entries.is_empty() { (ui::empty(Icon::Scroll, lang.t("Nada aqui", "Nothing here"),
                if narrowed { lang.t("Nenhuma mudança com este filtro.", "No change by this filter.") } else { lang.t("Mudanças aparecem assim que são feitas.", "Changes appear as soon as they are made.") }, None)) }
            @else { (table(lang, at.zone(), Some(&at.url("")), &entries)) (more(lang, &base, &wanted, &entries)) }
        }
    };
    Ok(at.page(lang.t("Auditoria", "Audit trail"), &body))
}

/// A cell that a spreadsheet does not take for a formula.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

async fn export(at: At<AuditRead>, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let mut tx = at.read().await?;
    let entries = identity::entries(&mut tx, &wanted.filter(), EXPORTED).await?;
    drop(tx);
    let mut out = csv::Writer::from_writer(Vec::new());
    let failed = |cause: csv::Error| Failure::from(web::Problem::internal(&cause));
    out.write_record([
        "at",
        "actor_kind",
        "actor",
        "action",
        "target",
        "before",
        "after",
        "address",
    ])
    .map_err(failed)?;
    for entry in &entries {
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        out.write_record([
            entry.at.rfc3339(),
            entry.actor_kind.clone(),
            cell(&entry.actor),
            entry.action.clone(),
            cell(&entry.target),
            json(&entry.before),
            json(&entry.after),
            entry.address.clone(),
        ])
        .map_err(failed)?;
    }
    let bytes = out.into_inner().map_err(|cause| web::Problem::internal(&cause))?;
    let name = format!("attachment; filename=\"audit-{}.csv\"", at.tenant.slug);
    Ok((
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
            (
                header::CONTENT_DISPOSITION,
                HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
            ),
        ],
        bytes,
    )
        .into_response())
}

async fn show_house(
    Operator(me): Operator,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let lang = me.lang();
    let mut tx = me.visitor.app.db.read_system().await?;
    let entries = identity::house_entries(&mut tx, &wanted.filter(), LINES).await?;
    drop(tx);
    let base = "/painel/operador/auditoria";
    let body = html! {
        (page_head(lang.t("Auditoria da operação", "Audit trail of the house"), lang.t("O que foi feito fora das empresas. O de cada empresa está nela.", "What was done outside of the businesses. Each business has its own."), None))
        (filter_form(lang, base, &wanted))
        section { (table(lang, "UTC", None, &entries)) (more(lang, base, &wanted, &entries)) }
    };
    Ok(me.page(lang.t("Auditoria", "Audit trail"), &body))
}
