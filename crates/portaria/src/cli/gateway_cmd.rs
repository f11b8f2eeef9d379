//! `portaria gateway …`, and `portaria serve --role gateway`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;
use kernel::Clock;
use serde_json::json;
use tokio::sync::Notify;

use super::out::{Out, line};
use super::stop_signal;
use crate::front::{self, Front};
use crate::handover;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum GatewayCommand {
    /// Say what is wrong with a gateway's file, if anything, and what it makes.
    Check { file: PathBuf },
    /// Take the listeners over from the gateway of the same file that serves, and serve: a new version or setting
    /// without a failed request. The other finishes what it has and ends.
    Upgrade,
}

pub(super) fn run(command: &GatewayCommand, out: &Out) -> anyhow::Result<()> {
    let GatewayCommand::Check { file } = command else { return Ok(()) };
    let report = front::read(file)?;
    let entry = |fault: &gateway::Fault| json!({"line": fault.line, "field": fault.path, "reason": fault.reason});
    let value = json!({
        "faults": report.faults.iter().map(entry).collect::<Vec<_>>(),
        "notes": report.notes.iter().map(entry).collect::<Vec<_>>(),
    });
    let mut lines: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    if let Some(config) = &report.config {
        let backends: usize = config.pools.iter().map(|pool| pool.backends.len()).sum();
        lines.push(format!(
            "{} is sound: {} routes, {} pools, {backends} upstreams",
            file.display(),
            config.routes.len(),
            config.pools.len()
        ));
    }
    out.done(&value, &lines.join("\n"));
    if !report.faults.is_empty() {
        bail!("{} has {} faults", file.display(), report.faults.len());
    }
    Ok(())
}

/// A file that describes a gateway, told by its ending.
pub(super) fn is_gateway_file(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// A gateway by itself: on a file alone, or with the tenants' domains of a house that other processes serve.
pub(super) async fn serve(file: &Path, house: Option<House>, upgrade: bool) -> anyhow::Result<()> {
    let hosts = house.as_ref().map(|house| house.hosts(house.config.gateway_house.clone()));
    let mut taken = None;
    let mut inherited = Vec::new();
    if upgrade {
        let config = front::read(file)?.config;
        let named = config.and_then(|config| config.global.upgrade_socket);
        let mut given = handover::take(&handover::path_of(file, named.as_deref()))?;
        inherited = std::mem::take(&mut given.listeners);
        taken = Some(given);
    }
    let front = Front::start(file, Clock::System, hosts, inherited).await?;
    // Only who serves alone offers its listeners.
    if let Some(Err(error)) = taken.map(handover::Taken::ready) {
        front.stop().await;
        return Err(error);
    }
    let handed = Arc::new(Notify::new());
    let socket = front.upgrade_socket(file);
    if let Err(cause) = front.offer(&socket, handed.clone()) {
        // It serves all the same; the next upgrade is a restart.
        tracing::warn!(
            event = "gateway_no_upgrades",
            socket = socket.display().to_string(),
            cause = %cause
        );
    }
    let addresses = front.addresses();
    for (what, address) in [
        ("http", addresses.plain),
        ("https", addresses.tls),
        ("admin API", addresses.admin),
        ("metrics", addresses.metrics),
    ] {
        if let Some(address) = address {
            line(&format!("portaria gateway: {what} on {address}"));
        }
    }
    tokio::select! {
        stopped = stop_signal() => {
            stopped?;
            front.stop().await;
        }
        () = handed.notified() => {
            tracing::info!(event = "gateway_handed_over");
            front.hand_over().await;
        }
    }
    if let Some(house) = house {
        house.db.close().await;
    }
    Ok(())
}
