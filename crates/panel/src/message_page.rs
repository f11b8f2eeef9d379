//! One message: its journey and its file.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use web::permission::InboxRead;

use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::registry::Pages;
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/mensagens/{id}/percurso", journey);
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/mensagens/{id}/arquivo", file);
}

/// Every state a message passed.
async fn journey(
    at: At<InboxRead>,
    PageId(id): PageId<kernel::id::MessageKind>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut tx = at.read().await?;
    let journey = inbox::journey(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    let message = inbox::message(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    drop(tx);
    let body = html! {
        (ui::page_head(lang.t("Percurso da mensagem", "The message's journey"), "",
            Some(ui::link_button(&at.url(&format!("/conversas/{}", journey.conversation)), lang.t("Abrir conversa", "Open conversation")))))
        @if let Some(text) = &message.body { blockquote.panel { (text) } }
        div.scroll tabindex="0" role="region" aria-label=(lang.t("Tabela", "Table")) { table {
            thead { tr {
                th scope="col" { (lang.t("Quando", "When")) } th scope="col" { (lang.t("O que", "What")) }
                th scope="col" { (lang.t("Código", "Code")) } th scope="col" { (lang.t("Detalhe", "Detail")) }
            } }
            tbody { @for step in &journey.steps { tr {
                td { (ui::date_time(step.at, at.zone(), lang)) }
                td { (words::step(lang, &step.state)) }
                td { (step.code.as_deref().unwrap_or("–")) }
                td { (step.detail.as_deref().unwrap_or("–")) }
            } } }
        } }
    };
    Ok(at.page(lang.t("Percurso da mensagem", "The message's journey"), &body))
}

/// The file of a message. Pictures, sound and film are shown; anything else is downloaded.
async fn file(
    at: At<InboxRead>,
    PageId(id): PageId<kernel::id::MessageKind>,
) -> Result<Response, Failure> {
    let (file, bytes) = at.app.sender.file(&at.app.db, at.tenant.id, id).await?;
    let mime = file.mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let shown = ["image/png", "image/jpeg", "image/webp", "image/gif"].contains(&mime.as_str())
        || mime.starts_with("audio/")
        || mime.starts_with("video/");
    let kind = HeaderValue::from_str(&mime).ok().filter(|_| shown);
    let place = if shown { "inline" } else { "attachment" };
    Ok((
        [
            (
                header::CONTENT_TYPE,
                kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
            ),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static(place)),
            (
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; sandbox"),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
        ],
        bytes,
    )
        .into_response())
}
