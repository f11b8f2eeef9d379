//! What a look at this machine finds: modes of files, descriptors, and how a running server is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Check, check};
use crate::house::House;
use crate::{front, serve};

/// Files looked at in the data folder, at most.
const MOST: usize = 10_000;

pub(super) async fn look(house: &House) -> Vec<Check> {
    let data = house.config.data.clone();
    let open = tokio::task::spawn_blocking(move || open_to_others(&data)).await;
    let mut out = vec![match open {
        Ok(None) => check("modes of files", true, "the data folder is this user's alone"),
        Ok(Some(path)) => check(
            "modes of files",
            false,
            format!(
                "{} can be read by other users of this machine, and holds conversations or what opens accounts: \
                 chmod -R go= {}",
                path.display(),
                house.config.data.display()
            ),
        ),
        Err(_) => check("modes of files", false, "the data folder cannot be looked at"),
    }];
    let (wanted, most) = (house.config.listener.connections, front::descriptors());
    let needed = wanted as u64 + serve::OWN_DESCRIPTORS;
    out.push(check(
        "descriptors",
        most >= needed,
        if most >= needed {
            format!("{most}")
        } else {
            format!(
                "{most} of the {needed} that server.connections = {wanted} wants: with a gateway in front a connection \
                 takes two more; raise them (LimitNOFILE= of systemd, ulimit -n)"
            )
        },
    ));
    out.extend(running(house).await);
    out
}

/// The first file in the folder that others of this machine may read or write.
fn open_to_others(folder: &Path) -> Option<PathBuf> {
    // Where the folder itself is shut, nobody reaches what is in it.
    let shut = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0)
    };
    if shut(folder) {
        return None;
    }
    let (mut folders, mut seen) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok()?.flatten() {
            seen += 1;
            let Ok(meta) = entry.metadata() else { continue };
            if seen > MOST || meta.is_symlink() {
                continue;
            }
            match (meta.is_dir(), meta.permissions().mode() & 0o077) {
                (_, 0) => {}
                (true, _) => folders.push(entry.path()),
                (false, _) => return Some(entry.path()),
            }
        }
    }
    None
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
        return vec![check("background tasks", true, "none panicked lately in the running server")];
    }
    ill
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
        assert_eq!(open_to_others(folder.path()), None);
        mode(&file, 0o640);
        assert_eq!(open_to_others(folder.path()), Some(file.clone()));
        mode(&inner, 0o700);
        assert_eq!(open_to_others(folder.path()), None, "nobody gets that far");
        mode(&inner, 0o755);
        mode(folder.path(), 0o700);
        assert_eq!(open_to_others(folder.path()), None);
    }
}
