//! The clinic asked by each kind of WhatsApp sender, with the journey of what was asked.

use std::time::Duration;

use anyhow::Context as _;
use channels::NewChannel;
use messaging::Kind;
use sandbox::{
    CloudSandbox, Sent, Version, WhaticketSandbox, cloud_message, cloud_signature,
    whaticket_message, whaticket_signature,
};

use super::{Script, write_as_customer};
use crate::cli::{journeys_as_text, line};
use crate::house::House;

const SLUG: &str = "clinica";
const QUESTION: &str = "Quanto custa a limpeza?";
const KEY: &str = "demo-provider-key";
const SECRET: &str = "demo-signing-secret";
const DOMAIN: &str = "clinica.example.com";
const PHONE_NUMBER_ID: &str = "1001";

pub(super) async fn play(house: &House, script: &Script) -> anyhow::Result<()> {
    let whaticket = WhaticketSandbox::start(KEY, Version::Saas).await?;
    let cloud = CloudSandbox::start(KEY).await?;
    let tenant = tenancy::by_slug(&house.db, SLUG).await?;
    let mut tx = house.db.begin(tenant.id).await?;
    let senders = [
        (Kind::Whaticket, DOMAIN, whaticket.base_url()),
        (Kind::WhatsAppCloud, PHONE_NUMBER_ID, cloud.base_url()),
    ];
    for (kind, instance, base_url) in senders {
        let new = NewChannel {
            kind,
            secret: SECRET.to_owned(),
            ..NewChannel::evolution(instance, &base_url, KEY, SECRET)
        };
        channels::add(&mut tx, &house.vault, &house.outbound, &new, house.clock.now()).await?;
    }
    tx.commit().await?;

    let before = script.evolution.sent().len();
    let phone = "5511987650011";
    write_as_customer(&script.client, &script.address, SLUG, phone, "Rita Campos", QUESTION)
        .await?;
    let answer = first(|| script.evolution.sent().into_iter().nth(before)).await?;
    tell(house, "Evolution", phone, &answer).await?;

    let phone = "5511987650012";
    let now = seconds(house);
    let body = whaticket_message(phone, "Paulo Nogueira", QUESTION, "DEMO-W", now).to_string();
    let signature = whaticket_signature(SECRET, now, body.as_bytes());
    let at = now.to_string();
    let headers = [
        ("x-company-domain", DOMAIN),
        ("x-webhook-token", SECRET),
        ("x-timestamp", &at),
        ("x-signature", &signature),
    ];
    post(script, "/webhook/whaticket", &headers, body).await?;
    let answer = first(|| whaticket.sent().into_iter().next()).await?;
    tell(house, "Whaticket", phone, &answer).await?;

    let phone = "5511987650013";
    let body =
        cloud_message(PHONE_NUMBER_ID, phone, "Lia Martins", QUESTION, "DEMO-C", seconds(house))
            .to_string();
    let signature = cloud_signature(SECRET, body.as_bytes());
    post(script, "/webhook/whatsapp-cloud", &[("x-hub-signature-256", &signature)], body).await?;
    let answer = first(|| cloud.sent().into_iter().next()).await?;
    tell(house, "WhatsApp Cloud API", phone, &answer).await
}

fn seconds(house: &House) -> i64 {
    house.clock.now().0 / 1_000_000
}

async fn post(
    script: &Script,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> anyhow::Result<()> {
    let mut request = script
        .client
        .post(format!("http://{}{path}", script.address))
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body).send().await?;
    anyhow::ensure!(answer.status().is_success(), "{path} answered {}", answer.status());
    Ok(())
}

/// The first message that reached a phone.
async fn first(sent: impl Fn() -> Option<Sent>) -> anyhow::Result<Sent> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(sent) = sent() {
            return Ok(sent);
        }
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "no answer came in 20 seconds");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Prints question, answer and journey. The answer's own line ends when the send is noted, a moment
/// after the phone has it.
async fn tell(house: &House, kind: &str, phone: &str, answer: &Sent) -> anyhow::Result<()> {
    let last = &phone[phone.len() - 4..];
    let tenant = tenancy::by_slug(&house.db, SLUG).await?;
    line(&format!("  …{last} → {}, by {kind}: {QUESTION}", tenant.name));
    line(&format!("  {} → …{last}: {}\n", tenant.name, answer.text));
    let phone = phone.parse().context("a number of the demo")?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        let mut tx = house.db.read(tenant.id).await?;
        let journeys = inbox::journeys_of_phone(&mut tx, &phone, 10).await?;
        let sent = journeys.iter().any(|j| j.steps.iter().any(|s| s.state == "sent"));
        if sent || tokio::time::Instant::now() > deadline {
            let text = journeys_as_text(&mut tx, &journeys).await?;
            line(&format!("    {}\n", text.replace('\n', "\n    ")));
            return Ok(());
        }
        drop(tx);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
