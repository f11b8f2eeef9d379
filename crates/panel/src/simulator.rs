//! The simulator: write as a customer from a phone, beside what the team sees.

use async_trait::async_trait;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use inbox::MessageView;
use maud::{Markup, html};
use serde::Deserialize;
use tenancy::Tenant;
use ui::{Icon, Lang, icon, initials, page_head};
use web::permission::InboxWrite;
use web::{Permission, Problem};

use crate::address::redirect;
use crate::door::{At, Me};
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::{PageAccess, Pages};
use crate::words;

/// A stand-in customer: what it writes takes the way of every customer's message.
#[async_trait]
pub trait Customer: Send + Sync {
    /// # Errors
    /// When the message was not taken.
    async fn write(
        &self,
        tenant: &Tenant,
        phone: &str,
        name: &str,
        text: &str,
    ) -> Result<(), Problem>;

    /// What a customer may ask this tenant.
    fn hints(&self, tenant: &Tenant) -> Vec<String>;

    /// Who can sign in where everything is for trying: their addresses, and the password of all.
    fn accounts(&self) -> (Vec<String>, String);

    /// A stand-in Evolution server to connect a phone by: its address and key.
    fn evolution(&self) -> (String, String);
}

pub(crate) fn pages(pages: &mut Pages) {
    pages.page("/painel/simulador", PageAccess::SignedIn, front);
    pages.tenant_page::<InboxWrite, _, _>("/painel/t/{slug}/simulador", show);
    pages.tenant_page::<InboxWrite, _, _>("/painel/t/{slug}/simulador/celular", phone);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/simulador", write);
}

/// Which customer writes: each has a phone of its own, so that a first greeting can be seen again.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Who {
    #[serde(default)]
    cliente: u16,
}

impl Who {
    fn phone(self) -> String {
        format!("551190000{:04}", 7777 + self.cliente % 1000)
    }

    fn name(self, lang: Lang) -> String {
        let name = lang.t("Cliente de teste", "Test customer");
        if self.cliente == 0 { name.to_owned() } else { format!("{name} {}", self.cliente + 1) }
    }

    fn query(self) -> String {
        if self.cliente == 0 { String::new() } else { format!("?cliente={}", self.cliente) }
    }

    fn next(self) -> Self {
        Self { cliente: (self.cliente + 1) % 1000 }
    }
}

/// The simulator of the place where the person works.
async fn front(me: Me) -> Result<Response, Failure> {
    let place = me.places.first().ok_or_else(Failure::not_found)?;
    Ok(redirect(&format!("/painel/t/{}/simulador", place.slug)))
}

async fn messages<P: Permission>(
    at: &At<P>,
    who: Who,
) -> Result<(Option<kernel::ConversationId>, Vec<MessageView>), Failure> {
    let mut tx = at.read().await?;
    let narrow =
        inbox::Narrow { show: inbox::Show::All, search: who.phone(), ..inbox::Narrow::default() };
    let found = inbox::desk_list(&mut tx, &narrow, 1).await?;
    let Some(row) = found.first() else { return Ok((None, Vec::new())) };
    let mut list = inbox::messages(&mut tx, row.id, None, 60).await?;
    list.reverse();
    // What waits, failed or was taken back is on no phone.
    list.retain(|message| {
        message.direction == "in" || matches!(message.state.as_str(), "sent" | "delivered" | "read")
    });
    Ok((Some(row.id), list))
}

fn thread<P: Permission>(at: &At<P>, list: &[MessageView]) -> Markup {
    let lang = at.lang();
    html! {
        div.thread role="log" aria-live="polite" tabindex="0" aria-label=(lang.t("Conversa no celular", "Conversation on the phone")) {
            @if list.is_empty() { div.day { (lang.t("Escreva a primeira mensagem", "Write the first message")) } }
            @for message in list {
                // On the customer's phone what we send comes in.
                div.bubble.out[message.direction == "in"].in[message.direction == "out"] {
                    p { (ui::chat_text(message.body.as_deref().unwrap_or(words::content(lang, &message.content)))) }
                    @if message.body.is_some() && message.media.is_some() { p.small { (icon(Icon::Attach)) " " (words::content(lang, &message.content)) } }
                    p.foot { (ui::clock_time(message.at, at.zone())) }
                }
            }
        }
    }
}

async fn show(at: At<InboxWrite>, Query(who): Query<Who>) -> Result<Response, Failure> {
    let lang = at.lang();
    let customer = at.app.customer.clone().ok_or_else(Failure::not_found)?;
    let (conversation, list) = messages(&at, who).await?;
    let hints = customer.hints(&at.tenant);
    let action = format!("{}{}", at.url("/simulador"), who.query());
    let live = format!("{}{}", at.url("/simulador/celular"), who.query());
    let body = html! {
        (page_head(lang.t("Simulador", "Simulator"), lang.t(
            "Escreva como cliente. A mensagem faz o caminho real: webhook, assistente, envio.",
            "Write as a customer. The message takes the real way: webhook, assistant, send."), None))
        div.sim {
            section.phone aria-label=(lang.t("Celular do cliente", "The customer's phone")) {
                header { span.avatar aria-hidden="true" { (initials(&at.tenant.name)) } div { strong { (at.tenant.name) } span.small { "WhatsApp" } } }
                div #celular hx-get=(live) hx-trigger="live from:body throttle:300ms" { (thread(&at, &list)) }
                @if !hints.is_empty() {
                    div.hints { @for hint in &hints { button type="button" data-text=(hint) data-into="#sim-text" { (hint) } } }
                }
                form method="post" action=(action) hx-post=(action) hx-target="#celular" data-again {
                    (ui::csrf_field(at.csrf()))
                    label.visually-hidden for="sim-text" { (lang.t("Mensagem", "Message")) }
                    input #sim-text name="text" required maxlength="1000" autocomplete="off" data-draft="sim" placeholder=(lang.t("Mensagem", "Message"));
                    button.primary.icon-only type="submit" aria-label=(lang.t("Enviar", "Send")) { (icon(Icon::Send)) }
                }
            }
            section.stack {
                (team_side(&at, conversation, false))
                div.panel {
                    h2 { (lang.t("Experimente", "Try it")) }
                    ul.stack {
                        li { (lang.t("Pergunte um preço e veja a fonte na conversa.", "Ask a price and see its source in the conversation.")) }
                        li { (lang.t("Pergunte algo que a empresa não faz: a resposta é honesta.", "Ask something the business does not do: the answer is honest.")) }
                        li { (lang.t("Escreva “quero falar com um atendente”, depois assuma a conversa.", "Write “quero falar com um atendente”, then take the conversation over.")) }
                    }
                    p.small.muted { (lang.t("Depois de dez respostas em dez minutos a conversa vai para uma pessoa: pode ser outro robô que escreve.", "After ten answers within ten minutes the conversation goes to a person: it may be another bot that writes.")) }
                    p { a.button href=(format!("{}{}", at.url("/simulador"), who.next().query())) { (lang.t("Escrever como outro cliente", "Write as another customer")) } }
                }
            }
        }
    };
    Ok(at.page(lang.t("Simulador", "Simulator"), &body))
}

/// Where the team finds the conversation, once there is one.
fn team_side<P: Permission>(
    at: &At<P>,
    conversation: Option<kernel::ConversationId>,
    again: bool,
) -> Markup {
    let lang = at.lang();
    html! {
        div.panel #equipe hx-swap-oob=[again.then_some("true")] {
            h2 { (lang.t("O que a equipe vê", "What the team sees")) }
            @if let Some(id) = conversation {
                p { (lang.t("A mesma conversa, com fontes, confiança e quem atende:", "The same conversation, with sources, confidence and who attends:")) }
                p { a.button.primary href=(at.url(&format!("/conversas/{id}"))) { (lang.t("Abrir a conversa", "Open the conversation")) } }
            } @else {
                p.muted { (lang.t("A conversa aparece em Conversas depois da primeira mensagem.", "The conversation appears in Conversations after the first message.")) }
                p { a.button href=(at.url("/conversas")) { (lang.t("Abrir conversas", "Open conversations")) } }
            }
            p.small.muted { (lang.t("Convites e avisos por e-mail ficam na ", "Invitations and notices by e-mail are in the ")) a href="/painel/caixa" { (lang.t("caixa de correio da demonstração", "demo's mailbox")) } "." }
        }
    }
}

async fn phone(at: At<InboxWrite>, Query(who): Query<Who>) -> Result<Response, Failure> {
    let (conversation, list) = messages(&at, who).await?;
    Ok(html! { (thread(&at, &list)) (team_side(&at, conversation, true)) }.into_response())
}

#[derive(Debug, Deserialize)]
struct Written {
    text: String,
}

async fn write(
    at: At<InboxWrite>,
    Query(who): Query<Who>,
    Form(written): Form<Written>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let customer = at.app.customer.clone().ok_or_else(Failure::not_found)?;
    let text = written.text.trim();
    if text.is_empty() || text.chars().count() > 1000 {
        return Err(Problem::field(
            "text",
            lang.t("Escreva de 1 a 1.000 letras.", "Write 1 to 1,000 letters."),
        )
        .into());
    }
    customer.write(&at.tenant, &who.phone(), &who.name(lang), text).await?;
    if at.me.visitor.headers.contains_key("hx-request") {
        return phone(at, Query(who)).await;
    }
    Ok(redirect(&format!("{}{}", at.url("/simulador"), who.query())))
}
