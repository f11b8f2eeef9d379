//! `portaria assistant …`

use std::time::Duration;

use anyhow::bail;
use assistant::{KeyError, KeyFate, ModelSettings, Settings, Tone};
use clap::{Args, Subcommand};
use inbox::Rules;
use kernel::text::fold_words;
use models::{ModelRef, Provider};
use serde_json::json;

use super::out::Out;
use super::secret;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum AssistantCommand {
    /// Change what is given; the rest stays.
    Set(Box<SetArgs>),
    /// Show the settings; keys are never shown.
    Show {
        #[arg(long)]
        tenant: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    #[arg(long)]
    tenant: String,
    /// openai (also Ollama, vLLM and others that speak its API), gemini, or none.
    #[arg(long)]
    provider: Option<String>,
    #[arg(long)]
    base_url: Option<String>,
    #[arg(long)]
    model: Option<String>,
    /// Better by --api-key-stdin or the environment.
    #[arg(long, env = "PORTARIA_MODEL_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    #[arg(long)]
    api_key_stdin: bool,
    /// A second model, asked when the first does not answer; none removes it.
    #[arg(long)]
    fallback_provider: Option<String>,
    #[arg(long)]
    fallback_base_url: Option<String>,
    #[arg(long)]
    fallback_model: Option<String>,
    #[arg(long, env = "PORTARIA_FALLBACK_API_KEY", hide_env_values = true)]
    fallback_api_key: Option<String>,
    #[arg(long)]
    fallback_api_key_stdin: bool,
    /// Makes vectors of the knowledge: openai, gemini, or none.
    #[arg(long)]
    embedding_provider: Option<String>,
    #[arg(long)]
    embedding_base_url: Option<String>,
    #[arg(long)]
    embedding_model: Option<String>,
    #[arg(long, env = "PORTARIA_EMBEDDING_API_KEY", hide_env_values = true)]
    embedding_api_key: Option<String>,
    #[arg(long)]
    embedding_api_key_stdin: bool,
    /// What the assistant calls itself.
    #[arg(long)]
    name: Option<String>,
    /// formal, casual or technical.
    #[arg(long)]
    tone: Option<Tone>,
    #[arg(long)]
    greeting: Option<String>,
    /// What it must and must not do, in your words.
    #[arg(long)]
    rules: Option<String>,
    #[arg(long)]
    temperature: Option<f64>,
    #[arg(long)]
    max_tokens: Option<u32>,
    /// Earlier messages a turn reads.
    #[arg(long)]
    history: Option<usize>,
    /// Send paragraphs as messages of their own.
    #[arg(long)]
    split: Option<bool>,
    /// Model that writes voice messages down; `off` leaves them to a person.
    #[arg(long)]
    speech_model: Option<String>,
    /// In which prices and budget are given, such as USD or BRL.
    #[arg(long)]
    currency: Option<String>,
    /// Price of a million tokens in and out.
    #[arg(long)]
    price_in: Option<f64>,
    #[arg(long)]
    price_out: Option<f64>,
    /// What models may cost in a calendar month; 0 asks none.
    #[arg(long)]
    monthly_budget: Option<f64>,
    /// Silence after which a burst is answered (default 4).
    #[arg(long)]
    quiet_seconds: Option<f64>,
    /// Longest wait for silence (default 20).
    #[arg(long)]
    longest_wait_seconds: Option<f64>,
    /// Phrases that ask for a person, replacing the list; repeat the flag.
    #[arg(long)]
    handoff_words: Vec<String>,
    /// Keep messages of groups; they are never answered.
    #[arg(long)]
    store_groups: Option<bool>,
}

/// What `--provider` and its companions ask for.
enum Wanted {
    Unchanged,
    None,
    Model(ModelSettings),
}

fn wanted(
    house: &House,
    flag: &str,
    given: (Option<&str>, Option<&str>, Option<&str>),
    current: Option<&ModelSettings>,
    default_model: fn(Provider) -> &'static str,
) -> anyhow::Result<Wanted> {
    let (provider, base_url, model) = given;
    if provider == Some("none") {
        return Ok(Wanted::None);
    }
    if provider.is_none() && base_url.is_none() && model.is_none() {
        return Ok(Wanted::Unchanged);
    }
    let provider = match (provider, current) {
        (Some(text), _) => text.parse::<Provider>()?,
        (None, Some(current)) => current.provider,
        (None, None) => bail!("{flag} is missing: openai, gemini or none"),
    };
    let kept = current.filter(|current| current.provider == provider);
    let address = base_url
        .map(str::to_owned)
        .or_else(|| kept.map(|c| c.base_url.clone()))
        .unwrap_or_else(|| provider.base_url().to_owned());
    let model = model
        .map(str::to_owned)
        .or_else(|| kept.map(|c| c.model.clone()))
        .unwrap_or_else(|| default_model(provider).to_owned());
    Ok(Wanted::Model(ModelSettings { provider, base_url: house.outbound.check(&address)?, model }))
}

fn seconds(flag: &str, value: f64) -> anyhow::Result<Duration> {
    if !(0.0..=300.0).contains(&value) {
        bail!("{flag}: must be 0 to 300 seconds");
    }
    Ok(Duration::from_secs_f64(value))
}

/// The settings for people to read.
fn described(settings: &Settings, key: bool, fallback_key: bool, rules: &Rules) -> String {
    let model = |model: Option<&ModelSettings>, key: bool| match model {
        None => "none".to_owned(),
        Some(m) => {
            let key = if key { "key set" } else { "no key" };
            format!("{} {} at {} ({key})", m.provider.name(), m.model, m.base_url)
        }
    };
    let or = |text: &str, empty: &str| {
        if text.trim().is_empty() { empty.to_owned() } else { text.trim().to_owned() }
    };
    let price = |price: Option<f64>| {
        price.map_or("not set".to_owned(), |p| format!("{} {p}", settings.currency))
    };
    [
        ("model", model(settings.model.as_ref(), key)),
        ("fallback", model(settings.fallback.as_ref(), fallback_key)),
        ("temperature", settings.temperature.to_string()),
        ("max tokens", settings.max_tokens.to_string()),
        ("price in, out", format!("{}, {}", price(settings.price_in), price(settings.price_out))),
        ("monthly budget", price(settings.monthly_budget)),
        ("name", or(&settings.name, "assistente virtual")),
        ("tone", format!("{:?}", settings.tone).to_lowercase()),
        ("greeting", or(&settings.greeting, "by the hour, with the business's name")),
        ("rules", or(&settings.rules, "none")),
        ("history", format!("{} messages", settings.history)),
        ("paragraphs apart", settings.split.to_string()),
        ("quiet time", format!("{} s", rules.quiet.as_secs_f64())),
        ("longest wait", format!("{} s", rules.longest_wait.as_secs_f64())),
        ("groups kept", rules.store_groups.to_string()),
        ("hand-off words", rules.handoff_words.join(", ")),
    ]
    .map(|(name, value)| format!("{name:17} {value}"))
    .join("\n")
}

pub(super) async fn run(house: &House, command: AssistantCommand, out: &Out) -> anyhow::Result<()> {
    let args = match command {
        AssistantCommand::Show { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let settings = assistant::load(&mut tx).await?;
            let rules = inbox::rules(&mut tx).await?;
            let key = house.vault.has(&mut tx, assistant::MODEL_KEY).await?;
            let fallback_key = house.vault.has(&mut tx, assistant::FALLBACK_KEY).await?;
            let value = json!({
                "assistant": settings,
                "model_key_set": key,
                "fallback_key_set": fallback_key,
                "quiet_seconds": rules.quiet.as_secs_f64(),
                "longest_wait_seconds": rules.longest_wait.as_secs_f64(),
                "handoff_words": rules.handoff_words,
                "store_groups": rules.store_groups,
            });
            out.done(&value, &described(&settings, key, fallback_key, &rules));
            return Ok(());
        }
        AssistantCommand::Set(args) => *args,
    };
    let now = house.clock.now();
    let api_key = secret::read("the model's key", args.api_key, args.api_key_stdin)?;
    let fallback_key =
        secret::read("the fallback's key", args.fallback_api_key, args.fallback_api_key_stdin)?;
    let embedding_key =
        secret::read("the embedding key", args.embedding_api_key, args.embedding_api_key_stdin)?;
    let tenant = tenancy::by_slug(&house.db, &args.tenant).await?;
    let mut tx = house.db.begin(tenant.id).await?;
    let mut settings = assistant::load(&mut tx).await?;
    let before = settings.clone();
    let model = (args.provider.as_deref(), args.base_url.as_deref(), args.model.as_deref());
    match wanted(house, "--provider", model, settings.model.as_ref(), Provider::default_model)? {
        Wanted::Unchanged => {}
        Wanted::None => settings.model = None,
        Wanted::Model(model) => settings.model = Some(model),
    }
    let fallback = (
        args.fallback_provider.as_deref(),
        args.fallback_base_url.as_deref(),
        args.fallback_model.as_deref(),
    );
    match wanted(
        house,
        "--fallback-provider",
        fallback,
        settings.fallback.as_ref(),
        Provider::default_model,
    )? {
        Wanted::Unchanged => {}
        Wanted::None => settings.fallback = None,
        Wanted::Model(model) => settings.fallback = Some(model),
    }
    macro_rules! take {
        ($($field:ident),*) => {$(
            if let Some(value) = args.$field { settings.$field = value; }
        )*};
    }
    take!(
        name,
        tone,
        greeting,
        rules,
        temperature,
        max_tokens,
        history,
        split,
        speech_model,
        currency
    );
    settings.price_in = args.price_in.or(settings.price_in);
    settings.price_out = args.price_out.or(settings.price_out);
    settings.monthly_budget = args.monthly_budget.or(settings.monthly_budget);
    settings.check()?;
    assistant::save(&mut tx, &settings, now).await?;
    let keys = [
        (assistant::MODEL_KEY, api_key, before.model, &settings.model, "--api-key-stdin"),
        (
            assistant::FALLBACK_KEY,
            fallback_key,
            before.fallback,
            &settings.fallback,
            "--fallback-api-key-stdin",
        ),
    ];
    for (name, key, before, after, flag) in keys {
        let change = (before.as_ref(), after.as_ref());
        let fate = assistant::keep_key(&mut tx, &house.vault, name, key, change, now)
            .await
            .map_err(|error| match error {
                KeyError::Settings(fault) => {
                    anyhow::Error::new(fault).context(format!("use {flag}"))
                }
                KeyError::Vault(error) => error.into(),
            })?;
        if fate == KeyFate::Removed && after.is_some() {
            out.note(&format!(
                "portaria: the key was given for another address and is removed; give the one for this \
                 address with {flag}"
            ));
        }
    }
    let embedding = (
        args.embedding_provider.as_deref(),
        args.embedding_base_url.as_deref(),
        args.embedding_model.as_deref(),
    );
    match wanted(house, "--embedding-provider", embedding, None, Provider::default_embedding_model)?
    {
        Wanted::Unchanged => {}
        Wanted::None => knowledge::set_embedding(&mut tx, &house.vault, None, now).await?,
        Wanted::Model(model) => {
            let model = ModelRef {
                provider: model.provider,
                base_url: model.base_url,
                api_key: embedding_key.unwrap_or_default(),
                model: model.model,
            };
            knowledge::set_embedding(&mut tx, &house.vault, Some(&model), now).await?;
        }
    }
    let mut rules = inbox::rules(&mut tx).await?;
    if let Some(value) = args.quiet_seconds {
        rules.quiet = seconds("--quiet-seconds", value)?;
        // The longest wait is never shorter than the silence it waits for.
        rules.longest_wait = rules.longest_wait.max(rules.quiet);
    }
    if let Some(value) = args.longest_wait_seconds {
        rules.longest_wait = seconds("--longest-wait-seconds", value)?.max(rules.quiet);
    }
    if !args.handoff_words.is_empty() {
        rules.handoff_words = args.handoff_words.iter().map(|words| fold_words(words)).collect();
    }
    rules.store_groups = args.store_groups.unwrap_or(rules.store_groups);
    inbox::set_rules(&mut tx, &rules).await?;
    tx.commit().await?;
    out.done(&settings, &format!("The assistant of {} is set.", tenant.slug));
    Ok(())
}
