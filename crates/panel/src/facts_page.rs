//! What the assistant understood of the documents: facts to confirm or correct, and what does not fit together.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::DocumentId;
use knowledge::facts::{CorrectionError, Fact, Kind, Problem as Oddity, problems};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use ui::{Icon, Lang, Tone, badge, notice, page_head};
use web::permission::{KnowledgeRead, KnowledgeWrite};
use web::{Permission, Problem};

use crate::door::At;
use crate::failure::Failure;
use crate::form::Form;
use crate::knowledge_page::{BACK, tabs};
use crate::registry::Pages;

const PATH: &str = "/conhecimento/o-que-entendi";
/// Facts of a document on one page.
const SHOWN: usize = 200;
/// Things to look at that are listed.
const LISTED: usize = 50;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<KnowledgeRead, _, _>("/painel/t/{slug}/conhecimento/o-que-entendi", show);
    pages.tenant_action::<KnowledgeWrite, _, _>(
        "/painel/t/{slug}/conhecimento/o-que-entendi",
        correct,
    );
    pages.tenant_action::<KnowledgeWrite, _, _>(
        "/painel/t/{slug}/conhecimento/o-que-entendi/desfazer",
        undo,
    );
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    documento: Option<DocumentId>,
    #[serde(default)]
    depois: usize,
}

async fn show(at: At<KnowledgeRead>, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    page(&at, &wanted, None).await
}

async fn page<P: Permission>(
    at: &At<P>,
    wanted: &Wanted,
    wrong: Option<&str>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let facts = at.app.library.facts(at.tenant.id).await?;
    let mut tx = at.read().await?;
    let declined = inbox::declined(&mut tx, at.now() - BACK, 100).await?;
    drop(tx);
    let odd = problems(&facts, at.tenant.day(at.now()));
    let mut documents: Vec<(DocumentId, &str, usize)> = Vec::new();
    for fact in &facts {
        match documents.iter_mut().find(|(id, ..)| *id == fact.document) {
            Some((.., count)) => *count += 1,
            None => documents.push((fact.document, &fact.title, 1)),
        }
    }
    let current = wanted.documento.or_else(|| documents.first().map(|(id, ..)| *id));
    let own: Vec<&Fact> = facts.iter().filter(|fact| Some(fact.document) == current).collect();
    let writes = at.may(identity::Permission::KnowledgeWrite);
    let title = lang.t("O que entendi", "What was understood");
    let body = html! {
        (page_head(title, lang.t(
            "Preços, prazos, horários e contatos, como a assistente os lê nos documentos. Corrija o que não estiver certo: a correção vale mesmo se o arquivo for enviado de novo.",
            "Prices, times, hours and contacts, as the assistant reads them in the documents. Correct what is not right: the correction holds even when the file is sent again."), None))
        (tabs(at, "/o-que-entendi", declined.len()))
        @if let Some(wrong) = wrong { (notice(Tone::Bad, wrong)) }
        @if !odd.is_empty() {
            section.panel.stack #para-olhar {
                h2 { (lang.t("Para olhar antes que um cliente pergunte", "To look at before a customer asks")) " (" (odd.len()) ")" }
                ul.stack { @for one in odd.iter().take(LISTED) { li { (oddity(at, &facts, one, writes)) } } }
            }
        }
        @if facts.is_empty() {
            (ui::empty(Icon::Book, lang.t("Nada para mostrar ainda", "Nothing to show yet"),
                lang.t("Envie uma tabela de preços ou um documento: o que a assistente entender aparece aqui.",
                    "Send a price list or a document: what the assistant understands appears here."), None))
        } @else {
            @if documents.len() > 1 {
                nav.filters aria-label=(lang.t("Documentos", "Documents")) {
                    @for (id, title, count) in &documents {
                        a href=(at.url(&format!("{PATH}?documento={id}"))) aria-current=[(Some(*id) == current).then_some("true")] { (title) " (" (count) ")" }
                    }
                }
            }
            div.scroll tabindex="0" role="region" aria-label=(title) { table {
                caption.visually-hidden { (title) }
                thead { tr {
                    th scope="col" { (lang.t("O quê", "What")) }
                    th scope="col" { (lang.t("Valor", "Value")) }
                    th scope="col" { (lang.t("Linha do documento", "Line of the document")) }
                } }
                tbody { @for fact in own.iter().skip(wanted.depois).take(SHOWN) { (row(at, fact, writes)) } }
            } }
            @if own.len() > wanted.depois + SHOWN {
                @if let Some(id) = current {
                    p { a.button href=(at.url(&format!("{PATH}?documento={id}&depois={}", wanted.depois + SHOWN))) { (lang.t("Mais", "More")) } }
                }
            }
        }
    };
    let mut response = at.page(title, &body);
    if wrong.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

fn day(lang: Lang, day: jiff::civil::Date) -> String {
    match lang {
        Lang::Pt => day.strftime("%d/%m/%Y").to_string(),
        Lang::En => day.strftime("%-d %b %Y").to_string(),
    }
}

fn kind(lang: Lang, kind: Kind) -> &'static str {
    match kind {
        Kind::Price => lang.t("Preço", "Price"),
        Kind::Time => lang.t("Prazo", "Time"),
        Kind::Hours => lang.t("Horário", "Hours"),
        Kind::Contact => lang.t("Contato", "Contact"),
        Kind::Payment => lang.t("Pagamento", "Payment"),
        Kind::Delivery => lang.t("Entrega", "Delivery"),
        Kind::Detail => lang.t("Detalhe", "Detail"),
    }
}

fn named(fact: &Fact) -> Markup {
    let name = fact.name();
    html! { @if name.is_empty() { "–" } @else { (name) } }
}

fn row<P: Permission>(at: &At<P>, fact: &Fact, writes: bool) -> Markup {
    let lang = at.lang();
    html! {
        tr {
            th scope="row" { (named(fact)) br; span.small.muted { (kind(lang, fact.kind)) } }
            td {
                (fact.value)
                @if let Some(unit) = &fact.unit { " " (unit) }
                @if let Some(original) = &fact.corrected_from {
                    br; (badge(Tone::Good, lang.t("corrigido por você", "corrected by you")))
                    span.small.muted { " " (lang.t("o documento diz: ", "the document says: ")) (original) }
                }
                @if writes { (editor(at, fact)) }
            }
            td.small.muted { @if fact.line.trim() != fact.value { (fact.line) } }
        }
    }
}

fn editor<P: Permission>(at: &At<P>, fact: &Fact) -> Markup {
    let lang = at.lang();
    let label = format!("{} {}", lang.t("Valor certo de", "Right value of"), fact.name());
    html! {
        details.correct {
            summary { (lang.t("Corrigir", "Correct")) }
            form.stack method="post" action=(at.url(PATH)) {
                (ui::csrf_field(at.csrf()))
                input type="hidden" name="document" value=(fact.document);
                input type="hidden" name="key" value=(fact.key);
                input name="value" value=(fact.value) aria-label=(label) size="14" required maxlength="500";
                (ui::submit(lang.t("Salvar", "Save")))
            }
            @if fact.corrected_from.is_some() {
                form method="post" action=(at.url(&format!("{PATH}/desfazer"))) {
                    (ui::csrf_field(at.csrf()))
                    input type="hidden" name="document" value=(fact.document);
                    input type="hidden" name="key" value=(fact.key);
                    button.quiet type="submit" { (lang.t("Voltar ao que o documento diz", "Back to what the document says")) }
                }
            }
        }
    }
}

fn oddity<P: Permission>(at: &At<P>, facts: &[Fact], odd: &Oddity, writes: bool) -> Markup {
    let lang = at.lang();
    let link = |fact: &Fact| {
        html! { a href=(at.url(&format!("/conhecimento/{}", fact.document))) { (fact.title) } }
    };
    match odd {
        Oddity::Contradiction(group) => html! {
            p { (badge(Tone::Warn, lang.t("contradição", "contradiction"))) " " strong { (named(&facts[group[0]])) } }
            ul { @for at_fact in group {
                @let fact = &facts[*at_fact];
                li {
                    (fact.value) " " (lang.t("em", "in")) " " (link(fact))
                    @if fact.outdated { " " span.small.muted { (lang.t("mais antigo: não é dito aos clientes", "older: customers are not told it")) } }
                    @if writes { (editor(at, fact)) }
                }
            } }
        },
        Oddity::Ended(number) => {
            let fact = &facts[*number];
            let end = fact.ends.map(|end| day(lang, end)).unwrap_or_default();
            html! {
                p {
                    (badge(Tone::Warn, lang.t("já terminou", "is over"))) " "
                    (lang.t("Valia até", "Held until")) " " (end) ": " (fact.line) " – " (link(fact))
                }
                p.small.muted { (lang.t("A assistente diz que a oferta terminou. Se ela continua, corrija o documento; se não, remova-o.", "The assistant says that the offer is over. If it goes on, correct the document; if not, remove it.")) }
            }
        }
        Oddity::FarOff(number) => {
            let fact = &facts[*number];
            html! {
                p {
                    (badge(Tone::Warn, lang.t("valor fora do comum", "unusual value"))) " "
                    strong { (named(fact)) } ": " (fact.value) " – " (link(fact))
                }
                p.small.muted { (lang.t("Está longe dos outros preços da mesma lista. Confira se não falta ou sobra um zero.", "It is far from the other prices of the same list. Check that no zero is missing or too much.")) }
                @if writes { (editor(at, fact)) }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Corrected {
    document: DocumentId,
    key: String,
    value: String,
}

async fn correct(
    at: At<KnowledgeWrite>,
    Form(given): Form<Corrected>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let library = &at.app.library;
    let found = library.correction(at.tenant.id, given.document, &given.key, &given.value).await;
    let correction = match found {
        Ok(correction) => correction,
        Err(CorrectionError::Storage(error)) => return Err(error.into()),
        Err(error) => {
            let wanted = Wanted { documento: Some(given.document), depois: 0 };
            return page(&at, &wanted, Some(why(lang, &error))).await;
        }
    };
    let mut tx = at.begin().await?;
    library.correct(&mut tx, &correction).await?;
    at.note(
        &mut tx,
        "fact.corrected",
        correction.name(),
        (
            Some(json!({ "value": correction.original() })),
            Some(json!({ "value": correction.corrected() })),
        ),
    )
    .await?;
    tx.commit().await?;
    Ok(at.done(&format!("{PATH}?documento={}", given.document), "salvo"))
}

fn why(lang: Lang, error: &CorrectionError) -> &'static str {
    match error {
        CorrectionError::Value => lang.t(
            "O valor certo tem de 1 a 500 letras, em uma linha.",
            "The right value has 1 to 500 characters, on one line.",
        ),
        CorrectionError::Price => lang.t(
            "Aqui cabe um preço, como R$ 45,00. Para outra coisa, mude o documento.",
            "A price belongs here, such as R$ 45,00. For anything else, change the document.",
        ),
        CorrectionError::Unknown | CorrectionError::Storage(_) => lang.t(
            "Nenhum documento diz mais isso: veja abaixo o que foi entendido agora.",
            "No document states this any more: see below what is understood now.",
        ),
    }
}

#[derive(Debug, Deserialize)]
struct Undone {
    document: DocumentId,
    key: String,
}

async fn undo(at: At<KnowledgeWrite>, Form(given): Form<Undone>) -> Result<Response, Failure> {
    let mut tx = at.begin().await?;
    let document =
        knowledge::find(&mut tx, given.document).await?.ok_or_else(Failure::not_found)?;
    if !at.app.library.undo_correction(&mut tx, &document.name, &given.key).await? {
        return Err(Problem::not_found("correction").into());
    }
    at.note(&mut tx, "fact.restored", &document.name, (None, None)).await?;
    tx.commit().await?;
    Ok(at.done(&format!("{PATH}?documento={}", given.document), "salvo"))
}
