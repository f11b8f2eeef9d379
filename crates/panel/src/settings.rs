//! The desk's settings: labels, ready replies, and who is told when somebody waits.

use axum::response::Response;
use kernel::{CannedId, LabelId};
use maud::html;
use notices::BadRecipients;
use serde::Deserialize;
use serde_json::json;
use ui::{Field, page_head};
use web::Problem;
use web::permission::{AssistantWrite, InboxWrite};

use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::Pages;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<InboxWrite, _, _>("/painel/t/{slug}/ajustes", show);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/ajustes/etiquetas", add_label);
    pages.tenant_action::<InboxWrite, _, _>(
        "/painel/t/{slug}/ajustes/etiquetas/{id}/remover",
        remove_label,
    );
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/ajustes/respostas", set_canned);
    pages.tenant_action::<InboxWrite, _, _>(
        "/painel/t/{slug}/ajustes/respostas/{id}/remover",
        remove_canned,
    );
    pages.tenant_action::<AssistantWrite, _, _>("/painel/t/{slug}/ajustes/avisos", set_notices);
    pages.tenant_action::<AssistantWrite, _, _>("/painel/t/{slug}/ajustes/empresa", set_profile);
}

/// What the assistant may speak.
pub(crate) fn languages() -> [(String, String); 2] {
    [("pt-BR", "Português"), ("en", "English")]
        .map(|(code, name)| (code.to_owned(), name.to_owned()))
}

/// Why a business's data were not taken.
pub(crate) fn profile_refused(lang: ui::Lang, error: tenancy::TenantError) -> Failure {
    use tenancy::TenantError as E;
    let (field, why) = match &error {
        E::Name => ("name", lang.t("Escreva de 1 a 120 letras.", "Write 1 to 120 letters.")),
        E::Language(_) => ("language", lang.t("Português ou inglês.", "Portuguese or English.")),
        E::TimeZone(_) => (
            "time_zone",
            lang.t(
                "Não é um fuso conhecido: use um como America/Sao_Paulo.",
                "Not a known time zone: use one such as America/Sao_Paulo.",
            ),
        ),
        _ => return Problem::from(error).into(),
    };
    Problem::field(field, why).into()
}

async fn show(at: At<InboxWrite>) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let labels = inbox::labels(&mut tx).await?;
    let canned = inbox::canned(&mut tx).await?;
    let recipients = notices::recipients(&mut tx).await?;
    drop(tx);
    let manages = at.may(identity::Permission::AssistantWrite);
    let languages = languages();
    let remove = |path: String| {
        html! {
            form method="post" action=(at.url(&path)) data-confirm=(lang.t("Remover para toda a equipe?", "Remove it for the whole team?")) { (ui::csrf_field(at.csrf())) button.quiet type="submit" { (lang.t("Remover", "Remove")) } }
        }
    };
    let body = html! {
        (page_head(lang.t("Ajustes", "Settings"), lang.t("Do atendimento.", "Of the desk."), None))
        @if manages {
        section.panel {
            h2 { (lang.t("Empresa", "Business")) }
            form.stack method="post" action=(at.url("/ajustes/empresa")) {
                (ui::csrf_field(at.csrf()))
                (Field::input("name", lang.t("Nome", "Name"), "text").value(&at.tenant.name).required().most(120)
                    .hint(lang.t("Como a assistente a chama e os clientes a veem.", "As the assistant calls it and customers see it.")))
                div.pair {
                    (Field::select("language", lang.t("Idioma da assistente", "Language of the assistant"), &languages).value(&at.tenant.language))
                    (Field::input("time_zone", lang.t("Fuso horário", "Time zone"), "text").value(&at.tenant.time_zone).required().most(60)
                        .hint(lang.t("Como America/Sao_Paulo ou America/Manaus.", "Such as America/Sao_Paulo or Europe/Lisbon.")))
                }
                div.row { (ui::submit(lang.t("Salvar empresa", "Save business"))) }
            }
        }
        section.panel {
            h2 { (lang.t("Avisos por e-mail", "Notices by e-mail")) }
            form.stack method="post" action=(at.url("/ajustes/avisos")) {
                (ui::csrf_field(at.csrf()))
                (Field::area("emails", lang.t("Quem é avisado quando alguém espera, um e-mail por linha", "Who is told when somebody waits, one address a line"), 3)
                    .value(&recipients.emails.join("\n")).hint(lang.t("No máximo dez. Som e notificação se ligam em Minha conta, por aparelho.", "Ten at most. Sound and notification are turned on in My account, per device.")))
                (Field::area("on_call", lang.t("Plantão: quem mais é avisado de uma emergência, a qualquer hora", "On call: who else is told of an emergency, at any hour"), 2)
                    .value(&recipients.on_call.join("\n")).hint(lang.t("Recebe de novo a cada cinco minutos, até três vezes, enquanto ninguém assume.", "Told again every five minutes, three times at most, until somebody takes over.")))
                div.row {
                    (ui::submit(lang.t("Salvar avisos", "Save notices")))
                    a href=(at.url("/assistente/pedidos")) { (lang.t("Avisar outras pessoas conforme o pedido", "Tell others by what is asked")) }
                }
            }
        }
        }
        section {
            h2 { (lang.t("Etiquetas", "Labels")) }
            ul.list {
                @for label in &labels { li { div.grow { (label.name) } (remove(format!("/ajustes/etiquetas/{}/remover", label.id))) } }
                li { form.row method="post" action=(at.url("/ajustes/etiquetas")) {
                    (ui::csrf_field(at.csrf()))
                    label.visually-hidden for="etiqueta" { (lang.t("Nova etiqueta", "New label")) }
                    input #etiqueta name="name" required maxlength="40" placeholder=(lang.t("Nova etiqueta", "New label"));
                    button type="submit" { (lang.t("Criar", "Make")) }
                } }
            }
        }
        section {
            h2 { (lang.t("Respostas prontas", "Ready replies")) }
            ul.list {
                @for reply in &canned { li { div.grow {
                    strong { "/" (reply.shortcut) } p.muted { (reply.body) }
                    details {
                        summary.small { (lang.t("Mudar", "Change")) }
                        form.stack method="post" action=(at.url("/ajustes/respostas")) {
                            (ui::csrf_field(at.csrf()))
                            input type="hidden" name="shortcut" value=(reply.shortcut);
                            input type="hidden" name="known" value="1";
                            div.field {
                                label for={ "r-" (reply.id) } { (lang.t("Resposta", "Reply")) }
                                textarea id={ "r-" (reply.id) } name="body" rows="3" required maxlength="4000" { (reply.body) }
                            }
                            div.row { button type="submit" { (lang.t("Salvar", "Save")) } }
                        }
                    }
                } (remove(format!("/ajustes/respostas/{}/remover", reply.id))) } }
            }
            form.panel.stack method="post" action=(at.url("/ajustes/respostas")) {
                (ui::csrf_field(at.csrf()))
                (Field::input("shortcut", lang.t("Atalho", "Shortcut"), "text").required().most(30).hint(lang.t("Letras e números, como pix ou endereco.", "Letters and digits, such as pix or address.")))
                (Field::area("body", lang.t("Resposta", "Reply"), 3).required().most(4000))
                div.row { (ui::submit(lang.t("Guardar resposta", "Keep reply"))) }
            }
        }
    };
    Ok(at.page(lang.t("Ajustes", "Settings"), &body))
}

fn refused(at: &At<InboxWrite>, error: &inbox::DeskRefused) -> Failure {
    use inbox::DeskRefused as R;
    let lang = at.lang();
    let text = error.to_string();
    let (field, pt) = match error {
        R::LabelName => ("name", "Uma etiqueta tem de 1 a 40 letras."),
        R::LabelTaken => ("name", "Já existe uma etiqueta com este nome."),
        R::Note => ("text", "Uma nota tem de 1 a 4.000 letras."),
        R::Canned => {
            ("shortcut", "O atalho tem de 1 a 30 letras ou números; a resposta, de 1 a 4.000.")
        }
    };
    Problem::field(field, lang.t(pt, &text)).into()
}

#[derive(Debug, Deserialize)]
struct NewLabel {
    name: String,
}

async fn add_label(at: At<InboxWrite>, Form(form): Form<NewLabel>) -> Result<Response, Failure> {
    let mut tx = at.begin().await?;
    inbox::add_label(&mut tx, &form.name).await?.map_err(|error| refused(&at, &error))?;
    at.note(&mut tx, "label.added", form.name.trim(), (None, None)).await?;
    tx.commit().await?;
    Ok(at.done("/ajustes", "salvo"))
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn remove_label(
    at: At<InboxWrite>,
    PageId(id): PageId<kernel::id::LabelKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let id: LabelId = id;
    let mut tx = at.begin().await?;
    let name = inbox::labels(&mut tx).await?.into_iter().find(|l| l.id == id).map(|l| l.name);
    let name = name.ok_or_else(Failure::not_found)?;
    inbox::remove_label(&mut tx, id).await?;
    at.note(&mut tx, "label.removed", name, (None, None)).await?;
    tx.commit().await?;
    Ok(at.done("/ajustes", "removido"))
}

#[derive(Debug, Deserialize)]
struct NewCanned {
    shortcut: String,
    body: String,
    /// Changes the one there is.
    #[serde(default)]
    known: String,
}

async fn set_canned(at: At<InboxWrite>, Form(form): Form<NewCanned>) -> Result<Response, Failure> {
    let mut tx = at.begin().await?;
    let body = form.body.replace("\r\n", "\n");
    let shortcut = form.shortcut.trim().trim_start_matches('/').to_lowercase();
    let before = inbox::canned(&mut tx).await?.into_iter().find(|reply| reply.shortcut == shortcut);
    if before.is_some() && form.known.is_empty() {
        let why = at.lang().t(
            "Este atalho já existe: mude a resposta dele na lista.",
            "This shortcut exists already: change its reply in the list.",
        );
        return Err(Problem::field("shortcut", why).into());
    }
    let before = before.map(|reply| json!({ "body": reply.body }));
    inbox::set_canned(&mut tx, &form.shortcut, &body).await?.map_err(|e| refused(&at, &e))?;
    at.note(&mut tx, "canned.set", shortcut, (before, Some(json!({ "body": body })))).await?;
    tx.commit().await?;
    Ok(at.done("/ajustes", "salvo"))
}

async fn remove_canned(
    at: At<InboxWrite>,
    PageId(id): PageId<kernel::id::CannedKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let id: CannedId = id;
    let mut tx = at.begin().await?;
    let found = inbox::canned(&mut tx).await?.into_iter().find(|c| c.id == id);
    let reply = found.ok_or_else(Failure::not_found)?;
    inbox::remove_canned(&mut tx, id).await?;
    at.note(&mut tx, "canned.removed", reply.shortcut, (Some(json!({ "body": reply.body })), None))
        .await?;
    tx.commit().await?;
    Ok(at.done("/ajustes", "removido"))
}

#[derive(Debug, Deserialize)]
struct Profile {
    name: String,
    language: String,
    time_zone: String,
}

async fn set_profile(
    at: At<AssistantWrite>,
    Form(form): Form<Profile>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let profile = tenancy::Profile {
        name: form.name.trim().to_owned(),
        language: form.language.trim().to_owned(),
        time_zone: form.time_zone.trim().to_owned(),
    };
    let after = json!({ "name": profile.name, "language": profile.language, "time_zone": profile.time_zone });
    let mut tx = at.begin().await?;
    tenancy::set_profile(&mut tx, profile).await.map_err(|error| profile_refused(lang, error))?;
    let before = json!({ "name": at.tenant.name, "language": at.tenant.language, "time_zone": at.tenant.time_zone });
    at.note(&mut tx, "tenant.changed", "", (Some(before), Some(after))).await?;
    tx.commit().await?;
    Ok(at.done("/ajustes", "salvo"))
}

#[derive(Debug, Deserialize)]
struct Notices {
    #[serde(default)]
    emails: String,
    #[serde(default)]
    on_call: String,
}

/// Addresses of a form, by line or comma.
pub(crate) fn addresses(text: &str) -> Vec<String> {
    let parts = text.split(['\n', ',', ';']).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Whether these may be told; what is wrong with them is said in the reader's words.
pub(crate) fn accepted(lang: ui::Lang, recipients: &notices::Recipients) -> Result<(), Failure> {
    recipients.check().map_err(|bad| {
        let why = match &bad {
            BadRecipients::TooMany { .. } => {
                lang.t("No máximo dez endereços.", "Ten addresses at most.").to_owned()
            }
            BadRecipients::NoAddress { address, .. } => {
                format!("“{address}” {}", lang.t("não é um e-mail.", "is no e-mail address."))
            }
        };
        Problem::field(bad.field(), why).into()
    })
}

async fn set_notices(
    at: At<AssistantWrite>,
    Form(form): Form<Notices>,
) -> Result<Response, Failure> {
    // Letters to an address of one's own would outlast the stay.
    if at.support.is_some() {
        return Err(Failure::forbidden());
    }
    let lang = at.lang();
    let mut tx = at.begin().await?;
    let before = notices::recipients(&mut tx).await?;
    let after = notices::Recipients {
        emails: addresses(&form.emails),
        on_call: addresses(&form.on_call),
        acts: before.acts.clone(),
    };
    accepted(lang, &after)?;
    notices::set_recipients(&mut tx, &after).await?;
    let told = |one: &notices::Recipients| json!({ "emails": one.emails, "on_call": one.on_call });
    at.note(&mut tx, "notices.changed", "", (Some(told(&before)), Some(told(&after)))).await?;
    tx.commit().await?;
    Ok(at.done("/ajustes", "salvo"))
}
