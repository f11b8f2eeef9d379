//! One suite for every kind of sender: the same promises, proved against each adapter and its
//! stand-in, on both engines.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod door;
mod inbound;
mod outbound;
mod progress;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use messaging::Kind;
use serde_json::{Value, json};
use testkit::{Line, On, TestApp};

/// Longer than a burst's silence.
pub(crate) const QUIET: Duration = Duration::from_secs(5);
pub(crate) const ANA: &str = "5511987654321";
pub(crate) const BIA: &str = "5521998887766";

pub(crate) type Case =
    (&'static str, for<'a> fn(&'a Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>);

/// Cases by their functions' names.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const CASES: &[crate::Case] =
            &[$((stringify!($name), |line| Box::pin($name(line)))),*];
    };
}
pub(crate) use cases;

fn all() -> Vec<Case> {
    [door::CASES, inbound::CASES, outbound::CASES, progress::CASES].concat()
}

/// Every case on a channel of its own.
async fn run(kind: Kind, on: On) {
    // One second is time enough for a stand-in on this machine.
    let app = TestApp::start_with(on, &[("PORTARIA_CHANNEL_ANSWER_SECONDS", "1")]).await;
    let mut failed = Vec::new();
    for (number, (name, case)) in all().into_iter().enumerate() {
        let slug = format!("c{number:03}");
        let line = Line::open(&app, kind, &slug, number as u64).await;
        line.tenant.knows("Quanto custa a limpeza?", "A limpeza custa R$ 150.").await;
        let outcome = AssertUnwindSafe(case(&line)).catch_unwind().await;
        if outcome.is_err() {
            failed.push(name);
        }
        line.faults().always(None);
        // What a case leaves waiting is not the next one's.
        app.run_jobs().await;
        let path = format!("/v1/tenants/{slug}/state");
        let archived = json!({ "state": "archived" });
        app.operator("PUT", &path, Some(&archived)).await.expect(200);
    }
    assert_eq!(failed, Vec::<&str>::new(), "{} on {on:?}", kind.name());
}

macro_rules! kinds {
    ($($name:ident: $kind:expr;)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::run($kind, testkit::On::Sqlite).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::run($kind, testkit::On::Postgres).await;
            }
        }
    )*};
}

kinds! {
    evolution: messaging::Kind::Evolution;
    whaticket: messaging::Kind::Whaticket;
    whatsapp_cloud: messaging::Kind::WhatsAppCloud;
}

#[test]
fn the_suite_has_sixty_cases_and_each_a_name_of_its_own() {
    let cases = all();
    assert!(cases.len() >= 60, "{}", cases.len());
    let names: std::collections::HashSet<&str> = cases.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), cases.len());
}

pub(crate) fn text(to: &str, text: &str) -> Value {
    json!({ "to": to, "text": text })
}

/// Ana asks and is answered; what left.
pub(crate) async fn answered(line: &Line<'_>) -> sandbox::Sent {
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    let sent = line.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].text.ends_with("A limpeza custa R$ 150."), "{sent:?}");
    sent[0].clone()
}

/// The answer's message.
pub(crate) async fn answer_of(line: &Line<'_>) -> Value {
    let messages = line.tenant.messages().await;
    messages.into_iter().find(|m| m["author"] == "assistant").expect("an answer")
}

/// Nothing was stored and nothing waits.
pub(crate) async fn nothing_happened(line: &Line<'_>) {
    let page = line.tenant.get("/v1/conversations").await.expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 0, "{page}");
    line.app.pass(QUIET).await;
    assert_eq!(line.sent(), []);
}
