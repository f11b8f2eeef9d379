//! `portaria storm`: the whole server against stand-ins that misbehave, killed again and again; then
//! its ledger is compared with what the stand-ins know to be true.

mod attacks;
mod check;
mod world;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng as _};
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use check::Ledger;
use world::World;

/// How a storm blows.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    /// PostgreSQL instead of a SQLite file of its own.
    pub(crate) database_url: Option<String>,
    /// Keep the folder, also when all went well.
    pub(crate) keep: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) kills: usize,
    pub(crate) faults: usize,
    /// Files that cost much to read, and how often the clock was set.
    pub(crate) hostile_files: usize,
    pub(crate) clock_steps: usize,
    /// Pictures that were refused while the disk was at its reserve.
    pub(crate) files_refused: usize,
    pub(crate) letters: usize,
    pub(crate) ledger: Ledger,
    /// Of a hundred; everything lost, doubled or leaked costs.
    pub(crate) score: f64,
    pub(crate) passed: bool,
}

/// What is left of the last minute to finish what is under way.
const DRAIN: Duration = Duration::from_secs(45);

/// Runs a storm.
///
/// # Errors
/// When the server cannot be started. A bad outcome is no error here; see [`Report::passed`].
pub(crate) async fn run(plan: &Plan, say: &dyn Fn(&str)) -> anyhow::Result<Report> {
    let folder = Folder::make(plan.keep)?;
    let world = Arc::new(World::build(&folder.path, plan).await?);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let started = Instant::now();
    let end = started + plan.length;
    let clock = attacks::clock(&folder.path);
    let mut environment = environment(&folder.path, plan, &world.mail.url());
    match &clock {
        Some((_, pairs)) => environment.extend(pairs.iter().cloned()),
        None => say("storm: libfaketime is not installed: the clock is left alone"),
    }
    let setup = Setup { folder: &folder.path, environment, address: &address };
    let mut server = Server::start(&setup, Reserve::Small).await?;
    say(&format!(
        "storm: seed {}, {:.0} s, {} businesses on three kinds of channels, server on {address}",
        plan.seed,
        plan.length.as_secs_f64(),
        world.lines.len(),
    ));
    let calm = Arc::new(AtomicBool::new(false));
    let customers = tokio::spawn(world.clone().customers(address.clone(), random.random(), end));
    let weather = tokio::spawn(world.clone().weather(random.random(), calm.clone()));
    let reports =
        tokio::spawn(world.clone().reports(address.clone(), random.random(), calm.clone()));
    let files =
        world.clone().files(address.clone(), world.key.clone(), random.random(), calm.clone());
    let files = tokio::spawn(files);
    let steps = clock
        .map(|(file, _)| tokio::spawn(world.clone().clock(file, random.random(), calm.clone())));
    // Two kills a minute, one at least; not on the beat.
    let kills = ((plan.length.as_secs_f64() / 30.0).round() as usize).max(1);
    let mut ended_itself = 0;
    for kill in 1..=kills {
        let share = (kill as f64 - random.random_range(0.2..0.8)) / kills as f64;
        tokio::time::sleep_until(started + plan.length.mul_f64(share.max(0.05))).await;
        let died = server.kill().await;
        ended_itself += usize::from(died);
        tokio::time::sleep(Duration::from_millis(random.random_range(0..800))).await;
        // Every other server finds the disk at its reserve.
        let reserve = if kill % 2 == 1 { Reserve::WholeDisk } else { Reserve::Small };
        server = Server::start(&setup, reserve).await?;
        say(&format!(
            "storm: {:.0} s, kill {kill} of {kills}, {} messages acknowledged",
            started.elapsed().as_secs_f64(),
            world.acknowledged()
        ));
    }
    customers.await.context("the customers")?;
    calm.store(true, Ordering::SeqCst);
    weather.await.context("the weather")?;
    files.await.context("the files")?;
    if let Some(steps) = steps {
        steps.await.context("the clock")?;
    }
    world.calm();
    say("storm: over; waiting for what is under way");
    let open = world.drain(Instant::now() + DRAIN).await?;
    world.letters(Instant::now() + DRAIN).await?;
    reports.await.context("the reports")?;
    ended_itself += usize::from(server.terminate().await?);
    let ledger = check::compare(&world, open, ended_itself).await?;
    let bad = ledger.lost + ledger.doubled + ledger.leaked;
    let all = (ledger.acknowledged + ledger.received_by_customers).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a score of a hundred")]
    let score = (100.0 * (1.0 - bad as f64 / all as f64)).max(0.0);
    let passed = bad == 0 && ledger.acknowledged > 0 && ledger.received_by_customers > 0;
    folder.settle(passed, say);
    Ok(Report {
        seed: plan.seed,
        seconds: started.elapsed().as_secs(),
        kills,
        faults: world.faults(),
        hostile_files: world.attacks.files.load(Ordering::SeqCst),
        clock_steps: world.attacks.steps.load(Ordering::SeqCst),
        files_refused: world.attacks.pictures_refused.load(Ordering::SeqCst),
        letters: world.mail.letters().len(),
        ledger,
        score: if passed { score } else { score.min(99.0) },
        passed,
    })
}

/// The report as people read it.
pub(crate) fn shown(report: &Report) -> String {
    let l = &report.ledger;
    let mut lines = vec![
        format!(
            "seed {}, {} s, {} kills, {} faults",
            report.seed, report.seconds, report.kills, report.faults
        ),
        format!(
            "messages of customers: {} acknowledged ({} deliveries, {} of them repeated or refused), {} stored",
            l.acknowledged,
            l.deliveries,
            l.deliveries - l.acknowledged,
            l.stored
        ),
        format!(
            "answers: {} at customers' phones; {} sent, {} of unknown outcome shown to a person, {} failed and shown",
            l.received_by_customers, l.sent, l.unknown, l.failed
        ),
        format!(
            "attacks: {} files that cost much to read, {} clock steps, {} pictures refused at the disk's reserve, \
             {} letters under poisoned names",
            report.hostile_files, report.clock_steps, report.files_refused, report.letters
        ),
        format!("{} lost, {} doubled, {} leaked", l.lost, l.doubled, l.leaked),
    ];
    lines.extend(l.faults.iter().take(20).map(|fault| format!("  {fault}")));
    let verdict = if report.passed { "PASSED" } else { "FAILED" };
    lines.push(format!("score {:.1} of 100: {verdict}", report.score));
    lines.join("\n")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A folder of its own, removed unless there is something to look at.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(keep: bool) -> anyhow::Result<Self> {
        let path =
            std::env::temp_dir().join(format!("portaria-storm-{}", kernel::JobId::generate()));
        std::fs::create_dir_all(&path).with_context(|| format!("folder {}", path.display()))?;
        Ok(Self { path, keep })
    }

    fn settle(mut self, passed: bool, say: &dyn Fn(&str)) {
        self.keep = self.keep || !passed;
        if self.keep {
            say(&format!("storm: the folder is kept: {}", self.path.display()));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // Left behind at worst.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// What the server and its makers are configured with.
pub(crate) fn environment(folder: &Path, plan: &Plan, mail: &str) -> Vec<(String, String)> {
    let mut pairs = vec![
        ("PORTARIA_DATA".to_owned(), folder.display().to_string()),
        ("PORTARIA_ALLOW_PRIVATE_UPSTREAMS".to_owned(), "1".to_owned()),
        // A dead worker's jobs and failed tries come again within the storm.
        ("PORTARIA_QUEUE_LEASE_SECONDS".to_owned(), "3".to_owned()),
        ("PORTARIA_QUEUE_BACKOFF_MS".to_owned(), "150".to_owned()),
        ("PORTARIA_QUEUE_POLL_MS".to_owned(), "200".to_owned()),
        ("PORTARIA_CHANNEL_ANSWER_SECONDS".to_owned(), "2".to_owned()),
        ("PORTARIA_LOG".to_owned(), "error".to_owned()),
        ("PORTARIA_SMTP_URL".to_owned(), mail.to_owned()),
        ("PORTARIA_SMTP_FROM".to_owned(), "Portaria <portaria@example.com>".to_owned()),
    ];
    if let Some(url) = &plan.database_url {
        pairs.push(("DATABASE_URL".to_owned(), url.clone()));
    }
    pairs
}

/// What all servers of a storm are started with.
struct Setup<'a> {
    folder: &'a Path,
    environment: Vec<(String, String)>,
    address: &'a str,
}

/// How much of the disk files may not take.
#[derive(Debug, Clone, Copy)]
enum Reserve {
    Small,
    /// More than any disk has: every file is refused, and no text may be.
    WholeDisk,
}

/// The server in a process of its own.
struct Server {
    child: Child,
}

impl Server {
    async fn start(setup: &Setup<'_>, reserve: Reserve) -> anyhow::Result<Self> {
        let Setup { folder, environment, address } = setup;
        let megabytes = match reserve {
            Reserve::Small => "1",
            Reserve::WholeDisk => "1073741824",
        };
        let program = std::env::current_exe().context("finding this program")?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("server.log"))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", address])
            .env_clear()
            .envs(environment.iter().cloned())
            .env("PORTARIA_FILES_RESERVE_MEGABYTES", megabytes)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().context("starting the server")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("the server ended at once ({status}); see {}/server.log", folder.display());
            }
            if Instant::now() > deadline {
                bail!("the server did not listen within 20 s");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child })
    }

    /// `kill -9`. Whether it had ended by itself, which nothing may make it do.
    async fn kill(mut self) -> bool {
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        // One that is gone already needs no killing.
        let _ = self.child.kill().await;
        ended
    }

    /// Asks it to stop. Whether it had ended by itself.
    async fn terminate(mut self) -> anyhow::Result<bool> {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return Ok(true);
        }
        if let Some(id) = self.child.id() {
            let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            asked.context("asking the server to stop")?;
        }
        match tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await {
            Ok(_) => {}
            Err(_) => self.child.kill().await?,
        }
        Ok(false)
    }
}
