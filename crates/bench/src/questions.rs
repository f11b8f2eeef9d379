//! How long questions take when many businesses are asked at once, answered by the knowledge alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bench::servers::free_port;

use crate::load::{self, Request};
use crate::{Engine, Rows};

/// Businesses that are asked at the same time, one connection each.
const TENANTS: usize = 20;
const TIME: Duration = Duration::from_secs(20);
/// Businesses with their files, and what their customers write.
const SET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../evaluation/conversations");
/// The question and answer that every business has beside its files.
const NOTED: (&str, &str) = ("Vocês aceitam cheque?", "Não aceitamos cheque.");

/// Asks twenty businesses at once, by `POST /v1/chat`: what is noted in these words, and what their customers write.
pub(crate) async fn asked(rows: &mut Rows, engine: Engine) -> anyhow::Result<()> {
    let place = engine.installation("questions")?;
    let mut folders: Vec<_> = std::fs::read_dir(SET)?.collect::<Result<_, _>>()?;
    folders.sort_by_key(std::fs::DirEntry::path);
    let mut keys = Vec::new();
    let mut texts: Vec<Vec<String>> = Vec::new();
    for n in 0..TENANTS {
        let folder = folders[n % folders.len()].path();
        let slug = format!("negocio-{n}");
        place.run(&["tenant", "create", &slug, "--name", &slug])?;
        for file in std::fs::read_dir(&folder)? {
            let path = file?.path();
            let name = path.file_name().unwrap_or_default();
            if name != "business.json" && name != "questions.jsonl" {
                let path = path.display().to_string();
                place.run(&["knowledge", "add", "--tenant", &slug, &path])?;
            }
        }
        let add =
            ["knowledge", "add", "--tenant", &slug, "--question", NOTED.0, "--answer", NOTED.1];
        place.run(&add)?;
        let made =
            place.run(&["apikey", "create", "--tenant", &slug, "--name", "bench", "--json"])?;
        let made: serde_json::Value = serde_json::from_slice(&made)?;
        keys.push(made["secret"].as_str().context("an API key")?.to_owned());
        // Each business of one trade is asked other questions than its like.
        let all = written(&folder.join("questions.jsonl"))?;
        texts.push(
            all.into_iter().skip(n / folders.len()).step_by(TENANTS / folders.len()).collect(),
        );
    }
    let address = format!("127.0.0.1:{}", free_port()?);
    let server = place.serve(&address)?;
    let request = |of: Arc<dyn Fn(usize) -> String + Send + Sync>| -> Request {
        let keys = keys.clone();
        Arc::new(move |n| {
            let body = serde_json::json!({ "text": of(n) }).to_string();
            let headers = format!("Authorization: Bearer {}\r\n", keys[n % keys.len()]);
            crate::post("/v1/chat", &headers, &body)
        })
    };
    let noted = request(Arc::new(|_| NOTED.0.to_owned()));
    let real = request(Arc::new(move |n| {
        let own = &texts[n % TENANTS];
        own[n / TENANTS % own.len()].clone()
    }));
    // Indexes are built, and the allocator has its memory.
    load::closed(&address, TENANTS, Duration::from_secs(3), noted.clone()).await?;
    for (what, request, wanted) in [
        ("noted in these words", noted, "p99 ≤ 60 ms"),
        ("as customers write", real, "p99 ≤ 250 ms"),
    ] {
        let run = load::closed(&address, TENANTS, TIME, request).await?;
        rows.add(
            &format!("{}, {TENANTS} businesses asked at once, {what}", engine.name()),
            format!(
                "{:.0}/s, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, {} failed",
                run.rate(),
                run.ms(0.5),
                run.ms(0.95),
                run.ms(0.99),
                run.failed
            ),
            wanted,
        );
    }
    drop(server);
    Ok(())
}

/// The messages of a set, those that are one text.
fn written(file: &Path) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let row: serde_json::Value = serde_json::from_str(line)?;
        out.extend(row["text"].as_str().map(str::to_owned));
    }
    Ok(out)
}
