//! What customers asked and nobody could answer: a list to work off, one click to teach.

use axum::response::Response;
use inbox::Declined;
use kernel::Moment;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use ui::{Icon, page_head};
use web::permission::{InboxRead, KnowledgeWrite};

use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::knowledge_page::{BACK, failed, tabs};
use crate::registry::Pages;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/conhecimento/sem-resposta", unanswered);
    pages.tenant_action::<KnowledgeWrite, _, _>(
        "/painel/t/{slug}/conhecimento/sem-resposta/{id}",
        teach,
    );
}

async fn unanswered(at: At<InboxRead>) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let mut tx = at.read().await?;
    let declined = inbox::declined(&mut tx, now - BACK, 100).await?;
    drop(tx);
    let writes = at.may(identity::Permission::KnowledgeWrite);
    let body = html! {
        (page_head(lang.t("Perguntas sem resposta", "Unanswered questions"), lang.t(
            "O que clientes perguntaram nos últimos 30 dias e a assistente não soube. Responda uma vez e ela passa a saber.",
            "What customers asked in the last 30 days and the assistant did not know. Answer once, and it will know."), None))
        (tabs(&at, "/sem-resposta", declined.len()))
        @if declined.is_empty() {
            (ui::empty(Icon::Check, lang.t("Nada sem resposta", "Nothing unanswered"),
                lang.t("Quando a assistente não souber algo, a pergunta aparece aqui.", "When the assistant does not know something, the question appears here."), None))
        }
        ul.stack { @for one in &declined { li.panel { (one_unanswered(&at, one, now, writes)) } } }
    };
    Ok(at.page(lang.t("Perguntas sem resposta", "Unanswered questions"), &body))
}

fn one_unanswered(at: &At<InboxRead>, one: &Declined, now: Moment, writes: bool) -> Markup {
    let lang = at.lang();
    let action = at.url(&format!("/conhecimento/sem-resposta/{}", one.message));
    html! {
        p { strong { (one.question) } }
        p.small.muted { (ui::ago(one.at, now, lang)) " · " a href=(at.url(&format!("/conversas/{}", one.conversation))) { (lang.t("ver conversa", "see conversation")) } }
        @if writes {
            details {
                summary { (lang.t("Responder e ensinar", "Answer and teach")) }
                form.stack method="post" action=(action) {
                    (ui::csrf_field(at.csrf()))
                    div.field {
                        label for={ "q-" (one.message) } { (lang.t("Pergunta", "Question")) }
                        input id={ "q-" (one.message) } name="question" value=(one.question) required maxlength="500";
                    }
                    div.field {
                        label for={ "a-" (one.message) } { (lang.t("Resposta", "Answer")) }
                        textarea id={ "a-" (one.message) } name="answer" rows="3" required maxlength="4000" {}
                    }
                    div.row { (ui::submit(lang.t("Ensinar", "Teach"))) }
                }
            }
            form method="post" action=(action) {
                (ui::csrf_field(at.csrf()))
                input type="hidden" name="dismiss" value="1";
                button.quiet type="submit" { (lang.t("Dispensar", "Dismiss")) }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Taught {
    #[serde(default)]
    question: String,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    dismiss: String,
}

async fn teach(
    at: At<KnowledgeWrite>,
    PageId(id): PageId<kernel::id::MessageKind>,
    Form(taught): Form<Taught>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let library = &at.app.library;
    let pair = match taught.dismiss.is_empty() {
        true => {
            let pair = library.pair(at.tenant.id, &taught.question, &taught.answer, None).await;
            Some(pair.map_err(|error| failed(lang, error))?)
        }
        false => None,
    };
    let mut tx = at.begin().await?;
    if !inbox::seen_to(&mut tx, id).await? {
        return Err(Failure::not_found());
    }
    if let Some(pair) = pair {
        let added = library.add(&mut tx, &pair).await.map_err(|error| failed(lang, error))?;
        at.note(
            &mut tx,
            "knowledge.added",
            &added.name,
            (None, Some(json!({ "answer": taught.answer }))),
        )
        .await?;
    } else {
        at.note(&mut tx, "question.dismissed", id.to_string(), (None, None)).await?;
    }
    tx.commit().await?;
    let said = if taught.dismiss.is_empty() { "ensinado" } else { "removido" };
    Ok(at.done("/conhecimento/sem-resposta", said))
}
