//! The house under test: the real router, a throw-away database of either engine, a fixed clock,
//! provider stand-ins that speak the real protocols, and jobs that run when the test says so.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use kernel::{Clock, Moment, TenantId};
use portaria::config::{self, Sources};
use portaria::house::House;
use queue::{Lane, Queue};
use sandbox::{
    CloudSandbox, EvolutionSandbox, ModelSandbox, Sent, Version, WhaticketSandbox, customer_message,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tower::ServiceExt as _;

mod line;
mod visitor;

pub use line::Line;
pub use visitor::{PASSWORD, Visitor, base32, totp};

/// A port of the loopback interface that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Which engine a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Runs an async test body on both engines, each as a test of its own.
#[macro_export]
macro_rules! both_engines {
    ($(#[$meta:meta])* async fn $name:ident($on:ident: On) $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test uses all of its module")]
            use super::*;

            $(#[$meta])*
            async fn body($on: $crate::On) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($crate::On::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                body($crate::On::Postgres).await;
            }
        }
    };
}

/// The operator's token of every test house.
pub const ADMIN: &str = "operator-token-of-the-tests";
pub const EVOLUTION_KEY: &str = "evolution-key";
pub const WHATICKET_TOKEN: &str = "whaticket-static-token";
pub const CLOUD_TOKEN: &str = "cloud-access-token";

/// 2026-01-05 12:00:00 UTC, a Monday.
pub const START: Moment = Moment(1_767_614_400_000_000);

/// A house with everything around it.
pub struct TestApp {
    pub house: House,
    pub clock: Clock,
    pub evolution: EvolutionSandbox,
    pub whaticket: WhaticketSandbox,
    pub cloud: CloudSandbox,
    pub model: ModelSandbox,
    pub router: Router,
    pub database_url: Option<String>,
    pub queue: Queue,
    folder: tempfile::TempDir,
}

/// An answer of the house.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("no JSON in {}: {}", self.status, self.text))
    }

    /// The answer, if it has this status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

/// A database of its own on the server that `cargo xtask test` started.
pub async fn fresh_postgres() -> String {
    let server = test_variable("TEST_POSTGRES");
    let name = format!("t{}", kernel::JobId::generate().to_string().replace('-', ""));
    let mut conn = sqlx::PgConnection::connect(&format!("{server}/postgres"))
        .await
        .expect("the test PostgreSQL server answers");
    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a new database");
    format!("{server}/{name}")
}

/// A variable that `cargo xtask test` sets.
///
/// # Panics
/// Without it: a test that cannot run fails.
#[expect(clippy::disallowed_methods, reason = "tests are told by it where their servers are")]
pub fn test_variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}

impl TestApp {
    pub async fn start(on: On) -> Self {
        Self::start_with(on, &[]).await
    }

    /// Starts with settings on top, by their environment variables.
    pub async fn start_with(on: On, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database_url = match on {
            On::Sqlite => None,
            On::Postgres => Some(fresh_postgres().await),
        };
        let clock = Clock::fixed(START);
        let house = open(folder.path(), database_url.as_deref(), settings, clock.clone()).await;
        let queue = house.queue(&Lane::ALL);
        let router = portaria::router(&house, None);
        Self {
            evolution: EvolutionSandbox::start_at(EVOLUTION_KEY, clock.clone())
                .await
                .expect("a free port"),
            whaticket: WhaticketSandbox::start(WHATICKET_TOKEN, Version::Community)
                .await
                .expect("a free port"),
            cloud: CloudSandbox::start(CLOUD_TOKEN).await.expect("a free port"),
            model: ModelSandbox::start().await.expect("a free port"),
            house,
            clock,
            router,
            database_url,
            queue,
            folder,
        }
    }

    pub fn data(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Another process of the same installation, as far as the database is concerned.
    pub async fn second_house(&self) -> House {
        open(self.folder.path(), self.database_url.as_deref(), &[], self.clock.clone()).await
    }

    pub async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body in memory");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: head.status, headers: head.headers, text }
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.request(request.body(body).expect("a valid request")).await
    }

    /// As the operator.
    pub async fn operator(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let token = format!("Bearer {ADMIN}");
        self.send(method, path, &[("authorization", &token)], body).await
    }

    /// A tenant with an API key and an Evolution channel named like it.
    pub async fn tenant(&self, slug: &str) -> TestTenant<'_> {
        let tenant = self.bare_tenant(slug).await;
        let channel = json!({
            "kind": "evolution", "instance": slug, "base_url": self.evolution.base_url(),
            "api_key": EVOLUTION_KEY, "webhook_token": tenant.token(),
        });
        tenant.post("/v1/channels", &channel).await.expect(201);
        tenant
    }

    /// A tenant with an API key and no channel.
    pub async fn bare_tenant(&self, slug: &str) -> TestTenant<'_> {
        let body = json!({ "slug": slug, "name": format!("Loja {slug}"), "state": "active" });
        let made = self.operator("POST", "/v1/tenants", Some(&body)).await.expect(201).json();
        let id: TenantId = made["id"].as_str().expect("an id").parse().expect("a tenant id");
        let mut tx = self.house.db.begin(id).await.expect("a transaction");
        let scopes = tenancy::Scopes::all();
        let key = tenancy::create_key(&mut tx, "tests", &scopes, None, self.clock.now())
            .await
            .expect("a key");
        tx.commit().await.expect("a commit");
        TestTenant { app: self, id, slug: slug.to_owned(), key: key.secret }
    }

    /// Posts a webhook body with a token.
    pub async fn webhook(&self, token: &str, body: &Value) -> Answer {
        self.send("POST", "/webhook/evolution", &[("x-webhook-token", token)], Some(body)).await
    }

    /// Moves the clock and runs all jobs that are due, and those they make due.
    pub async fn pass(&self, time: Duration) -> Vec<(String, TenantId)> {
        self.clock.advance(time);
        self.run_jobs().await
    }

    pub async fn run_jobs(&self) -> Vec<(String, TenantId)> {
        self.queue.run_due().await.expect("the queue answers")
    }

    /// Texts that left so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.evolution.sent()
    }
}

async fn open(
    data: &std::path::Path,
    database_url: Option<&str>,
    settings: &[(&str, &str)],
    clock: Clock,
) -> House {
    let mut environment: BTreeMap<String, String> = BTreeMap::from([
        ("PORTARIA_DATA".to_owned(), data.display().to_string()),
        ("PORTARIA_ADMIN_TOKEN".to_owned(), ADMIN.to_owned()),
        ("PORTARIA_ALLOW_PRIVATE_UPSTREAMS".to_owned(), "1".to_owned()),
        ("PORTARIA_DATABASE_CONNECTIONS".to_owned(), "8".to_owned()),
    ]);
    if let Some(url) = database_url {
        environment.insert("DATABASE_URL".to_owned(), url.to_owned());
    }
    environment.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let mut loaded = match config::load(&Sources { environment, ..Sources::default() }) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("the test configuration is unsound: {faults}"),
    };
    // Files are read by a process of the built program; this one is a test.
    loaded.config.reader_program = Some(program());
    House::open(loaded.config, clock).await.expect("the house opens")
}

/// The program that `cargo xtask test` built.
///
/// # Panics
/// When it is not there.
pub fn program() -> std::path::PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let built = own.parent().and_then(|deps| deps.parent()).map(|build| build.join("portaria"));
    let built = built.filter(|path| path.exists());
    built.expect("portaria is built: run the tests with `cargo xtask test`")
}

/// A tenant of the house under test.
pub struct TestTenant<'a> {
    pub app: &'a TestApp,
    pub id: TenantId,
    pub slug: String,
    pub key: String,
}

impl TestTenant<'_> {
    pub fn token(&self) -> String {
        format!("token-of-{}", self.slug)
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let key = format!("Bearer {}", self.key);
        self.app.send(method, path, &[("authorization", &key)], body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    /// Teaches a question with its answer.
    pub async fn knows(&self, question: &str, answer: &str) {
        let body = json!({ "question": question, "answer": answer });
        self.post("/v1/knowledge/pairs", &body).await.expect(201);
    }

    /// Asks the stand-in model from now on.
    pub async fn uses_model(&self) {
        let body = json!({
            "model": { "provider": "openai", "base_url": self.app.model.base_url(), "model": "test" },
            "model_api_key": "model-key",
        });
        self.put("/v1/assistant", &body).await.expect(200);
    }

    /// A customer writes now; the webhook is accepted.
    pub async fn hears(&self, phone: &str, text: &str) -> Answer {
        let id = format!("IN{}", kernel::JobId::generate().to_string().replace('-', ""));
        self.hears_as(phone, text, &id).await.expect(202)
    }

    /// A customer writes a message with this provider id.
    pub async fn hears_as(&self, phone: &str, text: &str, id: &str) -> Answer {
        let now = self.app.clock.now().0 / 1_000_000;
        let body = customer_message(&self.slug, phone, "Ana", text, id, now);
        self.app.webhook(&self.token(), &body).await
    }

    /// The one conversation of the tenant.
    pub async fn conversation(&self) -> Value {
        let page = self.get("/v1/conversations").await.expect(200).json();
        let items = page["items"].as_array().expect("a list").clone();
        assert_eq!(items.len(), 1, "one conversation expected: {page}");
        items[0].clone()
    }

    /// Messages of the one conversation, oldest first.
    pub async fn messages(&self) -> Vec<Value> {
        let conversation = self.conversation().await;
        let id = conversation["id"].as_str().expect("an id");
        let page = self.get(&format!("/v1/conversations/{id}/messages?limit=200")).await.json();
        let mut items = page["items"].as_array().expect("a list").clone();
        items.reverse();
        items
    }
}
