//! What the compiler does not hold: arrows between rooms, module docs, sizes, where SQL may be.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Which room may depend on which. Arrows point down only.
const EDGES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("telemetry", &[]),
    ("tasks", &[]),
    ("db", &["kernel", "tasks"]),
    ("queue", &["db", "kernel", "tasks"]),
    ("tenancy", &["db", "kernel", "queue"]),
    ("gateway", &["kernel"]),
    ("acme", &["kernel"]),
    ("cluster", &[]),
    ("outlook", &[]),
    ("isolation", &["kernel"]),
    ("files", &["db", "kernel", "tenancy"]),
    ("domains", &["acme", "db", "kernel", "tenancy", "web"]),
    ("traffic", &["db", "kernel", "web"]),
    ("messaging", &["kernel"]),
    ("understanding", &["kernel"]),
    ("embedding", &[]),
    ("models", &["kernel", "messaging"]),
    ("sandbox", &["kernel"]),
    ("ui", &["kernel"]),
    ("oidc", &["kernel", "messaging"]),
    ("passkeys", &[]),
    ("identity", &["db", "kernel", "tenancy"]),
    (
        "panel",
        &[
            "assistant",
            "channels",
            "db",
            "identity",
            "inbox",
            "kernel",
            "knowledge",
            "messaging",
            "models",
            "notices",
            "oidc",
            "passkeys",
            "tenancy",
            "traffic",
            "ui",
            "web",
        ],
    ),
    ("web", &["db", "kernel", "tenancy"]),
    ("hooks", &["db", "kernel", "messaging", "queue", "tenancy", "web"]),
    ("inbox", &["db", "hooks", "kernel", "queue", "tenancy", "understanding", "web"]),
    (
        "knowledge",
        &[
            "db",
            "embedding",
            "files",
            "isolation",
            "kernel",
            "messaging",
            "models",
            "queue",
            "tenancy",
            "understanding",
            "web",
        ],
    ),
    ("notices", &["db", "identity", "inbox", "kernel", "queue", "tenancy", "web"]),
    (
        "assistant",
        &[
            "db",
            "files",
            "inbox",
            "kernel",
            "knowledge",
            "messaging",
            "models",
            "queue",
            "tenancy",
            "understanding",
            "web",
        ],
    ),
    ("channels", &["db", "files", "inbox", "kernel", "messaging", "queue", "tenancy", "web"]),
];

/// Files that may see rows of all tenants, each with its reason.
const SYSTEM: &[(&str, &str)] = &[
    ("crates/bench/src/desk.rs", "makes the person who looks"),
    ("crates/channels/src/locate.rs", "finding the channel of a webhook, the house's list"),
    ("crates/db/src/engine.rs", "defines it"),
    (
        "crates/domains/src/certificates.rs",
        "certificates belong to hosts, also to those of no tenant",
    ),
    ("crates/domains/src/store.rs", "the gateway serves the hosts of all tenants"),
    ("crates/identity/src/mail.rs", "letters belong to people, not to a tenant"),
    ("crates/identity/src/membership.rs", "invitations to a tenant that is gone"),
    ("crates/identity/src/person.rs", "people belong to several tenants"),
    ("crates/identity/src/session.rs", "a cookie names no tenant"),
    ("crates/panel/src/account.rs", "one's own account"),
    ("crates/panel/src/api.rs", "finding out who calls"),
    ("crates/panel/src/audit_page.rs", "the house's own trail"),
    ("crates/panel/src/brand.rs", "the house's brand, and a tenant's before sign-in"),
    ("crates/panel/src/desk.rs", "who may attend"),
    ("crates/panel/src/door.rs", "finding out who looks"),
    ("crates/notices/src/mail.rs", "letters belong to people, not to a tenant"),
    ("crates/panel/src/gateway_page.rs", "gateways belong to the house"),
    ("crates/panel/src/home.rs", "support stays, which the house keeps"),
    ("crates/portaria/src/cli/deed.rs", "the console's trail, also of tenants that are gone"),
    ("crates/panel/src/inbox_page.rs", "names of the team"),
    ("crates/panel/src/letters.rs", "invitations and resets"),
    ("crates/panel/src/links.rs", "invitations and resets"),
    ("crates/panel/src/oidc_page.rs", "sign-in at an identity provider"),
    ("crates/panel/src/machines.rs", "machine tokens belong to the house"),
    ("crates/panel/src/operator.rs", "operator's pages"),
    ("crates/panel/src/operators.rs", "who runs the house"),
    ("crates/panel/src/prove.rs", "proving who one is, at the own account"),
    ("crates/panel/src/sign_in.rs", "sign-in"),
    ("crates/panel/src/passkey_page.rs", "sign-in by passkey"),
    ("crates/panel/src/team.rs", "the people of a team"),
    ("crates/portaria/src/cli/people_cmd.rs", "operators and invitations"),
    ("crates/portaria/src/demo/customer.rs", "people of the demo"),
    ("crates/portaria/src/trail.rs", "programs in the audit trail, also the house's own"),
    ("crates/hooks/src/store.rs", "pruning"),
    ("crates/queue/src/admin.rs", "operator lists"),
    ("crates/queue/src/store.rs", "claiming jobs"),
    ("crates/queue/src/steps.rs", "the clock is of all jobs"),
    ("crates/tenancy/src/apikey.rs", "finding the tenant of a key"),
    ("crates/tenancy/src/machine.rs", "machine tokens belong to the house"),
    ("crates/tenancy/src/store.rs", "operator lists, finding a tenant by its slug"),
    (
        "crates/tenancy/src/vault.rs",
        "the probe of the master key belongs to the database, not to a tenant",
    ),
    ("crates/traffic/src/store.rs", "gateways serve the hosts of all tenants"),
    ("crates/web/src/cors.rs", "a preflight names no tenant"),
    ("crates/web/src/idempotency.rs", "pruning"),
];

/// Files over 600 lines, each with its reason.
const LONG: &[(&str, &str)] =
    &[("crates/portaria/src/config/settings.rs", "one table, and nothing else")];

/// Files with SQL beside the `store.rs` files, each with its reason.
const SQL: &[&str] = &[
    "crates/domains/src/certificates.rs",
    "crates/assistant/src/settings.rs",
    // A million rows: by the house itself they would take an hour.
    "crates/bench/src/channels.rs",
    "crates/bench/src/desk.rs",
    "crates/channels/src/alarm.rs",
    "crates/channels/src/kept.rs",
    "crates/channels/src/keys.rs",
    "crates/channels/src/locate.rs",
    "crates/assistant/src/budget.rs",
    "crates/identity/src/audit.rs",
    "crates/identity/src/link.rs",
    "crates/identity/src/mail.rs",
    "crates/identity/src/membership.rs",
    "crates/identity/src/passkey.rs",
    "crates/identity/src/person.rs",
    "crates/identity/src/provider.rs",
    "crates/identity/src/second.rs",
    "crates/identity/src/session.rs",
    "crates/identity/src/support.rs",
    "crates/inbox/src/desk.rs",
    "crates/inbox/src/resolution.rs",
    "crates/inbox/src/figures.rs",
    "crates/inbox/src/handoff.rs",
    "crates/inbox/src/ids.rs",
    "crates/inbox/src/journey.rs",
    "crates/inbox/src/list.rs",
    "crates/inbox/src/media.rs",
    "crates/inbox/src/merge.rs",
    "crates/inbox/src/outgoing.rs",
    "crates/inbox/src/people.rs",
    "crates/inbox/src/phone.rs",
    "crates/inbox/src/receive.rs",
    "crates/inbox/src/send.rs",
    "crates/inbox/src/settle.rs",
    "crates/inbox/src/turn.rs",
    "crates/knowledge/src/sources.rs",
    "crates/knowledge/src/versions.rs",
    "crates/panel/src/brand.rs",
    "crates/portaria/src/doctor.rs",
    // A name from before names were looked at.
    "crates/portaria/src/storm/attacks.rs",
    "crates/queue/src/admin.rs",
    "crates/queue/src/steps.rs",
    "crates/tenancy/src/apikey.rs",
    "crates/tenancy/src/machine.rs",
    "crates/tenancy/src/vault.rs",
    "crates/web/src/cors.rs",
    "crates/web/src/idempotency.rs",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    edges(&mut faults)?;
    let mut files = Vec::new();
    collect(Path::new("crates"), &mut files)?;
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        let name = file.to_string_lossy().replace('\\', "/");
        check(&name, &text, &mut faults);
    }
    if faults.is_empty() {
        eprintln!("tidy: {} files in order", files.len());
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("{} faults", faults.len())
}

fn check(name: &str, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > 600 && !LONG.iter().any(|(file, _)| *file == name) {
        faults.push(format!("{name} has {lines} lines: split it, or list it with a reason"));
    }
    if !text.starts_with("//!") {
        faults.push(format!("{name} does not start with `//!`: say what it is for"));
    }
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let test = name.contains("/tests/")
            || name.starts_with("crates/xtask")
            || name.starts_with("crates/testkit");
        if line.contains("#[should_panic]") && !test {
            faults.push(format!("{at}: assert on the error instead of #[should_panic]"));
        }
        if (name.starts_with("crates/panel/src") || name.starts_with("crates/ui/src"))
            && let Some(text) = one_language(line)
        {
            faults.push(format!("{at}: `{text}` is said in one language; use lang.t(…, …)"));
        }
        let system = line.contains("begin_system(") || line.contains("read_system(");
        if system && !test && !SYSTEM.iter().any(|(file, _)| *file == name) {
            faults.push(format!(
                "{at}: SystemTx sees all tenants; use TenantTx, or list the file with a reason"
            ));
        }
        let sql = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "]
            .iter()
            .any(|verb| line.contains(&format!("\"{verb}")));
        let allowed = name.ends_with("/store.rs")
            || name.starts_with("crates/db/")
            || test
            || SQL.contains(&name);
        if sql && !allowed {
            faults.push(format!("{at}: SQL belongs into store.rs"));
        }
    }
}

/// A text of a page that stands there in one language only: a bare literal within an element, or as an attribute
/// that people read. Names that are the same everywhere pass.
fn one_language(line: &str) -> Option<&str> {
    const SAME: [&str; 6] = ["WhatsApp", "whatsappId", "QR", "https://", "Enter", "Esc"];
    let line = line.trim_start();
    if line.starts_with("//") {
        return None;
    }
    let read = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() > 1;
    for mark in ["{ \"", "placeholder=\"", "aria-label=\"", "title=\"", "alt=\""] {
        let mut rest = line;
        while let Some(at) = rest.find(mark) {
            let text = rest[at + mark.len()..].split('"').next().unwrap_or_default();
            let after = rest[at + mark.len() + text.len()..].trim_start_matches('"').trim_start();
            // In an element a literal is followed by the element's end or by more of it, in code by an operator.
            // Classes and ids are put together in braces, too.
            let value = rest[..at].ends_with('=');
            let shown = mark != "{ \"" || (!value && after.starts_with(['}', '(', '@']));
            let kept =
                SAME.iter().any(|same| text.starts_with(same)) || text.contains(['{', '/', '_']);
            let page = line.contains("html!")
                || line.contains("(lang.t(")
                || line.starts_with(|c: char| c.is_ascii_lowercase())
                    && !line.contains("let ")
                    && !line.contains("=>")
                    && !line.contains("if ")
                    && !line.contains("match ");
            if shown && read(text) && !kept && page {
                return Some(text);
            }
            rest = &rest[at + mark.len()..];
        }
    }
    None
}

fn edges(faults: &mut Vec<String>) -> anyhow::Result<()> {
    let rooms: Vec<&str> = EDGES.iter().map(|(room, _)| *room).collect();
    for (room, allowed) in EDGES {
        let path = format!("crates/{room}/Cargo.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let section = text.split("[dependencies]").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        for line in section.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if rooms.contains(&name) && !allowed.contains(&name) {
                faults.push(format!("{path}: {room} may not depend on {name}"));
            }
        }
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
