//! The stream that tells open pages that something changed, and how many wait for a person.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use kernel::{Moment, TenantId};
use maud::{Markup, PreEscaped, html};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use ui::Lang;
use web::permission::InboxRead;

use crate::app::App;
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

/// Whether whoever opened a stream still may: the session, the membership, the role.
async fn still_may(parts: &Parts, app: &App) -> bool {
    let mut parts = parts.clone();
    match At::<InboxRead>::from_request_parts(&mut parts, app).await {
        Ok(_) => true,
        // Without a database for a moment nobody is sent away.
        Err(failure) => failure.is_ours(),
    }
}

async fn events(
    parts: Parts,
    at: At<InboxRead>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let commits = at.app.db.signals().commits();
    let until = Instant::now() + HOLDS;
    let watch = Watch { parts, at, commits, told: Told::Nothing, looked: Instant::now() };
    let stream = stream::unfold(watch, move |mut watch| async move {
        if Instant::now() > until || watch.told == Told::Gone {
            return None;
        }
        if watch.told == Told::Something {
            let rights = watch.wait().await;
            // Whose rights changed is not known here; otherwise now and then is enough.
            if rights || watch.looked.elapsed() >= QUIET {
                watch.looked = Instant::now();
                if !still_may(&watch.parts, &watch.at.app).await {
                    watch.told = Told::Gone;
                    // The page reloads and shows what its visitor may see.
                    return Some((Ok(Event::default().event("gone").data("{}")), watch));
                }
            }
        }
        watch.told = Told::Something;
        let waiting = match watch.at.app.db.read(watch.at.tenant.id).await {
            Ok(mut tx) => inbox::waiting(&mut tx, MOST).await.map(|list| list.len()).ok(),
            Err(_) => None,
        };
        // Without a database for a moment the page keeps what it has.
        let data = waiting.map_or_else(|| json!({}), |count| json!({ "waiting": count }));
        Some((Ok(Event::default().data(data.to_string())), watch))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Something,
    /// That its visitor may no longer: nothing follows.
    Gone,
}

struct Watch {
    /// The request, by which rights are looked at again.
    parts: Parts,
    at: At<InboxRead>,
    commits: Receiver<Option<TenantId>>,
    told: Told,
    /// When rights were looked at last.
    looked: Instant,
}

impl Watch {
    /// Waits for a change of the tenant's, or of anybody's rights, or a while. Whether it may have
    /// been one of rights.
    async fn wait(&mut self) -> bool {
        let ours = self.at.tenant.id;
        let commits = &mut self.commits;
        let change = async {
            loop {
                match commits.recv().await {
                    Ok(Some(tenant)) if tenant != ours => {}
                    Ok(Some(_)) => return false,
                    // Somebody's rights or another process, or more than we could hear.
                    Ok(None) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => std::future::pending::<()>().await,
                }
            }
        };
        let Ok(mut rights) = tokio::time::timeout(QUIET, change).await else { return false };
        tokio::time::sleep(BUNDLE).await;
        loop {
            match self.commits.try_recv() {
                Ok(Some(_)) => {}
                Ok(None) | Err(TryRecvError::Lagged(_)) => rights = true,
                Err(_) => return rights,
            }
        }
    }
}
