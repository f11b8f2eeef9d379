//! `portaria apikey …`

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use kernel::{ApiKeyId, Moment};
use serde_json::json;
use tenancy::Scopes;

use super::out::Out;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; it is shown once.
    Create {
        #[arg(long)]
        tenant: String,
        #[arg(long, default_value = "key")]
        name: String,
        /// Scopes apart by commas; * is everything.
        #[arg(long, default_value = "*")]
        scopes: Scopes,
        /// Ends by itself after so many days.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
    },
    /// List keys; only their first characters are known.
    List {
        #[arg(long)]
        tenant: String,
    },
    /// Make a successor; the old key works for 24 hours more.
    Rotate {
        #[arg(long)]
        tenant: String,
        id: ApiKeyId,
    },
    /// End a key now.
    Revoke {
        #[arg(long)]
        tenant: String,
        id: ApiKeyId,
    },
}

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn run(house: &House, command: KeyCommand, out: &Out) -> anyhow::Result<()> {
    let now = house.clock.now();
    match command {
        KeyCommand::Create { tenant, name, scopes, days } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let expires = days.map(|days| now + DAY * days);
            let name: kernel::line::Line<60> = name.parse().context("--name")?;
            let mut tx = house.db.begin(tenant.id).await?;
            let made = tenancy::create_key(&mut tx, &name, &scopes, expires, now).await?;
            tx.commit().await?;
            out.done(&made, &format!("{}\nKeep it: it is not shown again.", made.secret));
        }
        KeyCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let keys = tenancy::list_keys(&mut tx).await?;
            let lines: Vec<String> = keys
                .iter()
                .map(|k| {
                    let state = state(k.revoked_at, k.expires_at, now);
                    format!("{}  {}…  {}  {}  {state}", k.id, k.prefix, k.name, k.scopes)
                })
                .collect();
            out.done(&keys, &lines.join("\n"));
        }
        KeyCommand::Rotate { tenant, id } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            let Some(made) = tenancy::rotate_key(&mut tx, id, now + DAY, now).await? else {
                bail!("no live key {id}; see portaria apikey list");
            };
            tx.commit().await?;
            out.done(&made, &format!("{}\nThe old key works for 24 hours more.", made.secret));
        }
        KeyCommand::Revoke { tenant, id } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            if !tenancy::revoke_key(&mut tx, id, now).await? {
                bail!("no live key {id}; see portaria apikey list");
            }
            tx.commit().await?;
            out.done(&json!({ "revoked": id }), &format!("Revoked {id}."));
        }
    }
    Ok(())
}

/// Whether a key lives, in words.
pub(super) fn state(revoked: Option<Moment>, expires: Option<Moment>, now: Moment) -> String {
    match (revoked, expires) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(end)) if end <= now => format!("ended {}", end.rfc3339()),
        (None, Some(end)) => format!("live until {}", end.rfc3339()),
        (None, None) => "live".to_owned(),
    }
}
