//! What customers asked and nobody could answer: a list to work off, one click to teach.

use axum::response::Response;
use inbox::Declined;
use kernel::Moment;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use ui::{Icon, Tone, badge, page_head};
use web::Permission;
use web::permission::{InboxRead, KnowledgeWrite};

use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::Form;
use crate::knowledge_page::{BACK, failed, tabs};
use crate::registry::Pages;

/// Questions that are listed, at most.
const MOST: usize = 100;

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
    let declined = inbox::declined(&mut tx, now - BACK, MOST).await?;
    drop(tx);
    let groups = grouped(&at, &declined).await?;
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
        ul.stack { @for group in &groups { li.panel { (one_group(&at, group, now, writes)) } } }
    };
    Ok(at.page(lang.t("Perguntas sem resposta", "Unanswered questions"), &body))
}

/// The questions in groups of one meaning, what was asked most first.
async fn grouped<P: Permission>(
    at: &At<P>,
    declined: &[Declined],
) -> Result<Vec<Vec<Declined>>, Failure> {
    let questions = declined.iter().map(|one| one.question.clone()).collect();
    let groups = at.app.library.alike(questions).await?;
    let of = |members: Vec<usize>| members.into_iter().filter_map(|at| declined.get(at).cloned());
    Ok(groups.into_iter().map(|members| of(members).collect()).collect())
}

/// Questions of one meaning: the newest stands for all of them.
fn one_group(at: &At<InboxRead>, group: &[Declined], now: Moment, writes: bool) -> Markup {
    let lang = at.lang();
    let Some((one, others)) = group.split_first() else { return Markup::default() };
    let action = at.url(&format!("/conhecimento/sem-resposta/{}", one.message));
    html! {
        p {
            strong { (one.question) }
            @if !others.is_empty() { " " (badge(Tone::Neutral, &format!("{}×", group.len()))) }
        }
        p.small.muted { (ui::ago(one.at, now, lang)) " · " a href=(at.url(&format!("/conversas/{}", one.conversation))) { (lang.t("ver conversa", "see conversation")) } }
        @if !others.is_empty() {
            details {
                summary { (lang.t("Também perguntado assim", "Also asked like this")) }
                ul { @for other in others { li {
                    (other.question) " " span.small.muted { (ui::ago(other.at, now, lang)) " · " a href=(at.url(&format!("/conversas/{}", other.conversation))) { (lang.t("ver conversa", "see conversation")) } }
                } } }
            }
        }
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
                // What is shown here goes, and nothing that came since.
                input type="hidden" name="dismiss" value=(group.iter().map(|one| one.message.to_string()).collect::<Vec<_>>().join(" "));
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
        // Who dismisses a question dismisses all that mean it, as far as they were shown.
        for shown in taught.dismiss.split(' ').take(MOST).filter_map(|id| id.parse().ok()) {
            inbox::seen_to(&mut tx, shown).await?;
        }
        at.note(&mut tx, "question.dismissed", id.to_string(), (None, None)).await?;
    }
    tx.commit().await?;
    if taught.dismiss.is_empty() {
        close_answered(&at).await?;
    }
    let said = if taught.dismiss.is_empty() { "ensinado" } else { "removido" };
    Ok(at.done("/conhecimento/sem-resposta", said))
}

/// Takes the questions from the list that the knowledge answers by now. What is only near to what was taught stays: the
/// price of a thing does not say whether it hurts.
async fn close_answered(at: &At<KnowledgeWrite>) -> Result<(), Failure> {
    let mut tx = at.read().await?;
    let open = inbox::declined(&mut tx, at.now() - BACK, MOST).await?;
    drop(tx);
    let questions = open.iter().map(|one| one.question.clone()).collect();
    let known = at.app.library.known(at.tenant.id, questions).await?;
    let mut tx = at.begin().await?;
    for (one, known) in open.iter().zip(known) {
        if known {
            inbox::seen_to(&mut tx, one.message).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
