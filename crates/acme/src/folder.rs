//! A shelf in a folder, for a node that has no database.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use kernel::{Clock, Moment};
use parking_lot::Mutex;

use crate::issuer::times;
use crate::shelf::{AccountKept, Kept, LEASE, Lease, POSTPONED, Proof, Shelf, ShelfError, pause};

/// One process's shelf: `account.json`, and `HOST.pem` with chain and key, for their owner alone.
pub struct Folder {
    path: PathBuf,
    clock: Clock,
    state: Mutex<State>,
    epoch: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Until when a host is leased or left alone, and its failures in a row.
    hosts: HashMap<String, (Moment, u32)>,
    proofs: HashMap<String, Proof>,
}

const KEY: &str = "-----BEGIN PRIVATE KEY-----";

impl Folder {
    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, ShelfError> {
        std::fs::create_dir_all(path).map_err(|cause| told(path, &cause))?;
        Ok(Self { path: path.to_owned(), clock, state: Mutex::default(), epoch: AtomicU64::new(1) })
    }

    fn write(&self, name: &str, text: &str) -> Result<(), ShelfError> {
        let path = self.path.join(name);
        let aside = self.path.join(format!("{name}.new"));
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&aside, &path))
            .map_err(|cause| told(&path, &cause))
    }

    fn read(&self, name: &str) -> Result<Option<String>, ShelfError> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(told(&path, &cause)),
        }
    }
}

fn told(path: &Path, cause: &std::io::Error) -> ShelfError {
    ShelfError(format!("{}: {cause}", path.display()))
}

#[async_trait]
impl Shelf for Folder {
    async fn account(&self, directory: &str) -> Result<Option<AccountKept>, ShelfError> {
        let Some(text) = self.read("account.json")? else { return Ok(None) };
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| ShelfError(format!("account.json: {error}")))?;
        let field = |name: &str| value[name].as_str().map(ToOwned::to_owned);
        // Another authority needs another account.
        if value["directory"].as_str() != Some(directory) {
            return Ok(None);
        }
        Ok(field("credentials")
            .zip(field("thumbprint"))
            .map(|(credentials, thumbprint)| AccountKept { credentials, thumbprint }))
    }

    async fn keep_account(
        &self,
        directory: &str,
        account: AccountKept,
    ) -> Result<AccountKept, ShelfError> {
        let value = serde_json::json!({
            "directory": directory,
            "credentials": account.credentials,
            "thumbprint": account.thumbprint,
        });
        self.write("account.json", &value.to_string())?;
        Ok(account)
    }

    async fn certificates(&self, _since: Moment) -> Result<Vec<Kept>, ShelfError> {
        let entries = std::fs::read_dir(&self.path).map_err(|cause| told(&self.path, &cause))?;
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(host) = name.strip_suffix(".pem") else { continue };
            let Some(text) = self.read(&name)? else { continue };
            // What somebody else put there is not ours to serve.
            if let Some(at) = text.find(KEY)
                && let Some((starts, ends)) = times(&text[..at])
            {
                let (chain, key) = (text[..at].to_owned(), text[at..].to_owned());
                found.push(Kept { host: host.to_owned(), chain, key, starts, ends });
            }
        }
        Ok(found)
    }

    async fn lease(&self, host: &str) -> Result<Option<Lease>, ShelfError> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let entry = state.hosts.entry(host.to_owned()).or_insert((now, 0));
        if entry.0 > now {
            return Ok(None);
        }
        entry.0 = now + LEASE;
        Ok(Some(Lease { host: host.to_owned(), token: String::new() }))
    }

    async fn keep(&self, lease: &Lease, kept: &Kept) -> Result<bool, ShelfError> {
        let chain = kept.chain.trim_end();
        self.write(&format!("{}.pem", lease.host), &format!("{chain}\n{}", kept.key))?;
        self.state.lock().hosts.remove(&lease.host);
        self.epoch.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    async fn fail(&self, lease: &Lease, _reason: &str) -> Result<Moment, ShelfError> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let entry = state.hosts.entry(lease.host.clone()).or_insert((now, 0));
        entry.1 += 1;
        entry.0 = now + pause(entry.1);
        Ok(entry.0)
    }

    async fn postpone(&self, lease: &Lease, _reason: &str) -> Result<Moment, ShelfError> {
        let until = self.clock.now() + POSTPONED;
        let mut state = self.state.lock();
        state.hosts.entry(lease.host.clone()).or_insert((until, 0)).0 = until;
        Ok(until)
    }

    async fn prove(&self, host: &str, proof: Option<&Proof>) -> Result<(), ShelfError> {
        let mut state = self.state.lock();
        match proof {
            Some(proof) => state.proofs.insert(host.to_owned(), proof.clone()),
            None => state.proofs.remove(host),
        };
        self.epoch.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn proofs(&self) -> Result<Vec<Proof>, ShelfError> {
        Ok(self.state.lock().proofs.values().cloned().collect())
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }
}
