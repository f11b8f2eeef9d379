//! What commands print: one JSON value, or sentences.

use std::io::Write as _;

use anyhow::bail;
use serde::Serialize;
use serde_json::json;

use crate::doctor::Check;

/// How to print.
pub(super) struct Out {
    pub(super) json: bool,
}

/// Prints one line to standard output, at once.
pub(crate) fn line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // A reader that went away is no failure of ours.
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

impl Out {
    /// The result of a command.
    pub(super) fn done(&self, value: &impl Serialize, text: &str) {
        if self.json {
            line(&serde_json::to_string(value).unwrap_or_default());
        } else {
            line(text);
        }
    }

    /// Text that is a document by itself.
    pub(super) fn text(&self, text: &str) {
        line(text.trim_end());
    }

    /// Something to know that is not the result.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// What went wrong, in one sentence with its causes.
    pub(super) fn error(&self, error: &anyhow::Error) {
        let mut text = error.to_string();
        for cause in error.chain().skip(1) {
            let cause = cause.to_string();
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        let mut stderr = std::io::stderr().lock();
        let _ = if self.json {
            writeln!(stderr, "{}", json!({ "error": text }))
        } else {
            writeln!(stderr, "portaria: {text}")
        };
    }

    /// A table of checks; fails if one of them did.
    pub(super) fn checks(&self, checks: &[Check]) -> anyhow::Result<()> {
        let lines: Vec<String> = checks
            .iter()
            .map(|c| format!("{}  {}: {}", if c.ok { "ok " } else { "BAD" }, c.what, c.found))
            .collect();
        self.done(&checks, &lines.join("\n"));
        let bad = checks.iter().filter(|c| !c.ok).count();
        if bad > 0 {
            bail!("{bad} of {} checks failed", checks.len());
        }
        Ok(())
    }
}
