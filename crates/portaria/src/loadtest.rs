//! `portaria loadtest webhook`: signed webhooks at a given pace, and what came of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::Clock;
use messaging::Kind;
use parking_lot::Mutex;
use sandbox::{
    cloud_message, cloud_signature, customer_message, whaticket_message, whaticket_signature,
};
use serde::Serialize;

/// What is sent where.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) kind: Kind,
    /// The provider's name of the channel: instance, company domain, phone number id.
    pub(crate) name: String,
    /// Shared secret, app secret, or Evolution's webhook token.
    pub(crate) secret: String,
    /// Whaticket's optional X-Webhook-Token.
    pub(crate) token: Option<String>,
    pub(crate) requests: u64,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) text: String,
    pub(crate) progress: bool,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) succeeded: u64,
    /// Answers of 400 and above.
    pub(crate) refused: u64,
    /// No answer: refused connections, time-outs.
    pub(crate) failed: u64,
    pub(crate) by_status: BTreeMap<String, u64>,
    pub(crate) seconds: f64,
    pub(crate) requests_per_second: f64,
    /// Of all that were answered, from the call to the end of the answer.
    pub(crate) latency_ms: Percentiles,
}

struct Shared {
    plan: Plan,
    client: reqwest::Client,
    next: AtomicU64,
    bar: ProgressBar,
    outcomes: Mutex<(Vec<f64>, BTreeMap<String, u64>)>,
    mark: String,
}

/// Sends the requests, so many at a time.
///
/// # Errors
/// When the address is unreadable.
pub(crate) async fn run(plan: Plan) -> anyhow::Result<Report> {
    url::Url::parse(&plan.url).context("--url is no address")?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(plan.timeout)
        .pool_max_idle_per_host(plan.concurrency)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let bar = if plan.progress { ProgressBar::new(plan.requests) } else { ProgressBar::hidden() };
    let style = "{bar:40} {pos}/{len}  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(style).context("the progress bar")?);
    let concurrency = plan.concurrency;
    let shared = Arc::new(Shared {
        client,
        next: AtomicU64::new(0),
        bar,
        outcomes: Mutex::default(),
        // Each run's messages are new ones.
        mark: kernel::JobId::generate().to_string(),
        plan,
    });
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..concurrency {
        let shared = shared.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                let n = shared.next.fetch_add(1, Ordering::Relaxed);
                if n >= shared.plan.requests {
                    return;
                }
                shared.one(n).await;
            }
        }));
    }
    for task in tasks {
        task.await.context("a sender")?;
    }
    let seconds = started.elapsed().as_secs_f64();
    shared.bar.finish_and_clear();
    let (mut latencies, by_status) = std::mem::take(&mut *shared.outcomes.lock());
    latencies.sort_by(f64::total_cmp);
    let count = |fits: fn(&str) -> bool| {
        by_status.iter().filter(|(status, _)| fits(status)).map(|(_, n)| n).sum::<u64>()
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = latencies.len() as f64 / seconds;
    Ok(Report {
        requests: shared.plan.requests,
        succeeded: count(|status| status.starts_with('2')),
        refused: count(|status| status.starts_with(['4', '5'])),
        failed: count(|status| status.starts_with(char::is_alphabetic)),
        by_status,
        seconds,
        requests_per_second: rate,
        latency_ms: percentiles(&latencies),
    })
}

fn percentiles(sorted: &[f64]) -> Percentiles {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list"
    )]
    let at = |share: f64| {
        let index = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(index.saturating_sub(1)).copied().unwrap_or(0.0)
    };
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
    Percentiles {
        mean,
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        max: sorted.last().copied().unwrap_or(0.0),
    }
}

impl Shared {
    async fn one(&self, n: u64) {
        let request = self.request(n);
        // From the call, not from the wait for a free place.
        let started = Instant::now();
        let outcome = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16().to_string();
                // The answer is over when its body is.
                match response.bytes().await {
                    Ok(_) => status,
                    Err(_) => "broken".to_owned(),
                }
            }
            Err(error) if error.is_timeout() => "timeout".to_owned(),
            Err(error) if error.is_connect() => "refused_connection".to_owned(),
            Err(_) => "broken".to_owned(),
        };
        let took = started.elapsed().as_secs_f64() * 1000.0;
        self.bar.inc(1);
        let mut outcomes = self.outcomes.lock();
        if outcome.starts_with(|c: char| c.is_ascii_digit()) {
            outcomes.0.push(took);
        }
        *outcomes.1.entry(outcome).or_default() += 1;
    }

    fn request(&self, n: u64) -> reqwest::RequestBuilder {
        let plan = &self.plan;
        let at = Clock::System.now().0.div_euclid(1_000_000);
        // Each from another sender: one sender's limit is not what is measured.
        let phone = format!("55119{:08}", 10_000_000 + n % 80_000_000);
        let id = format!("LOAD-{}-{n}", self.mark);
        let post = self.client.post(&plan.url).header("content-type", "application/json");
        match plan.kind {
            Kind::Evolution => {
                let mut body = customer_message(&plan.name, &phone, "Carga", &plan.text, &id, at);
                // The stand-in's own number is not the channel's.
                if let Some(envelope) = body.as_object_mut() {
                    envelope.remove("sender");
                }
                post.header("x-webhook-token", &plan.secret).body(body.to_string())
            }
            Kind::Whaticket => {
                let body = whaticket_message(&phone, "Carga", &plan.text, &id, at).to_string();
                let mut post = post
                    .header("x-timestamp", at.to_string())
                    .header("x-signature", whaticket_signature(&plan.secret, at, body.as_bytes()));
                if !plan.name.is_empty() {
                    post = post.header("x-company-domain", &plan.name);
                }
                if let Some(token) = &plan.token {
                    post = post.header("x-webhook-token", token);
                }
                post.body(body)
            }
            Kind::WhatsAppCloud => {
                let body =
                    cloud_message(&plan.name, &phone, "Carga", &plan.text, &id, at).to_string();
                post.header("x-hub-signature-256", cloud_signature(&plan.secret, body.as_bytes()))
                    .body(body)
            }
        }
    }
}

/// The report as people read it, with the metric names that the guide's script printed.
pub(crate) fn shown(report: &Report) -> String {
    let l = &report.latency_ms;
    let by_status: Vec<String> =
        report.by_status.iter().map(|(status, n)| format!("{status}: {n}")).collect();
    format!(
        "{} requests in {:.2} s: {:.0}/s; {} accepted, {} refused, {} without an answer ({})\n\
         latency in ms: mean {:.2}, p50 {:.2}, p90 {:.2}, p95 {:.2}, p99 {:.2}, max {:.2}\n\n\
         webhook_load_test_average_latency_seconds {:.6}\n\
         webhook_load_test_duration_seconds {:.6}\n\
         webhook_load_test_requests_total {}\n\
         webhook_load_test_http_errors_total {}",
        report.requests,
        report.seconds,
        report.requests_per_second,
        report.succeeded,
        report.refused,
        report.failed,
        by_status.join(", "),
        l.mean,
        l.p50,
        l.p90,
        l.p95,
        l.p99,
        l.max,
        l.mean / 1000.0,
        report.seconds,
        report.requests,
        report.refused + report.failed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        let p = percentiles(&sorted);
        assert_eq!((p.p50, p.p90, p.p95, p.p99, p.max), (50.0, 90.0, 95.0, 99.0, 100.0));
        assert_eq!(percentiles(&[7.0]).p99, 7.0);
        assert_eq!(percentiles(&[]).p50, 0.0);
    }
}
