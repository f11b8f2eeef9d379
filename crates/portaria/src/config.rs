//! Configuration: a file, the environment on top, checked before anything starts.

mod envfile;
mod instance;
mod kind;
mod settings;
mod sources;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use identity::MailLimits;
pub use instance::Instance;
pub use kind::{Kind, Setting};
pub use settings::SETTINGS;
use sources::{apply_env_file, read_file};

/// Everything that can be configured, checked.
#[derive(Clone)]
pub struct Config {
    pub listen: String,
    pub admin_token: Option<String>,
    pub signing_secret: Option<String>,
    pub database_url: Option<String>,
    pub database_connections: u32,
    pub data: PathBuf,
    pub master_key: Option<String>,
    pub allow_private_upstreams: bool,
    pub webhook_body_limit: usize,
    pub body_sizes: web::BodySizes,
    pub body_budget: web::BudgetLimits,
    pub listener: gateway::listener::ListenerLimits,
    pub queue_concurrency: usize,
    pub queue_lease: Duration,
    pub queue_poll: Duration,
    pub queue_keep_finished: Duration,
    pub queue_backoff: Duration,
    pub knowledge: knowledge::Bounds,
    /// Bytes of text of one document.
    pub document_text: usize,
    pub files: files::Rules,
    pub reading: isolation::Limits,
    /// What reads files as a child process; this program itself when there is none. Tests name the built one.
    pub reader_program: Option<PathBuf>,
    pub log_level: String,
    pub redis_url: Option<String>,
    pub webhook_token: Option<String>,
    pub public_url: Option<String>,
    pub proxies: web::TrustedProxies,
    pub rates: channels::Rates,
    pub media: channels::MediaRules,
    pub catch_up: Duration,
    pub answer_within: Duration,
    /// Mail server and sender.
    pub mailer: Option<notices::Mailer>,
    pub mail_limits: MailLimits,
    pub instance: Option<Instance>,
    pub panel_idle: Duration,
    pub panel_session: Duration,
    /// What the panel is called before somebody brands it.
    pub house_name: String,
    pub oidc: Option<oidc::Settings>,
    /// The gateway's file.
    pub gateway: Option<PathBuf>,
    /// Where a gateway by itself reaches the processes that serve this house.
    pub gateway_house: Vec<String>,
    /// The demo: letters are shown on a page, and a stand-in phone writes.
    pub demo: bool,
    values: Values,
}

/// Effective values with where each came from.
type Values = BTreeMap<&'static str, (String, String)>;

/// What is wrong with the configuration: the key, the fault, the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub key: String,
    pub fault: String,
    pub fix: String,
}

/// All that is wrong, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {}; {}", fault.key, fault.fault, fault.fix)?;
        }
        Ok(())
    }
}
impl std::error::Error for Faults {}

/// Where configuration comes from. Tests pass their own environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub env_file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// From the command line, by key; on top of everything.
    pub overrides: Vec<(&'static str, String)>,
}

/// Environment variables that commands read themselves.
const COMMAND_VARIABLES: &[&str] = &[
    "PORTARIA_CHANNEL_API_KEY",
    "PORTARIA_CHANNEL_LOGIN_PASSWORD",
    "PORTARIA_CHANNEL_SECRET",
    "PORTARIA_CHANNEL_WEBHOOK_TOKEN",
    "PORTARIA_LOADTEST_SECRET",
    "PORTARIA_LOADTEST_TOKEN",
    "PORTARIA_MODEL_API_KEY",
    "PORTARIA_FALLBACK_API_KEY",
    "PORTARIA_EMBEDDING_API_KEY",
    "PORTARIA_CONFIG",
    "PORTARIA_ENV_FILE",
];

/// The configuration, and what an `.env` file held that has no use here.
pub struct Loaded {
    pub config: Config,
    pub report: Vec<String>,
    pub warnings: Vec<String>,
}

/// Reads and checks the configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let mut values: Values = BTreeMap::new();
    let mut faults: Vec<Fault> = Vec::new();
    let mut report = Vec::new();
    if let Some(path) = &sources.file {
        read_file(path, &mut values, &mut faults);
    }
    if let Some(path) = &sources.env_file {
        match envfile::read(path) {
            Ok(pairs) => report = apply_env_file(&pairs, &mut values),
            Err(fault) => faults.push(fault),
        }
    }
    for (name, value) in &sources.environment {
        match settings::by_variable(name) {
            // An empty variable is an unset one.
            Some(_) if value.is_empty() => {}
            Some(setting) => {
                values.insert(setting.key, (value.clone(), format!("environment {name}")));
            }
            None if name.starts_with("PORTARIA_")
                && !COMMAND_VARIABLES.contains(&name.as_str()) =>
            {
                faults.push(Fault {
                    key: name.clone(),
                    fault: "unknown environment variable".to_owned(),
                    fix: "see `portaria config example` for the names, or unset it".to_owned(),
                });
            }
            None => {}
        }
    }
    for (key, value) in &sources.overrides {
        values.insert(key, (value.clone(), "command line".to_owned()));
    }
    let mut warnings = Vec::new();
    let config = build(values, &mut faults, &mut warnings);
    match config {
        Some(config) if faults.is_empty() => Ok(Loaded { config, report, warnings }),
        _ => Err(Faults(faults)),
    }
}

fn build(values: Values, faults: &mut Vec<Fault>, warnings: &mut Vec<String>) -> Option<Config> {
    for (key, (value, from)) in &values {
        let setting = settings::by_key(key)?;
        if let Some((fault, fix)) = setting.kind.check(value) {
            faults.push(Fault { key: format!("{key} ({from})"), fault, fix });
        }
        if setting.kind == Kind::Issued && value.chars().count() < 16 {
            warnings.push(format!(
                "{key} has fewer than 16 characters; a longer one is harder to guess"
            ));
        }
    }
    if !faults.is_empty() {
        return None;
    }
    let text = |key: &str| {
        values.get(key).map(|(value, _)| value.clone()).or_else(|| {
            settings::by_key(key).map(|s| s.default.to_owned()).filter(|d| !d.is_empty())
        })
    };
    let number = |key: &str| text(key).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    let size = |key: &str| usize::try_from(number(key)).unwrap_or(usize::MAX);
    let instance = match text("instance.id") {
        None => None,
        Some(id) => match id.parse::<kernel::Slug>() {
            Ok(slug) => Some(instance::read(&id, slug, &text, warnings)),
            Err(bad) => {
                faults.push(Fault {
                    key: "instance.id".to_owned(),
                    fault: bad.to_string(),
                    fix: "set it to a slug".to_owned(),
                });
                return None;
            }
        },
    };
    let idle: Vec<&str> = values
        .iter()
        // The name is the house's, too.
        .filter(|(key, _)| {
            instance.is_none() && key.starts_with("instance.") && **key != "instance.name"
        })
        .map(|(_, (_, from))| from.as_str())
        .collect();
    if !idle.is_empty() {
        warnings.push(format!(
            "without effect: {}. They set up the tenant that INSTANCE_ID (or CLIENT_ID) names, and none is \
             named; for other tenants use `portaria assistant set`",
            idle.join(", ")
        ));
    }
    let database_url = text("database.url");
    if let Some(url) = &database_url
        && !url.starts_with("postgres://")
        && !url.starts_with("postgresql://")
    {
        faults.push(Fault {
            key: "database.url".to_owned(),
            fault: "not a PostgreSQL address".to_owned(),
            fix: "postgres://user:password@host/database; leave it empty for SQLite in data.dir"
                .to_owned(),
        });
    }
    let proxies = match text("server.trusted_proxies").unwrap_or_default().parse() {
        Ok(proxies) => with_gateway(proxies, text("gateway.config").and(text("server.listen"))),
        Err(bad) => {
            let bad: web::NotANetwork = bad;
            faults.push(Fault {
                key: "server.trusted_proxies".to_owned(),
                fault: bad.to_string(),
                fix: "list addresses or networks, such as 127.0.0.1,10.0.0.0/8".to_owned(),
            });
            return None;
        }
    };
    let mailer = match (text("smtp.url"), text("smtp.from")) {
        (None, _) => None,
        (Some(url), from) => match notices::Mailer::new(&url, &from.unwrap_or_default()) {
            Ok(mailer) => Some(mailer),
            Err(bad) => {
                faults.push(Fault {
                    key: "smtp".to_owned(),
                    fault: bad.to_string(),
                    fix: "set smtp.url and smtp.from, or neither".to_owned(),
                });
                return None;
            }
        },
    };
    let public_url = text("server.public_url").map(|url| url.trim_end_matches('/').to_owned());
    if let Some(url) = &public_url
        && !url.starts_with("https://")
        && !url.starts_with("http://")
    {
        faults.push(Fault {
            key: "server.public_url".to_owned(),
            fault: "is no http or https address".to_owned(),
            fix: "write it with https://, without a path".to_owned(),
        });
    }
    let oidc = match text("oidc.enabled").as_deref() {
        Some("1" | "true") => {
            let get = |key: &str| text(key).unwrap_or_default();
            let (provider, domain, realm) =
                (get("oidc.provider"), get("oidc.domain"), get("oidc.realm"));
            let (issuer, client_id) = (get("oidc.issuer"), get("oidc.client_id"));
            let client_secret = get("oidc.client_secret");
            let tenant_claim = get("oidc.claim_mappings.tenant_id");
            let roles_claim = get("oidc.claim_mappings.roles");
            let given = oidc::Given {
                provider: &provider,
                domain: &domain,
                realm: &realm,
                issuer: &issuer,
                client_id: &client_id,
                client_secret: &client_secret,
                tenant_claim: &tenant_claim,
                roles_claim: &roles_claim,
            };
            match oidc::Settings::of(&given) {
                Ok(settings) => Some(settings),
                Err(bad) => {
                    faults.push(Fault {
                        key: bad.key.to_owned(),
                        fault: bad.fault.to_owned(),
                        fix: bad.fix.to_owned(),
                    });
                    return None;
                }
            }
        }
        _ => None,
    };
    if oidc.is_some() && public_url.is_none() {
        warnings.push(
            "oidc.enabled without server.public_url: the provider sends browsers back to the address this server listens on"
                .to_owned(),
        );
    }
    Some(Config {
        public_url,
        proxies,
        mailer,
        mail_limits: MailLimits {
            recipient: u32::try_from(number("smtp.hourly_per_recipient")).unwrap_or(u32::MAX),
            tenant: u32::try_from(number("smtp.hourly_per_tenant")).unwrap_or(u32::MAX),
        },
        rates: channels::Rates {
            sender: u32::try_from(number("webhooks.sender_messages")).unwrap_or(u32::MAX),
            ip: u32::try_from(number("webhooks.failed_calls")).unwrap_or(u32::MAX),
            window: Duration::from_secs(number("webhooks.window_seconds")),
        },
        media: channels::MediaRules {
            limit: size("media.limit"),
            types: text("media.types")
                .unwrap_or_default()
                .split(',')
                .map(|kind| kind.trim().to_ascii_lowercase())
                .filter(|kind| !kind.is_empty())
                .collect(),
        },
        answer_within: Duration::from_secs(number("channels.answer_seconds")),
        panel_idle: Duration::from_secs(3600 * number("panel.idle_hours")),
        panel_session: Duration::from_secs(86_400 * number("panel.session_days")),
        gateway: text("gateway.config").map(PathBuf::from),
        gateway_house: match text("gateway.house") {
            Some(list) => list.split(',').map(|one| one.trim().to_owned()).collect(),
            None => text("server.listen").into_iter().collect(),
        },
        house_name: text("instance.name").unwrap_or_else(|| "Portaria".to_owned()),
        oidc,
        demo: false,
        catch_up: Duration::from_secs(60 * number("channels.catch_up_minutes")),
        listen: text("server.listen")?,
        admin_token: text("server.admin_token"),
        signing_secret: text("security.signing_secret"),
        database_url,
        database_connections: u32::try_from(number("database.connections")).unwrap_or(16),
        data: PathBuf::from(text("data.dir")?),
        master_key: text("security.master_key"),
        allow_private_upstreams: matches!(
            text("security.allow_private_upstreams").as_deref(),
            Some("1" | "true")
        ),
        webhook_body_limit: size("webhooks.body_limit"),
        body_sizes: web::BodySizes {
            small: size("server.form_limit"),
            program: size("server.json_limit"),
            text: size("server.json_limit").max(8 << 20),
            upload: size("server.body_limit"),
            time: Duration::from_secs(number("server.body_seconds")),
        },
        body_budget: {
            let total = size("server.bodies_megabytes") << 20;
            let half = total / 2;
            let spooled = number("server.spool_megabytes") << 20;
            web::BudgetLimits { total, strangers: half, address: half, tenant: half, spooled }
        },
        listener: gateway::listener::ListenerLimits {
            head: 64 << 10,
            headers: 100,
            connections: size("server.connections"),
            connections_per_address: size("server.connections_per_address"),
            header_timeout: Duration::from_secs(number("server.header_seconds")),
            idle_timeout: Duration::from_secs(number("server.idle_seconds")),
            keep_alive: Duration::from_secs(number("server.keep_alive_seconds")),
        },
        queue_concurrency: size("queue.concurrency"),
        queue_lease: Duration::from_secs(number("queue.lease_seconds")),
        queue_poll: Duration::from_millis(number("queue.poll_ms")),
        queue_keep_finished: Duration::from_secs(number("queue.keep_finished_seconds")),
        queue_backoff: Duration::from_millis(number("queue.backoff_ms")),
        knowledge: knowledge::Bounds {
            document_pieces: size("knowledge.document_pieces"),
            tenant_pieces: size("knowledge.tenant_pieces"),
            tenant_text: size("knowledge.tenant_text_megabytes") << 20,
            tenant_documents: size("knowledge.tenant_documents"),
            index: size("knowledge.index_megabytes") << 20,
            idle: Duration::from_secs(number("knowledge.index_idle_seconds")),
            encoder: matches!(text("knowledge.encoder").as_deref(), Some("1" | "true")),
        },
        document_text: size("knowledge.text_megabytes") << 20,
        files: files::Rules {
            tenant: number("files.tenant_megabytes") << 20,
            sender_day: number("files.sender_megabytes_a_day") << 20,
            reserve: match number("files.reserve_megabytes") {
                0 => None,
                megabytes => Some(megabytes << 20),
            },
        },
        reading: reading(
            (number("files.read_megabytes"), number("files.read_seconds")),
            size("knowledge.text_megabytes") << 20,
            matches!(text("files.unfiltered").as_deref(), Some("1" | "true")),
        ),
        reader_program: None,
        log_level: text("log.level")?,
        redis_url: text("redis.url"),
        webhook_token: text("webhooks.token"),
        instance,
        values,
    })
}

/// The gateway of this process calls from this machine, and says who its client is.
fn with_gateway(proxies: web::TrustedProxies, listen: Option<String>) -> web::TrustedProxies {
    let Some(listen) = listen else { return proxies };
    let mut own = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let address = listen.parse::<SocketAddr>().ok().map(|address| address.ip());
    own.extend(address.filter(|ip| !ip.is_unspecified() && !ip.is_loopback()));
    proxies.and(&own)
}

/// Processor seconds without a step of progress after which reading a file ends.
const STALL: u64 = 3;

/// What children that read files may use.
fn reading((megabytes, seconds): (u64, u64), text: usize, unfiltered: bool) -> isolation::Limits {
    isolation::Limits {
        allowance: isolation::Allowance {
            memory: megabytes << 20,
            cpu: seconds,
            stall: STALL,
            input: knowledge::FILE_LIMIT as u64,
            unfiltered,
        },
        // A busy machine gives less than a second of processor time in a second.
        deadline: Duration::from_secs(3 * seconds),
        stall: Duration::from_secs(6 * STALL),
        // As JSON: marks and escapes beside the text.
        output: 3 * text + (1 << 20),
        at_once: 2,
        at_once_each: 1,
        wait: Duration::from_secs(20),
    }
}

impl Config {
    /// Letters reach people: a mail server is set, or the demo shows them.
    pub fn mails(&self) -> Option<MailLimits> {
        (self.demo || self.mailer.is_some()).then_some(self.mail_limits)
    }

    /// Each key with its effective value and where it came from; secrets as `(set)`.
    pub fn effective(&self) -> Vec<(&'static str, String, String)> {
        SETTINGS
            .iter()
            .map(|setting| {
                let (value, from) = self
                    .values
                    .get(setting.key)
                    .cloned()
                    .unwrap_or_else(|| (setting.default.to_owned(), "default".to_owned()));
                let shown = match (setting.is_secret(), value.is_empty()) {
                    (_, true) => String::new(),
                    (true, false) => "(set)".to_owned(),
                    (false, false) => value,
                };
                (setting.key, shown, from)
            })
            .collect()
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.effective().iter().map(|(k, v, _)| (k, v))).finish()
    }
}

/// The commented file, as `portaria config example` prints it.
pub fn example() -> String {
    let mut out = String::from(
        "# Portaria. Every key with its default; the environment variable on top of it is beside it.\n\
         # Uncomment what you change. `portaria config check` tells what is wrong.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        let (own, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if own != section {
            out.push_str(&format!("\n[{own}]\n"));
            section = own;
        }
        for line in setting.about.lines() {
            out.push_str(&format!("# {line}\n"));
        }
        let value = match setting.kind {
            Kind::Number { .. } | Kind::Flag => setting.default.to_owned(),
            _ => format!("\"{}\"", setting.default),
        };
        let variables = setting.variables.join(", ");
        if value.is_empty() {
            out.push_str(&format!("# {variables}\n# {name} has no default: a number\n"));
        } else {
            out.push_str(&format!("# {variables}\n# {name} = {value}\n"));
        }
    }
    out
}
