//! Home: today in a sentence, what needs a person, honest figures; and the first steps.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use inbox::{Day, Figures, Narrow, Show};
use jiff::tz::TimeZone;
use kernel::Moment;
use maud::{Markup, PreEscaped, html};
use messaging::LinkState;
use serde::Deserialize;
use ui::{Icon, Lang, icon, page_head};
use web::Permission;
use web::permission::TenantRead;

use crate::causes::cause;
use crate::door::At;
use crate::failure::Failure;
use crate::live::versioned;
use crate::registry::Pages;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<TenantRead, _, _>("/painel/t/{slug}", show);
}

/// Midnights of the last days in the tenant's zone, the oldest first; the last is today's.
fn midnights(now: Moment, zone: &str, days: i64) -> Vec<Moment> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let today = now.timestamp().to_zoned(zone.clone()).date();
    (0..days)
        .rev()
        .filter_map(|back| {
            let day = today.checked_sub(jiff::Span::new().days(back)).ok()?;
            let start = day.to_zoned(zone.clone()).ok()?;
            Some(Moment(start.timestamp().as_microsecond()))
        })
        .collect()
}

/// What a new tenant has done of the first steps.
struct Steps {
    knowledge: bool,
    tried: bool,
    hours: bool,
    channel: bool,
    connected: bool,
    conversation: bool,
}

impl Steps {
    fn done(&self) -> bool {
        self.knowledge && self.tried && self.hours && self.connected && self.conversation
    }
}

#[derive(Debug, Default, Deserialize)]
struct Shown {
    #[serde(default)]
    v: String,
}

async fn show(at: At<TenantRead>, Query(shown): Query<Shown>) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let days = midnights(now, at.zone(), 7);
    let today = days.last().copied().unwrap_or(now);
    let week = days.first().copied().unwrap_or(now);
    let mut tx = at.read().await?;
    let figures = inbox::figures(&mut tx, today).await?;
    let days = inbox::days(&mut tx, &days, now).await?;
    let declined = inbox::declined(&mut tx, week, 6).await?;
    let waiting =
        inbox::desk_list(&mut tx, &Narrow { show: Show::Waiting, ..Narrow::default() }, 5).await?;
    let channels = channels::list(&mut tx).await?;
    let documents = knowledge::list(&mut tx, "", 1).await?;
    let (_, hours) = tenancy::opening_hours(&mut tx).await?;
    let any = inbox::conversations(&mut tx, None, 1).await?;
    let tried = !any.is_empty() || tried(&mut tx).await?;
    drop(tx);
    let mut tx = at.app.db.read_system().await?;
    let grants = identity::grants(&mut tx, at.tenant.id).await?;
    drop(tx);
    let support =
        grants.iter().find(|g| g.ended_at.is_none() && g.expires_at > now && at.support.is_none());
    let steps = Steps {
        knowledge: !documents.is_empty(),
        tried: !documents.is_empty() && tried,
        hours,
        channel: !channels.is_empty(),
        connected: channels.iter().any(|c| c.state == LinkState::Connected),
        conversation: !any.is_empty(),
    };
    let down = |channel: &&channels::Channel| {
        channel.alarm.is_some()
            || matches!(channel.state, LinkState::Disconnected | LinkState::Error)
    };
    let alarms: Vec<_> = channels.iter().filter(down).collect();
    let inner = html! {
        @if let Some(grant) = support {
            div.notice.warn role="status" { (icon(Icon::Warn)) p {
                (lang.t("A operação está aqui como suporte até ", "The operator is here as support until ")) (ui::clock_time(grant.expires_at, at.zone())) ": " (grant.reason)
            } }
        }
        // Whoever begins sees how to; whoever has customers sees them first.
        @if !steps.done() && !steps.conversation { (first_steps(&at, &steps)) }
        p.sentence { (sentence(lang, &figures)) }
        @for channel in alarms {
            div.notice.bad role="status" {
                (icon(Icon::Warn))
                p { strong { (channel.instance) ": " }
                    (channel.alarm.as_deref().or(channel.state_reason.as_deref()).map_or_else(|| lang.t("desconectado.", "disconnected.").to_owned(), |why| cause(lang, why))) " "
                    a href=(at.url(&format!("/canais/{}", channel.id))) { (lang.t("Ver canal", "See channel")) } }
            }
        }
        @if !waiting.is_empty() {
            section {
                h2 { (lang.t("Esperando uma pessoa", "Waiting for a person")) }
                ul.list {
                    @for row in &waiting {
                        li {
                            div.grow {
                                strong { (crate::inbox_page::contact_name(&at, row)) }
                                p.small.muted { (crate::words::event(lang, row.reason.as_deref().unwrap_or_default())) " · " (ui::ago(row.owner_since, now, lang)) }
                            }
                            a.button href=(at.url(&format!("/conversas/{}", row.id))) { (lang.t("Abrir", "Open")) }
                        }
                    }
                }
            }
        }
        section {
            h2 { (lang.t("Hoje", "Today")) }
            div.numbers {
                (ui::number_card(&ui::count(figures.conversations, lang), lang.t("conversas", "conversations"), Some(&at.url("/conversas?ver=todas"))))
                (ui::number_card(&ui::count(figures.by_assistant, lang), lang.t("só com a assistente", "by the assistant alone"), None))
                (ui::number_card(&ui::count(figures.unanswered, lang), lang.t("com pergunta sem resposta", "with a question unanswered"), Some(&at.url("/conhecimento/sem-resposta"))))
                (ui::number_card(&ui::count(figures.by_people, lang), lang.t("com pessoas", "with people"), None))
                (ui::number_card(&ui::count(figures.waiting, lang), lang.t("esperando agora", "waiting now"), Some(&at.url("/conversas?ver=esperando"))))
                (ui::number_card(&median(lang, &figures), lang.t("tempo mediano de resposta", "median answer time"), None))
            }
        }
        @if !steps.done() && steps.conversation { (first_steps(&at, &steps)) }
        section.columns {
            div.panel { (chart(lang, at.zone(), &days)) }
            div.panel {
                h2 { (lang.t("O que a assistente não soube, em 7 dias", "What the assistant did not know, in 7 days")) }
                @if declined.is_empty() {
                    p.muted { (lang.t("Nada sem resposta.", "Nothing unanswered.")) }
                } @else {
                    ul { @for one in &declined { li { a href=(at.url(&format!("/conversas/{}", one.conversation))) { (one.question) } } } }
                    p { a.button href=(at.url("/conhecimento/sem-resposta")) {
                        @if at.may(identity::Permission::KnowledgeWrite) { (lang.t("Responder e ensinar", "Answer and teach")) } @else { (lang.t("Ver todas", "See all")) }
                    } }
                }
            }
        }
    };
    // Looked at anew when something happens, and not more often than an eye would.
    let (inner, version) = versioned(inner);
    if at.me.visitor.headers.contains_key("hx-request") {
        return Ok(if shown.v == version {
            StatusCode::NO_CONTENT.into_response()
        } else {
            inner.into_response()
        });
    }
    let body = html! {
        (page_head(&at.tenant.name, "", None))
        div #home hx-get=(at.url("")) hx-include="#home [name=v]" hx-trigger="live from:body throttle:10s" { (inner) }
    };
    Ok(at.page(lang.t("Início", "Home"), &body))
}

fn median(lang: Lang, figures: &Figures) -> String {
    figures.median_answer.map_or_else(|| "–".to_owned(), |time| ui::duration(time, lang))
}

/// Whether somebody asked the assistant something, to see what it says.
async fn tried(tx: &mut db::TenantTx) -> Result<bool, db::Error> {
    let filter = identity::Filter { action: TRIED.to_owned(), ..identity::Filter::default() };
    Ok(!identity::entries(tx, &filter, 1).await?.is_empty())
}

pub(crate) const TRIED: &str = "assistant.tried";

/// Writes down that the assistant answered somebody who tried it, the first time that it did.
pub(crate) async fn note_tried<P: Permission>(
    at: &At<P>,
    reply: &assistant::Reply,
) -> Result<(), Failure> {
    if reply.declined || reply.sources.is_empty() {
        return Ok(());
    }
    let mut tx = at.read().await?;
    // Whoever has customers needs no first steps, and their trail may be long.
    let known = !inbox::conversations(&mut tx, None, 1).await?.is_empty() || tried(&mut tx).await?;
    drop(tx);
    if !known {
        let mut tx = at.begin().await?;
        at.note(&mut tx, TRIED, "", (None, None)).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Today in one sentence.
fn sentence(lang: Lang, figures: &Figures) -> String {
    let Figures { conversations, by_assistant, waiting, .. } = *figures;
    let number = |n: i64, one: &str, many: &str| {
        format!("{} {}", ui::count(n, lang), if n == 1 { one } else { many })
    };
    match lang {
        Lang::Pt if conversations == 0 && waiting == 0 => "Nenhuma conversa hoje ainda.".to_owned(),
        Lang::En if conversations == 0 && waiting == 0 => "No conversation today yet.".to_owned(),
        Lang::Pt => format!(
            "Hoje: {}, {} só pela assistente, {}.",
            number(conversations, "conversa", "conversas"),
            number(by_assistant, "atendida", "atendidas"),
            number(waiting, "esperando você", "esperando você")
        ),
        Lang::En => format!(
            "Today: {}, {} by the assistant alone, {}.",
            number(conversations, "conversation", "conversations"),
            number(by_assistant, "served", "served"),
            number(waiting, "waiting for you", "waiting for you")
        ),
    }
}

/// Messages of each day as bars, with the same numbers as a table.
fn chart(lang: Lang, zone: &str, days: &[Day]) -> Markup {
    let most =
        days.iter().map(|day| day.assistant.max(day.people).max(day.inbound)).max().unwrap_or(0);
    // Without the year: `24/11`, `24 Nov`.
    let label = |day: &Day| {
        let date = ui::date(day.from, zone, lang);
        date.rsplit_once(['/', ' ']).map_or(date.clone(), |(short, _)| short.to_owned())
    };
    let scale = |value: i64| if most == 0 { 0 } else { value * 120 / most };
    let mut bars = String::new();
    for (at, day) in days.iter().enumerate() {
        let left = 40 + at * 80;
        for (shift, class, value) in
            [(0, "two", day.inbound), (22, "one", day.assistant), (44, "three", day.people)]
        {
            let height = scale(value);
            bars.push_str(&format!(
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"18\" height=\"{height}\" rx=\"2\"/>",
                left + shift,
                140 - height
            ));
        }
        bars.push_str(&format!(
            "<text x=\"{}\" y=\"160\" text-anchor=\"middle\">{}</text>",
            left + 31,
            label(day)
        ));
    }
    html! {
        h2 { (lang.t("Mensagens por dia, últimos 7 dias", "Messages a day, last 7 days")) }
        @if most == 0 {
            p.muted { (lang.t("O gráfico começa com a primeira mensagem.", "The chart begins with the first message.")) }
        } @else {
            (PreEscaped(format!(
                "<svg class=\"chart\" viewBox=\"0 0 600 170\" preserveAspectRatio=\"xMidYMid meet\" aria-hidden=\"true\">\
                 <line x1=\"36\" y1=\"140\" x2=\"596\" y2=\"140\"/><line x1=\"36\" y1=\"20\" x2=\"596\" y2=\"20\" stroke-dasharray=\"3 4\"/>\
                 <text x=\"32\" y=\"24\" text-anchor=\"end\">{most}</text><text x=\"32\" y=\"144\" text-anchor=\"end\">0</text>{bars}</svg>"
            )))
            p.legend { span { (lang.t("contatos", "contacts")) } span.one { (lang.t("assistente", "assistant")) } span.three { (lang.t("pessoas", "people")) } }
            details {
                summary { (lang.t("Ver como tabela", "See as a table")) }
                div.scroll tabindex="0" role="region" aria-label=(lang.t("Tabela", "Table")) { table {
                    thead { tr { th scope="col" { (lang.t("Dia", "Day")) } th.num scope="col" { (lang.t("Contatos", "Contacts")) }
                        th.num scope="col" { (lang.t("Assistente", "Assistant")) } th.num scope="col" { (lang.t("Pessoas", "People")) } } }
                    tbody { @for day in days { tr { th scope="row" { (ui::date(day.from, zone, lang)) }
                        td.num { (day.inbound) } td.num { (day.assistant) } td.num { (day.people) } } } }
                } }
            }
        }
    }
}

/// From empty to the first real answer: a list that knows what is done.
fn first_steps(at: &At<TenantRead>, steps: &Steps) -> Markup {
    use identity::Permission as P;
    let lang = at.lang();
    let all = [
        (
            steps.knowledge,
            lang.t("Ensine o que a empresa sabe", "Teach what the business knows"),
            lang.t(
                "Um documento com preços, serviços e perguntas comuns já basta.",
                "A document of prices, services and common questions is enough.",
            ),
            ("/conhecimento", lang.t("Adicionar", "Add"), at.may(P::KnowledgeWrite)),
        ),
        (
            steps.tried,
            lang.t("Pergunte como um cliente", "Ask as a customer would"),
            lang.t("Veja a resposta e de onde ela vem.", "See the answer and where it comes from."),
            ("/assistente", lang.t("Testar", "Try"), at.may(P::AssistantRead)),
        ),
        (
            steps.hours,
            lang.t("Confirme o horário de funcionamento", "Confirm the opening hours"),
            lang.t(
                "Confirmado, ele vale mais do que os documentos dizem.",
                "Once confirmed, they count more than what documents say.",
            ),
            ("/assistente#horario", lang.t("Confirmar", "Confirm"), at.may(P::AssistantWrite)),
        ),
        (
            steps.channel && steps.connected,
            lang.t("Conecte o WhatsApp", "Connect WhatsApp"),
            if steps.channel {
                lang.t(
                    "O canal existe; falta parear o celular.",
                    "The channel is there; the phone is still to be paired.",
                )
            } else {
                lang.t(
                    "Por QR code ou pela API oficial da Meta.",
                    "By QR code or by Meta's official API.",
                )
            },
            ("/canais", lang.t("Conectar", "Connect"), at.may(P::ChannelsWrite)),
        ),
        (
            steps.conversation,
            lang.t("Receba a primeira conversa", "Receive the first conversation"),
            lang.t(
                "Escreva para o seu próprio número e veja a resposta chegar.",
                "Write to your own number and see the answer come.",
            ),
            ("/conversas", lang.t("Abrir conversas", "Open conversations"), true),
        ),
    ];
    let done: Vec<&str> =
        all.iter().filter(|(done, ..)| *done).map(|(_, title, ..)| *title).collect();
    html! {
        section {
            div.row.between {
                h2 { (lang.t("Primeiros passos", "First steps")) }
                span.small.muted { (done.len()) (lang.t(" de ", " of ")) (all.len()) (lang.t(" feitos", " done")) }
            }
            @if !done.is_empty() {
                ul.row.small.steps-done { @for title in &done { li { (icon(Icon::Check)) " " (title) } } }
            }
            ol.steps {
                @for (at_step, (_, title, text, (href, action, may))) in all.iter().enumerate().filter(|(_, (done, ..))| !*done) {
                    li {
                        span.dot aria-hidden="true" { (at_step + 1) }
                        div.grow { strong { (title) } p.small.muted { (text) } }
                        @if *may { a.button href=(at.url(href)) { (action) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_the_tenants_midnight() {
        // 2026-01-05 01:30 UTC is still the 4th in São Paulo.
        let now = Moment::from_seconds(1_767_576_600);
        let days = midnights(now, "America/Sao_Paulo", 2);
        let text: Vec<String> = days.iter().map(|day| day.rfc3339()).collect();
        assert_eq!(text, ["2026-01-03T03:00:00Z", "2026-01-04T03:00:00Z"]);
    }

    #[test]
    fn today_is_said_in_a_sentence() {
        let figures =
            Figures { conversations: 38, by_assistant: 31, waiting: 2, ..Figures::default() };
        assert_eq!(
            sentence(Lang::Pt, &figures),
            "Hoje: 38 conversas, 31 atendidas só pela assistente, 2 esperando você."
        );
        assert_eq!(sentence(Lang::Pt, &Figures::default()), "Nenhuma conversa hoje ainda.");
    }
}
