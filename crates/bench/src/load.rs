//! A load generator small enough to share two cores with what it measures: HTTP/1.1 over kept-alive
//! connections, closed loop for rates, open loop for latencies counted from when a request was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Makes the bytes of request number `n`.
pub(crate) type Request = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// Latencies of one run, sorted.
pub(crate) struct Run {
    pub(crate) seconds: f64,
    latencies: Vec<Duration>,
    pub(crate) failed: usize,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// The latency under which this share of the requests stayed, in milliseconds.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        let at = ((self.latencies.len() as f64 - 1.0) * share) as usize;
        self.latencies.get(at).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
    }
}

struct Connection {
    address: String,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The server closes after each answer, as gunicorn's plain workers do.
    closing: bool,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
        stream.set_nodelay(true)?;
        let address = address.to_owned();
        Ok(Self { address, stream, buffer: vec![0; 16 * 1024], closing: false })
    }

    /// Sends a request and reads the whole answer. Returns its status.
    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        if self.closing {
            *self = Self::open(&self.address.clone()).await?;
        }
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[filled..]).await?;
            if count == 0 {
                bail!("closed");
            }
            filled += count;
            let text = &self.buffer[..filled];
            let Some(end) = text.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&text[..end]).context("the answer's head")?;
            let length = header(head, "content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
            if filled >= end + 4 + length {
                self.closing =
                    header(head, "connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
                return head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no status");
            }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn finish(started: Instant, mut latencies: Vec<Duration>, failed: usize) -> Run {
    latencies.sort_unstable();
    Run { seconds: started.elapsed().as_secs_f64(), latencies, failed }
}

/// As many requests as the connections manage in this time.
pub(crate) async fn closed(
    address: &str,
    connections: usize,
    time: Duration,
    request: Request,
) -> anyhow::Result<Run> {
    let counter = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (address, request, counter) = (address.to_owned(), request.clone(), counter.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let (mut latencies, mut failed) = (Vec::new(), 0);
            while started.elapsed() < time {
                let bytes = request(counter.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                match one(&mut connection, &address, &bytes).await? {
                    true => latencies.push(sent.elapsed()),
                    false => failed += 1,
                }
            }
            anyhow::Ok((latencies, failed))
        }));
    }
    gather(started, tasks).await
}

/// Sends one request; a broken connection is replaced. Returns whether the answer was a success.
async fn one(connection: &mut Connection, address: &str, bytes: &[u8]) -> anyhow::Result<bool> {
    let answer = connection.exchange(bytes).await;
    if answer.is_err() {
        *connection = Connection::open(address).await?;
    }
    Ok(matches!(answer, Ok(200..=299)))
}

type Task = tokio::task::JoinHandle<anyhow::Result<(Vec<Duration>, usize)>>;

async fn gather(started: Instant, tasks: Vec<Task>) -> anyhow::Result<Run> {
    let (mut all, mut failed) = (Vec::new(), 0);
    for task in tasks {
        let (latencies, bad) = task.await??;
        all.extend(latencies);
        failed += bad;
    }
    Ok(finish(started, all, failed))
}

/// A fixed rate. Each latency is counted from when the request was due, whether or not a
/// connection was free then.
pub(crate) async fn open(
    address: &str,
    connections: usize,
    rate: usize,
    time: Duration,
    request: Request,
) -> anyhow::Result<Run> {
    let total = (rate as f64 * time.as_secs_f64()) as usize;
    let counter = Arc::new(AtomicUsize::new(0));
    let started = Instant::now() + Duration::from_millis(100);
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (address, request, counter) = (address.to_owned(), request.clone(), counter.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let (mut latencies, mut failed) = (Vec::new(), 0);
            loop {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return anyhow::Ok((latencies, failed));
                }
                let due = started + Duration::from_secs_f64(number as f64 / rate as f64);
                let bytes = request(number);
                tokio::time::sleep_until(due.into()).await;
                match one(&mut connection, &address, &bytes).await? {
                    true => latencies.push(due.elapsed()),
                    false => failed += 1,
                }
            }
        }));
    }
    gather(started, tasks).await
}
