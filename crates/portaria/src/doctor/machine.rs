//! What a look at this machine finds: modes of files, descriptors, and how a running server is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Check, check};
use crate::house::House;
use crate::serve;

/// Files looked at in the data folder, at most.
const MOST: usize = 10_000;

pub(super) async fn look(house: &House) -> Vec<Check> {
    let data = house.config.data.clone();
    let open = tokio::task::spawn_blocking(move || exposed(&data)).await;
    let folder = house.config.data.display();
    let mut out = vec![match open {
        Ok(Exposed::Nothing) => {
            check("modes of files", true, "other users of this machine read none of the data")
        }
        Ok(Exposed::Path(path)) => check(
            "modes of files",
            false,
            format!(
                "other users of this machine can read or change {}: chmod -R go= {folder}{}",
                path.display(),
                if path.ends_with("master.key") {
                    "; whoever read the key and a copy of the database can open its secrets"
                } else {
                    ""
                },
            ),
        ),
        Ok(Exposed::Unknown(path)) => check(
            "modes of files",
            false,
            format!(
                "{} was not looked at in full; chmod -R go= {folder} shuts all of it",
                path.display()
            ),
        ),
        Err(_) => check("modes of files", false, "the data folder cannot be looked at"),
    }];
    out.extend(running(house).await);
    out
}

/// What of the data folder others of this machine may read, or change.
#[derive(Debug, PartialEq, Eq)]
enum Exposed {
    Nothing,
    /// The key of all secrets comes first: a key that others could read must be replaced.
    Path(PathBuf),
    /// A folder cannot be looked into, or there is too much.
    Unknown(PathBuf),
}

fn exposed(folder: &Path) -> Exposed {
    let mode = |path: &Path| std::fs::metadata(path).map(|meta| meta.permissions().mode());
    match mode(folder) {
        // Where the folder itself is shut, nobody reaches what is in it.
        Ok(mode) if mode & 0o077 == 0 => return Exposed::Nothing,
        // Whoever may write in it can put another file in the place of one.
        Ok(mode) if mode & 0o022 != 0 => return Exposed::Path(folder.to_owned()),
        Ok(_) => {}
        Err(_) => return Exposed::Unknown(folder.to_owned()),
    }
    let key = folder.join("master.key");
    if mode(&key).is_ok_and(|mode| mode & 0o077 != 0) {
        return Exposed::Path(key);
    }
    let (mut folders, mut seen) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { return Exposed::Unknown(folder) };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MOST {
                return Exposed::Unknown(folder);
            }
            let Ok(meta) = entry.metadata() else { continue };
            match (meta.is_dir(), meta.permissions().mode() & 0o077) {
                _ if meta.is_symlink() => {}
                (_, 0) => {}
                (true, open) if open & 0o022 != 0 => return Exposed::Path(entry.path()),
                (true, _) => folders.push(entry.path()),
                (false, _) => return Exposed::Path(entry.path()),
            }
        }
    }
    Exposed::Nothing
}

/// What the server that runs by this configuration says of itself; nothing where none answers.
async fn running(house: &House) -> Vec<Check> {
    let Ok(address) = house.config.listen.parse() else { return Vec::new() };
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
    let Ok(client) = client else { return Vec::new() };
    let asked = client.get(format!("http://{}/healthz", serve::near(address))).send().await;
    let Ok(answer) = asked else { return Vec::new() };
    let health: Value = messaging::http::read_json(answer).await.unwrap_or_default();
    let Some(parts) = health["dependencies"].as_object() else { return Vec::new() };
    let wanted = house.config.listener.connections;
    let needed = wanted as u64 + serve::OWN_DESCRIPTORS;
    let most = health["descriptors"].as_u64().unwrap_or(0);
    let found = if most >= needed {
        format!("the running server may open {most}")
    } else {
        format!(
            "the running server may open {most}; server.connections = {wanted} wants {needed}, and each connection through \
             the gateway two more: raise them (LimitNOFILE= of systemd, ulimit -n)"
        )
    };
    let descriptors = check("descriptors", most >= needed, found);
    let ill: Vec<Check> = parts
        .iter()
        .filter(|(name, part)| name.starts_with("task ") && part["status"] != "ok")
        .map(|(name, part)| {
            let found = format!(
                "panicked {} times, {} seconds ago, at {}; it was started again, see the log (task_restarted)",
                part["panics"],
                part["seconds_ago"],
                part["place"].as_str().unwrap_or("an unknown place"),
            );
            check(name, false, found)
        })
        .collect();
    if ill.is_empty() {
        return vec![
            descriptors,
            check("background tasks", true, "none panicked lately in the running server"),
        ];
    }
    std::iter::once(descriptors).chain(ill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_found_unless_the_folder_is_shut() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let inner = folder.path().join("files");
        std::fs::create_dir(&inner).unwrap();
        let file = inner.join("secret");
        std::fs::write(&file, "x").unwrap();
        mode(folder.path(), 0o755);
        mode(&inner, 0o755);
        mode(&file, 0o600);
        assert_eq!(exposed(folder.path()), Exposed::Nothing);
        mode(&file, 0o640);
        assert_eq!(exposed(folder.path()), Exposed::Path(file.clone()));
        let key = folder.path().join("master.key");
        std::fs::write(&key, "k").unwrap();
        mode(&key, 0o644);
        assert_eq!(exposed(folder.path()), Exposed::Path(key.clone()), "the key first");
        mode(&key, 0o600);
        mode(&inner, 0o700);
        assert_eq!(exposed(folder.path()), Exposed::Nothing, "nobody gets that far");
        mode(&inner, 0o777);
        assert_eq!(exposed(folder.path()), Exposed::Path(inner.clone()), "others may write in it");
        mode(folder.path(), 0o700);
        assert_eq!(exposed(folder.path()), Exposed::Nothing);
    }
}
