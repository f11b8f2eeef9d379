//! Reading values out of the configuration's file and an `.env` file.

use std::path::Path;

use super::{Fault, Values, settings};
use crate::names;

pub(super) fn read_file(path: &Path, values: &mut Values, faults: &mut Vec<Fault>) {
    let shown = path.display().to_string();
    let fault = |key: &str, fault: String, fix: &str| Fault {
        key: key.to_owned(),
        fault,
        fix: fix.to_owned(),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) => {
            faults.push(fault(
                &shown,
                cause.to_string(),
                "make it with `portaria config example > portaria.toml`",
            ));
            return;
        }
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(cause) => {
            let cause: toml::de::Error = cause;
            faults.push(fault(&shown, cause.message().to_owned(), "correct the TOML"));
            return;
        }
    };
    for (section, content) in table {
        let toml::Value::Table(content) = content else {
            faults.push(fault(
                &section,
                "stands outside of a section".to_owned(),
                "put it into a [section]",
            ));
            continue;
        };
        for (name, value) in flat(content) {
            // Some guides write keys in camel case.
            let key = format!("{section}.{}", snake(&name));
            let Some(setting) = settings::by_key(&key) else {
                let near = settings::nearest(&key);
                faults.push(fault(
                    &key,
                    "unknown key".to_owned(),
                    &format!("did you mean `{near}`?"),
                ));
                continue;
            };
            let text = match value {
                toml::Value::String(text) => text,
                other => other.to_string(),
            };
            values.insert(setting.key, (text, shown.clone()));
        }
    }
}

/// A table with those within it, as dotted names.
pub(super) fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut out = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                out.extend(
                    flat(inner).into_iter().map(|(rest, value)| (format!("{name}.{rest}"), value)),
                );
            }
            other => out.push((name, other)),
        }
    }
    out
}

pub(super) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = 'A';
    for c in name.chars() {
        // `tenantId` and `tenantID` alike.
        if c.is_ascii_uppercase() && !before.is_ascii_uppercase() {
            out.push('_');
        }
        before = c;
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Applies an `.env` file of one of the five systems. Returns a line for each name without use.
pub(super) fn apply_env_file(pairs: &[(String, String)], values: &mut Values) -> Vec<String> {
    let mut report = Vec::new();
    for (name, value) in pairs {
        if let Some(setting) = settings::by_variable(name) {
            if value.is_empty() {
                continue;
            }
            // The first of several names for one setting wins, as `INSTANCE_ID` over `VITE_…`.
            values
                .entry(setting.key)
                .or_insert_with(|| (value.clone(), format!("env file {name}")));
            continue;
        }
        report.push(match names::variable(name) {
            Some(row) if row.replacement.is_empty() => {
                format!("{name}: {}: {}", row.status, row.reason)
            }
            Some(row) => format!("{name}: {} {}: {}", row.status, row.replacement, row.reason),
            None => format!("{name}: unknown, not used"),
        });
    }
    report
}
