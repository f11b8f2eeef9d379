//! Channels: connecting each kind by a guided form, pairing a phone, and how each one stands.

use std::collections::HashMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channels::{Channel, ChannelError, NewChannel, NewLogin};
use identity::Permission as P;
use kernel::Moment;
use maud::{Markup, html};
use messaging::{Kind, LinkState, SendError};
use serde::Deserialize;
use serde_json::{Value, json};
use ui::{Field, Icon, Lang, Tone, badge, icon, notice, page_head};
use web::permission::{ChannelsRead, ChannelsWrite};
use web::{Permission, Problem};

use crate::causes::cause;
use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::Pages;
use crate::words;

type ById = PageId<kernel::id::ChannelKind>;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<ChannelsRead, _, _>("/painel/t/{slug}/canais", show);
    pages.tenant_page::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/novo/{kind}", new);
    pages.tenant_action::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/novo/{kind}", add);
    pages.tenant_page::<ChannelsRead, _, _>("/painel/t/{slug}/canais/{id}", one);
    pages.tenant_page::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/{id}/codigo", code);
    pages.tenant_action::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/{id}/conectar", connect);
    pages.tenant_action::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/{id}/estado", status);
    pages.tenant_action::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/{id}/desconectar", logout);
    pages.tenant_action::<ChannelsWrite, _, _>("/painel/t/{slug}/canais/{id}/remover", remove);
}

fn refused(error: ChannelError) -> Failure {
    Problem::from(error).into()
}

async fn show(at: At<ChannelsRead>) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let channels = channels::list(&mut tx).await?;
    let activity = inbox::channel_activity(&mut tx).await?;
    drop(tx);
    let writes = at.may(P::ChannelsWrite);
    let body = html! {
        (page_head(lang.t("Canais", "Channels"), lang.t("Por onde os clientes escrevem.", "Where customers write."), None))
        @if channels.is_empty() {
            (ui::empty(Icon::Plug, lang.t("Nenhum canal ainda", "No channel yet"),
                lang.t("Escolha abaixo como o WhatsApp da empresa será conectado.", "Choose below how the business's WhatsApp is connected."), None))
        }
        ul.list {
            @for channel in &channels {
                @let (last_in, last_out) = activity.iter().find(|(id, ..)| *id == channel.id).map_or((None, None), |(_, i, o)| (*i, *o));
                li {
                    div.grow {
                        a href=(at.url(&format!("/canais/{}", channel.id))) { strong { (channel.instance) } }
                        p.small.muted {
                            (words::kind(&channel.kind))
                            @if let Some(number) = &channel.own_number { " · " (ui::phone(number)) }
                            " · " (lang.t("recebeu: ", "received: ")) (moment(lang, last_in, at.now())) " · " (lang.t("enviou: ", "sent: ")) (moment(lang, last_out, at.now()))
                        }
                        @if let Some(alarm) = &channel.alarm { p.small { (badge(Tone::Bad, lang.t("atenção", "attention"))) " " (cause(lang, alarm)) } }
                    }
                    (state_badge(lang, channel))
                }
            }
        }
        @if writes {
            section {
                h2 { (lang.t("Conectar", "Connect")) }
                div.columns.even {
                    (choice(&at, Kind::Evolution, lang.t("Por QR code", "By QR code"), lang.t("O WhatsApp do celular da empresa, lido por um servidor Evolution API.", "The WhatsApp of the business's phone, read by an Evolution API server.")))
                    (choice(&at, Kind::WhatsAppCloud, lang.t("API oficial da Meta", "Meta's official API"), lang.t("Um número da WhatsApp Business Platform, com modelos aprovados.", "A number of the WhatsApp Business Platform, with approved templates.")))
                    (choice(&at, Kind::Whaticket, "Whaticket", lang.t("Um servidor Whaticket que já atende a empresa.", "A Whaticket server that serves the business already.")))
                }
            }
        }
    };
    Ok(at.page(lang.t("Canais", "Channels"), &body))
}

fn moment(lang: Lang, at: Option<Moment>, now: Moment) -> String {
    at.map_or_else(|| lang.t("nunca", "never").to_owned(), |at| ui::ago(at, now, lang))
}

fn state_badge(lang: Lang, channel: &Channel) -> Markup {
    let (text, tone) = words::link_state(lang, channel.state);
    badge(tone, text)
}

fn choice<Q: Permission>(at: &At<Q>, kind: Kind, title: &str, text: &str) -> Markup {
    html! {
        div.panel {
            h3 { (title) }
            p.muted { (text) }
            p { a.button href=(at.url(&format!("/canais/novo/{}", kind.name()))) { (at.lang().t("Conectar", "Connect")) span.visually-hidden { ": " (title) } } }
        }
    }
}

/// The kind in the address.
struct PageKind(Kind);

impl axum::extract::FromRequestParts<crate::app::App> for PageKind {
    type Rejection = Failure;
    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        app: &crate::app::App,
    ) -> Result<Self, Failure> {
        let params = axum::extract::RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Failure::not_found())?;
        let text = params.iter().find(|(name, _)| *name == "kind").map(|(_, value)| value);
        text.and_then(|text| text.parse().ok()).map(Self).ok_or_else(Failure::not_found)
    }
}

type Fields = HashMap<String, String>;

async fn new(at: At<ChannelsWrite>, PageKind(kind): PageKind) -> Result<Response, Failure> {
    Ok(new_page(&at, kind, &Fields::new(), None))
}

/// A secret that webhooks prove themselves with, made here.
fn new_page(at: &At<ChannelsWrite>, kind: Kind, typed: &Fields, wrong: Option<&str>) -> Response {
    let lang = at.lang();
    // In the demo a stand-in server is there to connect by.
    let demo = at.app.customer.as_ref().map(|customer| customer.evolution());
    let value = |name: &str| match (typed.get(name), &demo) {
        (Some(typed), _) => typed.as_str(),
        (None, Some((address, _))) if name == "base_url" && kind == Kind::Evolution => address,
        (None, _) => "",
    };
    let base = at.app.options.base_url.as_str();
    let title = words::kind(kind.name());
    let body = html! {
        (page_head(title, "", Some(ui::link_button(&at.url("/canais"), lang.t("Voltar", "Back")))))
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        form.panel.stack method="post" action=(at.url(&format!("/canais/novo/{}", kind.name()))) {
            (ui::csrf_field(at.csrf()))
            @match kind {
                Kind::Evolution => {
                    p { (lang.t("1. Diga onde está o servidor Evolution e sua chave. 2. Na página seguinte, leia o QR code com o celular.",
                        "1. Say where the Evolution server is, and its key. 2. On the next page, read the QR code with the phone.")) }
                    (Field::input("base_url", lang.t("Endereço do servidor", "Address of the server"), "url").value(value("base_url")).required().most(300).hint("https://evolution.example.com"))
                    (Field::input("instance", lang.t("Nome da instância", "Name of the instance"), "text").value(&if !typed.is_empty() { value("instance").to_owned() } else if demo.is_some() { format!("{}-2", at.tenant.slug) } else { at.tenant.slug.to_string() }).required().most(100)
                        .hint(lang.t("Se não existir no servidor, será criada.", "If it is not on the server, it is made.")))
                    (Field::input("api_key", lang.t("Chave (AUTHENTICATION_API_KEY)", "Key (AUTHENTICATION_API_KEY)"), "password").value(demo.as_ref().map_or("", |(_, key)| key)).required().most(400).complete("off"))
                    @if demo.is_some() { p.small.muted { (lang.t("Na demonstração um servidor de mentira já está preenchido; um celular de mentira lê o código em segundos.", "In the demo a stand-in server is filled in; a stand-in phone reads the code within seconds.")) } }
                }
                Kind::Whaticket => {
                    p { (lang.t("Os webhooks do Whaticket são assinados: o mesmo segredo fica aqui e lá.", "Whaticket's webhooks are signed: the same secret is kept here and there.")) }
                    (Field::input("base_url", lang.t("Endereço da API", "Address of the API"), "url").value(value("base_url")).required().most(300))
                    (Field::input("instance", lang.t("Domínio da empresa no Whaticket", "Domain of the company in Whaticket"), "text").value(value("instance")).required().most(200))
                    (Field::input("api_key", lang.t("Token (Bearer)", "Token (bearer)"), "password").most(2000).complete("off"))
                    div.pair {
                        (Field::input("login_email", lang.t("ou login: e-mail", "or a login: e-mail"), "email").value(value("login_email")).complete("off"))
                        (Field::input("login_password", lang.t("e senha", "and password"), "password").complete("off"))
                    }
                    (Field::input("secret", lang.t("Segredo dos webhooks (SHARED_SECRET)", "Secret of the webhooks (SHARED_SECRET)"), "password").required().most(400).complete("off"))
                    (Field::input("webhook_token", lang.t("Token dos webhooks (opcional)", "Token of the webhooks (optional)"), "password").most(400).complete("off"))
                    (Field::input("account", "whatsappId", "text").value(value("account")).most(40).hint(lang.t("Opcional.", "Optional.")))
                }
                Kind::WhatsAppCloud => {
                    p { (lang.t("Copie estes dados do aplicativo da Meta (WhatsApp › Configuração da API).", "Copy these from your Meta app (WhatsApp › API Setup).")) }
                    (Field::input("instance", lang.t("Identificação do número de telefone", "Phone number ID"), "text").value(value("instance")).required().most(40))
                    (Field::input("account", lang.t("Conta do WhatsApp Business", "WhatsApp Business Account ID"), "text").value(value("account")).most(40))
                    (Field::input("api_key", lang.t("Token de acesso permanente", "Permanent access token"), "password").required().most(2000).complete("off"))
                    (Field::input("secret", lang.t("Chave secreta do aplicativo", "App secret"), "password").required().most(400).complete("off"))
                    (Field::input("webhook_token", lang.t("Token de verificação", "Verify token"), "text").value(&if typed.is_empty() { tenancy::fresh_token() } else { value("webhook_token").to_owned() }).required().most(400)
                        .hint(&format!("{} {base}/webhook/whatsapp-cloud", lang.t("Informe-o na Meta junto com a URL de retorno", "Give it to Meta along with the callback URL"))))
                }
            }
            div.row { (ui::submit(lang.t("Continuar", "Continue"))) }
        }
    };
    let mut response = at.page(title, &body);
    if wrong.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

async fn add(
    at: At<ChannelsWrite>,
    PageKind(kind): PageKind,
    Form(fields): Form<Fields>,
) -> Result<Response, Failure> {
    let text = |name: &str| fields.get(name).map_or("", String::as_str).trim().to_owned();
    let login = match (text("login_email"), text("login_password")) {
        (email, password) if !email.is_empty() && !password.is_empty() => {
            Some(NewLogin { email, password })
        }
        _ => None,
    };
    let channel = NewChannel {
        kind,
        instance: text("instance"),
        base_url: match kind {
            Kind::WhatsAppCloud => messaging::cloud::BASE_URL.to_owned(),
            Kind::Evolution | Kind::Whaticket => text("base_url"),
        },
        api_key: text("api_key"),
        // Nobody types what only two programs have to know.
        webhook_token: if kind == Kind::Evolution {
            tenancy::fresh_token()
        } else {
            text("webhook_token")
        },
        secret: text("secret"),
        login,
        account: Some(text("account")).filter(|account| !account.is_empty()),
    };
    let added = match at.app.manage.add(at.tenant.id, &channel, true).await {
        Ok(added) => added,
        Err(error @ (ChannelError::Storage(_) | ChannelError::Vault(_))) => {
            return Err(refused(error));
        }
        Err(error) => return not_added(&at, kind, &fields, &Problem::from(error)),
    };
    let what = json!({ "kind": added.kind, "base_url": added.base_url });
    let mut tx = at.begin().await?;
    at.note(&mut tx, "channel.added", &added.instance, (None, Some(what.clone()))).await?;
    tx.commit().await?;
    if kind == Kind::Evolution {
        // A server that is not there, or refuses the key, leaves no channel: the form can be corrected.
        let name = added.id.to_string();
        let connected = at.app.manage.connect(at.tenant.id, &name, None).await;
        let problem = match connected {
            Ok(Ok(_)) => None,
            // What says nothing, or knows no such path, is no Evolution server.
            Ok(Err(SendError::Refused { reason, .. })) if reason.trim().is_empty() => {
                Some(Problem::field("base_url", "the provider refused:"))
            }
            Ok(Err(error @ SendError::Refused { .. })) => {
                Some(Problem::field("api_key", error.to_string()))
            }
            Ok(Err(error)) => Some(Problem::field("base_url", error.to_string())),
            Err(error) => Some(Problem::from(error)),
        };
        if let Some(problem) = problem {
            let mut tx = at.begin().await?;
            channels::remove(&mut tx, &at.app.vault, &name).await.map_err(refused)?;
            at.note(&mut tx, "channel.removed", &added.instance, (Some(what), None)).await?;
            tx.commit().await?;
            return not_added(&at, kind, &fields, &problem);
        }
    }
    Ok(at.done(&format!("/canais/{}", added.id), "salvo"))
}

/// The form again, with why the channel was not made.
fn not_added(
    at: &At<ChannelsWrite>,
    kind: Kind,
    fields: &Fields,
    problem: &Problem,
) -> Result<Response, Failure> {
    if at.scripted() {
        return Err(problem.clone().into());
    }
    let text = words::problem(at.lang(), problem);
    Ok(new_page(at, kind, fields, Some(&text)))
}

async fn one(at: At<ChannelsRead>, PageId(id): ById) -> Result<Response, Failure> {
    one_page(&at, id, None).await
}

async fn one_page<Q: Permission>(
    at: &At<Q>,
    id: kernel::ChannelId,
    said: Option<(Tone, &str)>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let channel = channels::find(&mut tx, &id.to_string()).await.map_err(refused)?;
    let pairing = channels::pairing(&mut tx, id).await?;
    let health = channels::health(&mut tx, id, 10).await?;
    drop(tx);
    let writes = at.may(P::ChannelsWrite);
    let kind: Kind = channel.kind.parse().map_err(|bad| Problem::internal(&bad))?;
    let can = at.app.messengers.of(kind).capabilities();
    let act = |path: &str| at.url(&format!("/canais/{id}/{path}"));
    let body = html! {
        (page_head(&channel.instance, words::kind(&channel.kind), Some(ui::link_button(&at.url("/canais"), lang.t("Voltar", "Back")))))
        @if let Some((tone, text)) = said { (notice(tone, text)) }
        div.columns {
            div.stack {
                div.panel.stack {
                    div.row { (state_badge(lang, &channel)) @if let Some(number) = &channel.own_number { strong { (ui::phone(number)) } } }
                    @if channel.state == LinkState::Connected || channel.state == LinkState::Pending {
                        @if let Some(alarm) = channel.alarm.as_deref().filter(|_| channel.state == LinkState::Connected) { (notice(Tone::Warn, &cause(lang, alarm))) }
                    } @else if let Some(why) = channel.alarm.as_deref().or(channel.state_reason.as_deref()) {
                        (notice(Tone::Bad, &cause(lang, why)))
                    }
                    @if writes {
                        @if can.pairing && channel.state != LinkState::Connected {
                            @if let Some((code, when)) = &pairing { (pairing_view(at, id, code, *when)) }
                            form.stack method="post" action=(act("conectar")) {
                                (ui::csrf_field(at.csrf()))
                                (Field::input("number", lang.t("Número do celular (opcional)", "Number of the phone (optional)"), "tel").most(20)
                                    .hint(lang.t("Com o número, um código para digitar vem no lugar do QR code.", "With the number, a code to type comes instead of the QR code.")))
                                div.row { (ui::submit(if pairing.is_some() { lang.t("Gerar outro código", "Make another code") } else { lang.t("Conectar celular", "Connect the phone") })) }
                            }
                        }
                        div.row {
                            form method="post" action=(act("estado")) { (ui::csrf_field(at.csrf())) button type="submit" { (icon(Icon::Refresh)) (lang.t("Conferir agora", "Check now")) } }
                            @if can.pairing && channel.state == LinkState::Connected {
                                form method="post" action=(act("desconectar")) data-confirm=(lang.t("Desconectar o celular? Nada chega nem sai até conectar de novo.", "Disconnect the phone? Nothing comes in or leaves until it is connected again.")) { (ui::csrf_field(at.csrf())) button type="submit" { (lang.t("Desconectar celular", "Disconnect the phone")) } }
                            }
                        }
                    }
                }
                @if !health.is_empty() {
                    section { h2 { (lang.t("O que o provedor disse", "What the provider said")) }
                        ul.list { @for item in &health { li { div.grow { (item.event) @if let Some(value) = &item.value { ": " (value) } } span.muted.small { (ui::ago(item.at, at.now(), lang)) } } } }
                    }
                }
            }
            div.stack {
                section.panel {
                    h2 { (lang.t("O que este canal faz", "What this channel does")) }
                    ul {
                        (able(can.media, lang.t("envia arquivos", "sends files")))
                        (able(can.buttons, lang.t("botões (senão, lista numerada)", "buttons (a numbered list otherwise)")))
                        (able(can.statuses, lang.t("diz quando entregou e leu", "tells delivery and reading")))
                        (able(!can.templates_required, lang.t("escreve a qualquer hora (senão, 24 h e modelos)", "writes at any time (24 h and templates otherwise)")))
                        (able(can.look_up, lang.t("confere envios em dúvida", "looks sends in doubt up")))
                    }
                }
                section.panel {
                    h2 { (lang.t("Webhook", "Webhook")) }
                    @let path = match kind { Kind::Evolution => "/webhook/evolution", Kind::Whaticket => "/webhook/whaticket", Kind::WhatsAppCloud => "/webhook/whatsapp-cloud" };
                    (ui::copyable(lang.t("Endereço do webhook", "Webhook address"), &format!("{}{path}", at.app.options.base_url), lang.t("Copiar", "Copy")))
                    @if kind == Kind::Evolution { p.small.muted { (lang.t("É configurado no servidor ao conectar.", "It is set on the server when you connect.")) } }
                }
                @if writes {
                    form method="post" action=(act("remover")) data-confirm=(lang.t("Remover este canal? As conversas ficam; os segredos do canal se perdem.", "Remove this channel? Conversations stay; the channel's secrets are lost.")) {
                        (ui::csrf_field(at.csrf()))
                        button.danger type="submit" { (lang.t("Remover canal", "Remove channel")) }
                        p.small.muted { (lang.t("As conversas continuam legíveis; chaves e eventos guardados do canal são apagados.", "Conversations stay readable; the channel's keys and kept events are deleted.")) }
                    }
                }
            }
        }
    };
    Ok(at.page(&channel.instance, &body))
}

fn able(yes: bool, text: &str) -> Markup {
    html! { li.row { (icon(if yes { Icon::Check } else { Icon::Cross })) (text) } }
}

/// The latest code, which refreshes by itself until the phone is there.
fn pairing_view<Q: Permission>(
    at: &At<Q>,
    id: kernel::ChannelId,
    code: &Value,
    when: Moment,
) -> Markup {
    let lang = at.lang();
    let url = at.url(&format!("/canais/{id}/codigo"));
    html! {
        div #codigo hx-get=(url) hx-trigger="every 3s" hx-swap="outerHTML" {
            @if let Some(typed) = code["code"].as_str() {
                p { (lang.t("No celular: WhatsApp › Aparelhos conectados › Conectar com número. Digite:", "On the phone: WhatsApp › Linked devices › Link with phone number. Type:")) }
                (ui::copyable(lang.t("Código", "Code"), typed, lang.t("Copiar", "Copy")))
            } @else {
                // Drawn here from its text it is sharp at every size; not every server sends the text.
                div.qr {
                    @if let Some(text) = code["text"].as_str() { (crate::account::qr(text)) }
                    @else if let Some(qr) = code["qr"].as_str().filter(|qr| qr.starts_with("data:image/")) {
                        img src=(qr) alt=(lang.t("QR code para conectar o celular", "QR code to connect the phone"));
                    }
                    p { (lang.t("No celular: WhatsApp › Aparelhos conectados › Conectar um aparelho.", "On the phone: WhatsApp › Linked devices › Link a device.")) }
                }
            }
            p.small.muted { (lang.t("Atualiza sozinho. Código de ", "Refreshes by itself. Code of ")) (ui::clock_time(when, at.zone())) }
        }
    }
}

/// The code alone, or word that the phone is connected.
async fn code(at: At<ChannelsWrite>, PageId(id): ById) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let channel = channels::find(&mut tx, &id.to_string()).await.map_err(refused)?;
    let pairing = channels::pairing(&mut tx, id).await?;
    drop(tx);
    if channel.state == LinkState::Connected {
        let done = notice(Tone::Good, lang.t("Celular conectado.", "The phone is connected."));
        return Ok(([("hx-refresh", "true")], done).into_response());
    }
    Ok(match pairing {
        Some((code, when)) => pairing_view(&at, id, &code, when).into_response(),
        None => html! { div #codigo { p.muted { (lang.t("O código expirou. Gere outro.", "The code has expired. Make another one.")) } } }.into_response(),
    })
}

#[derive(Debug, Deserialize)]
struct Number {
    #[serde(default)]
    number: String,
}

async fn connect(
    at: At<ChannelsWrite>,
    PageId(id): ById,
    Form(form): Form<Number>,
) -> Result<Response, Failure> {
    let number = form.number.trim();
    begin_pairing(&at, id, Some(number).filter(|n| !n.is_empty())).await
}

async fn begin_pairing(
    at: &At<ChannelsWrite>,
    id: kernel::ChannelId,
    number: Option<&str>,
) -> Result<Response, Failure> {
    let phone = match number {
        None => None,
        Some(text) => match text.parse::<kernel::Phone>() {
            Ok(phone) => Some(phone.digits().to_owned()),
            Err(bad) => return Err(Problem::field("number", bad.to_string()).into()),
        },
    };
    let name = id.to_string();
    let outcome =
        at.app.manage.connect(at.tenant.id, &name, phone.as_deref()).await.map_err(refused)?;
    match outcome {
        Ok(paired) => {
            let mut tx = at.begin().await?;
            let channel = channels::find(&mut tx, &name).await.map_err(refused)?;
            at.note(&mut tx, "channel.connected", channel.instance, (None, None)).await?;
            tx.commit().await?;
            let said = if paired.state == LinkState::Connected { "conectado" } else { "salvo" };
            Ok(at.done(&format!("/canais/{id}"), said))
        }
        Err(error) => {
            let why = cause(at.lang(), &error.to_string());
            one_page(at, id, Some((Tone::Bad, &why))).await
        }
    }
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn status(
    at: At<ChannelsWrite>,
    PageId(id): ById,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let status = at.app.manage.status(at.tenant.id, &id.to_string()).await.map_err(refused)?;
    match status.not_reached {
        Some(why) => {
            let text = format!(
                "{} {why}",
                lang.t(
                    "Não foi possível perguntar ao provedor:",
                    "The provider could not be asked:"
                )
            );
            one_page(&at, id, Some((Tone::Warn, &text))).await
        }
        None => {
            one_page(&at, id, Some((Tone::Good, lang.t("Conferido agora.", "Checked just now."))))
                .await
        }
    }
}

async fn logout(
    at: At<ChannelsWrite>,
    PageId(id): ById,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let outcome = at.app.manage.logout(at.tenant.id, &id.to_string()).await.map_err(refused)?;
    match outcome {
        Ok(channel) => {
            let mut tx = at.begin().await?;
            at.note(&mut tx, "channel.logged_out", channel.instance, (None, None)).await?;
            tx.commit().await?;
            Ok(at.done(&format!("/canais/{id}"), "desconectado"))
        }
        Err(error) => one_page(&at, id, Some((Tone::Bad, &error.to_string()))).await,
    }
}

async fn remove(
    at: At<ChannelsWrite>,
    PageId(id): ById,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let name = id.to_string();
    let mut tx = at.begin().await?;
    let channel = channels::find(&mut tx, &name).await.map_err(refused)?;
    channels::remove(&mut tx, &at.app.vault, &name).await.map_err(refused)?;
    at.note(
        &mut tx,
        "channel.removed",
        channel.instance,
        (Some(json!({ "kind": channel.kind })), None),
    )
    .await?;
    tx.commit().await?;
    Ok(at.done("/canais", "removido"))
}
