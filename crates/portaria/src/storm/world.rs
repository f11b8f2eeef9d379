//! The world around the server: businesses, their customers, providers and the weather.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use channels::NewChannel;
use db::Db;
use kernel::{Clock, TenantId};
use messaging::Kind;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng as _};
use sandbox::{
    CloudSandbox, EvolutionSandbox, Fault, Faults, MailSandbox, Sent, Version, WhaticketSandbox,
    cloud_message, cloud_signature, cloud_status, customer_message, evolution_status,
    whaticket_message, whaticket_signature,
};
use serde_json::{Value, json};
use tenancy::{NewTenant, State};
use tokio::time::Instant;

use super::attacks::{self, Attacks};
use super::{Plan, environment};
use crate::config::{self, Sources};
use crate::house::House;
use crate::tenants;

const KEY: &str = "storm-key-0123456789";
const SECRET: &str = "storm-secret-0123456789";
/// Businesses on each kind of channel.
const EACH: usize = 3;
/// Customers who write at the same time.
const AT_ONCE: usize = 24;
/// Which of a customer's messages comes with a picture, where the provider sends files along.
const PICTURE: usize = 3;
const QUESTION: &str = "Qual é o código?";

/// One business with its one channel.
pub(super) struct Line {
    pub(super) slug: String,
    pub(super) tenant: TenantId,
    pub(super) kind: Kind,
    /// The provider's name of the channel.
    pub(super) name: String,
}

/// What the providers know to be true.
#[derive(Default)]
pub(super) struct Truth {
    /// Ids of acknowledged messages by the customer's number.
    pub(super) acknowledged: HashMap<String, Vec<String>>,
    /// Which business a number wrote to.
    pub(super) of: HashMap<String, usize>,
}

pub(super) struct World {
    pub(super) lines: Vec<Line>,
    pub(super) db: Db,
    pub(super) truth: Mutex<Truth>,
    pub(super) deliveries: AtomicUsize,
    pub(super) attacks: Attacks,
    /// Takes the letters to all businesses.
    pub(super) mail: MailSandbox,
    /// An API key of the first business.
    pub(super) key: String,
    evolution: EvolutionSandbox,
    whaticket: WhaticketSandbox,
    cloud: CloudSandbox,
    faults: AtomicUsize,
    numbers: AtomicUsize,
    pub(super) client: reqwest::Client,
}

impl World {
    /// Makes providers, businesses and their channels.
    pub(super) async fn build(folder: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let mail = MailSandbox::start().await?;
        let environment = environment(folder, plan, &mail.url()).into_iter().collect();
        let loaded = config::load(&Sources { environment, ..Sources::default() })?;
        let house = House::open(loaded.config, Clock::System).await?;
        let evolution = EvolutionSandbox::start(KEY).await?;
        let whaticket = WhaticketSandbox::start(KEY, Version::Saas).await?;
        let cloud = CloudSandbox::start(KEY).await?;
        let mut lines = Vec::new();
        for kind in Kind::ALL {
            for n in 0..EACH {
                let slug = format!("{}-{n}", kind.name());
                let base_url = match kind {
                    Kind::Evolution => evolution.base_url(),
                    Kind::Whaticket => whaticket.base_url(),
                    Kind::WhatsAppCloud => cloud.base_url(),
                };
                let name = match kind {
                    Kind::Evolution => slug.clone(),
                    Kind::Whaticket => format!("{slug}.example.com"),
                    Kind::WhatsAppCloud => format!("10654035224{n:04}"),
                };
                let tenant = business(&house, &slug, kind, &name, &base_url).await?;
                lines.push(Line { slug, tenant, kind, name });
            }
        }
        let instances: Vec<(&str, &str)> = lines
            .iter()
            .filter(|l| l.kind == Kind::Evolution)
            .map(|l| (l.name.as_str(), "open"))
            .collect();
        evolution.only_instances(&instances);
        let client =
            reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        let first = lines.first().context("a business")?.tenant;
        let mut tx = house.db.begin(first).await?;
        let scopes = tenancy::Scopes::of(&["knowledge:write"]);
        let key = tenancy::create_key(&mut tx, "storm", &scopes, None, house.clock.now()).await?;
        tx.commit().await?;
        let world = Self {
            lines,
            db: house.db.clone(),
            truth: Mutex::default(),
            deliveries: AtomicUsize::new(0),
            attacks: Attacks::default(),
            mail,
            key: key.secret,
            evolution,
            whaticket,
            cloud,
            faults: AtomicUsize::new(0),
            numbers: AtomicUsize::new(0),
            client,
        };
        attacks::prepare(&house, &world).await?;
        Ok(world)
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.truth.lock().acknowledged.values().map(Vec::len).sum()
    }

    pub(super) fn faults(&self) -> usize {
        self.faults.load(Ordering::SeqCst)
    }

    /// What customers' phones received, by kind.
    pub(super) fn sent(&self, kind: Kind) -> Vec<Sent> {
        match kind {
            Kind::Evolution => self.evolution.sent(),
            Kind::Whaticket => self.whaticket.sent(),
            Kind::WhatsAppCloud => self.cloud.sent(),
        }
    }

    fn faults_of(&self, kind: Kind) -> &Faults {
        match kind {
            Kind::Evolution => self.evolution.faults(),
            Kind::Whaticket => self.whaticket.faults(),
            Kind::WhatsAppCloud => self.cloud.faults(),
        }
    }

    /// The weather clears: nothing goes wrong any more.
    pub(super) fn calm(&self) {
        for kind in Kind::ALL {
            self.faults_of(kind).always(None);
            self.faults_of(kind).clear();
        }
        for line in self.lines.iter().filter(|line| line.kind == Kind::Evolution) {
            self.evolution.pair(&line.name);
        }
    }

    /// Customers come, write a few lines each, and go.
    pub(super) async fn customers(self: Arc<Self>, address: String, seed: u64, end: Instant) {
        let mut tasks = Vec::new();
        for n in 0..AT_ONCE {
            let (this, address) = (self.clone(), address.clone());
            tasks.push(tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
                while Instant::now() < end {
                    this.customer(&address, &mut random, end).await;
                }
            }));
        }
        for task in tasks {
            // A customer who panicked shows in the comparison.
            let _ = task.await;
        }
    }

    async fn customer(self: &Arc<Self>, address: &str, random: &mut StdRng, end: Instant) {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let line = random.random_range(0..self.lines.len());
        let phone = format!("55119{:08}", 60_000_000 + number);
        self.truth.lock().of.insert(phone.clone(), line);
        // Fewer than the answers that would look like two programs talking.
        let count = random.random_range(1..=5);
        let mut order: Vec<usize> = (0..count).collect();
        if count > 2 && random.random_bool(0.3) {
            order.swap(0, 1);
        }
        for n in order {
            let id = format!("STORM-{number}-{n}");
            let body = self.body(line, (&phone, attacks::name(number)), &id, n);
            let twice = random.random_bool(0.25);
            if twice && random.random_bool(0.5) {
                // Both on their way at once.
                let (this, address, phone, body, id) =
                    (self.clone(), address.to_owned(), phone.clone(), body.clone(), id.clone());
                tokio::spawn(async move { this.deliver(&address, line, &phone, &body, &id).await });
            } else if twice {
                self.deliver(address, line, &phone, &body, &id).await;
            }
            self.deliver(address, line, &phone, &body, &id).await;
            let pause = random.random_range(20..600);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn body(&self, line: usize, (phone, name): (&str, &str), id: &str, n: usize) -> Value {
        let at = seconds() + i64::try_from(n).unwrap_or(0);
        let line = &self.lines[line];
        match line.kind {
            Kind::Evolution => {
                let mut body = customer_message(&line.name, phone, name, QUESTION, id, at);
                if n == PICTURE {
                    body["data"]["messageType"] = json!("imageMessage");
                    body["data"]["message"] = json!({
                        "imageMessage": { "mimetype": "image/png", "caption": QUESTION },
                        "base64": "iVBORw0KGgo=",
                    });
                }
                self.evolution.remember(&body);
                body
            }
            Kind::Whaticket => whaticket_message(phone, name, QUESTION, id, at),
            Kind::WhatsAppCloud => cloud_message(&line.name, phone, name, QUESTION, id, at),
        }
    }

    async fn post(&self, address: &str, line: usize, body: &Value) -> Option<u16> {
        let line = &self.lines[line];
        let bytes = body.to_string().into_bytes();
        let request = match line.kind {
            Kind::Evolution => self
                .client
                .post(format!("http://{address}/webhook/evolution"))
                .header("x-webhook-token", SECRET),
            Kind::Whaticket => {
                let at = seconds();
                self.client
                    .post(format!("http://{address}/webhook/whaticket"))
                    .header("x-company-domain", &line.name)
                    .header("x-timestamp", at.to_string())
                    .header("x-signature", whaticket_signature(SECRET, at, &bytes))
            }
            Kind::WhatsAppCloud => self
                .client
                .post(format!("http://{address}/webhook/whatsapp-cloud"))
                .header("x-hub-signature-256", cloud_signature(SECRET, &bytes)),
        };
        let sent = request.header("content-type", "application/json").body(bytes).send().await;
        Some(sent.ok()?.status().as_u16())
    }

    /// Posts until the server says that it has it, as providers do.
    async fn deliver(&self, address: &str, line: usize, phone: &str, body: &Value, id: &str) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline {
            self.deliveries.fetch_add(1, Ordering::SeqCst);
            if matches!(self.post(address, line, body).await, Some(200 | 202)) {
                let mut truth = self.truth.lock();
                let known = truth.acknowledged.entry(phone.to_owned()).or_default();
                if !known.iter().any(|other| other == id) {
                    known.push(id.to_owned());
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    }

    /// Providers fail in all the ways that they do.
    pub(super) async fn weather(self: Arc<Self>, seed: u64, calm: Arc<AtomicBool>) {
        let mut random = StdRng::seed_from_u64(seed);
        while !calm.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(random.random_range(30..250))).await;
            self.faults.fetch_add(1, Ordering::SeqCst);
            let kind = Kind::ALL[random.random_range(0..3)];
            let faults = self.faults_of(kind);
            match random.random_range(0..24) {
                0..=3 => faults.push(Fault::Status(503)),
                4..=5 => faults.push(Fault::Throttle(1)),
                6..=7 => faults.push(Fault::DoneButSilent),
                8 => faults.push(Fault::Silent),
                9..=10 => faults.push(Fault::DoneButStatus(504)),
                11 => faults.push(Fault::Garbage),
                12..=13 => {
                    faults.push(Fault::Slow(Duration::from_millis(random.random_range(50..1500))));
                }
                14 => faults.push(Fault::Slow(Duration::from_millis(2600))),
                15 => faults.push(Fault::NotOnWhatsApp),
                16 => faults.push(match kind {
                    Kind::WhatsAppCloud => Fault::Code(131_056, 400),
                    Kind::Whaticket => Fault::Named("ERR_WAPP_NOT_INITIALIZED"),
                    Kind::Evolution => Fault::Status(500),
                }),
                // An outage.
                17..=18 => {
                    faults.always(Some(Fault::Status(503)));
                    tokio::time::sleep(Duration::from_millis(random.random_range(200..1500))).await;
                    faults.always(None);
                }
                // A ban: the number is cut off for a while.
                19 => {
                    let banned = self.lines.iter().filter(|line| line.kind == Kind::Evolution);
                    let banned: Vec<&Line> = banned.collect();
                    let line = banned[random.random_range(0..banned.len())];
                    self.evolution.close(&line.name);
                    tokio::time::sleep(Duration::from_millis(random.random_range(200..1500))).await;
                    self.evolution.pair(&line.name);
                }
                20 if kind == Kind::WhatsAppCloud => faults.push(Fault::Code(368, 400)),
                _ => {}
            }
        }
    }

    /// Providers report how far answers are: late, twice, in any order.
    pub(super) async fn reports(
        self: Arc<Self>,
        address: String,
        seed: u64,
        calm: Arc<AtomicBool>,
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut told: HashSet<String> = HashSet::new();
        while !calm.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(150)).await;
            for (at, line) in self.lines.iter().enumerate() {
                if line.kind == Kind::Whaticket {
                    continue;
                }
                // Meta echoes our own id of a message; its stand-in kept the bodies in the same order.
                let keys: Vec<Option<String>> = match line.kind {
                    Kind::WhatsAppCloud => self.cloud.bodies().iter().map(key_of).collect(),
                    _ => Vec::new(),
                };
                let news: Vec<(Sent, Option<String>)> = self
                    .sent(line.kind)
                    .into_iter()
                    .enumerate()
                    .filter(|(_, s)| s.instance == line.name && !told.contains(&s.provider_id))
                    .map(|(at, sent)| (sent, keys.get(at).cloned().flatten()))
                    .take(20)
                    .collect();
                for (sent, key) in news {
                    told.insert(sent.provider_id.clone());
                    let mut states = vec!["delivered", "read"];
                    if random.random_bool(0.3) {
                        states.reverse();
                    }
                    if random.random_bool(0.2) {
                        states.push("delivered");
                    }
                    for state in states {
                        let body = match line.kind {
                            Kind::Evolution => {
                                let state = if state == "read" { "READ" } else { "DELIVERY_ACK" };
                                evolution_status(&line.name, &sent.provider_id, state)
                            }
                            _ => cloud_status(
                                &line.name,
                                &sent.provider_id,
                                state,
                                key.as_deref(),
                                seconds(),
                            ),
                        };
                        // Reports that meet a dead server are lost: they are no messages.
                        self.post(&address, at, &body).await;
                    }
                    // Evolution also reports what left by its own API.
                    if line.kind == Kind::Evolution && random.random_bool(0.3) {
                        let mut echo = customer_message(
                            &line.name,
                            &sent.number,
                            "Você",
                            &sent.text,
                            &sent.provider_id,
                            seconds(),
                        );
                        echo["event"] = json!("send.message");
                        echo["data"]["key"]["fromMe"] = json!(true);
                        self.post(&address, at, &echo).await;
                    }
                }
            }
        }
    }

    /// Waits until no answer is under way. Returns how many still are at the deadline.
    pub(super) async fn drain(&self, deadline: Instant) -> anyhow::Result<usize> {
        loop {
            let mut open = 0;
            for stat in queue::depth(&self.db).await? {
                if stat.lane == queue::Lane::Reply {
                    open += stat.scheduled + stat.ready + stat.leased;
                }
            }
            let open = usize::try_from(open).unwrap_or(0);
            if open == 0 || Instant::now() >= deadline {
                return Ok(open);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn key_of(body: &Value) -> Option<String> {
    body["biz_opaque_callback_data"].as_str().map(str::to_owned)
}

fn seconds() -> i64 {
    Clock::System.now().0.div_euclid(1_000_000)
}

async fn business(
    house: &House,
    slug: &str,
    kind: Kind,
    name: &str,
    base_url: &str,
) -> anyhow::Result<TenantId> {
    let new = NewTenant {
        slug: slug.parse().context("a slug")?,
        name: slug.to_owned(),
        language: "pt-BR".to_owned(),
        time_zone: "America/Sao_Paulo".to_owned(),
        state: State::Active,
    };
    let tenant = tenants::create(house, new).await?;
    let answer = format!("O código é {slug}.");
    let pair = house.library.pair(tenant.id, QUESTION, &answer, None).await?;
    let mut tx = house.db.begin(tenant.id).await?;
    house.library.add(&mut tx, &pair).await?;
    let rules = inbox::Rules { quiet: Duration::from_millis(200), ..inbox::Rules::default() };
    inbox::set_rules(&mut tx, &rules).await?;
    tx.commit().await?;
    let channel = NewChannel {
        kind,
        instance: name.to_owned(),
        base_url: base_url.to_owned(),
        api_key: KEY.to_owned(),
        webhook_token: if kind == Kind::Whaticket { String::new() } else { SECRET.to_owned() },
        secret: if kind == Kind::Evolution { String::new() } else { SECRET.to_owned() },
        login: None,
        account: None,
    };
    house.manage.add(tenant.id, &channel, false).await?;
    Ok(tenant.id)
}
