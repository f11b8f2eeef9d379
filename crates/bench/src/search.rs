//! Search in a tenant with 50,000 pieces, beside Chroma with the same vectors.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kernel::{ChunkId, DocumentId};
use knowledge::{Chunk, Index};
use serde_json::{Value, json};

use crate::Rows;

const PIECES: usize = 50_000;
const QUESTIONS: usize = 500;
const DIMENSIONS: usize = 64;

/// A generator with a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Words fall off as they do in language: few are everywhere, most are rare.
    fn word(&mut self) -> String {
        let rank = (30_000f64.powf(self.next() as f64 / u64::MAX as f64)) as usize;
        // Syllables, so that words differ as words do.
        const SYLLABLES: [&str; 20] = [
            "ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo",
            "tra", "cle", "pri", "bro", "nha", "lhe",
        ];
        let mut hash = (rank as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut word = String::new();
        for _ in 0..4 {
            word.push_str(SYLLABLES[(hash >> 59) as usize % SYLLABLES.len()]);
            hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (hash >> 31);
        }
        word
    }
}

fn p(times: &[Duration], share: f64) -> f64 {
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

pub(crate) fn run(rows: &mut Rows, python: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut random = Random(0x5eed);
    let mut chunks = Vec::with_capacity(PIECES);
    for _ in 0..PIECES {
        let body: Vec<String> = (0..110).map(|_| random.word()).collect();
        let mut vector: Vec<f32> =
            (0..DIMENSIONS).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        chunks.push(Chunk {
            id: ChunkId::generate(),
            document: DocumentId::generate(),
            title: "documento".into(),
            heading: None,
            question: None,
            body: format!("{}.", body.join(" ")),
            vector: Some(vector),
        });
    }
    let vectors: Vec<Vec<f32>> = chunks.iter().filter_map(|c| c.vector.clone()).collect();
    let questions: Vec<Vec<f32>> = (0..QUESTIONS)
        .map(|_| {
            let base = &vectors[random.below(PIECES)];
            base.iter().map(|x| x + (random.below(201) as f32 / 1000.0 - 0.1)).collect()
        })
        .collect();
    let texts: Vec<String> = (0..QUESTIONS)
        .map(|_| (0..8).map(|_| random.word()).collect::<Vec<_>>().join(" "))
        .collect();
    let started = Instant::now();
    let index = Index::build(chunks);
    let built = started.elapsed();
    let mut times = Vec::new();
    for text in &texts {
        let started = Instant::now();
        std::hint::black_box(index.search(text, 5));
        times.push(started.elapsed());
    }
    times.sort_unstable();
    rows.add(
        "50,000 pieces in one tenant, BM25, 8 words",
        format!(
            "p50 {:.2} ms, p99 {:.2} ms; built in {:.1} s, {:.0} MB",
            p(&times, 0.5),
            p(&times, 0.99),
            built.as_secs_f64(),
            index.bytes() as f64 / 1e6
        ),
        "p99 ≤ 2 ms",
    );
    let (mut times, mut exact) = (Vec::new(), Vec::new());
    for question in &questions {
        let started = Instant::now();
        let found = index.nearest(question, 5);
        times.push(started.elapsed());
        exact.push(found.into_iter().map(|(_, piece)| piece).collect::<Vec<_>>());
    }
    times.sort_unstable();
    rows.add(
        "50,000 vectors of 64, exact",
        format!("p50 {:.2} ms, p99 {:.2} ms, recall@5 1.000", p(&times, 0.5), p(&times, 0.99)),
        "",
    );
    let file = std::env::temp_dir().join(format!("portaria-bench-{}.json", std::process::id()));
    std::fs::write(
        &file,
        json!({ "vectors": vectors, "questions": questions, "exact": exact }).to_string(),
    )?;
    let out = Command::new(python.join("chroma/bin/python"))
        .arg(folder.join("chroma.py"))
        .arg(&file)
        .output()?;
    std::fs::remove_file(&file)?;
    anyhow::ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let seen: Value = serde_json::from_str(text.lines().last().context("no output")?)?;
    let number = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
    rows.add(
        "Chroma, the same 50,000 vectors",
        format!(
            "p50 {:.2} ms, p99 {:.2} ms, recall@5 {:.3}; built in {:.1} s",
            number("p50_ms"),
            number("p99_ms"),
            number("recall_at_5"),
            number("build_seconds")
        ),
        "(beside it)",
    );
    Ok(())
}
