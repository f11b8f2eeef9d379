//! Acknowledgements per second by each kind of channel, and looking a message's journey up among a
//! million.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use db::{Db, Options, TenantTx, args};
use kernel::{ChannelId, Clock, ContactId, ConversationId, MessageId, Moment, Phone};
use portaria::house::migrations;
use sandbox::{cloud_message, cloud_signature, whaticket_message, whaticket_signature};

use crate::load::{self, Request};
use crate::{CONNECTIONS, Engine, Rows, TOKEN, evolution_webhooks, post};
use bench::servers::{Installation, free_port};

const SECRET: &str = "a-secret-of-the-channel";

fn seconds() -> i64 {
    Clock::System.now().0 / 1_000_000
}

fn whaticket_webhooks() -> Request {
    Arc::new(|n| {
        let at = seconds();
        let phone = format!("55119{:08}", n % 5000);
        let body = whaticket_message(&phone, "Ana", "oi", &format!("W{n:09}"), at).to_string();
        let signature = whaticket_signature(SECRET, at, body.as_bytes());
        let headers = format!(
            "X-Company-Domain: bench.example.com\r\nX-Timestamp: {at}\r\nX-Signature: {signature}\r\n"
        );
        post("/webhook/whaticket", &headers, &body)
    })
}

fn cloud_webhooks() -> Request {
    Arc::new(|n| {
        let phone = format!("55119{:08}", n % 5000);
        let body =
            cloud_message("1001", &phone, "Ana", "oi", &format!("C{n:09}"), seconds()).to_string();
        let headers =
            format!("X-Hub-Signature-256: {}\r\n", cloud_signature(SECRET, body.as_bytes()));
        post("/webhook/whatsapp-cloud", &headers, &body)
    })
}

fn shop(place: &Installation, slug: &str, channel: &[&str]) -> anyhow::Result<()> {
    place.run(&["tenant", "create", slug, "--name", slug])?;
    let add = ["channel", "add", channel[0], "--tenant", slug, "--base-url", "http://127.0.0.1:9"];
    place.run(&[&add[..], &channel[1..]].concat())?;
    // Only taking in is measured.
    let wait = ["--longest-wait-seconds", "300", "--quiet-seconds", "300"];
    place.run(&[&["assistant", "set", "--tenant", slug][..], &wait].concat())?;
    Ok(())
}

/// Webhook to committed acknowledgement, by each kind.
pub(crate) async fn acks(rows: &mut Rows, engine: Engine) -> anyhow::Result<()> {
    let place = engine.installation("acks")?;
    shop(
        &place,
        "evolution",
        &["evolution", "--instance", "evolution", "--api-key", "key", "--webhook-token", TOKEN],
    )?;
    shop(
        &place,
        "whaticket",
        &[
            "whaticket",
            "--domain",
            "bench.example.com",
            "--token",
            "t",
            "--shared-secret",
            SECRET,
            "--skip-probe",
        ],
    )?;
    shop(
        &place,
        "cloud",
        &[
            "whatsapp-cloud",
            "--phone-number-id",
            "1001",
            "--access-token",
            "t",
            "--app-secret",
            SECRET,
            "--verify-token",
            "v",
        ],
    )?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    for (name, requests) in [
        ("Evolution", evolution_webhooks("evolution", 5000, "acks", "oi")),
        ("Whaticket", whaticket_webhooks()),
        ("Cloud API", cloud_webhooks()),
    ] {
        let seen = load::closed(&address, CONNECTIONS, Duration::from_secs(8), requests).await?;
        rows.add(
            &format!(
                "{}, {name} webhook to committed ack, {CONNECTIONS} connections",
                engine.name()
            ),
            format!("{:.0}/s, p95 {:.1} ms, {} failed", seen.rate(), seen.ms(0.95), seen.failed),
            "",
        );
    }
    drop(server);
    Ok(())
}

const CONVERSATIONS: usize = 10_000;
const EACH: usize = 100;

/// A million messages with three states each; returns some ids and numbers.
async fn fill(db: &Db, tenant: kernel::TenantId) -> anyhow::Result<(Vec<MessageId>, Vec<Phone>)> {
    let channel = ChannelId::generate();
    let (mut ids, mut phones) = (Vec::new(), Vec::new());
    let start = Moment(1_760_000_000_000_000);
    for n in 0..CONVERSATIONS {
        let mut tx = db.begin(tenant).await?;
        let (contact, conversation) = (ContactId::generate(), ConversationId::generate());
        let phone: Phone = format!("55119{:08}", 80_000_000 + n).parse()?;
        tx.execute(
            "INSERT INTO contacts (id, tenant_id, created_at) VALUES ($1, $2, $3)",
            args![contact, tenant, start],
        )
        .await?;
        tx.execute(
            "INSERT INTO contact_handles (tenant_id, kind, value, contact_id, seen_at) VALUES ($1, 'phone', $2, $3, $4)",
            args![tenant, &phone, contact, start],
        )
        .await?;
        tx.execute(
            "INSERT INTO conversations (id, tenant_id, channel_id, contact_id, address, owner, owner_since, inbound_seq, \
             answered_seq, burst_started_at, created_at, last_message_at) \
             VALUES ($1, $2, $3, $4, $5, 'bot', $6, 0, 0, $6, $6, $6)",
            args![conversation, tenant, channel, contact, &phone, start],
        )
        .await?;
        let made =
            messages(&mut tx, channel, conversation, start + Duration::from_secs(n as u64)).await?;
        tx.commit().await?;
        if n % 10 == 0 {
            ids.push(made[n % EACH]);
            phones.push(phone);
        }
    }
    Ok((ids, phones))
}

async fn messages(
    tx: &mut TenantTx,
    channel: ChannelId,
    conversation: ConversationId,
    start: Moment,
) -> anyhow::Result<Vec<MessageId>> {
    let tenant = tx.tenant();
    let ids: Vec<MessageId> = (0..EACH).map(|_| MessageId::generate()).collect();
    let mut values = args![tenant, conversation, channel];
    let mut rows = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let at = start + Duration::from_secs(60 * n as u64);
        values.push((*id).into());
        values.push(id.to_string().into());
        values.push(at.into());
        let last = values.len();
        rows.push(format!(
            "(${}, $1, $2, $3, 'out', 'assistant', 'text', 'Das 8h às 18h.', ${}, ${last}, 0, 'delivered', ${last})",
            last - 2,
            last - 1
        ));
    }
    tx.execute(
        &format!(
            "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, body, \
             provider_id, at, seq, state, state_at) VALUES {}",
            rows.join(", ")
        ),
        values,
    )
    .await?;
    let mut values = args![tenant];
    let mut rows = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        values.push((*id).into());
        values.push((start + Duration::from_secs(60 * n as u64)).into());
        let last = values.len();
        for state in ["queued", "sent", "delivered"] {
            rows.push(format!("($1, ${}, ${last}, '{state}')", last - 1));
        }
    }
    tx.execute(
        &format!(
            "INSERT INTO message_events (tenant_id, message_id, at, state) VALUES {}",
            rows.join(", ")
        ),
        values,
    )
    .await?;
    Ok(ids)
}

pub(crate) fn shown(mut took: Vec<f64>) -> String {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0))
}

/// A journey by the API and by the phone, among a million messages.
pub(crate) async fn journey(rows: &mut Rows, engine: Engine) -> anyhow::Result<()> {
    let place = engine.installation("journey")?;
    place.run(&["tenant", "create", "loja", "--name", "loja"])?;
    let made = place.command(&["apikey", "create", "--tenant", "loja", "--json"]).output()?;
    let made: serde_json::Value = serde_json::from_slice(&made.stdout)?;
    let key = made["secret"].as_str().or_else(|| made["key"].as_str()).context("an API key")?;
    let options = Options {
        database_url: place.database_url.clone(),
        data: place.folder.path().to_owned(),
        connections: 4,
    };
    let db = Db::open(&options, &migrations()).await?;
    let tenant = tenancy::by_slug(&db, "loja").await?.id;
    let (ids, phones) = fill(&db, tenant).await?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut took = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let started = Instant::now();
        let answer = client
            .get(format!("http://{address}/v1/messages/{id}/journey"))
            .bearer_auth(key)
            .send()
            .await?
            .error_for_status()?;
        let body = answer.text().await?;
        if n >= 20 {
            took.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        anyhow::ensure!(body.contains("delivered"), "{body}");
    }
    let name = engine.name();
    let million = CONVERSATIONS * EACH;
    rows.add(
        &format!("{name}, a journey by the API among {million} messages"),
        shown(took),
        "≤ 10 ms",
    );
    let mut took = Vec::new();
    for phone in &phones {
        let started = Instant::now();
        let mut tx = db.read(tenant).await?;
        let found = inbox::journeys_of_phone(&mut tx, phone, 10).await?;
        took.push(started.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(found.len() == 10, "{}", found.len());
    }
    rows.add(&format!("{name}, a person's ten latest journeys"), shown(took), "≤ 10 ms");
    drop(server);
    Ok(())
}
