//! What the business knows: documents, questions and answers, their versions, a box to try questions,
//! and what nobody could answer yet.

use std::time::Duration;

use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::DocumentId;
use knowledge::{Document, Editable, KnowledgeError};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use ui::{Field, Icon, Lang, Tone, badge, icon, notice, page_head};
use web::permission::{KnowledgeRead, KnowledgeWrite};
use web::{BodySize, Permission, Problem};

use crate::address::encode;
use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::{Form, Upload};
use crate::knowledge_words::{format_name, why};
use crate::registry::Pages;

/// How far back questions without an answer are listed.
pub(crate) const BACK: Duration = Duration::from_secs(30 * 86_400);

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<KnowledgeRead, _, _>("/painel/t/{slug}/conhecimento", show);
    pages.tenant_action::<KnowledgeWrite, _, _>("/painel/t/{slug}/conhecimento/arquivos", upload);
    pages.takes(BodySize::Upload);
    pages
        .tenant_action::<KnowledgeWrite, _, _>("/painel/t/{slug}/conhecimento/perguntas", add_pair);
    pages.tenant_action::<KnowledgeRead, _, _>("/painel/t/{slug}/conhecimento/testar", ask);
    pages.tenant_page::<KnowledgeRead, _, _>("/painel/t/{slug}/conhecimento/{id}", document);
    pages.tenant_action::<KnowledgeWrite, _, _>("/painel/t/{slug}/conhecimento/{id}", edit);
    pages.takes(BodySize::Text);
    pages.tenant_action::<KnowledgeWrite, _, _>(
        "/painel/t/{slug}/conhecimento/{id}/remover",
        remove,
    );
    pages.tenant_action::<KnowledgeWrite, _, _>(
        "/painel/t/{slug}/conhecimento/{id}/manter",
        keep_as_read,
    );
    pages.tenant_action::<KnowledgeWrite, _, _>(
        "/painel/t/{slug}/conhecimento/versoes/{id}/restaurar",
        restore,
    );
}

pub(crate) fn failed(lang: Lang, error: KnowledgeError) -> Failure {
    match error {
        KnowledgeError::Storage(error) => error.into(),
        KnowledgeError::Vault(error) => error.into(),
        other => Problem::field("content", why(lang, &other)).into(),
    }
}

fn pieces(lang: Lang, many: i64) -> String {
    let word = if many == 1 { lang.t("trecho", "piece") } else { lang.t("trechos", "pieces") };
    format!("{} {word}", ui::count(many, lang))
}

/// What becomes of a document: found by searches as it stands, or of no use.
fn state(lang: Lang, document: &Document) -> Markup {
    if document.chunks == 0 {
        badge(
            Tone::Bad,
            lang.t("sem texto: nada será encontrado", "no text: nothing will be found"),
        )
    } else {
        badge(Tone::Good, lang.t("pronto", "ready"))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    depois: String,
    #[serde(default)]
    categoria: String,
}

async fn show(at: At<KnowledgeRead>, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    list_page(&at, &wanted, None, StatusCode::OK).await
}

async fn list_page<P: Permission>(
    at: &At<P>,
    wanted: &Wanted,
    wrong: Option<&str>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let mut tx = at.read().await?;
    let mut documents = knowledge::list(&mut tx, &wanted.depois, 201).await?;
    let removed = knowledge::removed(&mut tx).await?;
    let declined = inbox::declined(&mut tx, now - BACK, 100).await?;
    drop(tx);
    let more = documents.len() > 200;
    documents.truncate(200);
    let mut categories: Vec<String> = documents.iter().filter_map(|d| d.category.clone()).collect();
    categories.sort();
    categories.dedup();
    if !wanted.categoria.is_empty() {
        documents.retain(|d| d.category.as_deref() == Some(wanted.categoria.as_str()));
    }
    let writes = at.may(identity::Permission::KnowledgeWrite);
    let body = html! {
        (page_head(lang.t("Conhecimento", "Knowledge"), lang.t(
            "A assistente responde só com o que está aqui.",
            "The assistant answers only with what stands here."), None))
        (tabs(at, "", declined.len()))
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        div.columns {
            div.stack {
                @if writes { (adders(at)) }
                @if !categories.is_empty() {
                    nav.filters aria-label=(lang.t("Categorias", "Categories")) {
                        a href=(at.url("/conhecimento")) aria-current=[wanted.categoria.is_empty().then_some("true")] { (lang.t("Todas", "All")) }
                        @for category in &categories {
                            a href=(format!("{}?categoria={}", at.url("/conhecimento"), encode(category))) aria-current=[(wanted.categoria == *category).then_some("true")] { (category) }
                        }
                    }
                }
                @if documents.is_empty() {
                    (ui::empty(Icon::Book, lang.t("Nada ensinado ainda", "Nothing taught yet"),
                        lang.t("Envie uma tabela de preços, um documento com as perguntas comuns, ou escreva a primeira pergunta.",
                            "Send a price list, a document of common questions, or write the first question."), None))
                } @else {
                    ul.list {
                        @for document in &documents {
                            li {
                                div.grow {
                                    a href=(at.url(&format!("/conhecimento/{}", document.id))) { strong { (document.name) } }
                                    p.small.muted {
                                        (format_name(lang, &document.format)) " · " (ui::bytes(document.bytes, lang)) " · "
                                        (pieces(lang, document.chunks)) " · " (ui::ago(document.updated_at, now, lang))
                                        @if let Some(category) = &document.category { " · " (category) }
                                    }
                                    @if document.send_again && writes { (send_again(at, document)) }
                                }
                                (state(lang, document))
                            }
                        }
                    }
                    @if more {
                        @if let Some(last) = documents.last() {
                            p { a.button href=(format!("{}?depois={}", at.url("/conhecimento"), encode(&last.name))) { (lang.t("Mais", "More")) } }
                        }
                    }
                }
                @if writes && !removed.is_empty() {
                    details.panel {
                        summary { (lang.t("Removidos há pouco", "Removed lately")) }
                        ul { @for version in &removed { li.row.between {
                            span { (version.name) " " span.muted.small { (ui::ago(version.until, now, lang)) } }
                            (restore_button(at, version.id))
                        } } }
                    }
                }
            }
            div.aside { (ask_box(at, "")) }
        }
        @if at.said() == Some("removido") && writes {
            @if let Some(version) = removed.first() { (at.undo(&format!("/conhecimento/versoes/{}/restaurar", version.id))) }
        }
    };
    let mut response = at.page(lang.t("Conhecimento", "Knowledge"), &body);
    *response.status_mut() = status;
    Ok(response)
}

pub(crate) fn tabs<P: Permission>(at: &At<P>, current: &str, declined: usize) -> Markup {
    let lang = at.lang();
    let tab = |path: &str, text: &str, count: usize| {
        html! {
            a href=(at.url(&format!("/conhecimento{path}"))) aria-current=[(path == current).then_some("page")] {
                (text) @if count > 0 { " (" (count) ")" }
            }
        }
    };
    html! {
        nav.tabs aria-label=(lang.t("Conhecimento", "Knowledge")) {
            (tab("", lang.t("Documentos", "Documents"), 0))
            (tab("/o-que-entendi", lang.t("O que entendi", "What was understood"), 0))
            (tab("/sem-resposta", lang.t("Perguntas sem resposta", "Unanswered questions"), declined))
        }
    }
}

fn adders<P: Permission>(at: &At<P>) -> Markup {
    let lang = at.lang();
    html! {
        form.drop method="post" action=(at.url("/conhecimento/arquivos")) enctype="multipart/form-data" data-upload {
            (ui::csrf_field(at.csrf()))
            (icon(Icon::Plus))
            p { strong { (lang.t("Solte arquivos aqui", "Drop files here")) } }
            label.button for="arquivos" { (lang.t("Escolher arquivos", "Choose files")) }
            p.small.muted { (lang.t("PDF, Word, Excel, CSV, Markdown, texto ou HTML, até 20 MB.", "PDF, Word, Excel, CSV, Markdown, text or HTML, up to 20 MB.")) }
            input.visually-hidden #arquivos type="file" name="file" multiple accept=".pdf,.docx,.xlsx,.md,.txt,.html,.htm,.csv,.tsv";
            noscript { button type="submit" { (lang.t("Enviar", "Send")) } }
            div data-progress role="status" {}
        }
        details.panel {
            summary { (lang.t("Escrever uma pergunta com a resposta", "Write a question with its answer")) }
            form.stack method="post" action=(at.url("/conhecimento/perguntas")) {
                (ui::csrf_field(at.csrf()))
                (Field::input("question", lang.t("Pergunta, como o cliente faria", "Question, as a customer would ask it"), "text").required().most(500))
                (Field::area("answer", lang.t("Resposta", "Answer"), 3).required().most(4000))
                (Field::input("category", lang.t("Categoria (opcional)", "Category (optional)"), "text").most(60))
                div.row { (ui::submit(lang.t("Ensinar", "Teach"))) }
            }
        }
    }
}

fn ask_box<P: Permission>(at: &At<P>, question: &str) -> Markup {
    let lang = at.lang();
    html! {
        form.panel.stack method="post" action=(at.url("/conhecimento/testar")) hx-post=(at.url("/conhecimento/testar")) hx-target="#resposta" hx-swap="innerHTML" hx-sync="this:replace" data-again {
            (ui::csrf_field(at.csrf()))
            h2 { (lang.t("Faça uma pergunta", "Ask a question")) }
            (Field::input("q", lang.t("Como um cliente escreveria", "As a customer would write"), "text").value(question).required().most(1000))
            div.row { button type="submit" { (lang.t("Perguntar", "Ask")) } }
            div #resposta aria-live="polite" {}
        }
    }
}

fn wants_json<P>(at: &At<P>) -> bool {
    at.me
        .visitor
        .headers
        .get(header::ACCEPT)
        .is_some_and(|v| v.as_bytes().starts_with(b"application/json"))
}

async fn upload(at: At<KnowledgeWrite>, upload: Upload) -> Result<Response, Failure> {
    let lang = at.lang();
    let category =
        Some(upload.field("category").trim()).filter(|c| !c.is_empty()).map(str::to_owned);
    let mut said = Vec::new();
    for file in upload.files {
        // A form that was sent without a file has one without a name.
        if file.name.is_empty() {
            continue;
        }
        let name = file.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let library = &at.app.library;
        let read = library.prepare(at.tenant.id, &name, file.bytes, category.as_deref()).await;
        let prepared = match read {
            Ok(prepared) => prepared,
            Err(error @ (KnowledgeError::Storage(_) | KnowledgeError::Vault(_))) => {
                return Err(failed(lang, error));
            }
            Err(error) => {
                let text = why(lang, &error);
                if wants_json(&at) {
                    let body = axum::Json(json!({ "message": text }));
                    return Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response());
                }
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return list_page(
                    &at,
                    &Wanted::default(),
                    Some(&format!("{name}: {text}")),
                    status,
                )
                .await;
            }
        };
        let mut tx = at.begin().await?;
        let added = library.add(&mut tx, &prepared).await.map_err(|error| failed(lang, error))?;
        at.note(
            &mut tx,
            "knowledge.added",
            &added.name,
            (None, Some(json!({ "pieces": added.chunks }))),
        )
        .await?;
        tx.commit().await?;
        said.push(pieces(lang, i64::try_from(added.chunks).unwrap_or(i64::MAX)));
    }
    if wants_json(&at) {
        return Ok(axum::Json(json!({ "message": said.join(", ") })).into_response());
    }
    Ok(at.done("/conhecimento", "salvo"))
}

#[derive(Debug, Deserialize)]
struct Pair {
    question: String,
    answer: String,
    #[serde(default)]
    category: String,
}

async fn add_pair(at: At<KnowledgeWrite>, Form(pair): Form<Pair>) -> Result<Response, Failure> {
    let lang = at.lang();
    let category = Some(pair.category.trim()).filter(|c| !c.is_empty());
    let library = &at.app.library;
    let ready = library.pair(at.tenant.id, &pair.question, &pair.answer, category).await;
    let ready = ready.map_err(|error| failed(lang, error))?;
    let mut tx = at.begin().await?;
    let added = library.add(&mut tx, &ready).await.map_err(|error| failed(lang, error))?;
    at.note(
        &mut tx,
        "knowledge.added",
        &added.name,
        (None, Some(json!({ "answer": pair.answer }))),
    )
    .await?;
    tx.commit().await?;
    Ok(at.done("/conhecimento", "ensinado"))
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

/// What a question finds, and what the assistant would say. It may cost what a model costs, so no link
/// asks it.
async fn ask(at: At<KnowledgeRead>, Form(asked): Form<Asked>) -> Result<Response, Failure> {
    let lang = at.lang();
    let question = asked.q.trim();
    let result = if question.is_empty() {
        html! { p.muted { (lang.t("Escreva uma pergunta.", "Write a question.")) } }
    } else if question.chars().count() > 1000 {
        html! { p.muted { (lang.t("No máximo 1.000 letras.", "1,000 letters at most.")) } }
    } else {
        let context = at.app.contexts.get(at.tenant.id).await?.ok_or_else(Failure::not_found)?;
        let reply = at.app.answerer.chat(&at.app.db, &context, question, false).await?;
        crate::home::note_tried(&at, &reply).await?;
        let hits = at.app.library.search(at.tenant.id, question, 5, None).await?;
        let confidence = format!("{:.0}%", reply.confidence * 100.0);
        html! {
            div.bubble.out { p { (ui::chat_text(if reply.text.is_empty() { lang.t("(nenhuma resposta é necessária)", "(no answer is needed)") } else { reply.text.as_str() })) } }
            p.small.muted {
                @if reply.declined { (badge(Tone::Warn, lang.t("não sabe", "does not know"))) " " }
                (lang.t("confiança ", "confidence ")) (confidence)
            }
            h3 { (lang.t("Trechos encontrados", "Pieces found")) }
            @if hits.is_empty() { p.muted { (lang.t("Nenhum.", "None.")) } }
            ul.stack {
                @for hit in &hits {
                    li.sources {
                        blockquote {
                            cite { (hit.title) @if let Some(heading) = &hit.heading { " › " (heading) } " " span.muted { (lang.t("pontuação ", "score ")) (format!("{:.1}", hit.score).replace('.', lang.t(",", "."))) } }
                            (hit.text)
                        }
                    }
                }
            }
        }
    };
    if at.me.visitor.headers.contains_key("hx-request") {
        return Ok(result.into_response());
    }
    let body = html! {
        (page_head(lang.t("Testar uma pergunta", "Try a question"), "", None))
        (ask_box(&at, question))
        div.panel { (result) }
    };
    Ok(at.page(lang.t("Testar uma pergunta", "Try a question"), &body))
}

fn restore_button<P: Permission>(at: &At<P>, version: kernel::VersionId) -> Markup {
    html! {
        form method="post" action=(at.url(&format!("/conhecimento/versoes/{version}/restaurar"))) {
            (ui::csrf_field(at.csrf()))
            button.quiet type="submit" { (at.lang().t("Restaurar", "Restore")) }
        }
    }
}

type ById = PageId<kernel::id::DocumentKind>;

async fn document(at: At<KnowledgeRead>, PageId(id): ById) -> Result<Response, Failure> {
    document_page(&at, id, None).await
}

async fn document_page<P: Permission>(
    at: &At<P>,
    id: DocumentId,
    wrong: Option<&str>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let now = at.now();
    let mut tx = at.read().await?;
    let document = knowledge::find(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    let content = knowledge::editable(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    let versions = knowledge::versions(&mut tx, id).await?;
    drop(tx);
    let writes = at.may(identity::Permission::KnowledgeWrite);
    let action = at.url(&format!("/conhecimento/{id}"));
    let body = html! {
        (page_head(&document.name, &format!("{} · {}", format_name(lang, &document.format), pieces(lang, document.chunks)),
            Some(ui::link_button(&at.url("/conhecimento"), lang.t("Voltar", "Back")))))
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        div.columns {
            form.panel.stack method="post" action=(action) {
                (ui::csrf_field(at.csrf()))
                @match &content {
                    Editable::Pair { question, answer, category } => {
                        (Field::input("question", lang.t("Pergunta", "Question"), "text").value(question).required().most(500))
                        (Field::area("answer", lang.t("Resposta", "Answer"), 6).value(answer).required().most(4000))
                        (Field::input("category", lang.t("Categoria", "Category"), "text").value(category).most(60))
                    }
                    Editable::Table(text) => (Field::area("content", lang.t("Tabela (CSV)", "Table (CSV)"), 20).value(text)
                        .hint(lang.t("Uma pergunta por linha: pergunta,resposta,categoria.", "One question a line: question,answer,category."))),
                    Editable::Text(text) => (Field::area("content", lang.t("Texto", "Text"), 20).value(text)
                        .hint(lang.t("Títulos começam com ##.", "Headings begin with ##."))),
                }
                @if writes { div.row { (ui::submit(lang.t("Salvar", "Save"))) } }
            }
            div.stack {
                (ask_box(at, ""))
                section.panel {
                    h2 { (lang.t("Versões anteriores", "Earlier versions")) }
                    @if versions.is_empty() { p.muted { (lang.t("Nenhuma. Cada mudança guarda a anterior.", "None. Each change keeps the one before.")) } }
                    ul { @for version in &versions { li.row.between {
                        span { (ui::date_time(version.until, at.zone(), lang)) " " span.muted.small { (ui::bytes(version.bytes, lang)) " · " (ui::ago(version.until, now, lang)) } }
                        @if writes { (restore_button(at, version.id)) }
                    } } }
                }
                @if writes {
                    form method="post" action=(at.url(&format!("/conhecimento/{id}/remover"))) {
                        (ui::csrf_field(at.csrf()))
                        button.danger type="submit" { (lang.t("Remover do conhecimento", "Remove from the knowledge")) }
                        p.small.muted { (lang.t("Pode ser restaurado depois.", "It can be restored afterwards.")) }
                    }
                }
            }
        }
    };
    let mut response = at.page(&document.name, &body);
    if wrong.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
struct Edited {
    #[serde(default)]
    question: String,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    content: String,
}

async fn edit(
    at: At<KnowledgeWrite>,
    PageId(id): ById,
    Form(edited): Form<Edited>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let library = &at.app.library;
    let mut tx = at.read().await?;
    let document = knowledge::find(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    let before = knowledge::editable(&mut tx, id).await?;
    drop(tx);
    let (staged, asked_before) = match before {
        Some(Editable::Pair { question, .. }) => {
            let category = Some(edited.category.trim()).filter(|c| !c.is_empty());
            let (tenant, asked, answer) = (at.tenant.id, &edited.question, &edited.answer);
            (library.pair(tenant, asked, answer, category).await.map(Some), Some(question))
        }
        _ => {
            let content = edited.content.replace("\r\n", "\n");
            (library.edit(at.tenant.id, id, &content).await, None)
        }
    };
    let put = async {
        let Some(staged) = staged? else { return Ok(None) };
        let mut tx = at.app.db.begin(at.tenant.id).await?;
        let added = library.add(&mut tx, &staged).await?;
        // Another question is another document; the old one goes, and is kept as a version. Long ones that begin
        // alike are the same.
        if let Some(question) = asked_before
            && added.id != id
            && question.trim() != edited.question.trim()
        {
            knowledge::remove(&mut tx, &id.to_string(), at.now()).await?;
        }
        Ok::<_, KnowledgeError>(Some((tx, added)))
    };
    match put.await {
        Ok(Some((mut tx, added))) => {
            at.note(
                &mut tx,
                "knowledge.changed",
                &document.name,
                (
                    Some(json!({ "pieces": document.chunks })),
                    Some(json!({ "pieces": added.chunks })),
                ),
            )
            .await?;
            tx.commit().await?;
            Ok(at.done(&format!("/conhecimento/{}", added.id), "salvo"))
        }
        Ok(None) => Err(Failure::not_found()),
        Err(KnowledgeError::Storage(error)) => Err(error.into()),
        Err(error) => {
            let text = why(lang, &error);
            document_page(&at, id, Some(&text)).await
        }
    }
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn remove(
    at: At<KnowledgeWrite>,
    PageId(id): ById,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let mut tx = at.begin().await?;
    let document = knowledge::find(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    knowledge::remove(&mut tx, &id.to_string(), at.now()).await?;
    at.note(&mut tx, "knowledge.removed", &document.name, (None, None)).await?;
    tx.commit().await?;
    Ok(at.done("/conhecimento", "removido"))
}

/// What is asked of the owner once, after an update that reads files better.
fn send_again<P: Permission>(at: &At<P>, document: &Document) -> Markup {
    let lang = at.lang();
    html! {
        p.small { (lang.t(
            "Agora lemos arquivos melhor, e o original deste não foi guardado: envie o arquivo de novo com o mesmo nome.",
            "Files are read better now, and the original of this one was not kept: send the file again under the same name.")) }
        form method="post" action=(at.url(&format!("/conhecimento/{}/manter", document.id))) {
            (ui::csrf_field(at.csrf()))
            button.quiet type="submit" { (lang.t("Deixar como está", "Leave it as it is")) }
        }
    }
}

async fn keep_as_read(
    at: At<KnowledgeWrite>,
    PageId(id): ById,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let mut tx = at.begin().await?;
    if !knowledge::keep_as_read(&mut tx, id).await? {
        return Err(Failure::not_found());
    }
    tx.commit().await?;
    Ok(at.done("/conhecimento", "salvo"))
}

async fn restore(
    at: At<KnowledgeWrite>,
    PageId(id): PageId<kernel::id::VersionKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let library = &at.app.library;
    let staged = library.restore(at.tenant.id, id).await.map_err(|e| failed(lang, e))?;
    let staged = staged.ok_or_else(Failure::not_found)?;
    let mut tx = at.begin().await?;
    let added = library.add(&mut tx, &staged).await.map_err(|e| failed(lang, e))?;
    at.note(&mut tx, "knowledge.restored", added.name, (None, None)).await?;
    tx.commit().await?;
    Ok(at.done(&format!("/conhecimento/{}", added.id), "restaurado"))
}
