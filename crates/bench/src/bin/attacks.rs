//! What one business, or a stranger, costs its neighbours: each attack against a server of its own,
//! while a neighbour's webhook is called every 20 ms. `attacks PROGRAM [NAME=PROGRAM…]` prints one
//! table with a pair of columns for each program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use bench::servers::{Installation, Running, free_port, resident};
use kernel::Clock;
use sandbox::{customer_message, hostile};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TOKEN: &str = "a-token-of-the-channel";
/// How long each attack lasts, and how often the neighbour calls meanwhile.
const LASTS: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(20);
/// Longer than this is no answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with two businesses: the attacker's `alfa` and the neighbour's `beta`.
struct House {
    running: Running,
    address: String,
    /// An API key of alfa's.
    key: String,
    _place: Installation,
}

impl House {
    fn start(program: &Path) -> anyhow::Result<Self> {
        let place = Installation::of(program.to_owned(), None)?;
        for slug in ["alfa", "beta"] {
            place.shop(slug, "http://127.0.0.1:9", TOKEN)?;
        }
        let made = place.run(&["--json", "apikey", "create", "--tenant", "alfa"])?;
        let made: Value = serde_json::from_slice(&made)?;
        let key = made["secret"].as_str().context("a key")?.to_owned();
        let address = format!("127.0.0.1:{}", free_port()?);
        let running = place.serve(&address)?;
        Ok(Self { running, address, key, _place: place })
    }

    /// Resident bytes of the server and of what it started.
    fn resident(&self) -> u64 {
        let id = self.running.id();
        let mut sum = resident(id).unwrap_or(0);
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(other) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // The name in parentheses may hold blanks; the parent is the second field after it.
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split(' ').nth(2));
            if parent.and_then(|text| text.parse().ok()) == Some(id) {
                sum += resident(other).unwrap_or(0);
            }
        }
        sum
    }
}

/// What is done to the server.
#[derive(Debug, Clone, Copy)]
enum Attack {
    Nothing,
    Bodies,
    Headers,
    Tokens,
    Pictures,
    Files(&'static str, fn() -> Vec<u8>),
    Knowledge,
    Questions,
}

const ATTACKS: &[Attack] = &[
    Attack::Nothing,
    Attack::Bodies,
    Attack::Headers,
    Attack::Tokens,
    Attack::Pictures,
    Attack::Files("a PDF that draws itself", hostile::draws_itself),
    Attack::Files("a PDF whose pages are in a circle", hostile::parents_in_a_circle),
    Attack::Files("a PDF of ten to the ninth drawings", hostile::draws_a_billion),
    Attack::Files("a PDF that unpacks to a gigabyte", hostile::unpacks_to_a_gigabyte),
    Attack::Files("a Word file that unpacks to 64 MiB", hostile::unpacks_to_more),
    Attack::Knowledge,
    Attack::Questions,
];

impl Attack {
    fn name(self) -> String {
        match self {
            Self::Nothing => "none".to_owned(),
            Self::Bodies => "200 strangers send 20 MB each to a webhook".to_owned(),
            Self::Headers => "1,000 connections send a header by the byte".to_owned(),
            Self::Tokens => "64 strangers guess a webhook's token".to_owned(),
            Self::Pictures => "8 callers send pictures of 5 MB by alfa's webhook".to_owned(),
            Self::Files(what, _) => format!("alfa uploads {what}, 4 at a time"),
            Self::Knowledge => {
                "alfa uploads 1 MB of text again and again, and reindexes".to_owned()
            }
            Self::Questions => "alfa asks its index of 8,000 sentences, 16 at a time".to_owned(),
        }
    }

    /// How many do it at the same time.
    fn workers(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Bodies => 200,
            Self::Headers => 1000,
            Self::Tokens => 64,
            Self::Pictures => 8,
            Self::Files(..) => 4,
            Self::Knowledge => 2,
            Self::Questions => 16,
        }
    }
}

/// What all workers of an attack share.
struct Shared {
    address: String,
    key: String,
    client: reqwest::Client,
    attack: Attack,
    bytes: Vec<u8>,
    number: AtomicUsize,
    over: AtomicBool,
}

impl Shared {
    async fn once(&self) -> anyhow::Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let url = |path: &str| format!("http://{}{path}", self.address);
        match self.attack {
            Attack::Nothing => {}
            Attack::Bodies => {
                let request = self.client.post(url("/webhook/evolution"));
                request
                    .header("content-type", "application/json")
                    .body(self.bytes.clone())
                    .send()
                    .await?;
            }
            Attack::Headers => {
                let mut stream = TcpStream::connect(&self.address).await?;
                stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nx: ").await?;
                while !self.over.load(Ordering::Relaxed) {
                    stream.write_all(b"x").await?;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
            Attack::Tokens => {
                let body = message("alfa", &format!("G{number}"));
                let request = self.client.post(url("/webhook/evolution"));
                request
                    .header("x-webhook-token", format!("guess-{number}"))
                    .json(&body)
                    .send()
                    .await?;
            }
            Attack::Pictures => {
                let mut body = message("alfa", &format!("P{number}"));
                body["data"]["messageType"] = json!("imageMessage");
                body["data"]["message"] = json!({
                    "imageMessage": { "mimetype": "image/png" },
                    "base64": base64::engine::general_purpose::STANDARD.encode(&self.bytes),
                });
                let request = self.client.post(url("/webhook/evolution"));
                request.header("x-webhook-token", TOKEN).json(&body).send().await?;
            }
            Attack::Files(..) | Attack::Knowledge => {
                let name = match self.attack {
                    Attack::Knowledge => format!("texto-{}.txt", number % 3),
                    _ if self.bytes.starts_with(b"%PDF") => format!("arquivo-{number}.pdf"),
                    _ => format!("arquivo-{number}.docx"),
                };
                let content = base64::engine::general_purpose::STANDARD.encode(&self.bytes);
                let request =
                    self.client.post(url("/v1/knowledge/documents")).bearer_auth(&self.key);
                request.json(&json!({ "name": name, "content_base64": content })).send().await?;
                if matches!(self.attack, Attack::Knowledge) {
                    let request = self.client.post(url("/v1/knowledge/reindex"));
                    request.bearer_auth(&self.key).json(&json!({})).send().await?;
                }
            }
            Attack::Questions => {
                let request = self.client.post(url("/v1/knowledge/search")).bearer_auth(&self.key);
                let question = format!("qual é o preço do produto número {number} e quando chega?");
                request.json(&json!({ "question": question })).send().await?;
            }
        }
        Ok(())
    }
}

/// Sentences that differ, about a megabyte of them.
fn text() -> Vec<u8> {
    let line = |n: usize| {
        format!(
            "O produto número {n} custa {} reais, pesa {} gramas e chega em {} dias depois do pedido feito pelo site.\n\n",
            n % 997,
            n % 113,
            n % 29
        )
    };
    (0..8000).map(line).collect::<String>().into_bytes()
}

fn message(instance: &str, id: &str) -> Value {
    let at = Clock::System.now().0 / 1_000_000;
    customer_message(instance, "5511987654321", "Ana", "Bom dia", id, at)
}

/// What the neighbour saw.
struct Seen {
    worst: Duration,
    failed: usize,
    peak: u64,
    died: bool,
}

impl Seen {
    fn cells(&self) -> String {
        if self.died {
            return format!("**the server died** | {} MiB", self.peak >> 20);
        }
        let failed =
            if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{:.0} ms{failed} | {} MiB", self.worst.as_secs_f64() * 1e3, self.peak >> 20)
    }
}

async fn measure(program: &Path, attack: Attack) -> anyhow::Result<Seen> {
    let mut house = House::start(program)?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let bytes = match attack {
        Attack::Bodies => vec![b' '; 20_000_000],
        Attack::Pictures => vec![7; 5_000_000],
        Attack::Files(_, make) => make(),
        Attack::Knowledge | Attack::Questions => text(),
        Attack::Nothing | Attack::Headers | Attack::Tokens => Vec::new(),
    };
    let shared = Arc::new(Shared {
        address: house.address.clone(),
        key: house.key.clone(),
        client: client.clone(),
        attack,
        bytes,
        number: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    if matches!(attack, Attack::Questions) {
        let content = base64::engine::general_purpose::STANDARD.encode(&shared.bytes);
        let url = format!("http://{}/v1/knowledge/documents", house.address);
        let request = client.post(url).bearer_auth(&house.key);
        let made =
            request.json(&json!({ "name": "texto.txt", "content_base64": content })).send().await?;
        if !made.status().is_success() {
            bail!("the index was not made: {}", made.text().await?);
        }
    }
    let mut workers = JoinSet::new();
    for _ in 0..attack.workers() {
        let shared = shared.clone();
        workers.spawn(async move {
            while !shared.over.load(Ordering::Relaxed) {
                // Refused, cut off, or answered: the next follows.
                if shared.once().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    let started = Instant::now();
    let mut calls = JoinSet::new();
    let (mut seen, mut number) =
        (Seen { worst: Duration::ZERO, failed: 0, peak: 0, died: false }, 0u32);
    while started.elapsed() < LASTS {
        let due = started + EVERY * number;
        tokio::time::sleep_until(due.into()).await;
        let (client, address) = (client.clone(), house.address.clone());
        let id = format!("N{number}");
        calls.spawn(async move {
            let request = client.post(format!("http://{address}/webhook/evolution"));
            let sent =
                request.header("x-webhook-token", TOKEN).json(&message("beta", &id)).send().await;
            (due.elapsed(), sent.is_ok_and(|answer| answer.status().is_success()))
        });
        number += 1;
        if number.is_multiple_of(5) {
            seen.peak = seen.peak.max(house.resident());
        }
    }
    while let Some(call) = calls.join_next().await {
        let (took, well) = call?;
        seen.worst = seen.worst.max(took);
        seen.failed += usize::from(!well);
    }
    seen.died = house.running.ended();
    shared.over.store(true, Ordering::Relaxed);
    workers.abort_all();
    Ok(seen)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let programs: Vec<(String, PathBuf)> = std::env::args()
        .skip(1)
        .map(|given| match given.split_once('=') {
            Some((name, path)) => (name.to_owned(), path.into()),
            None => ("now".to_owned(), given.into()),
        })
        .collect();
    if programs.is_empty() {
        bail!("usage: attacks [NAME=]PROGRAM…");
    }
    let columns = |cell: &dyn Fn(&str) -> String| {
        programs.iter().map(|(name, _)| cell(name)).collect::<Vec<_>>().join("")
    };
    println!(
        "| attack |{}",
        columns(&|name| format!(" {name}: neighbour's worst of 500 | most memory |"))
    );
    println!("|---|{}", columns(&|_| "---|---|".to_owned()));
    for attack in ATTACKS {
        let mut cells = Vec::new();
        for (_, program) in &programs {
            cells.push(measure(program, *attack).await?.cells());
        }
        println!("| {} | {} |", attack.name(), cells.join(" | "));
    }
    Ok(())
}
