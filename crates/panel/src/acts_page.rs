//! What customers want when they do more than ask: what is answered, whether a person is called, and who is told.

use std::collections::{BTreeMap, HashMap};

use assistant::ActRule;
use axum::response::Response;
use inbox::{Act, Reason};
use maud::{Markup, html};
use notices::ActNotice;
use serde_json::json;
use ui::{Field, Lang, page_head};
use web::Problem;
use web::permission::{AssistantRead, AssistantWrite};

use crate::door::At;
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::Pages;
use crate::settings::{accepted, addresses};
use crate::words;

const PATH: &str = "/assistente/pedidos";
/// What the table lists, in this order. What ends messages has texts of its own.
const LISTED: &[Act] = &[
    Act::Harm,
    Act::HealthRisk,
    Act::Complaint,
    Act::Person,
    Act::Booking,
    Act::Order,
    Act::Cancel,
    Act::Receipt,
    Act::Status,
    Act::Haggle,
    Act::Applicant,
    Act::Supplier,
    Act::Insult,
    Act::Identity,
    Act::Spam,
    Act::Greeting,
    Act::Thanks,
    Act::Goodbye,
];

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<AssistantRead, _, _>("/painel/t/{slug}/assistente/pedidos", show);
    pages.tenant_action::<AssistantWrite, _, _>("/painel/t/{slug}/assistente/pedidos", save);
}

fn name(lang: Lang, act: Act) -> &'static str {
    match act {
        Act::Identity => lang.t("Pergunta se é um robô", "Asks whether it is a robot"),
        Act::Spam => lang.t("Propaganda e correntes", "Advertising and chain letters"),
        Act::Greeting => lang.t("Cumprimento", "A greeting"),
        Act::Thanks => lang.t("Agradecimento", "Thanks"),
        Act::Goodbye => lang.t("Despedida", "A goodbye"),
        other => words::event(lang, Reason::Act(other).name()),
    }
}

async fn show(at: At<AssistantRead>) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let settings = assistant::load(&mut tx).await?;
    let recipients = notices::recipients(&mut tx).await?;
    drop(tx);
    let writes = at.may(identity::Permission::AssistantWrite);
    let body = html! {
        (page_head(lang.t("Pedidos e avisos", "Requests and notices"), lang.t(
            "O que a assistente faz quando a mensagem é mais que uma pergunta. Deixe vazio para o padrão.",
            "What the assistant does when a message is more than a question. Leave it empty for the default."), None))
        form.stack method="post" action=(at.url(PATH)) {
            (ui::csrf_field(at.csrf()))
            @for act in LISTED {
                (one(lang, *act, settings.acts.get(act), recipients.acts.get(act)))
            }
            @if writes { div.row { (ui::submit(lang.t("Salvar pedidos", "Save requests"))) } }
        }
    };
    Ok(at.page(lang.t("Pedidos e avisos", "Requests and notices"), &body))
}

fn one(lang: Lang, act: Act, rule: Option<&ActRule>, notice: Option<&ActNotice>) -> Markup {
    let field = |what: &str| format!("{}-{what}", act.name());
    let choices = [
        (String::new(), lang.t("Padrão", "By default").to_owned()),
        ("yes".to_owned(), lang.t("Chama uma pessoa", "Calls a person").to_owned()),
        ("no".to_owned(), lang.t("Não chama", "Does not call one").to_owned()),
    ];
    let calls = match rule.and_then(|rule| rule.calls) {
        None => "",
        Some(true) => "yes",
        Some(false) => "no",
    };
    let emails = notice.map(|notice| notice.emails.join(", ")).unwrap_or_default();
    let urgent = if notice.is_some_and(|notice| notice.urgent) { "1" } else { "" };
    html! {
        details.panel open[rule.is_some() || notice.is_some()] {
            summary { strong { (name(lang, act)) } }
            (Field::area(&field("reply"), lang.t("Resposta", "Reply"), 2).most(300)
                .value(rule.map_or("", |rule| rule.reply.as_str()))
                .hint(if act == Act::Harm { lang.t("Dita antes do número a ligar.", "Said before the number to call.") } else { lang.t("Vazio: as palavras da assistente.", "Empty: the assistant's own words.") }))
            @if !matches!(act, Act::Harm | Act::Person) {
                (Field::select(&field("calls"), lang.t("Pessoa", "Person"), &choices).value(calls))
            }
            (Field::input(&field("emails"), lang.t("Quem é avisado, separado por vírgula", "Who is told, divided by commas"), "text").most(700)
                .value(&emails).hint(lang.t("Vazio: quem está em Ajustes.", "Empty: whoever stands in Settings.")))
            @if act != Act::Harm {
                (Field::switch(&field("urgent"), lang.t("Avisar como urgente", "Tell it as urgent")).value(urgent))
            }
        }
    }
}

async fn save(
    at: At<AssistantWrite>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let given = |act: &Act, what: &str| {
        form.get(&format!("{}-{what}", act.name())).map_or("", String::as_str).trim().to_owned()
    };
    let mut rules = BTreeMap::new();
    let mut told = BTreeMap::new();
    for act in LISTED {
        let calls = match given(act, "calls").as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let rule = ActRule { reply: given(act, "reply").replace("\r\n", "\n"), calls };
        if rule != ActRule::default() {
            rules.insert(*act, rule);
        }
        let notice = ActNotice {
            emails: addresses(&given(act, "emails")),
            urgent: given(act, "urgent") == "1",
        };
        if notice != ActNotice::default() {
            told.insert(*act, notice);
        }
    }
    let mut tx = at.begin().await?;
    let mut settings = assistant::load(&mut tx).await?;
    let mut recipients = notices::recipients(&mut tx).await?;
    let before = json!({ "acts": settings.acts, "notices": recipients.acts });
    // What the table does not list stays as it was set by the API.
    settings.acts.retain(|act, _| !LISTED.contains(act));
    settings.acts.extend(rules);
    let mut acts = recipients.acts.clone();
    acts.retain(|act, _| !LISTED.contains(act));
    acts.extend(told);
    // Letters to an address of one's own would outlast the stay.
    if at.support.is_some() && recipients.acts != acts {
        return Err(Failure::forbidden());
    }
    recipients.acts = acts;
    settings.check().map_err(|_| {
        Failure::from(Problem::field(
            "reply",
            lang.t("Uma resposta tem no máximo 300 letras.", "A reply has at most 300 characters."),
        ))
    })?;
    accepted(lang, &recipients)?;
    assistant::save(&mut tx, &settings, at.now()).await?;
    notices::set_recipients(&mut tx, &recipients).await?;
    let after = json!({ "acts": settings.acts, "notices": recipients.acts });
    at.note(&mut tx, "assistant.changed", "", (Some(before), Some(after))).await?;
    tx.commit().await?;
    Ok(at.done(PATH, "salvo"))
}
