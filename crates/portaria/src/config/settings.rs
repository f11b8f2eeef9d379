//! The one table of settings: keys, variables, defaults, bounds, and what they are for.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    Address,
    Number {
        least: u64,
        most: u64,
    },
    Real {
        least: f64,
        most: f64,
    },
    Flag,
    OneOf(&'static [&'static str]),
    /// A secret of ours: at least 16 characters.
    Secret,
    /// A secret that somebody else issued: any text, a short one is warned about.
    Issued,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub key: &'static str,
    /// Environment variables that set it; the first is ours, the others are what guides call it.
    pub variables: &'static [&'static str],
    pub default: &'static str,
    pub kind: Kind,
    pub about: &'static str,
}

impl Setting {
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Issued)
            || matches!(self.key, "database.url" | "redis.url" | "smtp.url")
    }
}

impl Kind {
    /// The fault of a value and its fix, if it has one.
    pub(super) fn check(self, value: &str) -> Option<(String, String)> {
        let bad = |fault: &str, fix: String| Some((fault.to_owned(), fix));
        match self {
            Self::Text => None,
            Self::Address => {
                if value.parse::<std::net::SocketAddr>().is_err() {
                    return bad(
                        "is no address",
                        "write IP:PORT, such as 127.0.0.1:8080".to_owned(),
                    );
                }
                None
            }
            Self::Number { least, most } => match value.parse::<u64>() {
                Ok(n) if (least..=most).contains(&n) => None,
                _ => bad("is out of range", format!("use a whole number from {least} to {most}")),
            },
            Self::Real { least, most } => match value.parse::<f64>() {
                Ok(n) if (least..=most).contains(&n) => None,
                _ => bad("is out of range", format!("use a number from {least} to {most}")),
            },
            Self::Flag => {
                if ["0", "1", "true", "false"].contains(&value) {
                    return None;
                }
                bad("is neither true nor false", "use true, false, 1 or 0".to_owned())
            }
            Self::OneOf(list) => {
                if list.contains(&value) {
                    return None;
                }
                bad("is not one of the allowed values", format!("use {}", list.join(", ")))
            }
            Self::Secret => {
                let length = value.chars().count();
                if length >= 16 {
                    return None;
                }
                let fault = format!("is a weak secret of {length} characters");
                Some((
                    fault,
                    "use 16 or more, such as the output of `openssl rand -hex 32`".to_owned(),
                ))
            }
            Self::Issued => {
                if value.is_empty() {
                    return bad("is empty", "set it, or leave it out".to_owned());
                }
                None
            }
        }
    }
}

const fn number(least: u64, most: u64) -> Kind {
    Kind::Number { least, most }
}

/// Every setting, by section.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "server.listen",
        variables: &["PORTARIA_LISTEN"],
        default: "127.0.0.1:8080",
        kind: Kind::Address,
        about: "Address and port to serve on. Behind a proxy keep loopback; in a container use 0.0.0.0:8080.",
    },
    Setting {
        key: "server.admin_token",
        variables: &["PORTARIA_ADMIN_TOKEN"],
        default: "",
        kind: Kind::Secret,
        about: "The operator's token for /v1/tenants, /v1/queue and for acting for a tenant.\nWithout it these routes stay shut.",
    },
    Setting {
        key: "server.public_url",
        variables: &["PORTARIA_PUBLIC_URL"],
        default: "",
        kind: Kind::Text,
        about: "Where providers reach this server, such as https://portaria.example.com. With it `channel connect`\ntells an Evolution server where to send its events.",
    },
    Setting {
        key: "server.trusted_proxies",
        variables: &["PORTARIA_TRUSTED_PROXIES"],
        default: "",
        kind: Kind::Text,
        about: "Networks of proxies in front, such as 127.0.0.1/32,10.0.0.0/8: only their X-Forwarded-For is believed.",
    },
    Setting {
        key: "server.body_limit",
        variables: &["PORTARIA_BODY_LIMIT"],
        default: "31457280",
        kind: number(65_536, 1_073_741_824),
        about: "Bytes of a request to /v1 at most (413 above). Documents come as base64: a third more than the file.",
    },
    Setting {
        key: "gateway.config",
        variables: &["PORTARIA_GATEWAY_CONFIG"],
        default: "",
        kind: Kind::Text,
        about: "The gateway's own file, in YAML (docs/gateway.md). With it `serve` listens as a gateway, too.",
    },
    Setting {
        key: "gateway.house",
        variables: &["PORTARIA_GATEWAY_HOUSE"],
        default: "",
        kind: Kind::Text,
        about: "Where a gateway by itself (--role gateway) reaches this house: HOST:PORT, several with commas; server.listen when empty.",
    },
    Setting {
        key: "data.dir",
        variables: &["PORTARIA_DATA"],
        default: "./data",
        kind: Kind::Text,
        about: "Folder of files: the master key, media, and the SQLite database when database.url is not set.",
    },
    Setting {
        key: "database.url",
        variables: &["PORTARIA_DATABASE_URL", "DATABASE_URL"],
        default: "",
        kind: Kind::Text,
        about: "postgres://user:password@host:5432/name of PostgreSQL 15 or newer. Empty: SQLite in data.dir.",
    },
    Setting {
        key: "database.connections",
        variables: &["PORTARIA_DATABASE_CONNECTIONS"],
        default: "16",
        kind: number(2, 500),
        about: "PostgreSQL connections of one process at most.",
    },
    Setting {
        key: "security.master_key",
        variables: &["PORTARIA_MASTER_KEY"],
        default: "",
        kind: Kind::Secret,
        about: "Key that seals every tenant's secrets. Empty: made on first start in data.dir/master.key, mode 0600.\nKeep a copy elsewhere: without it sealed secrets are lost.",
    },
    Setting {
        key: "security.signing_secret",
        variables: &["PORTARIA_SIGNING_SECRET", "JWT_SECRET"],
        default: "",
        kind: Kind::Secret,
        about: "Read for environments of earlier systems, and not used: sessions are random, and kept as hashes only.",
    },
    Setting {
        key: "security.allow_private_upstreams",
        variables: &["PORTARIA_ALLOW_PRIVATE_UPSTREAMS"],
        default: "false",
        kind: Kind::Flag,
        about: "Lets providers (Evolution, models) be on loopback or private networks. Otherwise such\naddresses are refused, so that a tenant cannot make this server call its own network.",
    },
    Setting {
        key: "security.whaticket_secret",
        variables: &["PORTARIA_WHATICKET_SECRET", "SHARED_SECRET"],
        default: "",
        kind: Kind::Issued,
        about: "Secret by which the Whaticket server of the instance's tenant signs webhooks.",
    },
    Setting {
        key: "webhooks.body_limit",
        variables: &["PORTARIA_WEBHOOK_BODY_LIMIT"],
        default: "33554432",
        kind: number(65_536, 1_073_741_824),
        about: "Bytes of a webhook at most (413 above, and the channel shows an alarm).",
    },
    Setting {
        key: "webhooks.token",
        variables: &["PORTARIA_WEBHOOK_TOKEN", "WEBHOOK_TOKEN_OPTIONAL"],
        default: "",
        kind: Kind::Issued,
        about: "Webhook token of channels that are added without one of their own.",
    },
    Setting {
        key: "webhooks.sender_messages",
        variables: &["PORTARIA_WEBHOOK_SENDER_MESSAGES", "WEBHOOK_RATE_LIMIT_NUMBER"],
        default: "120",
        kind: number(1, 1_000_000),
        about: "Messages of one sender of one tenant that a window takes (429 above; the others' are taken).",
    },
    Setting {
        key: "webhooks.failed_calls",
        variables: &["PORTARIA_WEBHOOK_FAILED_CALLS", "WEBHOOK_RATE_LIMIT_IP"],
        default: "60",
        kind: number(1, 1_000_000),
        about: "Calls of one address that may fail in a window (429 above). Authentic calls are never counted:\none server may speak for many tenants.",
    },
    Setting {
        key: "webhooks.window_seconds",
        variables: &[
            "PORTARIA_WEBHOOK_WINDOW_SECONDS",
            "RATE_LIMIT_WINDOW_SECONDS",
            "RATE_LIMIT_TTL",
        ],
        default: "60",
        kind: number(1, 86_400),
        about: "The window of both limits above.",
    },
    Setting {
        key: "media.limit",
        variables: &["PORTARIA_MEDIA_LIMIT"],
        default: "26214400",
        kind: number(1024, 1_073_741_824),
        about: "Bytes of a contact's file at most; a larger one is not kept, and the message says so.",
    },
    Setting {
        key: "media.types",
        variables: &["PORTARIA_MEDIA_TYPES"],
        default: "image/*,audio/*,video/*,text/plain,text/csv,text/vcard,application/pdf,application/zip,application/msword,application/vnd.openxmlformats-officedocument.wordprocessingml.document,application/vnd.ms-excel,application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,application/vnd.ms-powerpoint,application/vnd.openxmlformats-officedocument.presentationml.presentation",
        kind: Kind::Text,
        about: "Types of contacts' files that are kept, divided by commas; image/* stands for a family.",
    },
    Setting {
        key: "channels.catch_up_minutes",
        variables: &["PORTARIA_CATCH_UP_MINUTES"],
        default: "15",
        kind: number(1, 1440),
        about: "How often a channel's provider is asked for messages that no webhook brought, where it can be asked.",
    },
    Setting {
        key: "channels.answer_seconds",
        variables: &["PORTARIA_CHANNEL_ANSWER_SECONDS"],
        default: "20",
        kind: number(1, 120),
        about: "How long a channel's provider may take to answer a call. After that nobody knows whether a message left.",
    },
    Setting {
        key: "smtp.url",
        variables: &["PORTARIA_SMTP_URL"],
        default: "",
        kind: Kind::Text,
        about: "Mail server: smtps://user:password@mail.example.com, or smtp://host:587?tls=required. Empty: no e-mail is sent.",
    },
    Setting {
        key: "smtp.from",
        variables: &["PORTARIA_SMTP_FROM"],
        default: "",
        kind: Kind::Text,
        about: "Sender of e-mails, such as Portaria <portaria@example.com>.",
    },
    Setting {
        key: "panel.idle_hours",
        variables: &["PORTARIA_PANEL_IDLE_HOURS"],
        default: "72",
        kind: number(1, 8760),
        about: "A session of the panel ends after this long without use.",
    },
    Setting {
        key: "panel.session_days",
        variables: &["PORTARIA_PANEL_SESSION_DAYS"],
        default: "30",
        kind: number(1, 365),
        about: "A session of the panel ends after this long, used or not.",
    },
    Setting {
        key: "oidc.enabled",
        variables: &["PORTARIA_OIDC_ENABLED"],
        default: "false",
        kind: Kind::Flag,
        about: "People may sign in at an identity provider (OpenID Connect). `portaria doctor oidc` looks whether it works.",
    },
    Setting {
        key: "oidc.provider",
        variables: &["PORTARIA_OIDC_PROVIDER"],
        default: "generic",
        kind: Kind::OneOf(&["keycloak", "auth0", "generic"]),
        about: "Which one. auth0: the issuer is https://{domain}/. keycloak: https://{domain}/realms/{realm}, or issuer for versions before 17.\ngeneric: issuer as it is.",
    },
    Setting {
        key: "oidc.domain",
        variables: &["PORTARIA_OIDC_DOMAIN"],
        default: "",
        kind: Kind::Text,
        about: "Host of Keycloak or Auth0, such as auth.example.com.",
    },
    Setting {
        key: "oidc.realm",
        variables: &["PORTARIA_OIDC_REALM"],
        default: "",
        kind: Kind::Text,
        about: "Keycloak's realm.",
    },
    Setting {
        key: "oidc.issuer",
        variables: &["PORTARIA_OIDC_ISSUER"],
        default: "",
        kind: Kind::Text,
        about: "The issuer, to the letter, as the discovery document names it.",
    },
    Setting {
        key: "oidc.client_id",
        variables: &["PORTARIA_OIDC_CLIENT_ID"],
        default: "",
        kind: Kind::Text,
        about: "The client at the provider; its redirect address is {server.public_url}/painel/oidc/volta.",
    },
    Setting {
        key: "oidc.client_secret",
        variables: &["PORTARIA_OIDC_CLIENT_SECRET"],
        default: "",
        kind: Kind::Issued,
        about: "The client's secret.",
    },
    Setting {
        key: "oidc.claim_mappings.tenant_id",
        variables: &["PORTARIA_OIDC_TENANT_CLAIM"],
        default: "tenant_id",
        kind: Kind::Text,
        about: "Dotted path of the claim that names the tenant by its slug; a text or a list.",
    },
    Setting {
        key: "oidc.claim_mappings.roles",
        variables: &["PORTARIA_OIDC_ROLES_CLAIM"],
        default: "roles",
        kind: Kind::Text,
        about: "Dotted path of the claim with roles, such as realm_access.roles: owner, admin, attendant (or member), viewer; operator runs the house.",
    },
    Setting {
        key: "queue.concurrency",
        variables: &["PORTARIA_QUEUE_CONCURRENCY"],
        default: "32",
        kind: number(1, 1024),
        about: "Jobs that one process runs at once.",
    },
    Setting {
        key: "queue.lease_seconds",
        variables: &["PORTARIA_QUEUE_LEASE_SECONDS"],
        default: "20",
        kind: number(1, 3600),
        about: "A worker silent for this long loses its jobs to another.",
    },
    Setting {
        key: "queue.poll_ms",
        variables: &["PORTARIA_QUEUE_POLL_MS"],
        default: "1000",
        kind: number(10, 60_000),
        about: "Longest wait between looks at the queue, in milliseconds. Wake-ups make it rare.",
    },
    Setting {
        key: "queue.keep_finished_seconds",
        variables: &["PORTARIA_QUEUE_KEEP_FINISHED_SECONDS"],
        default: "3600",
        kind: number(0, 31_536_000),
        about: "Finished jobs are pruned after this long. Dead letters stay until you remove them.",
    },
    Setting {
        key: "queue.backoff_ms",
        variables: &["PORTARIA_QUEUE_BACKOFF_MS"],
        default: "2000",
        kind: number(1, 600_000),
        about: "Wait before the first retry; doubles each time up to ten minutes, with jitter.",
    },
    Setting {
        key: "knowledge.index_megabytes",
        variables: &["PORTARIA_INDEX_MEGABYTES"],
        default: "256",
        kind: number(1, 1_048_576),
        about: "Memory of all tenants' search indexes together; the least recently used are dropped.",
    },
    Setting {
        key: "knowledge.index_idle_seconds",
        variables: &["PORTARIA_INDEX_IDLE_SECONDS"],
        default: "600",
        kind: number(1, 31_536_000),
        about: "An index that nobody asked for this long is dropped and built again when needed.",
    },
    Setting {
        key: "log.level",
        variables: &["PORTARIA_LOG"],
        default: "info",
        kind: Kind::OneOf(&["error", "warn", "info", "debug"]),
        about: "error, warn, info or debug.",
    },
    Setting {
        key: "redis.url",
        variables: &["PORTARIA_REDIS_URL", "REDIS_URL"],
        default: "",
        kind: Kind::Text,
        about: "redis://[:password@]host:6379/0. Nothing needs it on one node. /healthz watches it, and gateways whose file has a cluster without an address share by it.",
    },
    Setting {
        key: "instance.id",
        variables: &["PORTARIA_INSTANCE_ID", "INSTANCE_ID", "CLIENT_ID", "VITE_INSTANCE_ID"],
        default: "",
        kind: Kind::Text,
        about: "A dedicated instance: `serve` makes this tenant with its defaults, once.",
    },
    Setting {
        key: "instance.name",
        variables: &["PORTARIA_INSTANCE_NAME", "INSTANCE_CLIENT_NAME", "VITE_INSTANCE_CLIENT_NAME"],
        default: "",
        kind: Kind::Text,
        about: "The instance's tenant as customers see it.",
    },
    Setting {
        key: "instance.domain",
        variables: &["PORTARIA_INSTANCE_DOMAIN"],
        default: "",
        kind: Kind::Text,
        about: "The domain by which Whaticket webhooks name the instance's tenant (X-Company-Domain); its id when empty.",
    },
    Setting {
        key: "instance.site_domain",
        variables: &["PORTARIA_INSTANCE_SITE_DOMAIN", "DOMAIN_WEBSITE"],
        default: "",
        kind: Kind::Text,
        about: "Domain of the instance's site, served by the gateway.",
    },
    Setting {
        key: "instance.api_domain",
        variables: &["PORTARIA_INSTANCE_API_DOMAIN", "DOMAIN_API"],
        default: "",
        kind: Kind::Text,
        about: "Domain of the instance's API and webhooks; it serves no pages.",
    },
    Setting {
        key: "instance.panel_domain",
        variables: &["PORTARIA_INSTANCE_PANEL_DOMAIN", "DOMAIN_DASHBOARD"],
        default: "",
        kind: Kind::Text,
        about: "Domain of the instance's panel.",
    },
    Setting {
        key: "instance.panel_api_domain",
        variables: &["PORTARIA_INSTANCE_PANEL_API_DOMAIN", "DOMAIN_DASH_API"],
        default: "",
        kind: Kind::Text,
        about: "A second domain of the instance's API, as programs beside its panel know it.",
    },
    Setting {
        key: "instance.whatsapp_api_url",
        variables: &["PORTARIA_WHATSAPP_API_URL", "WHATSAPP_API_URL"],
        default: "",
        kind: Kind::Text,
        about: "Whaticket server of the instance's tenant, with or without /api/messages/send.",
    },
    Setting {
        key: "instance.whatsapp_token",
        variables: &["PORTARIA_WHATSAPP_TOKEN", "WHATSAPP_BEARER_TOKEN"],
        default: "",
        kind: Kind::Issued,
        about: "Static token of that server; sealed on first start.",
    },
    Setting {
        key: "instance.whaticket_email",
        variables: &["PORTARIA_WHATICKET_EMAIL", "WHATICKET_JWT_EMAIL"],
        default: "",
        kind: Kind::Text,
        about: "Login of servers that take the login's token for sending; used when there is no static token.",
    },
    Setting {
        key: "instance.whaticket_password",
        variables: &["PORTARIA_WHATICKET_PASSWORD", "WHATICKET_JWT_PASSWORD"],
        default: "",
        kind: Kind::Issued,
        about: "Password of that login; sealed on first start.",
    },
    Setting {
        key: "instance.llm_provider",
        variables: &["PORTARIA_LLM_PROVIDER", "LLM_PROVIDER"],
        default: "",
        kind: Kind::OneOf(&["openai", "gemini"]),
        about: "Model provider of the instance's tenant: openai or gemini. Empty: whichever has a key.",
    },
    Setting {
        key: "instance.llm_model",
        variables: &["PORTARIA_LLM_MODEL", "LLM_MODEL"],
        default: "",
        kind: Kind::Text,
        about: "Model of the instance's tenant.",
    },
    Setting {
        key: "instance.llm_temperature",
        variables: &["PORTARIA_LLM_TEMPERATURE", "LLM_TEMPERATURE"],
        default: "",
        kind: Kind::Real { least: 0.0, most: 2.0 },
        about: "0 to 2.",
    },
    Setting {
        key: "instance.llm_max_tokens",
        variables: &["PORTARIA_LLM_MAX_TOKENS", "LLM_MAX_TOKENS"],
        default: "",
        kind: number(16, 4096),
        about: "Tokens of an answer at most.",
    },
    Setting {
        key: "instance.gemini_api_key",
        variables: &["PORTARIA_GEMINI_API_KEY", "GEMINI_API_KEY"],
        default: "",
        kind: Kind::Issued,
        about: "Gemini key of the instance's tenant; sealed on first start.",
    },
    Setting {
        key: "instance.openai_api_key",
        variables: &["PORTARIA_OPENAI_API_KEY", "OPENAI_API_KEY"],
        default: "",
        kind: Kind::Issued,
        about: "OpenAI key of the instance's tenant. Makes embeddings when Gemini answers.",
    },
    Setting {
        key: "instance.context_messages",
        variables: &["PORTARIA_CONTEXT_MESSAGES", "CONTEXT_MAX_MESSAGES"],
        default: "",
        kind: number(0, 50),
        about: "Earlier messages that a turn reads.",
    },
];

pub(super) fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

pub(super) fn by_variable(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.variables.contains(&name))
}

/// The known key that shares the longest start with an unknown one.
pub(super) fn nearest(key: &str) -> &'static str {
    let common = |other: &str| key.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    SETTINGS.iter().map(|s| s.key).max_by_key(|other| common(other)).unwrap_or("server.listen")
}
