//! The benchmarks of `docs/benchmarks.md`: `bench/run.sh` starts the servers and runs this.

mod channels;
mod desk;
mod load;
mod questions;
mod search;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bench::servers::{self, Installation, SeedStack, free_port};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::Clock;
use load::Request;
use sandbox::{EvolutionSandbox, customer_message};

/// Of the closed loop: commits are shared, so a rate needs company.
const CONNECTIONS: usize = 128;
const TOKEN: &str = "a-token-of-the-channel";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let python = PathBuf::from(arguments.next().context("usage: bench PYTHON FOLDER [ONLY…]")?);
    let folder = PathBuf::from(arguments.next().context("usage: bench PYTHON FOLDER [ONLY…]")?);
    let only: Vec<String> = arguments.collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    let mut rows = Rows(Vec::new());
    let seed =
        if wanted("webhook") { Some(seed(&mut rows, &python, &folder).await?) } else { None };
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if wanted("webhook") || wanted(&format!("webhook-{}", engine.name().to_lowercase())) {
            webhook(&mut rows, engine, seed).await?;
        }
        if wanted("channels") {
            channels::acks(&mut rows, engine).await?;
        }
        if wanted("journey") {
            channels::journey(&mut rows, engine).await?;
        }
        if wanted("desk") {
            desk::pages(&mut rows, engine).await?;
        }
        if wanted("pipeline") {
            pipeline(&mut rows, engine).await?;
        }
        if wanted("questions") {
            questions::asked(&mut rows, engine).await?;
        }
        if wanted("flood") {
            flood(&mut rows, engine).await?;
        }
    }
    if wanted("tenants") {
        tenants(&mut rows).await?;
    }
    if wanted("search") {
        search::run(&mut rows, &python, &folder)?;
    }
    rows.print();
    Ok(())
}

/// What is printed at the end.
pub(crate) struct Rows(Vec<(String, String, String)>);

impl Rows {
    pub(crate) fn add(&mut self, what: &str, seen: String, wanted: &str) {
        eprintln!("{what}: {seen}");
        self.0.push((what.to_owned(), seen, wanted.to_owned()));
    }

    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    fn print(&self) {
        println!("| what | seen | wanted |\n|---|---|---|");
        for (what, seen, wanted) in &self.0 {
            println!("| {what} | {seen} | {wanted} |");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// A database of its own.
    fn installation(self, name: &str) -> anyhow::Result<Installation> {
        let url = match self {
            Self::Sqlite => None,
            Self::Postgres => {
                let server = variable("TEST_POSTGRES")?;
                let name = format!("bench_{name}");
                sql(&format!("{server}/postgres"), &format!("CREATE DATABASE {name}"))?;
                Some(format!("{server}/{name}"))
            }
        };
        Installation::new(url)
    }
}

#[expect(clippy::disallowed_methods, reason = "told by `xtask with-servers`")]
fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name}: run bench/run.sh"))
}

/// Runs SQL with PostgreSQL's own client.
fn sql(url: &str, statements: &str) -> anyhow::Result<()> {
    let done = std::process::Command::new("psql").args([url, "-qc", statements]).status()?;
    anyhow::ensure!(done.success(), "psql {statements}");
    Ok(())
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Webhooks of an Evolution instance, each message from one of many customers.
fn evolution_webhooks(instance: &str, contacts: usize, run: &str, text: &str) -> Request {
    // Written once with marks of the final lengths: the generator shares the cores with what it
    // measures, and what it spends on JSON would count against that.
    const PHONE: &str = "5511900000000";
    const ID: &str = "ID-000000000";
    const AT: i64 = 1_111_111_111;
    let body = customer_message(instance, PHONE, "Ana", text, ID, AT).to_string();
    let headers = format!("X-Webhook-Token: {TOKEN}\r\n");
    let template = post("/webhook/evolution", &headers, &body);
    let place = |mark: &str| {
        let all = template.windows(mark.len());
        all.enumerate().filter(|(_, w)| *w == mark.as_bytes()).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (phones, ids, times) = (place(PHONE), place(ID), place(&AT.to_string()));
    let run = run[..3].to_owned();
    Arc::new(move |n| {
        let mut request = template.clone();
        let mut put = |places: &[usize], text: String| {
            for at in places {
                request[*at..*at + text.len()].copy_from_slice(text.as_bytes());
            }
        };
        put(&phones, format!("55119{:08}", n % contacts));
        put(&ids, format!("{run}{n:09}"));
        put(&times, (Clock::System.now().0 / 1_000_000).to_string());
        request
    })
}

fn seed_webhooks() -> Request {
    Arc::new(|n| {
        let body = format!(
            "{{\"message\":{{\"conversation\":\"Teste de carga\"}},\"number\":\"55119{:08}\"}}",
            n % 5000
        );
        let stamp = Clock::System.now().0 / 1_000_000;
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"seed-stack-shared-secret")
            .expect("any length of key");
        mac.update(format!("{stamp}.").as_bytes());
        mac.update(body.as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let headers = format!("X-Timestamp: {stamp}\r\nX-Signature: {hex}\r\n");
        post("/webhook/whaticket", &headers, &body)
    })
}

fn open_shop(place: &Installation, slug: &str, base: &str, quiet: &str) -> anyhow::Result<()> {
    place.shop(slug, base, TOKEN)?;
    let add = ["knowledge", "add", "--tenant", slug];
    for (question, answer) in [
        ("Que horas vocês abrem?", "Das 8h às 18h."),
        ("Vocês aceitam cartão?", "Sim, em até 3x."),
        ("Quanto custa a limpeza?", "A limpeza custa R$ 150."),
    ] {
        place.run(&[&add[..], &["--question", question, "--answer", answer]].concat())?;
    }
    place.run(&["assistant", "set", "--tenant", slug, "--quiet-seconds", quiet])?;
    Ok(())
}

/// The comparison's webhooks per second.
async fn seed(rows: &mut Rows, python: &Path, folder: &Path) -> anyhow::Result<f64> {
    let evolution = EvolutionSandbox::start("key").await?;
    let database = format!("{}/bench_seed", variable("TEST_POSTGRES")?);
    sql(&format!("{}/postgres", variable("TEST_POSTGRES")?), "CREATE DATABASE bench_seed")?;
    sql(
        &database,
        "CREATE TABLE companies (id SERIAL PRIMARY KEY, domain TEXT UNIQUE, status TEXT); \
         INSERT INTO companies (domain, status) SELECT 'c' || n, 'ativo' FROM generate_series(1, 50) n; \
         INSERT INTO companies (domain, status) VALUES ('bench', 'ativo')",
    )?;
    let database = database.replacen("postgres://", "postgresql+psycopg2://", 1);
    let seed_folder = folder.join("seed_stack");
    let redis = variable("TEST_REDIS")?;
    let stack = SeedStack::start(python, &seed_folder, &redis, &database)?;
    let time = Duration::from_secs(10);
    load::closed(&stack.address, 10, Duration::from_secs(2), seed_webhooks()).await?;
    let seed = load::closed(&stack.address, 10, time, seed_webhooks()).await?;
    rows.add(
        "seed stack, webhook to 202, 10 connections",
        format!("{:.0}/s, p95 {:.0} ms, {} failed", seed.rate(), seed.ms(0.95), seed.failed),
        "(149/s, p95 92 ms elsewhere)",
    );
    let url = format!("{}/message/sendText/seed", evolution.base_url());
    let worked = stack.work(60, &url)?;
    rows.add("seed stack, answers by one worker", format!("{worked:.1}/s"), "(6.3/s elsewhere)");
    drop(stack);
    Ok(seed.rate())
}

/// Taking in: as many as 128 connections manage, then a fixed rate.
async fn webhook(rows: &mut Rows, engine: Engine, seed: Option<f64>) -> anyhow::Result<()> {
    let evolution = EvolutionSandbox::start("key").await?;
    let time = Duration::from_secs(10);
    let place = engine.installation("webhook")?;
    // Answers would come after a minute: only taking in is measured here.
    open_shop(&place, "loja", &evolution.base_url(), "60")?;
    place.run(&[
        "assistant",
        "set",
        "--tenant",
        "loja",
        "--longest-wait-seconds",
        "300",
        "--quiet-seconds",
        "300",
    ])?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    let warm = evolution_webhooks("loja", 5000, "warm", "oi");
    load::closed(&address, CONNECTIONS, Duration::from_secs(2), warm).await?;
    let name = engine.name();
    let requests = evolution_webhooks("loja", 5000, "closed", "oi");
    let ours = load::closed(&address, CONNECTIONS, time, requests).await?;
    let wanted = if engine == Engine::Sqlite { "≥ 20 ×" } else { "" };
    rows.add(
        &format!("{name}, webhook to committed ack, {CONNECTIONS} connections"),
        format!(
            "{:.0}/s, p95 {:.1} ms, {} failed{}",
            ours.rate(),
            ours.ms(0.95),
            ours.failed,
            seed.map_or(String::new(), |s| format!(": {:.0} × the seed stack", ours.rate() / s))
        ),
        wanted,
    );
    let requests = evolution_webhooks("loja", 5000, "open", "oi");
    let fixed = load::open(&address, 256, 3000, Duration::from_secs(20), requests).await?;
    let wanted = if engine == Engine::Sqlite { "p99 ≤ 20 ms" } else { "" };
    rows.add(
        &format!("{name}, open loop at 3,000/s for 20 s"),
        format!(
            "{:.0}/s, p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, {} failed",
            fixed.rate(),
            fixed.ms(0.5),
            fixed.ms(0.99),
            fixed.ms(0.999),
            fixed.failed
        ),
        wanted,
    );
    drop(server);
    Ok(())
}

/// Posts as fast as the server takes it; returns when all were accepted.
async fn post_all(address: &str, requests: Request, count: usize) -> anyhow::Result<()> {
    let sent =
        load::open(address, 64, 1_000_000, Duration::from_secs_f64(count as f64 / 1e6), requests)
            .await?;
    anyhow::ensure!(sent.failed == 0, "{} webhooks failed", sent.failed);
    Ok(())
}

async fn pipeline(rows: &mut Rows, engine: Engine) -> anyhow::Result<()> {
    const COUNT: usize = 6000;
    let evolution = EvolutionSandbox::start("key").await?;
    let place = engine.installation("pipeline")?;
    let shops: Vec<String> = (0..10).map(|n| format!("loja-{n}")).collect();
    for shop in &shops {
        open_shop(&place, shop, &evolution.base_url(), "0")?;
    }
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    let makers: Vec<Request> = shops
        .iter()
        .map(|shop| evolution_webhooks(shop, COUNT, "run", "Quanto custa a limpeza?"))
        .collect();
    let requests: Request = Arc::new(move |n| makers[n % makers.len()](n));
    let started = Instant::now();
    post_all(&address, requests, COUNT).await?;
    let taken = started.elapsed();
    let sent = evolution.wait_for(COUNT, Duration::from_secs(120)).await;
    let seconds = started.elapsed().as_secs_f64();
    rows.add(
        &format!(
            "{}, whole pipeline: {COUNT} messages of {COUNT} contacts of 10 tenants",
            engine.name()
        ),
        format!(
            "{:.0} answers/s ({} answered; taken in after {:.1} s)",
            sent.len() as f64 / seconds,
            sent.len(),
            taken.as_secs_f64()
        ),
        "≥ 500/s",
    );
    drop(server);
    Ok(())
}

async fn flood(rows: &mut Rows, engine: Engine) -> anyhow::Result<()> {
    const COUNT: usize = 20_000;
    let evolution = EvolutionSandbox::start("key").await?;
    let place = engine.installation("flood")?;
    for shop in ["loud", "quiet"] {
        open_shop(&place, shop, &evolution.base_url(), "0")?;
    }
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    let one = |run: &str| evolution_webhooks("quiet", 1_000_000, run, "Quanto custa a limpeza?");
    let delay = async |run: &str| {
        let started = Instant::now();
        post_all(&address, one(run), 1).await?;
        loop {
            let seen = evolution.sent().iter().filter(|s| s.instance == "quiet").count();
            if seen > 0 {
                return anyhow::Ok((started.elapsed(), seen));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            anyhow::ensure!(started.elapsed() < Duration::from_secs(60), "no answer in a minute");
        }
    };
    // 5,000 customers, four messages each.
    let loud = evolution_webhooks("loud", 5000, "flood", "Quanto custa a limpeza?");
    let flooding = tokio::spawn({
        let address = address.clone();
        async move { post_all(&address, loud, COUNT).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (during, _) = delay("during").await?;
    let loud_left = evolution.sent().iter().filter(|s| s.instance == "loud").count();
    flooding.await??;
    rows.add(
        &format!("{}, answer of B while A floods 20,000 messages of 5,000 contacts", engine.name()),
        format!("{:.0} ms ({loud_left} answers of A had left by then)", during.as_secs_f64() * 1e3),
        "delayed < 1 s",
    );
    drop(server);
    Ok(())
}

async fn tenants(rows: &mut Rows) -> anyhow::Result<()> {
    const COUNT: usize = 1000;
    let evolution = EvolutionSandbox::start("key").await?;
    let place = Engine::Sqlite.installation("tenants")?;
    let token = "operator-token-of-the-bench";
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = place.command(&["serve", "--listen", &address]);
    command.env("PORTARIA_ADMIN_TOKEN", token).env("PORTARIA_INDEX_IDLE_SECONDS", "5");
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn()?;
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.take().context("stdout")?),
        &mut line,
    )?;
    let client = reqwest::Client::builder().build()?;
    let url = |path: &str| format!("http://{address}{path}");
    let mut times = Vec::new();
    for n in 0..COUNT {
        let slug = format!("loja-{n:04}");
        let started = Instant::now();
        let made = client
            .post(url("/v1/tenants"))
            .bearer_auth(token)
            .json(&serde_json::json!({ "slug": slug, "name": slug, "state": "active" }))
            .send()
            .await?;
        anyhow::ensure!(made.status() == 201, "{}", made.text().await?);
        times.push(started.elapsed());
        let acting = |request: reqwest::RequestBuilder| {
            request.bearer_auth(token).header("X-Portaria-Tenant", &slug)
        };
        let channel = serde_json::json!({ "kind": "evolution", "instance": slug, "base_url": evolution.base_url(),
            "api_key": "key", "webhook_token": TOKEN });
        acting(client.post(url("/v1/channels"))).json(&channel).send().await?.error_for_status()?;
        // One document of twenty pieces.
        let text: String = (0..20)
            .map(|k| format!("## Qual é o item {k} da loja {n}?\nO item {k} custa R$ {} e fica na prateleira {k}, ao lado da entrada da loja.\n", 10 + k))
            .collect();
        let document = serde_json::json!({ "name": "itens.md", "text": text });
        acting(client.post(url("/v1/knowledge/documents")))
            .json(&document)
            .send()
            .await?
            .error_for_status()?;
        let asked = serde_json::json!({ "text": "Quanto custa o item 7?" });
        acting(client.post(url("/v1/chat"))).json(&asked).send().await?.error_for_status()?;
    }
    times.sort_unstable();
    rows.add(
        "tenant created by the API (SQLite)",
        format!(
            "median {:.1} ms, p99 {:.1} ms",
            times[COUNT / 2].as_secs_f64() * 1e3,
            times[COUNT * 99 / 100].as_secs_f64() * 1e3
        ),
        "≤ 100 ms",
    );
    let busy = servers::resident(child.id())?;
    // Until the indexes were idle for five seconds and the house looked again.
    tokio::time::sleep(Duration::from_secs(75)).await;
    let idle = servers::resident(child.id())?;
    rows.add(
        "1,000 idle tenants, each asked once",
        format!(
            "{:.0} MB resident ({:.0} MB with all indexes in memory)",
            idle as f64 / 1e6,
            busy as f64 / 1e6
        ),
        "≤ 150 MB",
    );
    child.kill()?;
    child.wait()?;
    Ok(())
}
