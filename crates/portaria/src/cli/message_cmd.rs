//! `portaria send` and `portaria journey`.

use anyhow::{Context as _, bail};
use channels::{MessageIn, TemplateIn};
use clap::Args;
use db::TenantTx;
use inbox::Journey;
use kernel::{MessageId, Phone};

use super::out::Out;
use crate::house::House;

/// A text to one number.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    #[arg(long)]
    tenant: String,
    /// A phone number with its country code.
    #[arg(long)]
    to: String,
    /// The channel's id or the provider's name of it, where the tenant has several.
    #[arg(long)]
    channel: Option<String>,
    /// An approved template instead of a text.
    #[arg(long, requires = "language", conflicts_with = "text")]
    template: Option<String>,
    /// Language of the template, such as `pt_BR`
    #[arg(long)]
    language: Option<String>,
    text: Option<String>,
}

/// What became of a message, or of a person's latest messages.
#[derive(Debug, Args)]
pub(super) struct JourneyArgs {
    #[arg(long)]
    tenant: String,
    /// A message's id, or a phone number with its country code.
    what: String,
    /// Messages of a person, the newest first.
    #[arg(long, default_value = "10")]
    limit: usize,
}

pub(super) async fn send(house: &House, args: SendArgs, out: &Out) -> anyhow::Result<()> {
    let tenant = tenancy::by_slug(&house.db, &args.tenant).await?;
    let template = match (args.template, args.language) {
        (Some(name), Some(language)) => {
            Some(TemplateIn { name, language, components: serde_json::json!([]) })
        }
        _ => None,
    };
    if template.is_none() && args.text.is_none() {
        bail!("give the text, or --template with --language");
    }
    let message = MessageIn {
        to: Some(args.to),
        channel: args.channel,
        text: args.text,
        template,
        ..MessageIn::default()
    };
    let now = house.clock.now();
    let posted = house
        .sender
        .post(&house.db, &tenant, now, &message)
        .await
        .map_err(|problem| anyhow::anyhow!("{}", problem.detail()))?;
    let text = format!(
        "{} is {}. What becomes of it: portaria journey --tenant {} {}",
        posted.message, posted.state, tenant.slug, posted.message
    );
    out.done(&posted, &text);
    Ok(())
}

pub(super) async fn journey(house: &House, args: JourneyArgs, out: &Out) -> anyhow::Result<()> {
    let tenant = tenancy::by_slug(&house.db, &args.tenant).await?;
    let mut tx = house.db.read(tenant.id).await?;
    let journeys = if let Ok(id) = args.what.parse::<MessageId>() {
        let found = inbox::journey(&mut tx, id).await?;
        vec![found.context("no such message")?]
    } else {
        let phone: Phone = args
            .what
            .parse()
            .context("neither a message's id nor a phone number with its country code")?;
        inbox::journeys_of_phone(&mut tx, &phone, args.limit).await?
    };
    if journeys.is_empty() {
        bail!("no message of this number");
    }
    let text = as_text(&mut tx, &journeys).await?;
    out.done(&journeys, &text);
    Ok(())
}

/// Journeys as a person reads them, each answer below what it answers.
pub(crate) async fn as_text(tx: &mut TenantTx, journeys: &[Journey]) -> anyhow::Result<String> {
    let mut text: Vec<String> = Vec::new();
    for journey in journeys {
        text.push(shown(journey));
        // What answered it, below it.
        for step in journey.steps.iter().filter(|step| step.state == "answered") {
            let Some(id) = step.detail.as_deref().and_then(|id| id.parse().ok()) else { continue };
            let listed = journeys.iter().any(|other| other.message == id);
            if !listed && let Some(answer) = inbox::journey(tx, id).await? {
                text.push(shown(&answer));
            }
        }
    }
    Ok(text.join("\n\n"))
}

fn shown(journey: &Journey) -> String {
    let arrow = if journey.direction == "in" { "in  <-" } else { "out ->" };
    let mut lines = vec![format!(
        "{arrow} {} {} ({}), {}",
        journey.author, journey.content, journey.state, journey.message
    )];
    for step in &journey.steps {
        let mut line = format!("  {}  {}", step.at.rfc3339(), step.state);
        for more in [&step.code, &step.detail].into_iter().flatten() {
            line.push_str(&format!("  {more}"));
        }
        lines.push(line);
    }
    lines.join("\n")
}
