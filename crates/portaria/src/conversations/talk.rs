//! Conversations by the way of every customer: webhooks in, the texts that the provider is told to send out. The clock is
//! our own, so that bursts end at once and every run is alike.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use channels::NewChannel;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::{Clock, Moment};
use queue::Lane;
use sandbox::{EvolutionSandbox, customer_message};
use serde_json::{Value, json};
use tenancy::{NewTenant, State};
use tower::ServiceExt as _;

use super::Asking;
use super::judge::{Met, Seen, met};
use super::set::{Business, Row};
use crate::config::{self, Sources};
use crate::house::House;
use crate::tenants;

const KEY: &str = "conversations-key";
const TOKEN: &str = "conversations-token";
/// Workers at the same time.
const WORKERS: usize = 4;
/// The hour at which everything is asked, where the businesses are.
const HOUR: i8 = 14;
const ZONE: &str = "America/Sao_Paulo";
/// Between two messages of a burst; and from the last one until the burst has ended for sure.
const PAUSE: Duration = Duration::from_millis(400);
const QUIET: Duration = Duration::from_secs(60);
const LARGEST: usize = 16 << 20;

/// A business that is asked.
struct Counter<'a> {
    business: &'a Business,
    auth: String,
    /// The rows of each conversation, in order.
    threads: Vec<(String, Vec<&'a Row>)>,
}

/// What was seen of every row, by the business and the row's id.
pub(super) type Asked = HashMap<(String, String), Seen>;

pub(super) async fn all(businesses: &[Business], asking: &Asking<'_>) -> anyhow::Result<Asked> {
    let folder = tempfile::Builder::new().prefix("portaria-eval-").tempdir()?;
    all_in(folder.path(), businesses, asking).await
}

async fn all_in(
    folder: &std::path::Path,
    businesses: &[Business],
    asking: &Asking<'_>,
) -> anyhow::Result<Asked> {
    let start = asking.today.at(HOUR, 0, 0, 0).in_tz(ZONE)?;
    let clock = Clock::fixed(Moment(start.timestamp().as_microsecond()));
    let environment: BTreeMap<String, String> = BTreeMap::from([
        ("PORTARIA_DATA".to_owned(), folder.display().to_string()),
        ("PORTARIA_ALLOW_PRIVATE_UPSTREAMS".to_owned(), "1".to_owned()),
    ]);
    let loaded = config::load(&Sources { environment, ..Sources::default() })?;
    let house = House::open(loaded.config, clock.clone()).await?;
    let evolution = Arc::new(EvolutionSandbox::start_at(KEY, clock.clone()).await?);
    for business in businesses {
        evolution.pair(&business.slug);
    }
    let router = crate::router(&house, None);
    let talk = Talk { router, clock, house };
    let rows: usize = businesses.iter().map(|business| business.rows.len()).sum();
    let bar = ProgressBar::new(rows as u64).with_style(
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message("reading files");
    let mut counters = Vec::new();
    for business in businesses {
        counters.push(talk.open(business, &evolution, asking.hours).await?);
    }
    bar.set_message("asking");
    let mut asked = Asked::new();
    let turns = counters.iter().flat_map(|c| c.threads.iter().map(|(_, rows)| rows.len())).max();
    for turn in 0..turns.unwrap_or(0) {
        talk.turn(&counters, turn, &mut asked, &bar).await?;
    }
    bar.finish_and_clear();
    Ok(asked)
}

struct Talk {
    router: Router,
    clock: Clock,
    house: House,
}

impl Talk {
    async fn open<'a>(
        &self,
        business: &'a Business,
        evolution: &EvolutionSandbox,
        hours: bool,
    ) -> anyhow::Result<Counter<'a>> {
        let house = &self.house;
        let new = NewTenant {
            slug: business.slug.parse().with_context(|| format!("folder `{}`", business.slug))?,
            name: business.name.clone(),
            language: "pt-BR".to_owned(),
            time_zone: ZONE.to_owned(),
            state: State::Active,
        };
        let tenant = tenants::create(house, new).await?;
        for path in &business.files {
            let bytes =
                std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let file = house
                .library
                .prepare(tenant.id, &name, bytes, None)
                .await
                .with_context(|| format!("reading {}", path.display()))?;
            let mut tx = house.db.begin(tenant.id).await?;
            house.library.add(&mut tx, &file).await?;
            tx.commit().await?;
        }
        let now = self.clock.now();
        let mut tx = house.db.begin(tenant.id).await?;
        let channel = NewChannel::evolution(&business.slug, &evolution.base_url(), KEY, TOKEN);
        channels::add(&mut tx, &house.vault, &house.outbound, &channel, now).await?;
        let scopes = tenancy::Scopes::all();
        let key = tenancy::create_key(&mut tx, "conversations", &scopes, None, now).await?;
        tx.commit().await?;
        house.manage.status(tenant.id, &business.slug).await?;
        let mut threads: Vec<(String, Vec<&Row>)> = Vec::new();
        for row in &business.rows {
            match threads.iter_mut().find(|(name, _)| *name == row.conversation) {
                Some((_, rows)) => rows.push(row),
                None => threads.push((row.conversation.clone(), vec![row])),
            }
        }
        let counter = Counter { business, auth: format!("Bearer {}", key.secret), threads };
        if let Some(hours) = business.hours.as_ref().filter(|_| hours) {
            self.call("PUT", "/v1/opening-hours", &counter.auth, Some(hours)).await?;
        }
        Ok(counter)
    }

    /// Every conversation writes its next row, and what comes back is seen.
    async fn turn(
        &self,
        counters: &[Counter<'_>],
        turn: usize,
        asked: &mut Asked,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let mut waiting: Vec<(usize, usize, &Row, bool)> = Vec::new();
        for (number, counter) in counters.iter().enumerate() {
            let before = self.conversations(counter).await?;
            for (at, (name, rows)) in counter.threads.iter().enumerate() {
                let Some(row) = rows.get(turn) else { continue };
                let held = before.get(name).is_some_and(|view| view["owner"] != "bot");
                waiting.push((number, at, row, held));
            }
        }
        let longest = waiting.iter().map(|(_, _, row, _)| row.texts.len()).max().unwrap_or(0);
        for burst in 0..longest {
            for (number, at, row, _) in &waiting {
                let Some(text) = row.texts.get(burst) else { continue };
                let counter = &counters[*number];
                let phone = format!("55119{:02}{:06}", number + 10, at + 100_000);
                let id = format!("IN-{number}-{at}-{turn}-{burst}");
                self.write(counter, &phone, &counter.threads[*at].0, text, &id).await?;
            }
            self.clock.advance(PAUSE);
        }
        self.clock.advance(QUIET);
        self.work().await?;
        for (number, counter) in counters.iter().enumerate() {
            let own = waiting.iter().filter(|(of, ..)| *of == number);
            let now = self.conversations(counter).await?;
            for (_, at, row, held) in own {
                let name = &counter.threads[*at].0;
                let view = now.get(name).with_context(|| {
                    format!("{}: the conversation `{name}` is not there", counter.business.slug)
                })?;
                let seen = self.seen(counter, view, *held, &row.texts).await?;
                asked.insert((counter.business.slug.clone(), row.id.clone()), seen);
                bar.inc(1);
            }
        }
        Ok(())
    }

    /// Works what is due, and what that makes due.
    async fn work(&self) -> anyhow::Result<()> {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let queue = self.house.queue(&Lane::ALL);
            workers.push(tokio::spawn(async move { queue.run_due().await }));
        }
        for worker in workers {
            worker.await??;
        }
        // What another worker was still at when the others found nothing.
        self.house.queue(&Lane::ALL).run_due().await?;
        Ok(())
    }

    async fn write(
        &self,
        counter: &Counter<'_>,
        phone: &str,
        name: &str,
        text: &str,
        id: &str,
    ) -> anyhow::Result<()> {
        let seconds = self.clock.now().0 / 1_000_000;
        let body = customer_message(&counter.business.slug, phone, name, text, id, seconds);
        let request = Request::post("/webhook/evolution")
            .header("content-type", "application/json")
            .header("x-webhook-token", TOKEN)
            .body(Body::from(body.to_string()))?;
        let status = self.router.clone().oneshot(request).await?.status();
        ensure!(status == StatusCode::ACCEPTED, "the webhook answered {status}");
        Ok(())
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        auth: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", auth)
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), LARGEST).await?;
        ensure!(
            status.is_success(),
            "{method} {path} answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(if bytes.is_empty() { json!(null) } else { serde_json::from_slice(&bytes)? })
    }

    /// The conversations of a business by the name of who writes.
    async fn conversations(&self, counter: &Counter<'_>) -> anyhow::Result<HashMap<String, Value>> {
        let mut all = HashMap::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/conversations?limit=200{cursor}");
            let page = self.call("GET", &path, &counter.auth, None).await?;
            for one in page["items"].as_array().into_iter().flatten() {
                let name = one["contact_name"].as_str().unwrap_or_default();
                all.insert(name.to_owned(), one.clone());
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// What was sent since the customer's last messages.
    async fn seen(
        &self,
        counter: &Counter<'_>,
        view: &Value,
        held: bool,
        texts: &[String],
    ) -> anyhow::Result<Seen> {
        let id = view["id"].as_str().unwrap_or_default();
        let path = format!("/v1/conversations/{id}/messages?limit=50");
        let page = self.call("GET", &path, &counter.auth, None).await?;
        let items = page["items"].as_array().context("a list of messages")?;
        // Newest first: the replies, then what they reply to.
        let new: Vec<&Value> =
            items.iter().take_while(|message| message["direction"] == "out").collect();
        let arrived = items.iter().skip(new.len()).take(texts.len());
        ensure!(
            arrived.clone().all(|message| message["direction"] == "in"),
            "{}: a reply came between the messages of a burst in `{id}`",
            counter.business.slug
        );
        let text: Vec<&str> =
            new.iter().rev().filter_map(|message| message["body"].as_str()).collect();
        let trace = new.iter().rev().map(|message| &message["trace"]).find(|one| !one.is_null());
        let trace = trace.cloned().unwrap_or(Value::Null);
        let text = text.join("\n");
        let handed = view["owner"] != "bot";
        let reason = view["handoff_reason"].as_str().filter(|_| handed).map(str::to_owned);
        let met = if held { Met::Held } else { met(&text, reason.as_deref(), handed, &trace) };
        Ok(Seen { text, reason, trace, met })
    }
}
