//! `portaria tenant …`

use clap::Subcommand;
use kernel::Slug;
use serde_json::json;
use tenancy::{NewTenant, Removed, State, Tenant};

use super::out::Out;
use crate::house::House;
use crate::tenants;

#[derive(Debug, Subcommand)]
pub(super) enum TenantCommand {
    /// Create a tenant with its default assistant, opening hours and consent texts.
    Create {
        /// 2 to 40 lower-case letters, digits or hyphens.
        slug: Slug,
        /// As customers see it.
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "pt-BR")]
        language: String,
        #[arg(long, default_value = "America/Sao_Paulo")]
        time_zone: String,
        /// trial, active, grace, suspended or archived.
        #[arg(long, default_value = "active")]
        state: State,
    },
    /// List tenants.
    List,
    /// Show a tenant.
    Show { slug: String },
    /// Inbound is stored, nothing goes out.
    Suspend { slug: String },
    /// Back to work: recent questions are answered, older ones go to a person.
    Activate { slug: String },
    /// Closed: readable, nothing comes in.
    Archive { slug: String },
    /// Set how many jobs in a row the tenant gets when its turn comes (1 unless set).
    Weight {
        slug: String,
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
        weight: u32,
    },
    /// Remove rows, jobs, keys, index and files for good.
    Delete {
        slug: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

fn describe(tenant: &Tenant) -> String {
    format!(
        "{}  {}  ({}, {}, {})",
        tenant.slug, tenant.name, tenant.state, tenant.language, tenant.time_zone
    )
}

/// A line per kind of thing that went away.
pub(super) fn removed(list: &[Removed]) -> String {
    let lines: Vec<String> = list.iter().map(|r| format!("{:>8}  {}", r.count, r.what)).collect();
    format!("Removed:\n{}", lines.join("\n"))
}

pub(super) async fn run(house: &House, command: TenantCommand, out: &Out) -> anyhow::Result<()> {
    let (slug, state) = match command {
        TenantCommand::Create { slug, name, language, time_zone, state } => {
            let new = NewTenant { slug, name, language, time_zone, state };
            let tenant = tenants::create(house, new).await?;
            out.done(&tenant, &format!("Created {}", describe(&tenant)));
            return Ok(());
        }
        TenantCommand::List => {
            let mut all: Vec<Tenant> = Vec::new();
            loop {
                let after = all.last().map(|t| t.slug.to_string()).unwrap_or_default();
                let page = tenancy::list(&house.db, &after, 500).await?;
                if page.is_empty() {
                    break;
                }
                all.extend(page);
            }
            let lines: Vec<String> = all.iter().map(describe).collect();
            let text = match lines.is_empty() {
                true => {
                    "No tenants yet. Create one: portaria tenant create SLUG --name NAME".to_owned()
                }
                false => lines.join("\n"),
            };
            out.done(&all, &text);
            return Ok(());
        }
        TenantCommand::Show { slug } => {
            let tenant = tenancy::by_slug(&house.db, &slug).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let channels = channels::list(&mut tx).await?;
            let text = format!("{}\n{} channel(s)", describe(&tenant), channels.len());
            out.done(&json!({ "tenant": tenant, "channels": channels }), &text);
            return Ok(());
        }
        TenantCommand::Delete { slug, yes } => {
            if !yes {
                anyhow::bail!(
                    "deleting {slug} removes its rows, jobs, keys, index and files for good; repeat with --yes"
                );
            }
            let list = tenants::delete(house, &slug).await?;
            out.done(&json!({ "slug": slug, "removed": list }), &removed(&list));
            return Ok(());
        }
        TenantCommand::Weight { slug, weight } => {
            let tenant = tenancy::by_slug(&house.db, &slug).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            queue::set_weight(&mut tx, weight).await?;
            tx.commit().await?;
            out.done(
                &json!({ "slug": slug, "weight": weight }),
                &format!("{slug}: weight {weight}."),
            );
            return Ok(());
        }
        TenantCommand::Suspend { slug } => (slug, State::Suspended),
        TenantCommand::Activate { slug } => (slug, State::Active),
        TenantCommand::Archive { slug } => (slug, State::Archived),
    };
    let tenant = tenants::set_state(house, &slug, state).await?;
    out.done(&tenant, &describe(&tenant));
    Ok(())
}
