//! `portaria queue …`

use anyhow::bail;
use clap::Subcommand;
use kernel::{JobId, TenantId};
use queue::Lane;
use serde_json::json;

use super::out::Out;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// What waits, per tenant and lane.
    List,
    /// Jobs that were given up, with the cause.
    Dead {
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Give dead letters another life: one by its id, or all of a tenant.
    Requeue {
        job: Option<JobId>,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Remove one job.
    Remove { job: JobId },
    /// Remove what waits in a lane of a tenant, dead letters included.
    Clear {
        #[arg(long)]
        tenant: String,
        #[arg(long)]
        lane: Lane,
        #[arg(long)]
        yes: bool,
    },
}

async fn tenant_id(house: &House, slug: Option<&str>) -> anyhow::Result<Option<TenantId>> {
    match slug {
        Some(slug) => Ok(Some(tenancy::by_slug(&house.db, slug).await?.id)),
        None => Ok(None),
    }
}

pub(super) async fn run(house: &House, command: QueueCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        QueueCommand::List => {
            let stats = queue::depth(&house.db).await?;
            let names = tenancy::ids(&house.db).await?;
            let lines: Vec<String> = stats
                .iter()
                .map(|s| {
                    let slug = names.iter().find(|(id, _)| *id == s.tenant);
                    let slug =
                        slug.map_or_else(|| s.tenant.to_string(), |(_, slug)| slug.to_string());
                    format!(
                        "{slug}  {}: {} scheduled, {} ready, {} running, {} dead",
                        s.lane, s.scheduled, s.ready, s.leased, s.dead
                    )
                })
                .collect();
            let text =
                if lines.is_empty() { "The queue is empty.".to_owned() } else { lines.join("\n") };
            out.done(&stats, &text);
        }
        QueueCommand::Dead { tenant } => {
            let tenant = tenant_id(house, tenant.as_deref()).await?;
            let dead = queue::dead(&house.db, tenant, 1000).await?;
            let lines: Vec<String> = dead
                .iter()
                .map(|d| {
                    let cause = d.cause.as_deref().unwrap_or("");
                    format!("{}  {}  after {} tries: {cause}", d.id, d.kind, d.attempts)
                })
                .collect();
            let text =
                if lines.is_empty() { "No dead letters.".to_owned() } else { lines.join("\n") };
            out.done(&dead, &text);
        }
        QueueCommand::Requeue { job, tenant } => {
            if job.is_none() && tenant.is_none() {
                bail!("say which: a job id, or --tenant SLUG for all of a tenant");
            }
            let tenant = tenant_id(house, tenant.as_deref()).await?;
            let count = queue::requeue(&house.db, tenant, job, house.clock.now()).await?;
            out.done(&json!({ "requeued": count }), &format!("Requeued {count}."));
        }
        QueueCommand::Remove { job } => {
            if !crate::tenants::remove_job(house, job).await? {
                bail!("no job {job} that is not running");
            }
            out.done(&json!({ "removed": 1 }), "Removed.");
        }
        QueueCommand::Clear { tenant, lane, yes } => {
            if !yes {
                bail!("this removes every waiting {lane} job of {tenant}; repeat with --yes");
            }
            let count = crate::tenants::clear_lane(house, &tenant, lane).await?;
            out.done(&json!({ "removed": count }), &format!("Removed {count}."));
        }
    }
    Ok(())
}
