//! `kill -9` at any point: nothing lost, nothing doubled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use db::{Db, Options, args};
use portaria::house::migrations;
use sandbox::{EvolutionSandbox, customer_message};
use testkit::both_engines;

use testkit::free_port;

use crate::program::Place;

const TENANTS: usize = 50;
const CONTACTS: usize = 8;
const MESSAGES: usize = 5;
const KILLS: usize = 10;
/// Jobs that a process runs at once, by default.
const CONCURRENCY: usize = 32;

both_engines! {
    async fn two_thousand_messages_survive_ten_kills(on: On) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = Place::new(on).await;
        let evolution = EvolutionSandbox::start("key").await.unwrap();
        let tenants: Vec<String> = (0..TENANTS).map(|t| format!("loja-{t:02}")).collect();
        for slug in &tenants {
            place.json(&["tenant", "create", slug, "--name", slug]);
            let base = evolution.base_url();
            place.json(&["channel", "add", "evolution", "--tenant", slug, "--instance", slug,
                "--base-url", &base, "--api-key", "key", "--webhook-token", "a-token-of-the-channel"]);
            let answer = format!("O código é {slug}.");
            place.json(&["knowledge", "add", "--tenant", slug, "--question", "Qual é o código?", "--answer", &answer]);
            place.json(&["assistant", "set", "--tenant", slug, "--quiet-seconds", "0.1"]);
        }
        let address = format!("127.0.0.1:{}", free_port());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        let acked = Arc::new(AtomicUsize::new(0));
        let mut server = place.serve(&["--listen", &address]);
        // Each contact is a sender of its own, as each chat is on WhatsApp; within a contact some
        // messages come twice and some pairs in the wrong order.
        let mut senders = Vec::new();
        for (t, slug) in tenants.iter().enumerate() {
            for c in 0..CONTACTS {
                let (slug, client, address, acked) = (slug.clone(), client.clone(), address.clone(), acked.clone());
                senders.push(tokio::spawn(async move {
                    let phone = format!("55119{:08}", t * 100 + c);
                    let mut order: Vec<usize> = (0..MESSAGES).collect();
                    if c % 3 == 0 {
                        order.swap(1, 2);
                    }
                    if c % 2 == 0 {
                        order.push(3);
                        order.push(0);
                    }
                    for m in order {
                        let now = jiff_now() + i64::try_from(m).unwrap();
                        let id = format!("{slug}-{c}-{m}");
                        let body = customer_message(&slug, &phone, "Ana", "Qual é o código?", &id, now);
                        deliver(&client, &address, &body).await;
                        acked.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(((t * 7 + c * 13 + m * 29) % 400) as u64)).await;
                    }
                }));
            }
        }
        let all = TENANTS * CONTACTS * MESSAGES;
        for kill in 1..=KILLS {
            while acked.load(Ordering::SeqCst) < all * kill / (KILLS + 1) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.kill();
            server = place.serve(&["--listen", &address]);
        }
        for sender in senders {
            sender.await.unwrap();
        }
        let db = Db::open(&Options { database_url: place.database_url.clone(), data: place.folder.path().to_owned(), connections: 4 }, &migrations()).await.unwrap();
        settle(&db).await;
        assert_eq!(server.terminate(), Some(0));
        check(&db, &evolution).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "providers stamp messages with the real time")]
fn jiff_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Posts until the house says that it has it, as Evolution does.
async fn deliver(client: &reqwest::Client, address: &str, body: &serde_json::Value) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = client
            .post(format!("http://{address}/webhook/evolution"))
            .header("x-webhook-token", "a-token-of-the-channel")
            .json(body)
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status() == 202 => return,
            Ok(answer) => assert!(answer.status().is_server_error(), "{}", answer.status()),
            Err(_) => {}
        }
        assert!(Instant::now() < deadline, "not delivered in a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing of a conversation is left to do; the looks at channels never end.
async fn settle(db: &Db) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let mut tx = db.read_system().await.unwrap();
        let jobs = tx
            .fetch_all("SELECT COUNT(*) FROM jobs WHERE state < 3 AND kind LIKE 'inbox.%'", args![])
            .await
            .unwrap();
        drop(tx);
        let open: i64 = jobs[0].get(0).unwrap();
        if open == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{open} jobs are still open after two minutes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Rows of every tenant, each read through the tenant's own door.
async fn rows(db: &Db, sql: &str) -> Vec<db::Row> {
    let mut out = Vec::new();
    for (tenant, _) in tenancy::ids(db).await.unwrap() {
        let mut tx = db.read(tenant).await.unwrap();
        out.extend(tx.fetch_all(sql, args![]).await.unwrap());
    }
    out
}

async fn check(db: &Db, evolution: &EvolutionSandbox) {
    let on_sqlite = db.engine() == db::Engine::Sqlite;
    // SQLite has no row-level security: one read sees all there.
    let all_rows = async |sql: &str| {
        if on_sqlite {
            db.read_system().await.unwrap().fetch_all(sql, args![]).await.unwrap()
        } else {
            rows(db, sql).await
        }
    };
    let stored = all_rows("SELECT provider_id FROM messages WHERE direction = 'in'").await;
    let distinct: std::collections::HashSet<String> =
        stored.iter().map(|row| row.get(0).unwrap()).collect();
    let all = TENANTS * CONTACTS * MESSAGES;
    assert_eq!((stored.len(), distinct.len()), (all, all), "each message is stored once");
    let conversations =
        all_rows("SELECT id, inbound_seq, answered_seq, owner FROM conversations").await;
    assert_eq!(conversations.len(), TENANTS * CONTACTS);
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for row in &conversations {
        let (id, inbound, answered): (String, i64, i64) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        assert_eq!(inbound, i64::try_from(MESSAGES).unwrap());
        assert_eq!(answered, inbound, "every message was covered by a turn");
        assert_eq!(row.get::<String>(3).unwrap(), "bot");
        expected.insert(id, inbound);
    }
    let answers = all_rows(
        "SELECT conversation_id, from_seq, seq, state, provider_id, body FROM messages \
             WHERE direction = 'out' AND state <> 'cancelled' ORDER BY conversation_id, seq",
    )
    .await;
    let mut reached: HashMap<String, i64> = HashMap::new();
    let mut position: HashMap<String, usize> = HashMap::new();
    let sent = evolution.sent();
    let by_id: HashMap<&str, usize> =
        sent.iter().enumerate().map(|(at, s)| (s.provider_id.as_str(), at)).collect();
    let (mut known, mut unknown) = (0, 0);
    for row in &answers {
        let conversation: String = row.get(0).unwrap();
        let (from, upto): (i64, i64) = (row.get(1).unwrap(), row.get(2).unwrap());
        let before = reached.insert(conversation.clone(), upto).unwrap_or(0);
        assert_eq!(before, from, "turns follow each other without gap or overlap");
        match row.get::<String>(3).unwrap().as_str() {
            "sent" => {
                known += 1;
                let id: String = row.get(4).unwrap();
                let at = by_id[id.as_str()];
                let body: String = row.get(5).unwrap();
                assert_eq!(sent[at].text, body);
                assert!(
                    body.contains(&sent[at].instance),
                    "{body} went out by {}",
                    sent[at].instance
                );
                if let Some(last) = position.insert(conversation, at) {
                    assert!(last < at, "answers left in order");
                }
            }
            "unknown" => unknown += 1,
            other => panic!("an answer is left {other}"),
        }
    }
    assert_eq!(reached.into_iter().collect::<BTreeMap<_, _>>(), expected);
    assert!(unknown <= CONCURRENCY * KILLS, "{unknown} unknown");
    assert!(
        sent.len() >= known && sent.len() <= known + unknown,
        "{} left, {known} known, {unknown} unknown: none is sent twice",
        sent.len()
    );
    eprintln!("{known} answers sent, {unknown} unknown after {KILLS} kills");
}
