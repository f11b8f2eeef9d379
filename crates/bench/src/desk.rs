//! The inbox's pages among 100,000 conversations.

use std::time::{Duration, Instant};

use db::{Db, Options, Value, args};
use identity::{NewPerson, Opening, Role, Stage};
use kernel::{ChannelId, Clock, ContactId, ConversationId, MessageId, Moment, TenantId};
use portaria::house::migrations;

use crate::{Engine, Rows, free_port};

const CONVERSATIONS: usize = 100_000;
const EACH: usize = 3;
const ROUNDS: usize = 60;

const NAMES: [&str; 8] = [
    "Ana Souza",
    "João Conceição",
    "Márcia Lima",
    "Pedro Araújo",
    "Inês Brandão",
    "Rui Melo",
    "Beatriz Sá",
    "Caio Nunes",
];

/// Rows of one table, many to a statement.
struct Many {
    head: &'static str,
    columns: usize,
    values: Vec<Value>,
}

impl Many {
    fn new(head: &'static str, columns: usize) -> Self {
        Self { head, columns, values: Vec::new() }
    }

    fn statement(&mut self) -> (String, Vec<Value>) {
        let rows: Vec<String> = (0..self.values.len() / self.columns)
            .map(|row| {
                let holes: Vec<String> =
                    (1..=self.columns).map(|n| format!("${}", row * self.columns + n)).collect();
                format!("({})", holes.join(", "))
            })
            .collect();
        (format!("{} VALUES {}", self.head, rows.join(", ")), std::mem::take(&mut self.values))
    }
}

async fn fill(db: &Db, tenant: TenantId, now: Moment) -> anyhow::Result<Vec<ConversationId>> {
    let channel = ChannelId::generate();
    let mut ids = Vec::new();
    let mut contacts = Many::new("INSERT INTO contacts (id, tenant_id, name, created_at)", 4);
    let mut handles =
        Many::new("INSERT INTO contact_handles (tenant_id, kind, value, contact_id, seen_at)", 5);
    let mut threads = Many::new(
        "INSERT INTO conversations (id, tenant_id, channel_id, contact_id, address, owner, owner_since, inbound_seq, \
         answered_seq, burst_started_at, created_at, last_message_at, last_inbound_at, \
         last_received_at, needs_person, resolved_at)",
        16,
    );
    let mut messages = Many::new(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, body, at, seq, \
         state, state_at)",
        12,
    );
    for n in 0..CONVERSATIONS {
        let (contact, conversation) = (ContactId::generate(), ConversationId::generate());
        let at = now - Duration::from_secs(((CONVERSATIONS - n) * 20) as u64);
        let phone = format!("55119{:08}", 80_000_000 + n);
        contacts.values.extend(args![contact, tenant, NAMES[n % NAMES.len()], at]);
        handles.values.extend(args![tenant, "phone", &phone, contact, at]);
        let (waits, resolved) = (n % 500 == 0, n % 4 != 0);
        let owner = if waits { "nobody" } else { "bot" };
        let done = if resolved && !waits { at } else { Moment(-1) };
        threads.values.extend(args![
            conversation,
            tenant,
            channel,
            contact,
            &phone,
            owner,
            at,
            1,
            1,
            at,
            at,
            at,
            at,
            at,
            waits,
            done
        ]);
        for m in 0..EACH {
            let inbound = m % 2 == 0;
            let (direction, author) =
                if inbound { ("in", "contact") } else { ("out", "assistant") };
            let body = if n % 1000 == 7 {
                "Vocês têm promoção de clareamento?"
            } else {
                "Quanto custa a limpeza?"
            };
            let when = at - Duration::from_secs((EACH - m) as u64);
            messages.values.extend(args![
                MessageId::generate(),
                tenant,
                conversation,
                channel,
                direction,
                author,
                "text",
                body,
                when,
                m as i64,
                "stored",
                when
            ]);
        }
        ids.push(conversation);
        if n % 500 == 499 {
            let mut tx = db.begin(tenant).await?;
            for many in [&mut contacts, &mut handles, &mut threads, &mut messages] {
                let (sql, values) = many.statement();
                tx.execute(&sql, values).await?;
            }
            tx.commit().await?;
        }
    }
    Ok(ids)
}

/// Pages as a browser asks for them, one after the other.
pub(crate) async fn pages(rows: &mut Rows, engine: Engine) -> anyhow::Result<()> {
    let place = engine.installation("desk")?;
    place.run(&["tenant", "create", "loja", "--name", "loja"])?;
    let options = Options {
        database_url: place.database_url.clone(),
        data: place.folder.path().to_owned(),
        connections: 4,
    };
    let db = Db::open(&options, &migrations()).await?;
    let tenant = tenancy::by_slug(&db, "loja").await?.id;
    let now = Clock::System.now();
    let ids = fill(&db, tenant, now).await?;
    let mut tx = db.begin_system().await?;
    let new =
        NewPerson { email: "a@loja.example", name: "Ana", password_hash: None, operator: false };
    let person = identity::create_person(&mut tx, &new, now).await?;
    identity::join(&mut tx, tenant, person, (Role::Owner, identity::Source::Team), now).await?;
    let opening = Opening { how: "password", agent: "bench", address: "127.0.0.1" };
    let lives = (Duration::from_secs(86_400), now);
    let cookie = identity::open_session(&mut tx, person, Stage::Open, opening, lives).await?;
    tx.commit().await?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let middle = now - Duration::from_secs((CONVERSATIONS * 10) as u64);
    let deep = format!("/conversas?ver=todas&antes={}_{}", middle.0, ids[CONVERSATIONS / 2]);
    let talk = format!("/conversas/{}", ids[CONVERSATIONS - 1]);
    let name = engine.name();
    for (what, path) in [
        ("first page, open", "/conversas"),
        ("first page, all", "/conversas?ver=todas"),
        ("waiting", "/conversas?ver=esperando"),
        ("unread", "/conversas?ver=novas"),
        ("resolved", "/conversas?ver=resolvidas"),
        ("a page from the middle", deep.as_str()),
        ("search by phone", "/conversas?q=80050123"),
        ("search by name", "/conversas?q=conceicao"),
        ("search by text", "/conversas?q=promocao"),
        ("one conversation", talk.as_str()),
        ("home", ""),
    ] {
        let mut took = Vec::new();
        let mut size = 0;
        for round in 0..ROUNDS + 3 {
            let started = Instant::now();
            let answer = client
                .get(format!("http://{address}/painel/t/loja{path}"))
                .header("cookie", format!("sid={cookie}"))
                .send()
                .await?
                .error_for_status()?;
            let body = answer.text().await?;
            if round >= 3 {
                took.push(started.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::ensure!(body.contains("</html>"), "{body}");
            size = body.len();
        }
        let target = if what.starts_with("first page") { "≤ 100 ms" } else { "" };
        let text = format!("{}, {} kB", crate::channels::shown(took), size / 1000);
        rows.add(&format!("{name}, {what} of {CONVERSATIONS} conversations"), text, target);
    }
    drop(server);
    Ok(())
}
