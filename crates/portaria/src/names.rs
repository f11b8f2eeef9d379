//! Every name of the five systems that Portaria replaces, and what became of it here.
//!
//! `--env-file`, `doctor` and `docs/coming-from.md` read this one table.

use std::sync::LazyLock;

/// One name of one guide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Name {
    pub guide: &'static str,
    /// `endpoint`, `variable`, `config`, `header`, `command`, `metric`, `event`, `field`, `port`,
    /// `file` or `interface`.
    pub kind: &'static str,
    pub name: &'static str,
    /// `kept`, `alias of`, `replaced by`, `no meaning here` or `comes later`.
    pub status: &'static str,
    pub replacement: &'static str,
    pub reason: &'static str,
}

/// The table, in the order of the guides.
pub static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    include_str!("../data/names.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Name {
                guide: cells.next()?,
                kind: cells.next()?,
                name: cells.next()?,
                status: cells.next()?,
                replacement: cells.next()?,
                reason: cells.next()?,
            })
        })
        .collect()
});

/// What became of a variable. Pattern rows such as `CONTEXT_*` count for the names they cover.
pub fn variable(name: &str) -> Option<&'static Name> {
    let variables = || NAMES.iter().filter(|row| row.kind == "variable");
    variables().find(|row| row.name == name).or_else(|| {
        variables()
            .find(|row| row.name.strip_suffix('*').is_some_and(|start| name.starts_with(start)))
    })
}

/// The page `docs/coming-from.md`, whole.
pub fn page() -> String {
    let mut out = String::from(
        "# Coming from another system\n\n\
         Portaria replaces five systems. Every endpoint, variable, header, command and metric that their\n\
         guides name stands here with what became of it. The table is made from\n\
         `crates/portaria/data/names.tsv` by `portaria config names --markdown`; a test holds the two together.\n\n\
         `portaria serve --env-file .env` takes the `.env` file of each system as it stands and prints what it\n\
         did not use, and why.\n",
    );
    for (guide, title) in [
        ("aivoice", "aiVoice"),
        ("oraclewa", "OracleWA"),
        ("ragbot", "RAG bot"),
        ("secretaria", "Secretária Virtual"),
        ("veloflux", "VeloFlux"),
    ] {
        out.push_str(&format!(
            "\n## {title}\n\n| kind | name | here | instead | why |\n|---|---|---|---|---|\n"
        ));
        for row in NAMES.iter().filter(|row| row.guide == guide) {
            let cell = |text: &str| text.replace('|', "\\|");
            let code = |text: &str| match text {
                "" => String::new(),
                text => format!("`{}`", cell(text)),
            };
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} |\n",
                row.kind,
                code(row.name),
                row.status,
                cell(row.replacement),
                cell(row.reason)
            ));
        }
    }
    out
}
