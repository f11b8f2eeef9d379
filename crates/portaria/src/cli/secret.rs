//! Secrets on the command line: as a flag, from standard input, or from the environment.

use std::io::BufRead as _;

use anyhow::{Context as _, bail};

/// The secret, wherever it was given. Standard input is read a line per secret.
pub(super) fn read(
    name: &str,
    given: Option<String>,
    from_stdin: bool,
) -> anyhow::Result<Option<String>> {
    if !from_stdin {
        return Ok(given.filter(|text| !text.is_empty()));
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .with_context(|| format!("reading {name} from standard input"))?;
    let text = line.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        bail!("{name}: standard input held no line");
    }
    Ok(Some(text))
}
