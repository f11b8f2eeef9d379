//! `portaria channel …`

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use channels::{Channel, NewChannel, NewLogin, Paired, Rotation};
use clap::{Args, Subcommand};
use kernel::Phone;
use messaging::{Kind, LinkState};
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
    /// Pair the phone: prints a QR code, or a code to type for --number.
    Connect {
        #[command(flatten)]
        which: Which,
        /// The phone's number with its country code: asks for a code to type instead.
        #[arg(long)]
        number: Option<Phone>,
        /// Wait until the phone is paired, up to so many seconds, with a new code when one runs out.
        #[arg(long, value_name = "SECONDS", default_value = "0")]
        wait: u64,
    },
    /// Ask the provider how a channel stands.
    Status {
        #[command(flatten)]
        which: Which,
    },
    /// End the pairing with the phone.
    Logout {
        #[command(flatten)]
        which: Which,
    },
    /// List messages without a final state, the oldest first.
    Unsettled {
        #[arg(long)]
        tenant: String,
    },
    /// Remove a channel by instance name or id.
    Remove {
        #[arg(long)]
        tenant: String,
        channel: String,
    },
    /// Replace a channel's key, token or secret at once.
    Rotate {
        #[arg(long)]
        tenant: String,
        channel: String,
        #[command(flatten)]
        secrets: Secrets,
        /// Make a webhook token and show it. The one before holds a day more.
        #[arg(long, conflicts_with_all = ["webhook_token", "webhook_token_stdin"])]
        new_webhook_token: bool,
        /// The webhook token before ends now: it was given away.
        #[arg(long)]
        at_once: bool,
        /// Whaticket's shared secret, Meta's app secret.
        #[arg(long, env = "PORTARIA_CHANNEL_SECRET", hide_env_values = true)]
        secret: Option<String>,
    },
}

/// A channel of a tenant.
#[derive(Debug, Args)]
pub(super) struct Which {
    #[arg(long)]
    tenant: String,
    /// Its id, or the provider's name of it; may be left out where the tenant has one channel.
    channel: Option<String>,
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
    /// A company on a Whaticket server.
    Whaticket {
        #[arg(long)]
        tenant: String,
        /// As its webhooks name it in X-Company-Domain, or in Host.
        #[arg(long)]
        domain: String,
        /// Such as `https://api.example.com`, with or without /api/messages/send
        #[arg(long)]
        base_url: String,
        /// The static token: `userApiToken` of the settings, or the token of the connection.
        #[arg(long, env = "PORTARIA_CHANNEL_API_KEY", hide_env_values = true)]
        token: Option<String>,
        #[arg(long)]
        token_stdin: bool,
        /// What webhooks are signed with.
        #[arg(long, env = "PORTARIA_CHANNEL_SECRET", hide_env_values = true)]
        shared_secret: Option<String>,
        #[arg(long)]
        shared_secret_stdin: bool,
        /// What webhooks also carry in X-Webhook-Token; not needed.
        #[arg(long, env = "PORTARIA_CHANNEL_WEBHOOK_TOKEN", hide_env_values = true)]
        webhook_token: Option<String>,
        /// Login of servers that take a login's token for sending, instead of --token.
        #[arg(long)]
        login_email: Option<String>,
        #[arg(long, env = "PORTARIA_CHANNEL_LOGIN_PASSWORD", hide_env_values = true)]
        login_password: Option<String>,
        /// Which connection sends, on servers of the community version that have several.
        #[arg(long)]
        whatsapp_id: Option<u64>,
        /// Do not ask the server whether it takes the token.
        #[arg(long)]
        skip_probe: bool,
    },
    /// A number of Meta's WhatsApp Cloud API.
    WhatsappCloud {
        #[arg(long)]
        tenant: String,
        /// As Meta shows it beside the number.
        #[arg(long)]
        phone_number_id: String,
        /// Token of a system user with whatsapp_business_messaging.
        #[arg(long, env = "PORTARIA_CHANNEL_API_KEY", hide_env_values = true)]
        access_token: Option<String>,
        #[arg(long)]
        access_token_stdin: bool,
        /// The app's secret: webhooks are signed with it.
        #[arg(long, env = "PORTARIA_CHANNEL_SECRET", hide_env_values = true)]
        app_secret: Option<String>,
        #[arg(long)]
        app_secret_stdin: bool,
        /// What Meta asks with when the webhook is set up; your own choice.
        #[arg(long, env = "PORTARIA_CHANNEL_WEBHOOK_TOKEN", hide_env_values = true)]
        verify_token: Option<String>,
        #[arg(long, default_value = "https://graph.facebook.com")]
        base_url: String,
        /// The WhatsApp business account; learned from the first webhook when left out.
        #[arg(long)]
        business_account_id: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Secrets {
    /// Evolution's `apikey`, Whaticket's token, Meta's access token; better by --api-key-stdin or the environment.
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

fn warn_short(out: &Out, what: &str, token: &str) {
    let least = channels::WEBHOOK_TOKEN;
    if !token.is_empty() && token.chars().count() < least {
        out.note(&format!(
            "warning: {what} has fewer than {least} characters; a longer one is harder to guess"
        ));
    }
}

impl AddCommand {
    /// The tenant, the channel, whether its server is asked, and what is left to do by hand.
    fn read(self, house: &House) -> anyhow::Result<(String, NewChannel, bool, String)> {
        match self {
            Self::Evolution { tenant, instance, base_url, secrets } => {
                let (api_key, token) = secrets.read()?;
                let api_key = api_key.context(
                    "the API key is missing: --api-key, --api-key-stdin or PORTARIA_CHANNEL_API_KEY",
                )?;
                let given = token.or_else(|| house.config.webhook_token.clone());
                let made = given.is_none().then(tenancy::fresh_token);
                let token = given.or_else(|| made.clone()).unwrap_or_default();
                let new = NewChannel::evolution(&instance, &base_url, &api_key, &token);
                let made = made.map_or_else(String::new, |token| {
                    format!("Its webhook token, made just now and shown this once: {token}\n")
                });
                let then = "Pair the phone with `portaria channel connect`; where PORTARIA_PUBLIC_URL is not set, \
                     also set the webhook on the Evolution server to /webhook/evolution of this server, with the \
                     header X-Webhook-Token.";
                Ok((tenant, new, false, format!("{made}{then}")))
            }
            Self::Whaticket {
                tenant,
                domain,
                base_url,
                token,
                token_stdin,
                shared_secret,
                shared_secret_stdin,
                webhook_token,
                login_email,
                login_password,
                whatsapp_id,
                skip_probe,
            } => {
                let token = secret::read("the token", token, token_stdin)?.unwrap_or_default();
                let secret = secret::read("the shared secret", shared_secret, shared_secret_stdin)?;
                let secret = secret.context(
                    "the shared secret is missing: --shared-secret, --shared-secret-stdin or PORTARIA_CHANNEL_SECRET",
                )?;
                let login = match (login_email, login_password) {
                    (Some(email), Some(password)) => Some(NewLogin { email, password }),
                    (None, None) => None,
                    _ => bail!("a login needs both --login-email and --login-password"),
                };
                let new = NewChannel {
                    kind: Kind::Whaticket,
                    instance: domain,
                    base_url,
                    api_key: token,
                    webhook_token: webhook_token.unwrap_or_default(),
                    secret,
                    login,
                    account: whatsapp_id.map(|id| id.to_string()),
                };
                let then = "Let webhooks go to /webhook/whaticket of this server, signed in X-Signature and \
                     X-Timestamp, with the header X-Company-Domain.";
                Ok((tenant, new, !skip_probe, then.to_owned()))
            }
            Self::WhatsappCloud {
                tenant,
                phone_number_id,
                access_token,
                access_token_stdin,
                app_secret,
                app_secret_stdin,
                verify_token,
                base_url,
                business_account_id,
            } => {
                let access = secret::read("the access token", access_token, access_token_stdin)?;
                let secret = secret::read("the app secret", app_secret, app_secret_stdin)?;
                let new = NewChannel {
                    kind: Kind::WhatsAppCloud,
                    instance: phone_number_id,
                    base_url,
                    api_key: access.context(
                        "the access token is missing: --access-token, --access-token-stdin or PORTARIA_CHANNEL_API_KEY",
                    )?,
                    webhook_token: verify_token.filter(|t| !t.is_empty()).context(
                        "the verify token is missing: --verify-token or PORTARIA_CHANNEL_WEBHOOK_TOKEN",
                    )?,
                    secret: secret.context(
                        "the app secret is missing: --app-secret, --app-secret-stdin or PORTARIA_CHANNEL_SECRET",
                    )?,
                    login: None,
                    account: business_account_id,
                };
                let then = "In Meta's app set the webhook to /webhook/whatsapp-cloud of this server with the verify \
                     token, and subscribe to messages, message_template_status_update, \
                     phone_number_quality_update and account_update.";
                Ok((tenant, new, false, then.to_owned()))
            }
        }
    }
}

/// One line for a channel.
fn line(channel: &Channel) -> String {
    let mut line = format!(
        "{}  {}  {}  {}",
        channel.instance,
        channel.kind,
        channel.state.name(),
        channel.base_url
    );
    if let Some(number) = &channel.own_number {
        line.push_str(&format!("  +{number}"));
    }
    if let Some(reason) = &channel.state_reason {
        line.push_str(&format!("  ({reason})"));
    }
    if let Some(alarm) = &channel.alarm {
        line.push_str(&format!("  ALARM: {alarm}"));
    }
    line
}

/// A text as a QR code of a terminal.
fn drawn(text: &str) -> Option<String> {
    let code = qrcode::QrCode::new(text).ok()?;
    Some(code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build())
}

fn paired_text(paired: &Paired) -> String {
    let mut lines = Vec::new();
    match paired.state {
        LinkState::Connected => lines.push("The channel is connected.".to_owned()),
        _ => match (&paired.code, paired.text.as_deref().and_then(drawn), &paired.qr) {
            (Some(code), ..) => lines.push(format!(
                "On the phone: WhatsApp, linked devices, link with phone number, then type {code}"
            )),
            (None, Some(picture), _) => {
                lines.push(
                    "On the phone: WhatsApp, linked devices, link a device, then read this:"
                        .to_owned(),
                );
                lines.push(picture);
            }
            (None, None, Some(qr)) => {
                lines.push(format!("Open this picture and read it with the phone: {qr}"));
            }
            (None, None, None) => {
                lines.push("The server gave no code; try again in a moment.".to_owned());
            }
        },
    }
    if !paired.webhook_set && paired.state != LinkState::Connected {
        lines.push(
            "The webhook was not set: PORTARIA_PUBLIC_URL is missing. Set it on the server by hand to \
             /webhook/evolution with the header X-Webhook-Token."
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// The channel that is meant.
pub(super) async fn named(
    house: &House,
    tenant: kernel::TenantId,
    name: Option<String>,
) -> anyhow::Result<String> {
    if let Some(name) = name {
        return Ok(name);
    }
    let mut tx = house.db.read(tenant).await?;
    let list = channels::list(&mut tx).await?;
    match list.as_slice() {
        [one] => Ok(one.id.to_string()),
        [] => bail!("this tenant has no channel; add one with `portaria channel add`"),
        more => {
            let names: Vec<&str> = more.iter().map(|c| c.instance.as_str()).collect();
            bail!(
                "this tenant has several channels; name one (its id or name): {}",
                names.join(", ")
            )
        }
    }
}

async fn connect(
    house: &House,
    which: Which,
    number: Option<Phone>,
    wait: u64,
    out: &Out,
) -> anyhow::Result<()> {
    let tenant = tenancy::by_slug(&house.db, &which.tenant).await?;
    let name = named(house, tenant.id, which.channel).await?;
    let number = number.as_ref().map(Phone::digits);
    let mut paired = house.manage.connect(tenant.id, &name, number).await??;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(wait);
    let mut shown = tokio::time::Instant::now();
    out.done(&paired, &paired_text(&paired));
    while paired.state != LinkState::Connected && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let status = house.manage.status(tenant.id, &name).await?;
        if status.channel.state == LinkState::Connected {
            out.done(&status, &line(&status.channel));
            return Ok(());
        }
        // A code lives some 40 seconds.
        if shown.elapsed() > Duration::from_secs(40) {
            paired = house.manage.connect(tenant.id, &name, number).await??;
            shown = tokio::time::Instant::now();
            out.done(&paired, &paired_text(&paired));
        }
    }
    if wait > 0 && paired.state != LinkState::Connected {
        bail!("the phone was not paired in {wait} seconds");
    }
    Ok(())
}

pub(super) async fn run(house: &House, command: ChannelCommand, out: &Out) -> anyhow::Result<()> {
    let now = house.clock.now();
    match command {
        ChannelCommand::Add(command) => {
            let (slug, new, probe, then) = command.read(house)?;
            warn_short(out, "the webhook token", &new.webhook_token);
            warn_short(out, "the secret", &new.secret);
            let tenant = tenancy::by_slug(&house.db, &slug).await?;
            let channel = house.manage.add(tenant.id, &new, probe).await?;
            if let Some(alarm) = &channel.alarm {
                out.note(&format!("warning: {alarm}"));
            }
            out.done(&channel, &format!("Added {} to {}. {then}", channel.instance, tenant.slug));
        }
        ChannelCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let list = channels::list(&mut tx).await?;
            let lines: Vec<String> = list.iter().map(line).collect();
            out.done(&list, &lines.join("\n"));
        }
        ChannelCommand::Connect { which, number, wait } => {
            connect(house, which, number, wait, out).await?;
        }
        ChannelCommand::Status { which } => {
            let tenant = tenancy::by_slug(&house.db, &which.tenant).await?;
            let name = named(house, tenant.id, which.channel).await?;
            let status = house.manage.status(tenant.id, &name).await?;
            if let Some(cause) = &status.not_reached {
                out.note(&format!("portaria: {cause}; what was known before is shown"));
            }
            out.done(&status, &line(&status.channel));
            // What is shown may not hold any more: a script is to know.
            anyhow::ensure!(status.not_reached.is_none(), "the provider did not say how it stands");
        }
        ChannelCommand::Logout { which } => {
            let tenant = tenancy::by_slug(&house.db, &which.tenant).await?;
            let name = named(house, tenant.id, which.channel).await?;
            let channel = house.manage.logout(tenant.id, &name).await??;
            out.done(&channel, &line(&channel));
        }
        ChannelCommand::Unsettled { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let list = inbox::unsettled(&mut tx, now, 1000).await?;
            let lines: Vec<String> = list
                .iter()
                .map(|open| {
                    format!(
                        "{}  {}  {} since {}",
                        open.message,
                        open.direction,
                        open.state,
                        open.since.rfc3339()
                    )
                })
                .collect();
            let text = if lines.is_empty() { "none".to_owned() } else { lines.join("\n") };
            out.done(&list, &text);
        }
        ChannelCommand::Remove { tenant, channel } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            let list = channels::remove(&mut tx, &house.vault, &channel).await?;
            tx.commit().await?;
            out.done(&json!({ "removed": list }), &tenant_cmd::removed(&list));
        }
        ChannelCommand::Rotate { tenant, channel, secrets, new_webhook_token, at_once, secret } => {
            let (api_key, given) = secrets.read()?;
            let made = new_webhook_token.then(tenancy::fresh_token);
            let webhook_token = made.clone().or(given);
            if api_key.is_none() && webhook_token.is_none() && secret.is_none() {
                bail!(
                    "nothing to rotate: give --api-key, --webhook-token (or their -stdin forms), \
                     --new-webhook-token or --secret"
                );
            }
            warn_short(out, "the webhook token", webhook_token.as_deref().unwrap_or_default());
            warn_short(out, "the secret", secret.as_deref().unwrap_or_default());
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            let replaced = webhook_token.is_some();
            let rotation = Rotation { api_key, webhook_token, secret, at_once };
            let found = channels::rotate(&mut tx, &house.vault, &channel, &rotation, now).await?;
            tx.commit().await?;
            let mut said = format!("Rotated the secrets of {}.", found.instance);
            if let Some(token) = &made {
                let _ = write!(said, "\nThe new webhook token, shown this once: {token}");
            }
            if replaced && !at_once {
                said.push_str("\nThe webhook token before holds for 24 hours more.");
            }
            let mut shown = json!(found);
            if let Some(token) = made {
                shown["webhook_token"] = json!(token);
            }
            out.done(&shown, &said);
        }
    }
    Ok(())
}
