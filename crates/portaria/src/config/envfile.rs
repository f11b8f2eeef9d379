//! `.env` files as other systems write them.

use std::path::Path;

use super::Fault;

/// Reads `NAME=value` lines; `export`, quotes and comments as shells and Compose take them.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, Fault> {
    let text = std::fs::read_to_string(path).map_err(|cause| Fault {
        key: path.display().to_string(),
        fault: cause.to_string(),
        fix: "give the path of a readable .env file".to_owned(),
    })?;
    let mut out = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(Fault {
                key: format!("{} line {}", path.display(), at + 1),
                fault: "is no NAME=value".to_owned(),
                fix: "remove the line or comment it out with #".to_owned(),
            });
        };
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| {
            let inner = value.strip_prefix(*quote)?;
            inner.rfind(*quote).map(|end| inner[..end].to_owned())
        });
        let value = quoted
            .unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim().to_owned());
        out.push((name.trim().to_owned(), value));
    }
    Ok(out)
}
