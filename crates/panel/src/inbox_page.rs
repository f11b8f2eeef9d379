//! The list of conversations, live, and the three panes around it.

use std::collections::{HashMap, HashSet};

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channels::Channel;
use db::TenantTx;
use inbox::{Label, Narrow, Owner, Row, Show};
use kernel::{ConversationId, PersonId};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Icon, Tone, badge, icon, initials};
use web::Permission;
use web::permission::InboxRead;

use crate::address::encode;
use crate::door::At;
use crate::failure::Failure;
use crate::live::{since, versioned};
use crate::registry::Pages;
use crate::words;

/// Rows of a page of the list.
const ROWS: usize = 50;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/conversas", show);
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/conversas-lista", fragment);
}

/// What the list is narrowed to, as its address says.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    pub(crate) ver: String,
    #[serde(default)]
    canal: String,
    #[serde(default)]
    etiqueta: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    antes: String,
    /// What the browser shows already.
    #[serde(default)]
    v: String,
    /// The conversation that is open beside the list.
    #[serde(default)]
    aberta: String,
}

impl Wanted {
    fn narrow(&self, me: PersonId) -> Narrow {
        let before = self.antes.split_once('_').and_then(|(at, id)| {
            Some((kernel::Moment(at.parse().ok()?), id.parse::<ConversationId>().ok()?))
        });
        Narrow {
            show: match self.ver.as_str() {
                "esperando" => Show::Waiting,
                "minhas" => Show::Mine(me),
                "novas" => Show::Unread,
                "resolvidas" => Show::Resolved,
                "todas" => Show::All,
                // Who searches looks everywhere.
                "" if !self.q.trim().is_empty() => Show::All,
                _ => Show::Open,
            },
            channel: self.canal.parse().ok(),
            label: self.etiqueta.parse().ok(),
            search: self.q.chars().take(100).collect(),
            before,
        }
    }

    /// The query of an address that keeps what is narrowed, with one thing changed.
    pub(crate) fn query(&self, changed: &[(&str, &str)]) -> String {
        let mut out = String::new();
        for (name, value) in [
            ("ver", &self.ver),
            ("canal", &self.canal),
            ("etiqueta", &self.etiqueta),
            ("q", &self.q),
        ] {
            let value =
                changed.iter().find(|(key, _)| key == &name).map_or(value.as_str(), |(_, v)| v);
            if !value.is_empty() {
                out.push(if out.is_empty() { '?' } else { '&' });
                out.push_str(name);
                out.push('=');
                out.push_str(&encode(value));
            }
        }
        for (name, value) in changed.iter().filter(|(name, _)| matches!(*name, "antes" | "aberta"))
        {
            if value.is_empty() {
                continue;
            }
            out.push(if out.is_empty() { '?' } else { '&' });
            out.push_str(&format!("{name}={}", encode(value)));
        }
        out
    }
}

/// What the list shows beside its rows.
pub(crate) struct Around {
    channels: Vec<Channel>,
    labels: Vec<Label>,
    names: HashMap<PersonId, String>,
}

impl Around {
    pub(crate) async fn of<P: Permission>(at: &At<P>, tx: &mut TenantTx) -> Result<Self, Failure> {
        let channels = channels::list(tx).await?;
        let labels = inbox::labels(tx).await?;
        let mut house = at.app.db.read_system().await?;
        let members = identity::members(&mut house, at.tenant.id).await?;
        let names = members.into_iter().map(|m| (m.person, m.name)).collect();
        Ok(Self { channels, labels, names })
    }

    /// Names of people who were here once: what they wrote and moved stays theirs.
    pub(crate) async fn former<P: Permission>(
        &self,
        at: &At<P>,
        people: Vec<PersonId>,
    ) -> Result<HashMap<PersonId, String>, Failure> {
        let unknown: HashSet<PersonId> =
            people.into_iter().filter(|person| !self.names.contains_key(person)).collect();
        let mut names = HashMap::new();
        if unknown.is_empty() {
            return Ok(names);
        }
        let mut house = at.app.db.read_system().await?;
        for person in unknown {
            if let Some(found) = identity::find_person(&mut house, person).await? {
                names.insert(person, found.name);
            }
        }
        Ok(names)
    }

    pub(crate) fn name(&self, person: PersonId) -> Option<&str> {
        self.names.get(&person).map(String::as_str)
    }

    pub(crate) fn channel(&self, id: kernel::ChannelId) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    /// The team by name.
    pub(crate) fn members(&self) -> Vec<(PersonId, &str)> {
        let mut all: Vec<_> = self.names.iter().map(|(id, name)| (*id, name.as_str())).collect();
        all.sort_by_key(|(_, name)| *name);
        all
    }

    pub(crate) fn labels(&self) -> &[Label] {
        &self.labels
    }
}

async fn show(at: At<InboxRead>, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let mut tx = at.read().await?;
    let around = Around::of(&at, &mut tx).await?;
    let list = list_pane(&at, &mut tx, &wanted, None, &around).await?;
    drop(tx);
    let lang = at.lang();
    let body = html! {
        div.inbox {
            (list)
            section.pane.talk-pane aria-label=(lang.t("Conversa", "Conversation")) {
                (ui::empty(Icon::Inbox, lang.t("Escolha uma conversa", "Choose a conversation"),
                    lang.t("Com o teclado: j e k andam pela lista, Enter abre, ? mostra todas as teclas.",
                        "With the keyboard: j and k move through the list, Enter opens, ? shows all keys."), None))
            }
        }
        (keys(&at))
    };
    Ok(at.full_page(lang.t("Conversas", "Conversations"), &body))
}

/// The keys that work here.
pub(crate) fn keys<P: Permission>(at: &At<P>) -> Markup {
    let lang = at.lang();
    html! {
        dialog #keys aria-label=(lang.t("Teclas", "Keys")) {
            h2 { (lang.t("Teclas", "Keys")) }
            div.keys {
                kbd { "j" } span { (lang.t("próxima conversa", "next conversation")) }
                kbd { "k" } span { (lang.t("conversa anterior", "previous conversation")) }
                kbd { "Enter" } span { (lang.t("abrir", "open")) }
                kbd { "r" } span { (lang.t("responder", "reply")) }
                kbd { "t" } span { (lang.t("assumir conversa", "take over")) }
                kbd { "d" } span { (lang.t("devolver à assistente", "give back to the assistant")) }
                kbd { "e" } span { (lang.t("resolver", "resolve")) }
                kbd { "n" } span { (lang.t("anotar", "write a note")) }
                kbd { "/" } span { (lang.t("buscar", "search")) }
                kbd { "Esc" } span { (lang.t("sair do campo", "leave the field")) }
            }
            form method="dialog" { button type="submit" { (lang.t("Fechar", "Close")) } }
        }
    }
}

/// The pane of the list, with search and filters.
pub(crate) async fn list_pane<P: Permission>(
    at: &At<P>,
    tx: &mut TenantTx,
    wanted: &Wanted,
    open: Option<ConversationId>,
    around: &Around,
) -> Result<Markup, Failure> {
    let lang = at.lang();
    let base = at.url("/conversas");
    let (rows, _) = rows(at, tx, wanted, open, around).await?;
    let tab = |ver: &str, text: &str| {
        let current = wanted.ver == ver;
        let href = format!("{base}{}", wanted.query(&[("ver", ver)]));
        html! { a href=(href) aria-current=[current.then_some("true")] { (text) } }
    };
    let open_text = open.map(|id| id.to_string()).unwrap_or_default();
    let live = format!(
        "{}{}",
        at.url("/conversas-lista"),
        wanted.query(&[("aberta", &open_text), ("antes", &wanted.antes)])
    );
    Ok(html! {
        section.pane.list-pane aria-label=(lang.t("Conversas", "Conversations")) {
            form.searchbar method="get" action=(base) role="search" {
                h1.visually-hidden { (lang.t("Conversas", "Conversations")) }
                (icon(Icon::Search))
                label.visually-hidden for="q" { (lang.t("Buscar por nome, telefone ou texto", "Search by name, phone or text")) }
                input #q type="search" name="q" value=(wanted.q) maxlength="100"
                    placeholder=(lang.t("Nome, telefone ou texto", "Name, phone or text"));
                @if !wanted.ver.is_empty() { input type="hidden" name="ver" value=(wanted.ver); }
            }
            nav.filters aria-label=(lang.t("Filtros", "Filters")) {
                (tab("", lang.t("Abertas", "Open")))
                (tab("esperando", lang.t("Esperando", "Waiting")))
                (tab("minhas", lang.t("Minhas", "Mine")))
                (tab("novas", lang.t("Não lidas", "Unread")))
                (tab("resolvidas", lang.t("Resolvidas", "Resolved")))
                (tab("todas", lang.t("Todas", "All")))
            }
            @if around.channels.len() > 1 || !around.labels.is_empty() {
                form.filters method="get" action=(base) {
                    @if !wanted.ver.is_empty() { input type="hidden" name="ver" value=(wanted.ver); }
                    @if around.channels.len() > 1 {
                        label.visually-hidden for="canal" { (lang.t("Canal", "Channel")) }
                        select #canal name="canal" data-submit {
                            option value="" { (lang.t("Canais", "Channels")) }
                            @for channel in &around.channels {
                                option value=(channel.id) selected[wanted.canal == channel.id.to_string()] { (channel.instance) }
                            }
                        }
                    }
                    @if !around.labels.is_empty() {
                        label.visually-hidden for="etiqueta" { (lang.t("Etiqueta", "Label")) }
                        select #etiqueta name="etiqueta" data-submit {
                            option value="" { (lang.t("Etiquetas", "Labels")) }
                            @for label in &around.labels {
                                option value=(label.id) selected[wanted.etiqueta == label.id.to_string()] { (label.name) }
                            }
                        }
                    }
                    noscript { button type="submit" { (lang.t("Filtrar", "Filter")) } }
                }
            }
            // A search is looked at, not watched: it costs more than the list.
            div.threads #threads tabindex="-1" hx-get=[wanted.q.is_empty().then_some(live)] hx-trigger="live from:body throttle:500ms" hx-include="#threads [name=v]" {
                (rows)
            }
        }
    })
}

/// The rows with their version, for a browser that shows older ones.
async fn rows<P: Permission>(
    at: &At<P>,
    tx: &mut TenantTx,
    wanted: &Wanted,
    open: Option<ConversationId>,
    around: &Around,
) -> Result<(Markup, String), Failure> {
    let lang = at.lang();
    let narrow = wanted.narrow(at.me.person.id);
    let mut found = inbox::desk_list(tx, &narrow, ROWS + 1).await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let next =
        found.last().filter(|_| more).map(|row| format!("{}_{}", row.last_message_at.0, row.id));
    let list = html! {
        @if found.is_empty() {
            (nothing(at, wanted))
        } @else {
            ul {
                @for row in &found { li { (line(at, row, wanted, open == Some(row.id), around)) } }
            }
            @if let Some(next) = next {
                a.more-link href=(format!("{}{}", at.url("/conversas"), wanted.query(&[("antes", &next)]))) {
                    (lang.t("Mais antigas", "Older ones"))
                }
            }
        }
    };
    Ok(versioned(list))
}

fn nothing<P: Permission>(at: &At<P>, wanted: &Wanted) -> Markup {
    let lang = at.lang();
    if !wanted.q.is_empty() {
        return ui::empty(
            Icon::Search,
            lang.t("Nada encontrado", "Nothing found"),
            lang.t(
                "A busca olha nomes, telefones e o texto das 2.000 conversas mais recentes.",
                "The search looks at names, phones and the text of the 2,000 most recent conversations.",
            ),
            None,
        );
    }
    match wanted.ver.as_str() {
        "" | "todas" if wanted.canal.is_empty() && wanted.etiqueta.is_empty() => ui::empty(
            Icon::Inbox,
            lang.t("Nenhuma conversa ainda", "No conversation yet"),
            lang.t(
                "Conecte um canal e peça a alguém que escreva para ele.",
                "Connect a channel and have somebody write to it.",
            ),
            at.may(identity::Permission::ChannelsWrite).then(|| {
                ui::link_button(
                    &at.url("/canais"),
                    lang.t("Conectar um canal", "Connect a channel"),
                )
            }),
        ),
        _ => ui::empty(
            Icon::Check,
            lang.t("Nada aqui agora", "Nothing here now"),
            lang.t(
                "Conversas com este filtro aparecem aqui.",
                "Conversations of this filter appear here.",
            ),
            None,
        ),
    }
}

/// Whose conversation it is, for the dot and its words.
pub(crate) fn owner_text<P: Permission>(at: &At<P>, row: &Row, around: &Around) -> String {
    let lang = at.lang();
    match row.owner {
        Owner::Bot => lang.t("Com a assistente", "With the assistant").to_owned(),
        Owner::Nobody => lang.t("Esperando uma pessoa", "Waiting for a person").to_owned(),
        Owner::Human => match row.assigned_to {
            Some(person) if person == at.me.person.id => lang.t("Com você", "With you").to_owned(),
            Some(person) => match around.name(person) {
                Some(name) => format!("{} {name}", lang.t("Com", "With")),
                None => lang.t("Com uma pessoa", "With a person").to_owned(),
            },
            None => lang.t("Com uma pessoa", "With a person").to_owned(),
        },
    }
}

pub(crate) fn contact_name<P: Permission>(at: &At<P>, row: &Row) -> String {
    row.name
        .clone()
        .filter(|name| !name.trim().is_empty())
        .or_else(|| row.phone.as_deref().map(ui::phone))
        .unwrap_or_else(|| at.lang().t("Sem nome", "No name").to_owned())
}

fn line<P: Permission>(
    at: &At<P>,
    row: &Row,
    wanted: &Wanted,
    current: bool,
    around: &Around,
) -> Markup {
    let lang = at.lang();
    let now = at.now();
    let name = contact_name(at, row);
    let owner = match row.owner {
        Owner::Bot => "bot",
        Owner::Human => "human",
        Owner::Nobody => "nobody",
    };
    // What the assistant answers itself is nobody's to read.
    let unread = row.owner != Owner::Bot && row.unread > 0;
    let href = format!("{}{}", at.url(&format!("/conversas/{}", row.id)), wanted.query(&[]));
    let text = if row.last.text.is_empty() {
        words::content(lang, &row.last.content)
    } else {
        &row.last.text
    };
    html! {
        a.unread[unread] href=(href) data-row aria-current=[current.then_some("true")] {
            span.avatar aria-hidden="true" {
                (initials(&name))
                span class={ "dot-owner " (owner) } {}
            }
            span.name { (name) span.visually-hidden { ", " (owner_text(at, row, around)) } }
            span.at { (ui::when(row.last_message_at, now, at.zone(), lang)) }
            span.last { @if !row.last.inbound { (lang.t("Nós: ", "Us: ")) } (text) }
            span.marks {
                @if row.needs_person {
                    span.badge.bad { (since(row.owner_since, now, lang)) }
                }
                @if unread { span.count { (row.unread) span.visually-hidden { " " (lang.t("não lidas", "unread")) } } }
            }
            @if !row.labels.is_empty() {
                span.tags { @for label in &row.labels { (badge(Tone::Neutral, label)) } }
            }
        }
    }
}

/// The rows alone, for the live list.
async fn fragment(at: At<InboxRead>, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let mut tx = at.read().await?;
    let around = Around::of(&at, &mut tx).await?;
    let open = wanted.aberta.parse().ok();
    let (rows, version) = rows(&at, &mut tx, &wanted, open, &around).await?;
    if wanted.v == version {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(rows.into_response())
}
