//! The gateway of this process: its file read and watched, its life tied to the process's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use gateway::{Gateway, Report, Variables};
use kernel::Clock;
use tokio_util::sync::CancellationToken;

/// How often the file is looked at: a change is to be live within a second.
const LOOK: Duration = Duration::from_millis(300);

/// A gateway and the task that keeps it in step with its file.
pub(crate) struct Front {
    gateway: Arc<Gateway>,
    stop: CancellationToken,
    watcher: tokio::task::JoinHandle<()>,
}

fn variables() -> Variables {
    #[expect(clippy::disallowed_methods, reason = "a file may name variables with ${NAME}")]
    Arc::new(|name| std::env::var(name).ok())
}

/// Reads a gateway's file.
///
/// # Errors
/// When it cannot be read; what is wrong in it is in the report.
pub(crate) fn read(file: &Path) -> anyhow::Result<Report> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the gateway's file {}", file.display()))?;
    Ok(gateway::check(&text, &*variables()))
}

impl Front {
    /// Starts the gateway of a file.
    pub(crate) fn start(file: &Path, clock: Clock) -> anyhow::Result<Self> {
        let report = read(file)?;
        for note in &report.notes {
            tracing::info!(
                event = "gateway_config_note",
                line = note.line,
                field = note.path,
                note = note.reason
            );
        }
        let Some(config) = report.config else {
            let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
            bail!("{} has faults:\n  {}", file.display(), faults.join("\n  "));
        };
        let gateway = Arc::new(Gateway::start(config, clock, variables())?);
        let stop = CancellationToken::new();
        let watcher = tokio::spawn(watch(gateway.clone(), file.to_owned(), stop.clone()));
        Ok(Self { gateway, stop, watcher })
    }

    pub(crate) fn addresses(&self) -> gateway::Addresses {
        self.gateway.addresses()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A watcher that panicked is over as well.
        let _ = self.watcher.await;
        if let Some(gateway) = Arc::into_inner(self.gateway) {
            gateway.stop().await;
        }
    }
}

/// Takes a changed file in, by itself or on SIGHUP. A file with faults changes nothing.
async fn watch(gateway: Arc<Gateway>, file: PathBuf, stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(cause) => {
            tracing::error!(event = "gateway_watch_failed", cause = %cause);
            return;
        }
    };
    let mut seen = stamp(&file);
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let now = stamp(&file);
        if !asked && (now == seen || now.is_none()) {
            continue;
        }
        seen = now;
        let report = match read(&file) {
            Ok(report) => report,
            Err(error) => {
                tracing::error!(event = "gateway_config_refused", reason = error.to_string());
                continue;
            }
        };
        let faults = match report.config {
            Some(config) => gateway.apply(config).err().unwrap_or_default(),
            None => report.faults,
        };
        for fault in faults {
            tracing::error!(
                event = "gateway_config_refused",
                line = fault.line,
                field = fault.path,
                reason = fault.reason
            );
        }
    }
}

fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let facts = std::fs::metadata(file).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}
