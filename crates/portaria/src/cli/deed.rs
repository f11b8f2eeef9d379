//! The console in the audit trail: which commands change something, and for whom.
//!
//! As with programs, a line is written after the deed, in a transaction of its own.

use clap::ArgMatches;
use clap::parser::ValueSource;
use identity::{Actor, Change};
use serde_json::json;

use crate::house::House;

/// Commands that write their own line, or change nothing that somebody would ask about.
const OTHERS: &[&str] = &[
    "list",
    "show",
    "status",
    "log",
    "dead",
    "unsettled",
    "chat",
    "send",
    "journey",
    "serve",
    "demo",
    "storm",
    "loadtest",
    "eval",
    "config",
    "migrate",
    "certificates",
    "doctor",
    "upgrade",
    "user",
    "operator",
];

/// A command that is written down once it is done: its words and the names of its options. Values may
/// be secrets and stay out.
pub(super) struct Deed {
    words: Vec<String>,
    options: Vec<String>,
    tenant: Option<String>,
    /// Which key, channel or document, where one is named.
    of: String,
}

impl Deed {
    pub(super) fn of(matches: &ArgMatches) -> Option<Self> {
        let mut words = Vec::new();
        let mut leaf = matches;
        while let Some((word, within)) = leaf.subcommand() {
            words.push(word.to_owned());
            leaf = within;
        }
        if words.iter().any(|word| OTHERS.contains(&word.as_str())) {
            return None;
        }
        let typed = |name: &str| {
            leaf.try_get_raw(name)
                .ok()
                .flatten()
                .and_then(|mut values| values.next())
                .map(|value| value.to_string_lossy().into_owned())
        };
        let given = |id: &&clap::Id| {
            leaf.value_source(id.as_str()) == Some(ValueSource::CommandLine)
                && !matches!(
                    id.as_str(),
                    "tenant" | "slug" | "json" | "data" | "config" | "env_file"
                )
        };
        let options = leaf
            .ids()
            .filter(given)
            // Groups of clap's own are named after their types.
            .filter(|id| !id.as_str().starts_with(char::is_uppercase))
            .map(|id| id.as_str().replace('_', "-"))
            .collect();
        // Ids and names that are no secrets.
        let of = ["id", "channel", "document", "instance"].into_iter().find_map(typed);
        Some(Self {
            words,
            options,
            tenant: typed("tenant").or_else(|| typed("slug")),
            of: of.map_or(String::new(), |of| format!(" {of}")),
        })
    }

    /// `done`: whether the command ended well. What failed may have done a part.
    pub(super) async fn note(self, house: &House, done: bool) -> anyhow::Result<()> {
        let tenant = match &self.tenant {
            Some(slug) => tenancy::by_slug(&house.db, slug).await.ok().map(|tenant| tenant.id),
            None => None,
        };
        let named = match (&self.tenant, tenant) {
            // A tenant that is gone has no trail of its own any more.
            (Some(slug), None) => format!(" {slug}"),
            _ => String::new(),
        };
        let mut after = serde_json::Map::new();
        if !self.options.is_empty() {
            after.insert("options".to_owned(), json!(self.options));
        }
        if !done {
            after.insert("failed".to_owned(), json!(true));
        }
        let after = (!after.is_empty()).then_some(serde_json::Value::Object(after));
        let change = Change {
            actor: &Actor::Console,
            action: "console.called",
            target: format!("portaria {}{named}{}", self.words.join(" "), self.of),
            before: None,
            after,
            address: "console",
        };
        let mut tx = house.db.begin_system().await?;
        identity::house_audit(&mut tx, tenant, &change, house.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn of(line: &[&str]) -> Option<(String, Vec<String>, Option<String>)> {
        let matches = super::super::Cli::command().get_matches_from(line);
        Deed::of(&matches).map(|deed| (deed.words.join(" "), deed.options, deed.tenant))
    }

    #[test]
    fn what_changes_something_is_named_without_its_values() {
        let (words, options, tenant) =
            of(&["portaria", "assistant", "set", "--tenant", "padaria", "--rules", "segredo"])
                .unwrap();
        assert_eq!((words.as_str(), tenant.as_deref()), ("assistant set", Some("padaria")));
        assert_eq!(options, ["rules"]);
        let (words, _, tenant) = of(&["portaria", "tenant", "suspend", "padaria"]).unwrap();
        assert_eq!((words.as_str(), tenant.as_deref()), ("tenant suspend", Some("padaria")));
        for line in [
            &["portaria", "tenant", "list"][..],
            &["portaria", "chat", "--tenant", "padaria", "oi"],
            &["portaria", "operator", "remove", "--email", "a@b.example"],
            &["portaria", "serve"],
        ] {
            assert!(of(line).is_none(), "{line:?}");
        }
    }
}
