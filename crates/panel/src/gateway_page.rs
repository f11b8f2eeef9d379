//! The operator's page of the gateways: who is there, what is expected and odd, servers with their health and weight,
//! certificates, and why a request would go where it would go.

use axum::extract::Query;
use axum::response::Response;
use kernel::Moment;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use traffic::{Desk, Node, Said};
use ui::{Field, Icon, Lang, Tone, badge, page_head};
use web::Problem;

use crate::address::redirect;
use crate::door::{Me, Operator};
use crate::failure::Failure;
use crate::form::Form;
use crate::operator::note;
use crate::registry::{PageAccess, Pages};

const PAGE: &str = "/painel/operador/gateway";
const SERVER: &str = "/painel/operador/gateway/servidor";

pub(crate) fn pages(pages: &mut Pages) {
    pages.page(PAGE, PageAccess::Operator, show);
    pages.action(SERVER, PageAccess::Operator, change);
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    host: String,
    #[serde(default)]
    caminho: String,
}

fn desk(me: &Me) -> Desk {
    let app = &me.visitor.app;
    Desk { db: app.db.clone(), clock: app.clock.clone() }
}

async fn show(Operator(me): Operator, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let (lang, now) = (me.lang(), me.visitor.app.clock.now());
    let desk = desk(&me);
    let nodes = desk.nodes().await?;
    let outlook = desk.outlook().await?;
    let explained = match (nodes.first(), wanted.host.trim()) {
        (Some(node), host) if !host.is_empty() => {
            Some(explained(&desk, node, host, &wanted.caminho, lang).await?)
        }
        _ => None,
    };
    let title = "Gateways";
    let body = html! {
        (page_head(title, lang.t("O que está na frente de tudo: domínios, servidores, certificados.", "What stands in front of everything: domains, servers, certificates."), None))
        @if nodes.is_empty() {
            (ui::empty(Icon::Plug, lang.t("Nenhum gateway ligado", "No gateway runs"), lang.t("Ligue um com portaria serve --role gateway --config ARQUIVO.yaml --data PASTA; ele aparece aqui em segundos.", "Start one with portaria serve --role gateway --config FILE.yaml --data FOLDER; it appears here within seconds."), None))
        } @else {
            (present(&nodes, now, lang))
            (ahead(&outlook, lang))
            (servers(&me, &nodes, lang))
            (certificates(&nodes, now, lang))
            section id="explicar" {
                h2 { (lang.t("Para onde vai um pedido?", "Where does a request go?")) }
                form.panel.stack method="get" action=(format!("{PAGE}#explicar")) {
                    div.pair {
                        (Field::input("host", lang.t("Domínio", "Host"), "text").value(&wanted.host).required().most(253))
                        (Field::input("caminho", lang.t("Caminho", "Path"), "text").value(if wanted.caminho.is_empty() { "/" } else { &wanted.caminho }).most(2000))
                    }
                    div.row { (ui::submit(lang.t("Explicar", "Explain"))) }
                }
                @if let Some(explained) = &explained { (explained) }
            }
        }
    };
    Ok(me.page(title, &body))
}

/// Of a node's report.
fn number(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or_default()
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A measured number as people read it.
fn figure(value: Option<f64>, lang: Lang) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let text = if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    if lang.t("pt", "en") == "pt" { text.replace('.', ",") } else { text }
}

fn present(nodes: &[Node], now: Moment, lang: Lang) -> Markup {
    html! {
        section { h2 { (lang.t("Nós", "Nodes")) }
            div.scroll tabindex="0" role="region" aria-label=(lang.t("Nós", "Nodes")) { table {
                thead { tr {
                    th scope="col" { (lang.t("Nó", "Node")) } th scope="col" { (lang.t("Estado", "State")) }
                    th.num scope="col" { (lang.t("Conexões", "Connections")) } th.num scope="col" { (lang.t("Pedidos abertos", "Requests open")) }
                    th.num scope="col" { (lang.t("Rotas", "Routes")) } th.num scope="col" { (lang.t("Versão", "Version")) } th scope="col" { (lang.t("Visto", "Seen")) }
                } }
                tbody { @for node in nodes { tr {
                    th scope="row" { code { (node.node) } }
                    td { @if text(&node.report, "/status/state") == "serving" { (badge(Tone::Good, lang.t("atende", "serving"))) } @else { (badge(Tone::Warn, lang.t("encerrando", "draining"))) } }
                    td.num { (ui::count(number(&node.report, "/status/connections"), lang)) }
                    td.num { (ui::count(number(&node.report, "/status/requests"), lang)) }
                    td.num { (ui::count(number(&node.report, "/status/routes"), lang)) }
                    td.num { (number(&node.report, "/status/version")) }
                    td { (ui::ago(node.seen_at, now, lang)) }
                } } }
            } }
        }
    }
}

/// What is expected of tenants, and what was not to be expected.
fn ahead(outlook: &Value, lang: Lang) -> Markup {
    let tenants = list(outlook, "/tenants");
    html! {
        section { h2 { (lang.t("Movimento", "Traffic")) }
            @if tenants.is_empty() {
                p.muted { (lang.t("Ainda não há cinco minutos contados.", "No five minutes were counted yet.")) }
            } @else {
                div.scroll tabindex="0" role="region" aria-label=(lang.t("Movimento", "Traffic")) { table {
                    thead { tr {
                        th scope="col" { (lang.t("Empresa", "Business")) }
                        th.num scope="col" { (lang.t("Pedidos/s", "Requests/s")) } th.num scope="col" { (lang.t("Falhas", "Failures")) } th.num scope="col" { (lang.t("Média, ms", "Mean, ms")) }
                        th.num scope="col" { (lang.t("Próxima hora, até", "Next hour, up to")) } th scope="col" { (lang.t("O que fazer", "What to do")) }
                    } }
                    tbody { @for tenant in tenants { tr {
                        th scope="row" { @if text(tenant, "/tenant").is_empty() { (lang.t("sem empresa", "no business")) } @else { (text(tenant, "/tenant")) }
                            @for one in list(tenant, "/anomalies").iter().take(3) { p.small { (odd(one, lang)) } } }
                        td.num { (figure(tenant["requests_per_second"].as_f64(), lang)) }
                        td.num { @if let Some(share) = tenant["failed_share"].as_f64() { (figure(Some(share * 100.0), lang)) " %" } @else { "–" } }
                        td.num { (figure(tenant["mean_ms"].as_f64(), lang)) }
                        td.num { (next(tenant, lang)) }
                        td { (advice(&tenant["advice"], lang)) }
                    } } }
                } }
                p.small.muted { (lang.t(
                    "Prevê-se de cinco em cinco minutos; mostra-se o limite de cima do que acontece em 95 de 100 vezes. Estranho é o que fica longe do que os dias anteriores mostram nesta hora.",
                    "Forecast in steps of five minutes; shown is the upper bound of what happens in 95 of 100 cases. Odd is what lies far from what days before show at this time.")) }
            }
        }
    }
}

fn next(tenant: &Value, lang: Lang) -> Markup {
    let high = list(tenant, "/forecast/high_per_second").iter().filter_map(Value::as_f64);
    let high =
        high.fold(None, |most: Option<f64>, one| Some(most.map_or(one, |most| most.max(one))));
    match (high, tenant["forecast_in_minutes"].as_i64()) {
        (Some(high), _) => html! { (figure(Some(high), lang)) "/s" },
        (None, Some(minutes)) => {
            html! { span.small.muted { (lang.t("em ", "in ")) (minutes) " min" } }
        }
        _ => html! { "–" },
    }
}

fn advice(advice: &Value, lang: Lang) -> Markup {
    let whole = |name: &str| advice[name].as_i64().unwrap_or_default();
    let rate = |name: &str| figure(advice[name].as_f64(), lang);
    match advice["kind"].as_str() {
        Some("hold") => {
            html! { (lang.t("nada: já levou ", "nothing: it carried ")) (rate("carried_per_second")) "/s" (lang.t("", " before")) }
        }
        Some("watch") => {
            html! { (badge(Tone::Warn, lang.t("acompanhe", "watch"))) " " (lang.t("nunca levou mais de ", "it never carried more than ")) (rate("carried_per_second")) "/s" }
        }
        Some("add") => {
            html! { (badge(Tone::Bad, lang.t("mais servidores", "more servers"))) " " (whole("needed")) (lang.t(" em vez de ", " instead of ")) (whole("servers")) }
        }
        Some("spare") => {
            html! { (badge(Tone::Neutral, lang.t("sobra", "spare"))) " " (whole("needed")) (lang.t(" de ", " of ")) (whole("servers")) (lang.t(" bastam", " would do")) }
        }
        _ => html! { "–" },
    }
}

fn odd(one: &Value, lang: Lang) -> Markup {
    let about = match one["about"].as_str() {
        Some("failures") => lang.t("falhas", "failures"),
        Some("latency") => lang.t("demora", "latency"),
        _ => lang.t("pedidos", "requests"),
    };
    let unit = if one["unit"] == "ms" { " ms" } else { "/s" };
    let tone = if one["now"] == true { Tone::Bad } else { Tone::Neutral };
    let when = if one["now"] == true {
        lang.t("agora", "now").to_owned()
    } else {
        text(one, "/from").get(11..16).map(|time| format!("{time} UTC")).unwrap_or_default()
    };
    html! {
        (badge(tone, &when)) " " (about) ": " (figure(one["seen"].as_f64(), lang)) (unit)
        (lang.t(" em vez de ", " instead of ")) (figure(one["expected"].as_f64(), lang)) (unit)
    }
}

/// Pools as the first node of each file knows them: nodes of one file have the same.
fn servers(me: &Me, nodes: &[Node], lang: Lang) -> Markup {
    let mut files: Vec<&str> = Vec::new();
    let mut shown: Vec<&Node> = Vec::new();
    for node in nodes {
        let file = text(&node.report, "/cluster/file");
        if !files.contains(&file) {
            files.push(file);
            shown.push(node);
        }
    }
    html! {
        @for node in shown { @for pool in list(&node.report, "/pools") {
            @let name = text(pool, "/name");
            section {
                h2 { (lang.t("Servidores: ", "Servers: ")) (name) }
                @if pool["health_ignored"] == true { (ui::notice(Tone::Bad, lang.t("Nenhum servidor está bem; a saúde não é olhada.", "No server is healthy; health is not looked at."))) }
                div.scroll tabindex="0" role="region" aria-label=(format!("{} {name}", lang.t("Servidores", "Servers"))) { table {
                    thead { tr {
                        th scope="col" { (lang.t("Endereço", "Address")) } th scope="col" { (lang.t("Estado", "State")) }
                        th.num scope="col" { (lang.t("Abertos", "Open")) } th.num scope="col" { (lang.t("Pedidos", "Requests")) } th.num scope="col" { (lang.t("Erros", "Errors")) } th.num scope="col" { (lang.t("Demora, ms", "Latency, ms")) }
                        th scope="col" { (lang.t("Peso", "Weight")) } th scope="col" { (lang.t("Ação", "Action")) }
                    } }
                    tbody { @for one in list(pool, "/upstreams") {
                        @let address = text(one, "/address");
                        @let draining = text(one, "/state") == "draining";
                        tr {
                            th scope="row" { code { (address) } @if !text(one, "/last_check").is_empty() { p.small.muted { (text(one, "/last_check")) } } }
                            td { (state(text(one, "/state"), lang)) }
                            td.num { (ui::count(number(one, "/requests_open"), lang)) }
                            td.num { (ui::count(number(one, "/requests"), lang)) }
                            td.num { (ui::count(number(one, "/errors"), lang)) }
                            td.num { (figure(one["latency_ms"].as_f64(), lang)) }
                            td { form.row method="post" action=(SERVER) {
                                (ui::csrf_field(&me.visitor.csrf)) (hidden(node, name, address))
                                input name="weight" type="number" min="0" max="10000" value=(number(one, "/weight")) aria-label=(format!("{} {address}", lang.t("Peso de", "Weight of")));
                                button.quiet type="submit" { (lang.t("Mudar", "Change")) }
                            } }
                            td { form method="post" action=(SERVER) {
                                (ui::csrf_field(&me.visitor.csrf)) (hidden(node, name, address))
                                input type="hidden" name="draining" value=(if draining { "false" } else { "true" });
                                button.quiet type="submit" aria-label=(format!("{} {address}", if draining { lang.t("Usar de novo", "Use again") } else { lang.t("Poupar", "Drain") })) { (if draining { lang.t("Usar de novo", "Use again") } else { lang.t("Poupar", "Drain") }) }
                            } }
                        }
                    } }
                } }
            }
        } }
    }
}

fn hidden(node: &Node, pool: &str, address: &str) -> Markup {
    html! {
        input type="hidden" name="node" value=(node.node);
        input type="hidden" name="pool" value=(pool);
        input type="hidden" name="address" value=(address);
    }
}

fn state(state: &str, lang: Lang) -> Markup {
    match state {
        "serving" => badge(Tone::Good, lang.t("atende", "serving")),
        "draining" => badge(Tone::Warn, lang.t("poupado", "draining")),
        "unhealthy" => badge(Tone::Bad, lang.t("doente", "unhealthy")),
        "ejected" => badge(Tone::Bad, lang.t("afastado", "ejected")),
        "on trial" => badge(Tone::Warn, lang.t("em prova", "on trial")),
        other => badge(Tone::Neutral, other),
    }
}

fn certificates(nodes: &[Node], now: Moment, lang: Lang) -> Markup {
    let all: Vec<&Value> = nodes
        .first()
        .map_or(Vec::new(), |node| list(&node.report, "/certificates").iter().collect());
    let soon = (now + std::time::Duration::from_secs(14 * 86_400)).rfc3339();
    html! {
        @if !all.is_empty() { section { h2 { (lang.t("Certificados", "Certificates")) } ul.list {
            @for one in all { li {
                div.grow { strong { (list(one, "/names").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")) }
                    @if let Some(day) = text(one, "/not_after").get(..10) { p.small.muted { (lang.t("até ", "until ")) (day) } } }
                @let end = text(one, "/not_after");
                @if !end.is_empty() && *end < *now.rfc3339() { (badge(Tone::Bad, lang.t("vencido", "expired"))) }
                @else if !end.is_empty() && *end < *soon { (badge(Tone::Warn, lang.t("vence logo", "ends soon"))) }
            } }
        } } }
    }
}

async fn explained(
    desk: &Desk,
    node: &Node,
    host: &str,
    path: &str,
    lang: Lang,
) -> Result<Markup, Failure> {
    let path = if path.trim().is_empty() { "/" } else { path.trim() };
    let asked = format!("/v1/gateway/explain?host={}&path={}", part(host), part(path));
    let said = desk.ask(&node.node, "GET", &asked, "").await?;
    let Some(Said { body, .. }) = said else { return Ok(silent(lang)) };
    let answer: Value = serde_json::from_str(&body).unwrap_or_default();
    Ok(html! {
        div.panel role="status" {
            h3 { (host) (path) }
            @if let Some(status) = answer["status"].as_i64() { p { (lang.t("Resposta ", "Answer ")) strong { (status) } } }
            @if !text(&answer, "/detail").is_empty() { p { (text(&answer, "/detail")) } }
            ul { @for why in list(&answer, "/why") { li lang="en" { (why.as_str().unwrap_or_default()) } } }
            @if !list(&answer, "/upstreams").is_empty() { ul.list { @for one in list(&answer, "/upstreams") { li {
                code.grow { (text(one, "/address")) }
                span.small.muted { (figure(one["latency_ms"].as_f64(), lang)) " ms" }
                @if one["may_be_chosen"] == true { (badge(Tone::Good, lang.t("pode ser escolhido", "may be chosen"))) } @else { (badge(Tone::Neutral, lang.t("não agora", "not now"))) }
            } } } }
        }
    })
}

fn silent(lang: Lang) -> Markup {
    ui::notice(
        Tone::Bad,
        lang.t("O nó não respondeu; veja o log dele.", "The node did not answer; look at its log."),
    )
}

/// A part of an address.
fn part(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[derive(Debug, Deserialize)]
struct Change {
    node: String,
    pool: String,
    address: String,
    weight: Option<String>,
    draining: Option<bool>,
}

async fn change(Operator(me): Operator, Form(form): Form<Change>) -> Result<Response, Failure> {
    let lang = me.lang();
    let mut body = json!({});
    if let Some(weight) = &form.weight {
        let weight: u32 =
            weight.trim().parse().ok().filter(|weight| *weight <= 10_000).ok_or_else(|| {
                Problem::field("weight", lang.t("De 0 a 10000.", "From 0 to 10000."))
            })?;
        body["weight"] = json!(weight);
    }
    if let Some(draining) = form.draining {
        body["draining"] = json!(draining);
    }
    let path = format!("/v1/gateway/pools/{}/upstreams/{}", part(&form.pool), part(&form.address));
    let said = desk(&me).ask(&form.node, "PATCH", &path, &body.to_string()).await?;
    let silent = said.is_none();
    let problem = match said {
        Some(said) if (200..300).contains(&said.status) => None,
        Some(said) => {
            let answer: Value = serde_json::from_str(&said.body).unwrap_or_default();
            Some(text(&answer, "/detail").to_owned())
        }
        None => Some(
            lang.t(
                "O nó não respondeu a tempo; veja se mudou.",
                "The node did not answer in time; look whether it changed.",
            )
            .to_owned(),
        ),
    };
    if problem.is_none() || silent {
        // Who does not answer may have done it.
        let mut tx = me.visitor.app.db.begin_system().await?;
        let target = format!("{} {}", form.pool, form.address);
        note(&me, &mut tx, None, "gateway.server_changed", &target, Some(body)).await?;
        tx.commit().await?;
    }
    if let Some(problem) = problem {
        let status = axum::http::StatusCode::CONFLICT;
        return Err(Problem::new(status, "gateway_refused", problem).into());
    }
    Ok(redirect(PAGE))
}
