//! One conversation: what was said, why, who has it, and what to do about it.

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use db::TenantTx;
use identity::Permission as P;
use inbox::{MessageView, Note, Owner, OwnerChange, Row, WINDOW};
use kernel::{ConversationId, Moment, PersonId};
use maud::{Markup, html};
use messaging::{Kind, LinkState};
use serde::Deserialize;
use serde_json::Value;
use ui::{Icon, Lang, Tone, badge, icon, initials};
use web::Permission;
use web::permission::InboxRead;

use crate::composer::{composer, template_form};
use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::inbox_page::{Around, Wanted, contact_name, keys, list_pane, owner_text};
use crate::live::{self, since, versioned};
use crate::registry::Pages;
use crate::words;

pub(crate) type Conversation = PageId<kernel::id::ConversationKind>;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/conversas/{id}", show);
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/conversas/{id}/fio", fragment);
}

/// Messages shown at first; older ones by a link.
pub(crate) const SHOWN: usize = 60;

/// All that a conversation's page shows.
struct Talk {
    row: Row,
    messages: Vec<MessageView>,
    more: bool,
    notes: Vec<Note>,
    changes: Vec<OwnerChange>,
    signed: Vec<(kernel::MessageId, PersonId)>,
    /// Names of people who are not of the team any more.
    former: HashMap<PersonId, String>,
    /// Until when free text may be sent, where that is limited.
    until: Option<Moment>,
}

impl Talk {
    fn name<'a>(&'a self, around: &'a Around, person: PersonId) -> Option<&'a str> {
        around.name(person).or_else(|| self.former.get(&person).map(String::as_str))
    }
}

async fn talk<Q: Permission>(
    at: &At<Q>,
    tx: &mut TenantTx,
    id: ConversationId,
    around: &Around,
    limit: usize,
) -> Result<Talk, Failure> {
    let row = inbox::desk_row(tx, id).await?.ok_or_else(Failure::not_found)?;
    let mut messages = inbox::messages(tx, id, None, limit + 1).await?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    messages.reverse();
    let notes = inbox::notes(tx, id).await?;
    let changes = inbox::owner_changes(tx, id, 60).await?;
    let signed = inbox::signatures(tx, id).await?;
    let kind: Option<Kind> = around.channel(row.channel).and_then(|c| c.kind.parse().ok());
    let limited =
        kind.is_some_and(|kind| at.app.messengers.of(kind).capabilities().templates_required);
    let until = limited.then(|| row.last_inbound_at.unwrap_or(Moment(0)) + WINDOW);
    let mut people: Vec<PersonId> = signed.iter().map(|(_, person)| *person).collect();
    for change in &changes {
        people.extend(change.person);
        people.extend(change.target);
    }
    let former = around.former(at, people).await?;
    Ok(Talk { row, messages, more, notes, changes, signed, former, until })
}

async fn show(
    at: At<InboxRead>,
    PageId(id): Conversation,
    Query(wanted): Query<Wanted>,
    Query(shown): Query<Shown>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    look(&at, id).await?;
    let mut tx = at.read().await?;
    let around = Around::of(&at, &mut tx).await?;
    let limit = shown.limit();
    let talk = talk(&at, &mut tx, id, &around, limit).await?;
    let canned = inbox::canned(&mut tx).await?;
    let contact = inbox::contact(&mut tx, talk.row.contact).await?;
    let list = list_pane(&at, &mut tx, &wanted, Some(id), &around).await?;
    drop(tx);
    let name = contact_name(&at, &talk.row);
    let writes = at.may(P::InboxWrite);
    let open = talk.until.is_none_or(|until| until > at.now());
    let live = format!("{}?mais={limit}", at.url(&format!("/conversas/{id}/fio")));
    let (inner, _) = inner(&at, &talk, &around, limit);
    let undo = match at.said() {
        Some("resolvida") => Some("reabrir"),
        Some("assumida") => Some("devolver"),
        Some("devolvida") => Some("assumir"),
        _ => None,
    };
    let body = html! {
        div.inbox.open {
            (list)
            section.pane.talk-pane aria-label=(name) {
                header.pane-head {
                    a.back-link.button.quiet.icon-only href={ (at.url("/conversas")) (wanted.query(&[])) }
                        aria-label=(lang.t("Voltar à lista", "Back to the list")) { (icon(Icon::Back)) }
                    span.avatar aria-hidden="true" { (initials(&name)) }
                    div { h2 { (name) }
                        @if let Some(channel) = around.channel(talk.row.channel) {
                            p.small.muted { (words::kind(&channel.kind)) " · " (channel.instance) }
                        }
                    }
                    @if writes { (actions(&at, &talk.row, false)) }
                    button.quiet.icon-only type="button" data-show="show-person" aria-label=(lang.t("Pessoa", "Person")) { (icon(Icon::Person)) }
                }
                div #talk hx-get=(live) hx-trigger="live from:body throttle:400ms" hx-include="#talk [name=v]" { (inner) }
                @if let Some(channel) = around.channel(talk.row.channel).filter(|c| c.state != LinkState::Connected) {
                    div.notice.warn.above role="status" { (icon(Icon::Warn)) p {
                        (lang.t("O canal desta conversa está desconectado: o que for escrito espera na fila. ", "This conversation's channel is disconnected: what is written waits in the queue. "))
                        a href=(at.url(&format!("/canais/{}", channel.id))) { (lang.t("Ver canal", "See channel")) }
                    } }
                }
                div #problem aria-live="assertive" {}
                @if writes {
                    @if open { (composer(&at, id, &canned)) }
                    @else { (template_form(&at, id)) }
                }
            }
            (person_pane(&at, &talk, contact.as_ref(), &around))
        }
        (keys(&at))
        @if let Some(undo) = undo.filter(|_| writes) { (at.undo(&format!("/conversas/{id}/{undo}"))) }
    };
    Ok(at.full_page(&name, &body))
}

#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    mais: usize,
    #[serde(default)]
    v: String,
}

impl Shown {
    fn limit(&self) -> usize {
        self.mais.clamp(SHOWN, 1000)
    }
}

/// What came is looked at, by somebody who may answer it.
async fn look<Q: Permission>(at: &At<Q>, id: ConversationId) -> Result<(), Failure> {
    if !at.may(P::InboxWrite) {
        return Ok(());
    }
    let mut tx = at.read().await?;
    let view = inbox::desk(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    drop(tx);
    // Only what is new is written down: most looks change nothing.
    if view.unseen {
        let mut tx = at.begin().await?;
        inbox::seen(&mut tx, id, at.now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn fragment(
    at: At<InboxRead>,
    PageId(id): Conversation,
    Query(shown): Query<Shown>,
) -> Result<Response, Failure> {
    look(&at, id).await?;
    talk_now(&at, id, shown.limit(), &shown.v).await
}

/// The thread as it is now, or nothing if the browser shows that already.
pub(crate) async fn talk_now<Q: Permission>(
    at: &At<Q>,
    id: ConversationId,
    limit: usize,
    known: &str,
) -> Result<Response, Failure> {
    let mut tx = at.read().await?;
    let around = Around::of(at, &mut tx).await?;
    let talk = talk(at, &mut tx, id, &around, limit).await?;
    drop(tx);
    let (markup, version) = inner(at, &talk, &around, limit);
    if known == version {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // What may be done is in the head of the page.
    let head = at.may(P::InboxWrite).then(|| {
        html! { (actions(at, &talk.row, true)) (assignee(at, &talk.row, &around, true)) }
    });
    Ok(html! { (markup) @if let Some(head) = head { (head) } }.into_response())
}

fn inner<Q: Permission>(
    at: &At<Q>,
    talk: &Talk,
    around: &Around,
    limit: usize,
) -> (Markup, String) {
    let shut = talk.until.is_some_and(|until| until <= at.now());
    versioned(html! {
        input type="hidden" name="w" value=(if shut { "shut" } else { "open" });
        (thread(at, talk, around, limit))
        (owner_bar(at, talk, around))
    })
}

/// Something that stands in the thread at its time.
enum Item<'a> {
    Message(&'a MessageView),
    Note(&'a Note),
    Change(&'a OwnerChange),
}

fn thread<Q: Permission>(at: &At<Q>, talk: &Talk, around: &Around, limit: usize) -> Markup {
    let lang = at.lang();
    let mut items: Vec<(Moment, Item<'_>)> = Vec::new();
    let from =
        if talk.more { talk.messages.first().map_or(Moment(0), |m| m.at) } else { Moment(0) };
    items.extend(talk.messages.iter().map(|m| (m.at, Item::Message(m))));
    items.extend(talk.notes.iter().filter(|n| n.at >= from).map(|n| (n.at, Item::Note(n))));
    items.extend(talk.changes.iter().filter(|c| c.at >= from).map(|c| (c.at, Item::Change(c))));
    items.sort_by_key(|(at, _)| *at);
    let mut day = String::new();
    let summary = summary(at, talk);
    html! {
        div.thread tabindex="0" role="log" aria-label=(lang.t("Mensagens", "Messages")) {
            @if talk.more {
                a.day href=(format!("?mais={}", limit + 200)) { (lang.t("Mensagens anteriores", "Earlier messages")) }
            }
            @for (when, item) in &items {
                @let date = ui::date(*when, at.zone(), lang);
                @if date != day {
                    div.day { (date) }
                    @let () = day.clone_from(&date);
                }
                @match item {
                    Item::Message(message) => (bubble(at, message, talk, around)),
                    Item::Note(note) => div.bubble.note {
                        p { (note.body) }
                        p.foot { span.by { (icon(Icon::Note)) (lang.t("Nota de ", "Note by ")) (note.author) } (ui::clock_time(note.at, at.zone())) }
                    },
                    Item::Change(change) => div.event {
                        @match change.person.and_then(|person| talk.name(around, person)) {
                            Some(name) => {
                                (name) " " (words::moved(lang, &change.event))
                                @if let Some(target) = change.target.and_then(|person| talk.name(around, person)) { " " (target) }
                            }
                            None => (words::event(lang, &change.event)),
                        }
                        " · " (ui::clock_time(change.at, at.zone()))
                    },
                }
            }
            @if let Some(summary) = summary { (summary) }
        }
    }
}

/// What whoever takes over should know, out of the conversation's own words.
fn summary<Q: Permission>(at: &At<Q>, talk: &Talk) -> Option<Markup> {
    let lang = at.lang();
    if !talk.row.needs_person {
        return None;
    }
    let asked: Vec<&str> = talk
        .messages
        .iter()
        .rev()
        .filter(|m| m.direction == "in")
        .filter_map(|m| m.body.as_deref())
        .filter(|body| body.chars().count() > 3)
        .take(3)
        .collect();
    let last = talk.messages.iter().rev().find(|m| m.author == "assistant");
    let sources: Vec<&str> = last
        .and_then(|m| m.trace.as_ref())
        .map(|trace| {
            trace["nearest"]
                .as_array()
                .or_else(|| trace["sources"].as_array())
                .into_iter()
                .flatten()
                .filter_map(|s| s["heading"].as_str().or_else(|| s["title"].as_str()))
                .take(3)
                .collect()
        })
        .unwrap_or_default();
    Some(html! {
        div.event role="note" {
            strong { (words::event(lang, talk.row.reason.as_deref().unwrap_or_default())) }
            @if !asked.is_empty() {
                br; (lang.t("Escreveu: ", "Wrote: "))
                @for (n, text) in asked.iter().rev().enumerate() { @if n > 0 { " · " } "“" (text) "”" }
            }
            @if !sources.is_empty() {
                br; (lang.t("Mais perto no conhecimento: ", "Nearest in the knowledge: ")) (sources.join(", "))
            }
        }
    })
}

fn bubble<Q: Permission>(
    at: &At<Q>,
    message: &MessageView,
    talk: &Talk,
    around: &Around,
) -> Markup {
    let lang = at.lang();
    let out = message.direction == "out";
    let person = matches!(message.author.as_str(), "person" | "phone");
    let by = if out { author(lang, message, talk, around) } else { String::new() };
    let failed = matches!(message.state.as_str(), "failed" | "unknown");
    html! {
        div.bubble.out[out].in[!out].person[out && person] {
            (media(at, message))
            @if let Some(body) = &message.body { p { (ui::chat_text(body)) } }
            @else if message.media.is_none() { p.muted { (words::content(lang, &message.content)) } }
            @if let Some(trace) = &message.trace { (trace_view(at, message, trace)) }
            p.foot {
                @if !by.is_empty() { span.by { (by) } }
                span { (ui::clock_time(message.at, at.zone())) }
                @if out {
                    span.failed[failed] {
                        @if failed { (icon(Icon::Warn)) }
                        (words::state(lang, &message.state))
                        @if let Some(reason) = message.reason.as_deref().filter(|_| failed) { ": " (crate::causes::cause(lang, reason)) }
                    }
                    @if let Some(body) = message.body.as_deref().filter(|_| failed && at.may(P::InboxWrite)) {
                        button.quiet type="button" data-text=(body) data-into="#texto" { (lang.t("Escrever de novo", "Write again")) }
                    }
                }
            }
        }
    }
}

fn author(lang: Lang, message: &MessageView, talk: &Talk, around: &Around) -> String {
    match message.author.as_str() {
        "assistant" => lang.t("Assistente", "Assistant").to_owned(),
        "phone" => lang.t("Pelo celular", "From the phone").to_owned(),
        "person" => talk
            .signed
            .iter()
            .find(|(id, _)| *id == message.id)
            .and_then(|(_, person)| talk.name(around, *person))
            .unwrap_or(lang.t("Equipe", "Team"))
            .to_owned(),
        _ => lang.t("Integração", "Integration").to_owned(),
    }
}

fn media<Q: Permission>(at: &At<Q>, message: &MessageView) -> Markup {
    let lang = at.lang();
    let Some(media) = &message.media else { return html! {} };
    let mime = media["mime"].as_str().unwrap_or_default();
    let name = media["file_name"].as_str().unwrap_or(words::content(lang, &message.content));
    let url = at.url(&format!("/mensagens/{}/arquivo", message.id));
    if media["available"] != Value::Bool(true) {
        let why = media["reason"]
            .as_str()
            .unwrap_or(lang.t("o arquivo não está aqui", "the file is not here"));
        return html! { p.muted { (icon(Icon::Attach)) (name) ": " (why) } };
    }
    html! {
        @if mime.starts_with("image/") { a href=(url) { img src=(url) alt=(name) loading="lazy"; } }
        @else if mime.starts_with("audio/") {
            audio controls preload="none" src=(url) aria-label=(name) {}
            @if media["transcribed"] == Value::Bool(true) { p.small.muted { (lang.t("Transcrição:", "Transcript:")) } }
        }
        @else if mime.starts_with("video/") { video controls preload="none" src=(url) aria-label=(name) {} }
        @else { p { a href=(url) download=(name) { (icon(Icon::Attach)) (name) } } }
    }
}

/// Where an answer comes from and how it came about.
fn trace_view<Q: Permission>(at: &At<Q>, message: &MessageView, trace: &Value) -> Markup {
    let lang = at.lang();
    let sources = trace["sources"].as_array().cloned().unwrap_or_default();
    let nearest = trace["nearest"].as_array().cloned().unwrap_or_default();
    let by = match trace["answered_by"].as_str().unwrap_or_default() {
        "knowledge" => {
            lang.t("pelo conhecimento, sem modelo", "by the knowledge, without a model").to_owned()
        }
        "fixed" => lang.t("frase fixa", "fixed phrase").to_owned(),
        "declined" => lang.t("não sabia", "did not know").to_owned(),
        other => other.to_owned(),
    };
    let percent = trace["confidence"].as_f64().map(|c| format!("{:.0}%", c * 100.0));
    let models: Vec<String> = trace["models"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let tokens = one["tokens_in"].as_i64().zip(one["tokens_out"].as_i64());
            let tokens = tokens.map(|(a, b)| format!(", {a} + {b} tokens")).unwrap_or_default();
            format!(
                "{}: {}{tokens}",
                text("model"),
                crate::causes::model_outcome(at.lang(), &text("outcome"))
            )
        })
        .collect();
    html! {
        details.sources {
            summary {
                (icon(Icon::Book))
                @if !sources.is_empty() { (lang.t("Fontes", "Sources")) " (" (sources.len()) ")" }
                @else { (lang.t("Como respondeu", "How it answered")) }
                @if let Some(percent) = &percent { @if !sources.is_empty() { " · " (percent) } }
            }
            @for source in &sources { (source_view(source)) }
            @if sources.is_empty() && !nearest.is_empty() {
                p.muted { (lang.t("Mais perto no conhecimento:", "Nearest in the knowledge:")) }
                @for source in &nearest { (source_view(source)) }
            }
            p.muted {
                (lang.t("Respondida ", "Answered ")) (by)
                @if let Some(percent) = percent { " · " (lang.t("confiança ", "confidence ")) (percent) }
                @if let Some(ms) = trace["ms"].as_i64() { " · " (ms) " ms" }
            }
            @for line in models { p.muted { (line) } }
            p { a href=(at.url(&format!("/mensagens/{}/percurso", message.id))) { (lang.t("Percurso da mensagem", "The message's journey")) } }
        }
    }
}

pub(crate) fn source_view(source: &Value) -> Markup {
    let text = |key: &str| source[key].as_str().unwrap_or_default();
    html! {
        blockquote {
            cite { (text("title")) @if !text("heading").is_empty() { " › " (text("heading")) } }
            (text("text"))
        }
    }
}

/// Who has the conversation, and one button that changes it.
fn owner_bar<Q: Permission>(at: &At<Q>, talk: &Talk, around: &Around) -> Markup {
    let (lang, row) = (at.lang(), &talk.row);
    let writes = at.may(P::InboxWrite);
    let mine = row.assigned_to == Some(at.me.person.id);
    html! {
        div.owner-bar.nobody[row.owner == Owner::Nobody] {
            span.grow {
                strong { (owner_text(at, row, around)) }
                @if row.owner == Owner::Nobody {
                    " · " (lang.t("há ", "for ")) (since(row.owner_since, at.now(), lang))
                }
                @if row.needs_person && row.owner != Owner::Nobody {
                    " · " (words::event(lang, row.reason.as_deref().unwrap_or_default()))
                }
                @if row.resolved { " " (badge(Tone::Good, lang.t("Resolvida", "Resolved"))) }
                @if let Some(until) = talk.until {
                    @if until > at.now() {
                        " · " (lang.t("texto livre por mais ", "free text for another "))
                        (live::until(until, at.now(), lang))
                    }
                }
            }
            @if writes {
                @if row.owner != Owner::Human || !mine {
                    (button_form(at, row.id, "assumir", lang.t("Assumir conversa", "Take over"), ("t", true)))
                }
                @if row.owner != Owner::Bot {
                    (button_form(at, row.id, "devolver", lang.t("Devolver à assistente", "Give back to the assistant"), ("d", false)))
                }
            }
        }
    }
}

fn button_form<Q: Permission>(
    at: &At<Q>,
    id: ConversationId,
    action: &str,
    text: &str,
    (key, primary): (&str, bool),
) -> Markup {
    html! {
        form method="post" action=(at.url(&format!("/conversas/{id}/{action}"))) {
            (ui::csrf_field(at.csrf()))
            button.primary[primary] type="submit" data-key=(key) title={ (text) " (" (key) ")" } { (text) }
        }
    }
}

fn actions<Q: Permission>(at: &At<Q>, row: &Row, again: bool) -> Markup {
    let lang = at.lang();
    html! {
        div.row #actions hx-swap-oob=[again.then_some("true")] {
            @if row.resolved { (button_form(at, row.id, "reabrir", lang.t("Reabrir", "Reopen"), ("e", false))) }
            @else { (button_form(at, row.id, "resolver", lang.t("Resolver", "Resolve"), ("e", false))) }
        }
    }
}

/// Whom the conversation is given to.
fn assignee<Q: Permission>(at: &At<Q>, row: &Row, around: &Around, again: bool) -> Markup {
    let lang = at.lang();
    html! {
        div.field #quem-atende hx-swap-oob=[again.then_some("true")] {
            label for="pessoa" { (lang.t("Quem atende", "Who attends")) }
            select #pessoa name="person" data-submit {
                option value="" { (lang.t("Ninguém em especial", "Nobody in particular")) }
                @for (id, name) in &around.members() {
                    option value=(id) selected[row.assigned_to == Some(*id)] { (name) }
                }
            }
        }
    }
}

fn person_pane<Q: Permission>(
    at: &At<Q>,
    talk: &Talk,
    contact: Option<&inbox::ContactView>,
    around: &Around,
) -> Markup {
    let (lang, row) = (at.lang(), &talk.row);
    let writes = at.may(P::InboxWrite);
    html! {
        aside.pane.person-pane aria-label=(lang.t("Pessoa", "Person")) {
            section {
                div.row.between {
                    h2 { (contact_name(at, row)) }
                    button.quiet.icon-only.only-narrow type="button" data-show="show-person" aria-label=(lang.t("Fechar", "Close")) { (icon(Icon::Cross)) }
                }
                dl {
                    @if let Some(contact) = contact {
                        @for handle in contact.handles.iter().filter(|h| h.kind == "phone") {
                            div { dt { (lang.t("Telefone", "Phone")) } dd { (ui::phone(&handle.value)) } }
                        }
                        div { dt { (lang.t("Primeiro contato", "First contact")) } dd { (ui::date(contact.created_at, at.zone(), lang)) } }
                    }
                    @if let Some(last) = row.last_inbound_at {
                        div { dt { (lang.t("Última mensagem", "Last message")) } dd { (ui::ago(last, at.now(), lang)) } }
                    }
                }
            }
            @if writes {
                section {
                    form.stack method="post" action=(at.url(&format!("/conversas/{}/atribuir", row.id))) {
                        (ui::csrf_field(at.csrf()))
                        (assignee(at, row, around, false))
                        noscript { button type="submit" { (lang.t("Atribuir", "Assign")) } }
                    }
                }
                section {
                    h2 { (lang.t("Etiquetas", "Labels")) }
                    @if around.labels().is_empty() {
                        p.small.muted { a href=(at.url("/ajustes")) { (lang.t("Criar etiquetas", "Make labels")) } }
                    }
                    div.row {
                        @for label in around.labels() {
                            @let on = row.labels.contains(&label.name);
                            form method="post" action=(at.url(&format!("/conversas/{}/etiqueta", row.id))) {
                                (ui::csrf_field(at.csrf()))
                                input type="hidden" name="label" value=(label.id);
                                button.quiet type="submit" aria-pressed=(if on { "true" } else { "false" }) {
                                    @if on { (icon(Icon::Check)) } (label.name)
                                }
                            }
                        }
                    }
                }
            } @else if !row.labels.is_empty() {
                section { h2 { (lang.t("Etiquetas", "Labels")) } div.row { @for label in &row.labels { (badge(Tone::Neutral, label)) } } }
            }
        }
    }
}
