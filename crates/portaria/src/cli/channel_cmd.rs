//! `portaria channel …`

use anyhow::{Context as _, bail};
use channels::{NewChannel, Rotation};
use clap::{Args, Subcommand};
use serde_json::json;

use super::out::Out;
use super::{secret, tenant_cmd};
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum ChannelCommand {
    /// Connect a sender.
    #[command(subcommand)]
    Add(AddCommand),
    /// List a tenant's channels with their state and alarms.
    List {
        #[arg(long)]
        tenant: String,
    },
    /// Remove a channel by instance name or id.
    Remove {
        #[arg(long)]
        tenant: String,
        channel: String,
    },
    /// Replace a channel's API key or webhook token at once.
    Rotate {
        #[arg(long)]
        tenant: String,
        channel: String,
        #[command(flatten)]
        secrets: Secrets,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AddCommand {
    /// A WhatsApp number on an Evolution API v2 server.
    Evolution {
        #[arg(long)]
        tenant: String,
        /// Name of the instance on the Evolution server.
        #[arg(long)]
        instance: String,
        /// Such as `https://evolution.example.com`
        #[arg(long)]
        base_url: String,
        #[command(flatten)]
        secrets: Secrets,
    },
}

#[derive(Debug, Args)]
pub(super) struct Secrets {
    /// Evolution's `apikey`; better by --api-key-stdin or the environment.
    #[arg(long, env = "PORTARIA_CHANNEL_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Read the API key from a line of standard input.
    #[arg(long)]
    api_key_stdin: bool,
    /// What the server sends in X-Webhook-Token.
    #[arg(long, env = "PORTARIA_CHANNEL_WEBHOOK_TOKEN", hide_env_values = true)]
    webhook_token: Option<String>,
    /// Read the webhook token from a line of standard input.
    #[arg(long)]
    webhook_token_stdin: bool,
}

impl Secrets {
    fn read(self) -> anyhow::Result<(Option<String>, Option<String>)> {
        let key = secret::read("the API key", self.api_key, self.api_key_stdin)?;
        let token =
            secret::read("the webhook token", self.webhook_token, self.webhook_token_stdin)?;
        Ok((key, token))
    }
}

fn warn_short(out: &Out, token: &str) {
    if token.chars().count() < 16 {
        out.note("warning: the webhook token has fewer than 16 characters; a longer one is harder to guess");
    }
}

pub(super) async fn run(house: &House, command: ChannelCommand, out: &Out) -> anyhow::Result<()> {
    let now = house.clock.now();
    match command {
        ChannelCommand::Add(AddCommand::Evolution { tenant, instance, base_url, secrets }) => {
            let (api_key, token) = secrets.read()?;
            let api_key = api_key.context(
                "the API key is missing: --api-key, --api-key-stdin or PORTARIA_CHANNEL_API_KEY",
            )?;
            let token = token.or_else(|| house.config.webhook_token.clone()).context(
                "the webhook token is missing: --webhook-token, --webhook-token-stdin or PORTARIA_CHANNEL_WEBHOOK_TOKEN",
            )?;
            warn_short(out, &token);
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let new = NewChannel { instance, base_url, api_key, webhook_token: token };
            let mut tx = house.db.begin(tenant.id).await?;
            let channel = channels::add(&mut tx, &house.vault, &house.outbound, &new, now).await?;
            tx.commit().await?;
            out.done(
                &channel,
                &format!(
                    "Connected {} to {}. On the Evolution server set the webhook to /webhook/evolution of this \
                     server, with the header X-Webhook-Token.",
                    channel.instance, tenant.slug
                ),
            );
        }
        ChannelCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let list = channels::list(&mut tx).await?;
            let lines: Vec<String> = list
                .iter()
                .map(|c| {
                    let alarm =
                        c.alarm.as_ref().map(|a| format!("  ALARM: {a}")).unwrap_or_default();
                    format!("{}  {}  {}  {}{alarm}", c.instance, c.kind, c.state, c.base_url)
                })
                .collect();
            out.done(&list, &lines.join("\n"));
        }
        ChannelCommand::Remove { tenant, channel } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            let list = channels::remove(&mut tx, &house.vault, &channel).await?;
            tx.commit().await?;
            out.done(&json!({ "removed": list }), &tenant_cmd::removed(&list));
        }
        ChannelCommand::Rotate { tenant, channel, secrets } => {
            let (api_key, webhook_token) = secrets.read()?;
            if api_key.is_none() && webhook_token.is_none() {
                bail!(
                    "nothing to rotate: give --api-key or --webhook-token (or their -stdin forms)"
                );
            }
            if let Some(token) = &webhook_token {
                warn_short(out, token);
            }
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            let rotation = Rotation { api_key, webhook_token };
            let found = channels::rotate(&mut tx, &house.vault, &channel, &rotation, now).await?;
            tx.commit().await?;
            out.done(&found, &format!("Rotated the secrets of {}.", found.instance));
        }
    }
    Ok(())
}
