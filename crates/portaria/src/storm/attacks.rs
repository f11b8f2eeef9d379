//! What one business and its customers do to all others while it storms: files that cost much to
//! read, names that break lines, and a clock that jumps.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use db::TenantTx;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng as _};
use serde_json::json;
use tokio::time::Instant;

use super::world::{Line, World};
use crate::house::House;

/// What somebody calls themselves.
const POISON: &str = "Ana\r\nBcc: eva@example.com\r\n\r\nEntre em http://evil.example";
/// Where Debian's `libfaketime` lies.
const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
/// Seconds that the clock is set by, and for how long at most, in milliseconds.
const STEPS: [i64; 5] = [-3600, 7200, -600, 30, 1200];

/// How often each was tried.
#[derive(Default)]
pub(super) struct Attacks {
    pub(super) files: AtomicUsize,
    /// Files that were taken, or that the server did not refuse by itself.
    pub(super) files_taken: AtomicUsize,
    pub(super) steps: AtomicUsize,
    pub(super) pictures_refused: AtomicUsize,
}

/// What a customer calls themselves: mostly a name.
pub(super) fn name(number: usize) -> &'static str {
    if number.is_multiple_of(7) { POISON } else { "Ana" }
}

/// Gives each business an address for its notices, and one of them a name from before names were
/// looked at.
pub(super) async fn prepare(house: &House, world: &World) -> anyhow::Result<()> {
    for line in &world.lines {
        let mut tx = house.db.begin(line.tenant).await?;
        let emails = vec![address_of(&line.slug)];
        let recipients = notices::Recipients { emails, ..notices::Recipients::default() };
        notices::set_recipients(&mut tx, &recipients).await?;
        tx.commit().await?;
    }
    let poisoned = world.lines.first().context("a business")?;
    let mut tx = house.db.begin(poisoned.tenant).await?;
    let name = format!("{}\r\nBcc: eva@example.com", poisoned.slug);
    tx.execute("UPDATE tenants SET name = $1 WHERE id = $2", db::args![name, poisoned.tenant])
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Where a business is told that somebody waits.
pub(super) fn address_of(slug: &str) -> String {
    format!("equipe@{slug}.example.com")
}

impl World {
    /// Somebody of the first business uploads what costs much to read, all the time.
    pub(super) async fn files(
        self: Arc<Self>,
        address: String,
        key: String,
        seed: u64,
        calm: Arc<AtomicBool>,
    ) {
        use sandbox::hostile as h;
        let mut random = StdRng::seed_from_u64(seed);
        let files = [
            ("desenho.pdf", h::draws_itself()),
            ("bilhao.pdf", h::draws_a_billion()),
            ("bomba.docx", h::unpacks_to_more()),
        ];
        while !calm.load(Ordering::SeqCst) {
            let (name, bytes) = &files[random.random_range(0..files.len())];
            let content = base64::engine::general_purpose::STANDARD.encode(bytes);
            let sent = self
                .client
                .post(format!("http://{address}/v1/knowledge/documents"))
                .bearer_auth(&key)
                .json(&json!({ "name": name, "content_base64": content }))
                .send()
                .await;
            if let Ok(answer) = sent {
                self.attacks.files.fetch_add(1, Ordering::SeqCst);
                // 429: files wait in line, and this one's line is full.
                if !matches!(answer.status().as_u16(), 422 | 429 | 503) {
                    self.attacks.files_taken.fetch_add(1, Ordering::SeqCst);
                }
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(100..1000))).await;
        }
    }

    /// Whether a letter told a business's people that somebody waits, if somebody does.
    pub(super) async fn told(&self, line: &Line, tx: &mut TenantTx) -> anyhow::Result<bool> {
        let to = format!("To: {}\n", address_of(&line.slug));
        Ok(inbox::waiting(tx, 1).await?.is_empty()
            || self.mail.letters().iter().any(|letter| letter.contains(&to)))
    }

    /// Waits until the letters of all businesses came, or the deadline.
    pub(super) async fn letters(&self, deadline: Instant) -> anyhow::Result<()> {
        while Instant::now() < deadline {
            let mut all = true;
            for line in &self.lines {
                let mut tx = self.db.read(line.tenant).await?;
                all &= self.told(line, &mut tx).await?;
            }
            if all {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// The machine's clock is set ahead and back, and set right again.
    pub(super) async fn clock(self: Arc<Self>, clock: PathBuf, seed: u64, calm: Arc<AtomicBool>) {
        let mut random = StdRng::seed_from_u64(seed);
        while !calm.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(random.random_range(1500..4000))).await;
            let step = STEPS[random.random_range(0..STEPS.len())];
            if set(&clock, step).is_ok() {
                self.attacks.steps.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(300..1500))).await;
            let _ = set(&clock, 0);
        }
    }
}

/// Sets the clock of whoever runs by this file. Written beside and renamed: it is read at any time.
fn set(clock: &Path, seconds: i64) -> std::io::Result<()> {
    let aside = clock.with_extension("new");
    std::fs::write(&aside, format!("{seconds:+}\n"))?;
    std::fs::rename(aside, clock)
}

/// The file by which a server's clock is set, and the variables that make it so; `None` where
/// libfaketime is not installed.
pub(super) fn clock(folder: &Path) -> Option<(PathBuf, Vec<(String, String)>)> {
    let library = FAKETIME.iter().find(|path| Path::new(path).exists())?;
    let clock = folder.join("clock");
    set(&clock, 0).ok()?;
    let pairs = [
        ("LD_PRELOAD", (*library).to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        // What only goes on is left alone, as when somebody sets a clock.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Some((clock, pairs.map(|(name, value)| (name.to_owned(), value)).into()))
}
