//! `portaria domain …`: hosts of tenants, as the gateway serves them.

use anyhow::bail;
use clap::Subcommand;
use domains::{Domain, NewDomain, Purpose};
use serde_json::json;

use super::out::Out;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum DomainCommand {
    /// Give a tenant a domain; the gateway serves it within a second.
    Add {
        #[arg(long)]
        tenant: String,
        /// A name without port or path, such as painel.loja.com.br.
        host: String,
        /// site (pages), api (no pages) or panel.
        #[arg(long)]
        purpose: Purpose,
        /// A server of the tenant's own: http://HOST:PORT or https://HOST. Left out: this house.
        #[arg(long)]
        upstream: Option<String>,
        /// Prefer servers of this region.
        #[arg(long)]
        region: Option<String>,
    },
    /// List a tenant's domains.
    List {
        #[arg(long)]
        tenant: String,
    },
    /// Say why hosts have no certificate, and until when each is left alone.
    Certificates,
    /// Let a host's certificate be ordered again at once.
    Retry { host: String },
    /// Take a domain away.
    Remove {
        #[arg(long)]
        tenant: String,
        host: String,
    },
}

fn describe(domain: &Domain) -> String {
    let to = domain.upstream.as_deref().unwrap_or("this house");
    let region = domain.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    format!("{}  {}  ({to}{region})", domain.host, domain.purpose)
}

pub(super) async fn run(house: &House, command: DomainCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        DomainCommand::Add { tenant, host, purpose, upstream, region } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let new = NewDomain { host, purpose, upstream, region };
            let private = house.config.allow_private_upstreams;
            let mut tx = house.db.begin(tenant.id).await?;
            let made = domains::add(&mut tx, &new, private, house.clock.now()).await?;
            tx.commit().await?;
            out.done(&made, &format!("Added {}", describe(&made)));
        }
        DomainCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let all = domains::list(&mut house.db.read(tenant.id).await?).await?;
            let lines: Vec<String> = all.iter().map(describe).collect();
            let text = if lines.is_empty() {
                "No domains yet. Add one: portaria domain add --tenant SLUG HOST --purpose panel"
                    .to_owned()
            } else {
                lines.join("\n")
            };
            out.done(&all, &text);
        }
        DomainCommand::Certificates => {
            let failures = house.certificates().failures().await?;
            let lines: Vec<String> = failures
                .iter()
                .map(|(host, reason, until)| {
                    format!("{host}  {reason}  (again at {})", until.rfc3339())
                })
                .collect();
            let value: Vec<_> = failures
                .iter()
                .map(|(host, reason, until)| json!({"host": host, "reason": reason, "again_at": until}))
                .collect();
            let text = match lines.is_empty() {
                true => "No host was refused a certificate.".to_owned(),
                false => lines.join("\n"),
            };
            out.done(&json!(value), &text);
        }
        DomainCommand::Retry { host } => {
            house.certificates().forgive(&host).await?;
            let text = format!("{host} gets its certificate when it is asked for next.");
            out.done(&json!({ "host": host }), &text);
        }
        DomainCommand::Remove { tenant, host } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            if domains::remove(&mut tx, &host).await?.is_none() {
                bail!("{} has no domain {host}; see portaria domain list", tenant.slug);
            }
            tx.commit().await?;
            out.done(&json!({ "host": host, "removed": true }), &format!("Removed {host}"));
        }
    }
    Ok(())
}
