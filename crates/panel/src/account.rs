//! One's own account: name, language, password, second factor, sessions.

use axum::http::StatusCode;
use axum::response::Response;
use kernel::SessionId;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use ui::{Field, Lang, Tone, badge, notice, page_head};

use crate::address::redirect;
use crate::door::{Me, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::letters;
use crate::links::{new_password_field, password_text};
use crate::prove;
use crate::registry::{PageAccess, Pages};
use crate::sign_in::note_person;

pub(crate) fn pages(pages: &mut Pages) {
    let mine = PageAccess::SignedIn;
    pages.page("/painel/conta", mine, show);
    pages.action("/painel/conta", mine, save);
    pages.action("/painel/conta/senha", mine, change_password);
    pages.action("/painel/conta/duas-etapas", mine, start_second);
    pages.action("/painel/conta/duas-etapas/confirmar", mine, confirm_second);
    pages.action("/painel/conta/duas-etapas/remover", mine, remove_second);
    pages.action("/painel/conta/sessoes/{id}/encerrar", mine, end_session);
    pages.action("/painel/conta/sessoes/encerrar", mine, end_others);
}

/// What a form of this page came to.
#[derive(Default)]
struct Outcome<'a> {
    tone: Option<Tone>,
    text: &'a str,
    password_error: Option<&'a str>,
}

async fn show(me: Me) -> Result<Response, Failure> {
    page(&me, Outcome::default()).await
}

async fn page(me: &Me, outcome: Outcome<'_>) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let now = app.clock.now();
    let mut tx = app.db.read_system().await?;
    let sessions = identity::sessions(&mut tx, me.person.id, now).await?;
    let codes = identity::recovery_codes_left(&mut tx, me.person.id).await?;
    let keys = identity::passkeys(&mut tx, me.person.id).await?;
    let tied = match &app.oidc {
        Some(provider) => {
            let issuer = &provider.settings().issuer;
            Some(identity::is_tied(&mut tx, me.person.id, issuer).await?)
        }
        None => None,
    };
    drop(tx);
    let languages = [
        (String::new(), lang.t("Como o navegador pede", "As the browser asks").to_owned()),
        ("pt-BR".to_owned(), "Português".to_owned()),
        ("en".to_owned(), "English".to_owned()),
    ];
    let csrf = &me.visitor.csrf;
    let proved = me.session.proved(now);
    let body = html! {
        (page_head(lang.t("Minha conta", "My account"), &me.person.email, None))
        @if let Some(tone) = outcome.tone { (notice(tone, outcome.text)) }
        @if me.places.is_empty() && !me.person.operator {
            (notice(Tone::Warn, lang.t("Sua conta não faz parte de nenhuma empresa agora. Peça um convite a quem é dono dela.",
                "Your account belongs to no business now. Ask its owner for an invitation.")))
        }
        section.panel {
            h2 { (lang.t("Você", "You")) }
            form.stack method="post" action="/painel/conta" {
                (ui::csrf_field(csrf))
                div.pair {
                    (Field::input("name", lang.t("Nome", "Name"), "text").value(&me.person.name).required().most(80).complete("name"))
                    (Field::select("language", lang.t("Idioma", "Language"), &languages)
                        .value(me.person.language.as_deref().unwrap_or_default()))
                }
                div.row { (ui::submit(lang.t("Salvar", "Save"))) }
            }
        }
        section.panel {
            h2 { (lang.t("Avisos neste aparelho", "Notices on this device")) }
            p.muted { (lang.t("Quando alguém espera por uma pessoa e o painel está aberto:", "When somebody waits for a person and the panel is open:")) }
            div.stack {
                div.field.switch { input type="checkbox" id="dev-sound" data-device="sound"; label for="dev-sound" { (lang.t("Tocar um som", "Play a sound")) } }
                div.field.switch { input type="checkbox" id="dev-notify" data-device="notify"; label for="dev-notify" { (lang.t("Mostrar uma notificação", "Show a notification")) } }
            }
        }
        section.panel {
            h2 { (lang.t("Senha", "Password")) }
            form.stack method="post" action="/painel/conta/senha" {
                (ui::csrf_field(csrf))
                input type="hidden" name="username" value=(me.person.email) autocomplete="username";
                div.pair {
                    (Field::input("current", lang.t("Senha atual", "Current password"), "password")
                        .complete("current-password"))
                    (new_password_field(lang, outcome.password_error))
                }
                div.row { (ui::submit(lang.t("Trocar senha", "Change password"))) }
            }
        }
        section.panel {
            div.row.between {
                h2 { (lang.t("Verificação em duas etapas", "Two-step verification")) }
                @if me.person.has_second { (badge(Tone::Good, lang.t("Ligada", "On"))) }
                @else { (badge(Tone::Neutral, lang.t("Desligada", "Off"))) }
            }
            @if me.person.has_second {
                p.muted { (lang.t("Códigos de recuperação que restam: ", "Recovery codes left: ")) (codes) }
                @if proved { form method="post" action="/painel/conta/duas-etapas/remover" {
                    (ui::csrf_field(csrf))
                    button.danger type="submit" { (lang.t("Desligar", "Turn off")) }
                } } @else { (confirm_first(lang)) }
            } @else {
                p.muted { (lang.t("Um código do celular a cada entrada: uma senha vazada sozinha não abre nada.",
                    "A code from your phone at each sign-in: a leaked password alone opens nothing.")) }
                @if proved { form method="post" action="/painel/conta/duas-etapas" {
                    (ui::csrf_field(csrf))
                    button type="submit" { (lang.t("Ligar", "Turn on")) }
                } } @else { (confirm_first(lang)) }
            }
        }
        (crate::passkey_page::section(me, &keys))
        @if let Some(tied) = tied { (provider_section(me, tied, proved)) }
        section {
            div.row.between {
                h2 { (lang.t("Sessões abertas", "Open sessions")) }
                @if sessions.len() > 1 {
                    form method="post" action="/painel/conta/sessoes/encerrar" {
                        (ui::csrf_field(csrf))
                        button type="submit" { (lang.t("Encerrar as outras", "End the others")) }
                    }
                }
            }
            ul.list {
                @for session in &sessions {
                    li {
                        div.grow {
                            strong { (agent(&session.agent)) }
                            @if session.id == me.session.id { " " (badge(Tone::Accent, lang.t("esta", "this one"))) }
                            p.muted.small {
                                (session.address) " · " (lang.t("usada ", "used ")) (ui::ago(session.seen_at, now, lang)) " · " (how(lang, &session.how))
                            }
                        }
                        @if session.id != me.session.id {
                            form method="post" action=(format!("/painel/conta/sessoes/{}/encerrar", session.id)) {
                                (ui::csrf_field(csrf))
                                button.quiet type="submit" { (lang.t("Encerrar", "End")) }
                            }
                        }
                    }
                }
            }
        }
    };
    let mut response = me.page(lang.t("Minha conta", "My account"), &body);
    if outcome.tone == Some(Tone::Bad) || outcome.password_error.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Whether the account is linked to one at the identity provider, and how to link it.
fn provider_section(me: &Me, tied: bool, proved: bool) -> Markup {
    let lang = me.lang();
    html! {
        section.panel {
            div.row.between {
                h2 { (lang.t("Provedor de identidade", "Identity provider")) }
                @if tied { (badge(Tone::Good, lang.t("Vinculada", "Linked"))) }
                @else { (badge(Tone::Neutral, lang.t("Não vinculada", "Not linked"))) }
            }
            @if tied {
                p.muted { (lang.t("Você também entra pela conta da organização.", "You also sign in with your organisation's account.")) }
            } @else {
                p.muted { (lang.t("Vincule sua conta à da organização para entrar por ela também.",
                    "Link your account to your organisation's to sign in with it too.")) }
                @if proved { form method="post" action="/painel/conta/provedor" {
                    (ui::csrf_field(&me.visitor.csrf))
                    button type="submit" { (lang.t("Vincular", "Link")) }
                } } @else { (confirm_first(lang)) }
            }
        }
    }
}

/// The way to what is for people who proved themselves just now.
pub(crate) fn confirm_first(lang: Lang) -> Markup {
    html! {
        p { a.button href=(prove::PAGE) { (lang.t("Confirmar que é você, para mudar", "Confirm that it is you, to change it")) } }
    }
}

fn how(lang: Lang, how: &str) -> &'static str {
    match how {
        "passkey" => lang.t("chave de acesso", "passkey"),
        "oidc" => lang.t("provedor de identidade", "identity provider"),
        _ => lang.t("senha", "password"),
    }
}

/// A browser's name out of what it says of itself.
pub(crate) fn agent(text: &str) -> String {
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]
    .into_iter()
    .find(|(mark, _)| text.contains(mark))
    .map_or("–", |(_, name)| name);
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find(|(mark, _)| text.contains(mark))
    .map_or("", |(_, name)| name);
    format!("{browser} {system}").trim().to_owned()
}

#[derive(Debug, Deserialize)]
struct Own {
    name: String,
    #[serde(default)]
    language: String,
}

async fn save(me: Me, Form(own): Form<Own>) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let lang = me.lang();
    let language = match own.language.as_str() {
        "" => None,
        known @ ("pt-BR" | "en") => Some(known),
        _ => return Err(web::Problem::field("language", "use pt-BR or en").into()),
    };
    let mut tx = app.db.begin_system().await?;
    match identity::set_name(&mut tx, me.person.id, &own.name).await {
        Ok(()) => {}
        Err(identity::PersonError::Storage(error)) => return Err(error.into()),
        Err(_) => {
            drop(tx);
            let text = lang.t("Um nome tem de 1 a 80 letras.", "A name has 1 to 80 letters.");
            return page(&me, Outcome { tone: Some(Tone::Bad), text, password_error: None }).await;
        }
    }
    identity::set_language(&mut tx, me.person.id, language).await?;
    tx.commit().await?;
    if own.name.trim() != me.person.name || language != me.person.language.as_deref() {
        note_person(app, &me.person, "person.changed", &me.visitor.address).await?;
    }
    Ok(redirect("/painel/conta"))
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(default)]
    current: String,
    password: String,
}

async fn change_password(me: Me, Form(given): Form<Change>) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    // Somebody who came by an identity provider may have none yet.
    if !me.person.has_password {
        prove::needed(&me)?;
    } else if !prove::password_is(&me, &given.current).await? {
        let text = lang.t("A senha atual não confere.", "The current password is wrong.");
        return page(&me, Outcome { tone: Some(Tone::Bad), text, password_error: None }).await;
    }
    if let Err(refused) =
        identity::check_password(&given.password, &[&me.person.email, &me.person.name])
    {
        let text = password_text(lang, refused);
        let outcome = Outcome { password_error: Some(&text), ..Outcome::default() };
        return page(&me, outcome).await;
    }
    let hash = identity::hash_password(&given.password).await;
    let mut tx = app.db.begin_system().await?;
    identity::set_password(&mut tx, me.person.id, &hash, app.clock.now()).await?;
    identity::end_all_sessions(&mut tx, me.person.id, Some(me.session.id)).await?;
    letters::post_changed(app, &mut tx, &me.person, lang, app.clock.now()).await?;
    tx.commit().await?;
    note_person(app, &me.person, "person.password_changed", &me.visitor.address).await?;
    let text = lang.t(
        "Senha trocada. As outras sessões foram encerradas.",
        "Password changed. The other sessions were ended.",
    );
    page(&me, Outcome { tone: Some(Tone::Good), text, password_error: None }).await
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn start_second(me: Me, Form(_): Form<Nothing>) -> Result<Response, Failure> {
    prove::needed(&me)?;
    let app = &me.visitor.app;
    let mut tx = app.db.begin_system().await?;
    let person = (me.person.id, me.person.email.as_str());
    let issuer = me.visitor.brand.name.clone();
    let enrolment = identity::start_second(&mut tx, &app.vault, person, &issuer).await?;
    tx.commit().await?;
    match enrolment {
        Some(enrolment) => Ok(enrol_page(&me, &enrolment, None)),
        None => Ok(redirect("/painel/conta")),
    }
}

fn enrol_page(me: &Me, enrolment: &identity::Enrolment, wrong: Option<&str>) -> Response {
    let lang = me.lang();
    let body = html! {
        (page_head(lang.t("Ligar a verificação em duas etapas", "Turn two-step verification on"), "", None))
        div.panel.stack {
            p { (lang.t("1. Leia o código com um aplicativo autenticador, ou digite a chave nele.",
                "1. Read the code with an authenticator app, or type the key into it.")) }
            div.qr { (qr(&enrolment.url)) }
            (ui::copyable(lang.t("Chave", "Key"), &enrolment.secret, lang.t("Copiar", "Copy")))
            p { (lang.t("2. Digite o código de 6 números que ele mostra.", "2. Type the code of 6 digits that it shows.")) }
            form.stack method="post" action="/painel/conta/duas-etapas/confirmar" {
                (ui::csrf_field(&me.visitor.csrf))
                input type="hidden" name="url" value=(enrolment.url);
                (Field::input("code", lang.t("Código", "Code"), "text").required().most(10).complete("one-time-code").error(wrong))
                div.row { (ui::submit(lang.t("Confirmar", "Confirm"))) a.button href="/painel/conta" { (lang.t("Cancelar", "Cancel")) } }
            }
        }
    };
    me.page(lang.t("Verificação em duas etapas", "Two-step verification"), &body)
}

/// A QR code as a picture of squares.
pub(crate) fn qr(text: &str) -> Markup {
    let Ok(code) = qrcode::QrCode::new(text.as_bytes()) else { return html! {} };
    let width = code.width();
    let mut path = String::new();
    for (at, colour) in code.to_colors().iter().enumerate() {
        if *colour == qrcode::Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", at % width + 4, at / width + 4));
        }
    }
    let side = width + 8;
    html! {
        (PreEscaped(format!(
            "<svg viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
        )))
    }
}

#[derive(Debug, Deserialize)]
struct Confirm {
    code: String,
    #[serde(default)]
    url: String,
}

async fn confirm_second(me: Me, Form(given): Form<Confirm>) -> Result<Response, Failure> {
    prove::needed(&me)?;
    let (app, lang) = (&me.visitor.app, me.lang());
    if me.person.has_second {
        return Ok(redirect("/painel/conta"));
    }
    let mut tx = app.db.begin_system().await?;
    let codes =
        identity::confirm_second(&mut tx, &app.vault, me.person.id, &given.code, app.clock.now())
            .await?;
    let Some(codes) = codes else {
        drop(tx);
        let typed = given.url.split_once("secret=").map_or("", |(_, rest)| rest);
        let secret = typed.split('&').next().unwrap_or_default().to_owned();
        // Only an address of our own making is shown again.
        let url = if given.url.starts_with("otpauth://totp/") { given.url } else { String::new() };
        let wrong = lang.t(
            "O código não confere. Confira a hora do celular.",
            "The code is wrong. See that the phone's clock is right.",
        );
        let mut page = enrol_page(&me, &identity::Enrolment { url, secret }, Some(wrong));
        *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(page);
    };
    tx.commit().await?;
    note_person(app, &me.person, "person.second_added", &me.visitor.address).await?;
    let body = html! {
        (page_head(lang.t("Duas etapas ligadas", "Two-step verification is on"), "", None))
        div.panel.stack {
            p { strong { (lang.t("Guarde estes códigos de recuperação.", "Keep these recovery codes.")) } " "
                (lang.t("Cada um abre a conta uma vez, se o celular se perder. Eles não serão mostrados de novo.",
                    "Each opens the account once if the phone is lost. They are not shown again.")) }
            div data-once { (ui::copyable(lang.t("Códigos de recuperação", "Recovery codes"), &codes.join("\n"), lang.t("Copiar", "Copy"))) }
            p { a.button.primary href="/painel/conta" { (lang.t("Guardei", "I kept them")) } }
        }
    };
    Ok(me.page(lang.t("Códigos de recuperação", "Recovery codes"), &body))
}

async fn remove_second(me: Me, Form(_): Form<Nothing>) -> Result<Response, Failure> {
    prove::needed(&me)?;
    let app = &me.visitor.app;
    let mut tx = app.db.begin_system().await?;
    identity::remove_second(&mut tx, me.person.id).await?;
    tx.commit().await?;
    note_person(app, &me.person, "person.second_removed", &me.visitor.address).await?;
    Ok(redirect("/painel/conta"))
}

async fn end_session(
    me: Me,
    PageId(id): PageId<kernel::id::SessionKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let id: SessionId = id;
    let mut tx = me.visitor.app.db.begin_system().await?;
    if !identity::end_session(&mut tx, me.person.id, id).await? {
        return Err(Failure::not_found());
    }
    tx.commit().await?;
    Ok(me.visitor.to("/painel/conta"))
}

async fn end_others(me: Me, Form(_): Form<Nothing>) -> Result<Response, Failure> {
    let mut tx = me.visitor.app.db.begin_system().await?;
    identity::end_all_sessions(&mut tx, me.person.id, Some(me.session.id)).await?;
    tx.commit().await?;
    Ok(me.visitor.to("/painel/conta"))
}
