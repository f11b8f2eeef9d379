//! `portaria loadtest …`

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use messaging::Kind;

use super::out::Out;
use super::secret;
use crate::loadtest::{self, Plan};

#[derive(Debug, Subcommand)]
pub(super) enum LoadCommand {
    /// Send signed webhooks, so many at a time.
    Webhook(WebhookArgs),
}

#[derive(Debug, Args)]
pub(super) struct WebhookArgs {
    /// Such as `http://127.0.0.1:8080/webhook/whaticket`; its end tells the kind of channel.
    #[arg(long)]
    url: String,
    /// The shared secret, Meta's app secret, or Evolution's webhook token.
    #[arg(long, alias = "shared-secret", env = "PORTARIA_LOADTEST_SECRET", hide_env_values = true)]
    secret: Option<String>,
    #[arg(long)]
    secret_stdin: bool,
    /// The company domain, the instance, or the phone number id; the host of --url when left out.
    #[arg(long, alias = "instance", alias = "phone-number-id")]
    domain: Option<String>,
    /// Whaticket's X-Webhook-Token, where the channel has one.
    #[arg(long, env = "PORTARIA_LOADTEST_TOKEN", hide_env_values = true)]
    webhook_token: Option<String>,
    #[arg(long, default_value = "100")]
    requests: u64,
    #[arg(long, default_value = "100")]
    concurrency: usize,
    /// Seconds.
    #[arg(long, default_value = "15")]
    request_timeout: f64,
    #[arg(long, default_value = "Teste de carga")]
    payload_text: String,
}

pub(super) async fn run(command: LoadCommand, out: &Out) -> anyhow::Result<()> {
    let LoadCommand::Webhook(args) = command;
    let secret = secret::read("the secret", args.secret, args.secret_stdin)?
        .context("the secret is missing: --secret, --secret-stdin or PORTARIA_LOADTEST_SECRET")?;
    if args.requests == 0 || args.concurrency == 0 || args.request_timeout <= 0.0 {
        bail!("--requests, --concurrency and --request-timeout must be more than 0");
    }
    let path = args.url.split('?').next().unwrap_or_default();
    let kind = if path.ends_with("/whatsapp-cloud") {
        Kind::WhatsAppCloud
    } else if path.ends_with("/whaticket") {
        Kind::Whaticket
    } else {
        Kind::Evolution
    };
    let name = match (kind, args.domain) {
        (_, Some(name)) => name,
        // The address itself names the company.
        (Kind::Whaticket, None) => String::new(),
        (_, None) => bail!("--domain is missing: the instance's name, or the phone number id"),
    };
    let plan = Plan {
        url: args.url,
        kind,
        name,
        secret,
        token: args.webhook_token,
        requests: args.requests,
        concurrency: args.concurrency,
        timeout: Duration::from_secs_f64(args.request_timeout),
        text: args.payload_text,
        progress: !out.json,
    };
    let report = loadtest::run(plan).await?;
    out.done(&report, &loadtest::shown(&report));
    if report.failed > 0 || report.refused > 0 {
        bail!(
            "{} of {} requests were not accepted",
            report.refused + report.failed,
            report.requests
        );
    }
    Ok(())
}
