//! One message: its journey and its file.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
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
                td { (ui::exact_time(step.at, at.zone(), lang)) }
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
        part(&at.me.visitor.headers, bytes),
    )
        .into_response())
}

/// All bytes, or the part that a player asks for: some play nothing that comes only whole.
fn part(headers: &HeaderMap, bytes: Vec<u8>) -> Response {
    let all = [(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))];
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    match asked.map(|text| range(text, bytes.len())) {
        // What is no single range is answered whole, as RFC 9110 allows.
        None | Some(None) => (all, bytes).into_response(),
        Some(Some(Err(OutOfRange))) => {
            let whole = format!("bytes */{}", bytes.len());
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, whole)]).into_response()
        }
        Some(Some(Ok((from, to)))) => {
            let what = format!("bytes {from}-{to}/{}", bytes.len());
            let head = [(header::CONTENT_RANGE, what)];
            (StatusCode::PARTIAL_CONTENT, all, head, bytes[from..=to].to_vec()).into_response()
        }
    }
}

/// The range begins after the end.
#[derive(Debug, PartialEq, Eq)]
struct OutOfRange;

/// The first and last byte of a single range of `bytes`.
fn range(text: &str, length: usize) -> Option<Result<(usize, usize), OutOfRange>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (from, to) = if from.is_empty() {
        (length.saturating_sub(to.parse().ok()?), end)
    } else {
        let to = if to.is_empty() { end } else { to.parse::<usize>().ok()?.min(end) };
        (from.parse().ok()?, to)
    };
    if from > end {
        return Some(Err(OutOfRange));
    }
    (from <= to).then_some(Ok((from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_answered_and_nothing_else() {
        for (text, found) in [
            ("bytes=0-1", Some(Ok((0, 1)))),
            ("bytes=4-", Some(Ok((4, 9)))),
            ("bytes=-3", Some(Ok((7, 9)))),
            ("bytes=-30", Some(Ok((0, 9)))),
            ("bytes=5-500", Some(Ok((5, 9)))),
            ("bytes=10-", Some(Err(OutOfRange))),
            ("bytes=5-2", None),
            ("bytes=0-1,4-5", None),
            ("items=0-1", None),
            ("bytes=x-", None),
        ] {
            assert_eq!(range(text, 10), found, "{text}");
        }
        assert_eq!(range("bytes=0-", 0), None);
    }
}
