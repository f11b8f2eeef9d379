//! The stream that tells open pages that something changed, and how many wait for a person.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use kernel::Moment;
use maud::{Markup, PreEscaped, html};
use serde_json::json;
use tokio::time::Instant;
use ui::Lang;
use web::permission::InboxRead;

use crate::door::At;
use crate::failure::Failure;
use crate::registry::Pages;

/// Changes of this long are told as one.
const BUNDLE: Duration = Duration::from_millis(250);
/// Without a word of a commit a page looks again after this long: another process may have written.
const QUIET: Duration = Duration::from_secs(4);
/// A stream ends after this long; the browser opens another, and its session is looked at again.
const HOLDS: Duration = Duration::from_secs(60);
/// Those who wait are counted up to this.
const MOST: usize = 100;

/// Stands around texts that run by themselves, until the markup is finished.
const RUNS: char = '\u{1}';

/// How long it has been; the page's script lets it run.
pub(crate) fn since(from: Moment, now: Moment, lang: Lang) -> Markup {
    let text = ui::duration(now.since(from), lang);
    html! { span data-since=(from.0 / 1000) { (RUNS) (text) (RUNS) } }
}

/// How long it is until then.
pub(crate) fn until(then: Moment, now: Moment, lang: Lang) -> Markup {
    let text = ui::duration(then.since(now), lang);
    html! { span data-until=(then.0 / 1000) { (RUNS) (text) (RUNS) } }
}

/// A live part of a page, and its version: a browser that has it is sent nothing. That time passes is
/// no other version, so nothing is replaced under a reader's hands each minute.
pub(crate) fn versioned(markup: Markup) -> (Markup, String) {
    let text = markup.into_string();
    let lasting: String = text.split(RUNS).step_by(2).collect();
    let version = tenancy::hash_token(&lasting)[..16].to_owned();
    let markup = html! {
        input type="hidden" name="v" value=(version);
        (PreEscaped(text.replace(RUNS, "")))
    };
    (markup, version)
}

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<InboxRead, _, _>("/painel/t/{slug}/eventos", events);
}

async fn events(
    at: At<InboxRead>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let commits = at.app.db.signals().commits();
    let until = Instant::now() + HOLDS;
    let stream = stream::unfold((at, commits, true), move |(at, mut commits, first)| async move {
        if Instant::now() > until {
            return None;
        }
        if !first {
            let ours = at.tenant.id;
            let change = async {
                loop {
                    match commits.recv().await {
                        Ok(Some(tenant)) if tenant != ours => {}
                        // Ours, somebody's in another process, or more than we could hear.
                        Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                            std::future::pending::<()>().await;
                        }
                    }
                }
            };
            if tokio::time::timeout(QUIET, change).await.is_ok() {
                tokio::time::sleep(BUNDLE).await;
                while commits.try_recv().is_ok() {}
            }
        }
        let waiting = match at.app.db.read(at.tenant.id).await {
            Ok(mut tx) => inbox::waiting(&mut tx, MOST).await.map(|list| list.len()).ok(),
            Err(_) => None,
        };
        // Without a database for a moment the page keeps what it has.
        let data = waiting.map_or_else(|| json!({}), |count| json!({ "waiting": count }));
        Some((Ok(Event::default().data(data.to_string())), (at, commits, false)))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
