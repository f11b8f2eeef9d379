//! `portaria webhook …`: addresses of integrators that are told of events.

use clap::Subcommand;
use hooks::NewEndpoint;
use kernel::{DeliveryId, HookId};
use serde_json::json;

use super::out::Out;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum HookCommand {
    /// Add an address; prints its secret this once.
    Add {
        #[arg(long)]
        tenant: String,
        #[arg(long)]
        url: String,
        /// Names such as message.received; all when left out.
        #[arg(long, value_delimiter = ',')]
        events: Vec<String>,
    },
    /// List a tenant's addresses.
    List {
        #[arg(long)]
        tenant: String,
    },
    /// Remove an address.
    Remove {
        #[arg(long)]
        tenant: String,
        id: HookId,
    },
    /// List deliveries, the newest first.
    Log {
        #[arg(long)]
        tenant: String,
        #[arg(long, default_value = "50")]
        limit: usize,
    },
    /// Make a delivery again.
    Replay {
        #[arg(long)]
        tenant: String,
        delivery: DeliveryId,
    },
}

pub(super) async fn run(house: &House, command: HookCommand, out: &Out) -> anyhow::Result<()> {
    let now = house.clock.now();
    match command {
        HookCommand::Add { tenant, url, events } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let new = NewEndpoint { url, events };
            let mut tx = house.db.begin(tenant.id).await?;
            let (endpoint, secret) =
                hooks::add(&mut tx, &house.vault, &house.outbound, &new, now).await?;
            tx.commit().await?;
            out.done(
                &json!({ "id": endpoint.id, "url": endpoint.url, "secret": secret }),
                &format!("{}  {}\nsecret, shown this once: {secret}", endpoint.id, endpoint.url),
            );
        }
        HookCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let list = hooks::list(&mut tx).await?;
            let lines: Vec<String> = list
                .iter()
                .map(|e| {
                    let reason = e.reason.as_deref().unwrap_or_default();
                    format!(
                        "{}  {}  {} {reason}  {} failures in a row",
                        e.id, e.url, e.state, e.failures
                    )
                })
                .collect();
            out.done(&list, &lines.join("\n"));
        }
        HookCommand::Remove { tenant, id } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            hooks::remove(&mut tx, &house.vault, id).await?;
            tx.commit().await?;
            out.done(&json!({ "removed": id }), "Removed.");
        }
        HookCommand::Log { tenant, limit } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let list = hooks::deliveries(&mut tx, None, limit).await?;
            let lines: Vec<String> = list
                .iter()
                .map(|d| {
                    let status = d.status.map(|s| s.to_string()).unwrap_or_default();
                    let error = d.error.as_deref().unwrap_or_default();
                    format!(
                        "{}  {}  {}  {}  {} tries {status} {error}",
                        d.created_at.rfc3339(),
                        d.id,
                        d.event,
                        d.state,
                        d.attempts
                    )
                })
                .collect();
            out.done(&list, &lines.join("\n"));
        }
        HookCommand::Replay { tenant, delivery } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            hooks::replay(&mut tx, delivery, now).await?;
            tx.commit().await?;
            out.done(&json!({ "delivery": delivery }), "It is on its way again.");
        }
    }
    Ok(())
}
