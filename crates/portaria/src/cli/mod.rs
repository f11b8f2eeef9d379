//! The command line.

mod assistant_cmd;
mod channel_cmd;
mod deed;
mod domain_cmd;
mod eval_cmd;
mod gateway_cmd;
mod hook_cmd;
mod key_cmd;
mod knowledge_cmd;
mod load_cmd;
mod message_cmd;
mod out;
mod people_cmd;
mod queue_cmd;
mod secret;
mod tenant_cmd;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use assistant::Said;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use kernel::Clock;
use queue::Lane;
use serde_json::json;

use crate::config::{self, Config, Sources};
use crate::house::{House, migrations};
use crate::serve::{Role, serve};
use crate::{demo, doctor, names, storm};
pub(crate) use message_cmd::as_text as journeys_as_text;
use out::Out;
pub(crate) use out::line;
pub(crate) use people_cmd::create_operator;

/// AI reception for many businesses, from one binary.
#[derive(Debug, Parser)]
#[command(name = "portaria", version, about, after_help = EXAMPLES)]
struct Cli {
    /// Folder of files, and of the SQLite database when DATABASE_URL is not set.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file; ./portaria.toml when it is there. With `serve --role gateway`, the gateway's file
    /// when it ends in .yaml.
    #[arg(long, global = true, env = "PORTARIA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// An .env file, also of the systems that Portaria replaces.
    #[arg(long, global = true, env = "PORTARIA_ENV_FILE", value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Machine-readable output.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  portaria demo                                  two tenants, a scripted conversation, a page to try
  portaria tenant create padaria --name \"Padaria Sol\"
  portaria knowledge add --tenant padaria cardapio.md perguntas.csv
  portaria chat --tenant padaria \"Que horas vocês abrem?\"
  portaria channel add evolution --tenant padaria --instance padaria \\
      --base-url https://evolution.example.com --api-key-stdin --webhook-token TOKEN
  portaria channel connect --tenant padaria --wait 120
  portaria send --tenant padaria --to 5511987654321 \"Seu pedido está pronto.\"
  portaria journey --tenant padaria 5511987654321
  portaria serve --listen 0.0.0.0:8080
  portaria gateway check gateway.yaml
  portaria serve --role gateway --config gateway.yaml

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run two demo tenants with stand-ins for WhatsApp: nothing else is needed.
    Demo {
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: String,
        /// Stop after the scripted conversation instead of serving the page.
        #[arg(long)]
        script_only: bool,
    },
    /// Serve webhooks and the API, and work the queue.
    Serve {
        /// IP:PORT; 127.0.0.1:8080 when nothing says otherwise.
        #[arg(long)]
        listen: Option<String>,
        #[arg(long, value_enum, default_value = "all")]
        role: Role,
        /// Lanes that this process works: reply, notify, bulk.
        #[arg(long, value_delimiter = ',')]
        lanes: Vec<Lane>,
    },
    /// Ask a tenant's assistant; without TEXT, line by line.
    Chat {
        #[arg(long)]
        tenant: String,
        text: Option<String>,
    },
    /// Create, list and steer tenants.
    #[command(subcommand)]
    Tenant(tenant_cmd::TenantCommand),
    /// Connect senders.
    #[command(subcommand)]
    Channel(channel_cmd::ChannelCommand),
    /// Send one text or template.
    Send(message_cmd::SendArgs),
    /// Show every state that a message, or a person's latest messages, passed.
    Journey(message_cmd::JourneyArgs),
    /// Addresses of integrators that are told of events.
    #[command(subcommand)]
    Webhook(hook_cmd::HookCommand),
    /// What a tenant's assistant knows.
    #[command(subcommand)]
    Knowledge(knowledge_cmd::KnowledgeCommand),
    /// Who a tenant's assistant is.
    #[command(subcommand)]
    Assistant(assistant_cmd::AssistantCommand),
    /// Keys to the API.
    #[command(subcommand)]
    Apikey(key_cmd::KeyCommand),
    /// Who runs this installation.
    #[command(subcommand)]
    Operator(people_cmd::OperatorCommand),
    /// Who belongs to a tenant's team.
    #[command(subcommand)]
    User(people_cmd::UserCommand),
    /// Jobs that wait, and those that were given up.
    #[command(subcommand)]
    Queue(queue_cmd::QueueCommand),
    /// Put load on a running server, and print rates and percentiles.
    #[command(subcommand)]
    Loadtest(load_cmd::LoadCommand),
    /// Run the whole server against stand-ins that misbehave, kill it again and again, and compare its
    /// ledger with the truth. Fails on any loss, double or leak.
    Storm {
        #[arg(long, default_value = "1")]
        seed: u64,
        /// A fraction will do; ends within a minute more.
        #[arg(long, default_value = "1")]
        minutes: f64,
        /// Keep the temporary folder.
        #[arg(long)]
        keep: bool,
    },
    /// Hosts of tenants: whose they are, what they are for.
    #[command(subcommand)]
    Domain(domain_cmd::DomainCommand),
    /// The gateway in front of everything.
    #[command(subcommand)]
    Gateway(gateway_cmd::GatewayCommand),
    /// Measure retrieval and answers on a question set.
    #[command(subcommand)]
    Eval(eval_cmd::EvalCommand),
    /// Show and check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring the database up to date (also done by every start).
    Migrate {
        /// Print what an administrator runs when the database login may not create roles.
        #[arg(long)]
        print_role_sql: bool,
    },
    /// Read one file from standard input under limits, for a process of this program.
    #[command(hide = true)]
    ReadFile(knowledge_cmd::ReadArgs),
    /// Look whether this installation is sound.
    Doctor {
        #[command(subcommand)]
        what: Option<DoctorCommand>,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a commented portaria.toml.
    Example,
    /// Say what is wrong with the configuration, if anything.
    Check,
    /// Print the effective values and where they come from; secrets as (set).
    Show,
    /// Print what became of every name of the five systems.
    Names {
        #[arg(long)]
        markdown: bool,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print what each role may do, as Markdown.
    Roles,
}

#[derive(Debug, Subcommand)]
enum DoctorCommand {
    /// Prove with two throw-away tenants that nobody sees another's facts.
    Isolation,
    /// Look whether people can sign in at the identity provider.
    Oidc,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let matches = Cli::command().get_matches();
    let deed = deed::Deed::of(&matches);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Command::ReadFile(args) = cli.command {
        // Before any thread, file or variable of this installation is touched.
        return knowledge::serve(args.into());
    }
    // What is written here holds conversations and what opens accounts: it is this user's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let out = Out { json: cli.json };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            out.error(&anyhow::anyhow!("cannot start threads: {cause}"));
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(dispatch(cli, deed, &out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(1)
        }
    }
}

fn sources(cli: &Cli) -> Sources {
    let here = PathBuf::from("portaria.toml");
    let mut overrides = Vec::new();
    if let Some(data) = &cli.data {
        overrides.push(("data.dir", data.display().to_string()));
    }
    if let Command::Serve { listen: Some(listen), .. } = &cli.command {
        overrides.push(("server.listen", listen.clone()));
    }
    if let Some(file) = cli.config.as_deref().filter(|file| gateway_cmd::is_gateway_file(file)) {
        overrides.push(("gateway.config", file.display().to_string()));
    }
    let given = cli.config.clone().filter(|file| !gateway_cmd::is_gateway_file(file));
    Sources {
        file: given.or_else(|| here.exists().then_some(here)),
        env_file: cli.env_file.clone(),
        environment: std::env::vars().collect(),
        overrides,
    }
}

fn configure(cli: &Cli, out: &Out) -> anyhow::Result<Config> {
    let loaded = config::load(&sources(cli))?;
    for line in &loaded.report {
        out.note(&format!("env file: {line}"));
    }
    for warning in &loaded.warnings {
        out.note(&format!("warning: {warning}"));
    }
    let level = match loaded.config.log_level.as_str() {
        "error" => tracing::Level::ERROR,
        "warn" => tracing::Level::WARN,
        "debug" => tracing::Level::DEBUG,
        _ => tracing::Level::INFO,
    };
    // One-off commands say what they did; only long-running ones keep a log.
    let long = matches!(
        cli.command,
        Command::Serve { .. } | Command::Gateway(gateway_cmd::GatewayCommand::Upgrade)
    );
    telemetry::init_logs(if long { level } else { tracing::Level::ERROR });
    Ok(loaded.config)
}

async fn dispatch(cli: Cli, deed: Option<deed::Deed>, out: &Out) -> anyhow::Result<()> {
    match &cli.command {
        Command::Config(command) => return show_config(&cli, command, out).await,
        Command::Eval(command) => return eval_cmd::run(command, out).await,
        Command::Gateway(command @ gateway_cmd::GatewayCommand::Check { .. }) => {
            return gateway_cmd::run(command, out);
        }
        Command::Demo { listen, script_only } => {
            telemetry::init_logs(tracing::Level::ERROR);
            return demo::run(listen, *script_only).await;
        }
        Command::Storm { seed, minutes, keep } => {
            telemetry::init_logs(tracing::Level::ERROR);
            return blow(*seed, *minutes, *keep, out).await;
        }
        _ => {}
    }
    let cli = match cli.command {
        Command::Loadtest(command) => return load_cmd::run(command, out).await,
        command => Cli { command, ..cli },
    };
    let config = configure(&cli, out)?;
    if let Command::Migrate { print_role_sql: true } = &cli.command {
        return print_roles(&config, out);
    }
    let upgrade = matches!(&cli.command, Command::Gateway(_));
    if upgrade || matches!(&cli.command, Command::Serve { role: Role::Gateway, .. }) {
        let file = config.gateway.clone().context(
            "a gateway needs its file: --config FILE.yaml, or gateway.config in portaria.toml",
        )?;
        // The gateway's file alone needs no database; beside portaria.toml it serves tenants' domains, too.
        let alone = cli.config.as_deref().is_some_and(gateway_cmd::is_gateway_file);
        if alone && config.data.join("portaria.db").exists() {
            out.note("note: this gateway runs on its file alone; to serve the domains of the house in this data folder, name the file by gateway.config in portaria.toml and start with --config portaria.toml");
        }
        let house = if alone { None } else { Some(House::open(config, Clock::System).await?) };
        return gateway_cmd::serve(&file, house, upgrade).await;
    }
    let house = House::open(config, Clock::System).await?;
    let done = run_command(cli.command, &house, out).await;
    if let Some(deed) = deed
        && let Err(error) = deed.note(&house, done.is_ok()).await
    {
        // The deed is done: to fail now would have it done twice.
        out.note(&format!("warning: the audit trail was not written: {error}"));
    }
    done
}

async fn run_command(command: Command, house: &House, out: &Out) -> anyhow::Result<()> {
    match command {
        Command::Loadtest(_) => Ok(()),
        Command::Serve { role, lanes, .. } => run_server(house.clone(), role, &lanes).await,
        Command::Chat { tenant, text } => chat(house, &tenant, text, out).await,
        Command::Tenant(command) => tenant_cmd::run(house, command, out).await,
        Command::Domain(command) => domain_cmd::run(house, command, out).await,
        Command::Channel(command) => channel_cmd::run(house, command, out).await,
        Command::Send(args) => message_cmd::send(house, args, out).await,
        Command::Journey(args) => message_cmd::journey(house, args, out).await,
        Command::Webhook(command) => hook_cmd::run(house, command, out).await,
        Command::Knowledge(command) => knowledge_cmd::run(house, command, out).await,
        Command::Assistant(command) => assistant_cmd::run(house, command, out).await,
        Command::Apikey(command) => key_cmd::run(house, command, out).await,
        Command::Operator(command) => people_cmd::operator(house, command, out).await,
        Command::User(command) => people_cmd::user(house, command, out).await,
        Command::Queue(command) => queue_cmd::run(house, command, out).await,
        Command::Migrate { .. } => {
            let version = db::schema_version(&migrations());
            out.done(
                &json!({ "schema": version, "engine": house.db.engine().name() }),
                &format!("The database is at schema {version}."),
            );
            Ok(())
        }
        Command::Doctor { what } => {
            let checks = match what {
                None => doctor::general(house).await,
                Some(DoctorCommand::Oidc) => doctor::oidc(house).await,
                Some(DoctorCommand::Isolation) => doctor::isolation(house).await?,
            };
            out.checks(&checks)
        }
        Command::Config(_)
        | Command::Eval(_)
        | Command::Gateway(_)
        | Command::Demo { .. }
        | Command::ReadFile(_)
        | Command::Storm { .. } => Ok(()),
    }
}

async fn blow(seed: u64, minutes: f64, keep: bool, out: &Out) -> anyhow::Result<()> {
    if !(0.05..=1440.0).contains(&minutes) {
        anyhow::bail!("--minutes must be 0.05 to 1440");
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a storm runs beside any installation, not in it"
    )]
    let database_url = std::env::var("PORTARIA_STORM_DATABASE_URL").ok();
    let plan = storm::Plan {
        seed,
        length: std::time::Duration::from_secs_f64(minutes * 60.0),
        database_url,
        keep,
    };
    let say = |line: &str| out.note(line);
    // An interrupted storm ends its server and removes its folder.
    let report = tokio::select! {
        report = storm::run(&plan, &say) => report?,
        stopped = stop_signal() => {
            stopped?;
            anyhow::bail!("the storm was interrupted; it said nothing about this build");
        }
    };
    out.done(&report, &storm::shown(&report));
    if !report.passed {
        anyhow::bail!("the storm was not weathered; seed {seed} shows it again");
    }
    Ok(())
}

fn print_roles(config: &Config, out: &Out) -> anyhow::Result<()> {
    let url =
        config.database_url.as_deref().context("DATABASE_URL is not set: SQLite needs no roles")?;
    let url = url::Url::parse(&url.replacen("postgresql+psycopg2", "postgresql", 1))
        .context("DATABASE_URL is not readable")?;
    let login = if url.username().is_empty() { "postgres" } else { url.username() };
    out.text(&db::print_role_sql(url.path().trim_start_matches('/'), login));
    Ok(())
}

async fn show_config(cli: &Cli, command: &ConfigCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Example => out.text(&config::example()),
        ConfigCommand::Check => {
            let loaded = config::load(&sources(cli))?;
            out.done(
                &json!({ "ok": true, "env_file": loaded.report, "warnings": loaded.warnings }),
                &[loaded.report, loaded.warnings, vec!["The configuration is sound.".to_owned()]]
                    .concat()
                    .join("\n"),
            );
        }
        ConfigCommand::Show => {
            let loaded = config::load(&sources(cli))?;
            let rows = loaded.config.effective();
            let lines: Vec<String> =
                rows.iter().map(|(k, v, from)| format!("{k} = {v}  ({from})")).collect();
            let json: serde_json::Map<String, serde_json::Value> = rows
                .into_iter()
                .map(|(k, v, from)| (k.to_owned(), json!({ "value": v, "from": from })))
                .collect();
            out.done(&json, &lines.join("\n"));
        }
        ConfigCommand::Names { markdown: true } => out.text(&names::page()),
        ConfigCommand::Names { markdown: false } => {
            let lines: Vec<String> = names::NAMES
                .iter()
                .map(|n| {
                    format!(
                        "{:10} {:9} {}: {} {}",
                        n.guide, n.kind, n.name, n.status, n.replacement
                    )
                })
                .collect();
            out.done(&*names::NAMES, &lines.join("\n"));
        }
        ConfigCommand::Roles => out.text(&roles_page()),
        ConfigCommand::Openapi => {
            let loaded = config::load(&sources(cli))?;
            let house = House::open(loaded.config, Clock::System).await?;
            out.text(&format!("{:#}\n", crate::http::openapi(&house)));
        }
    }
    Ok(())
}

/// `docs/roles.md`: a test holds it to the table in the code.
fn roles_page() -> String {
    format!(
        "# Who may do what\n\n\
         People belong to a business with one role; a person may belong to several. Made by\n\
         `portaria config roles` from the one table in the code, which pages and API routes ask by type.\n\n\
         {}\n\
         Operators run the installation and belong to no business by that. They enter one only by support access: with a\n\
         reason, for four hours at most, as an administrator who makes no keys and invites nobody, in sight of the business\n\
         and in its audit trail.\n\n\
         Only owners make and remove owners, and a business keeps at least one.\n",
        identity::role_table()
    )
}

async fn run_server(house: House, role: Role, lanes: &[Lane]) -> anyhow::Result<()> {
    tasks::watch_panics();
    let metrics = telemetry::init_metrics().map_err(anyhow::Error::msg)?;
    let lanes = if lanes.is_empty() { Lane::ALL.to_vec() } else { lanes.to_vec() };
    let serving = serve(house, role, &lanes, Some(metrics)).await?;
    match serving.address {
        Some(address) => out::line(&format!("portaria listens on http://{address}")),
        None => out::line("portaria works the queue"),
    }
    stop_signal().await?;
    serving.stop().await;
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = term.recv() => {}
        done = tokio::signal::ctrl_c() => done?,
    }
    Ok(())
}

async fn chat(house: &House, slug: &str, text: Option<String>, out: &Out) -> anyhow::Result<()> {
    let tenant = tenancy::by_slug(&house.db, slug).await?;
    let context = house.contexts.get(tenant.id).await?.context("the tenant is gone")?;
    let single = text.is_some();
    let mut lines = std::io::stdin().lines();
    let mut next = text;
    loop {
        let text = match next.take() {
            Some(text) => text,
            None => match lines.next() {
                Some(line) => line?,
                None => return Ok(()),
            },
        };
        if !text.trim().is_empty() {
            let said =
                Said::from(house.answerer.chat(&house.db, &context, text.trim(), false).await?);
            for failed in &said.models_failed {
                out.note(&format!(
                    "portaria: the model {} gave no usable answer ({}); see `portaria assistant show`",
                    failed.model, failed.outcome
                ));
            }
            if said.answer.is_empty() {
                out.note("portaria: the assistant says nothing to this");
            }
            let sources: Vec<String> =
                said.sources.iter().map(|s| format!("  fonte: {}", s.title)).collect();
            out.done(&said, &[vec![said.answer.clone()], sources].concat().join("\n"));
        }
        if single {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
