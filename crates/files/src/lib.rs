//! Tenants' files on disk: what customers send, what leaves, and the originals of knowledge.
//!
//! # Invariants
//! - A file is charged to its tenant before it is written; beyond the quota it is refused and nothing is lost but
//!   the file: the message that it came with is stored by its own room.
//! - The disk keeps a reserve for texts: below it no file is written.
//! - A tenant reads files of its own folder only.

mod disk;
mod schema;
mod store;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use db::Db;
use kernel::{Clock, TenantId};
use sha2::{Digest, Sha256};

pub use disk::{Disk, Space};
pub use schema::MIGRATIONS;
pub use store::{Usage, usage};

/// How much room files may take.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Bytes of one tenant's files together.
    pub tenant: u64,
    /// Bytes of one sender's files in a day.
    pub sender_day: u64,
    /// Bytes of the disk that no file may take; a twentieth of it when there is no figure, 16 MiB to 1 GiB.
    pub reserve: Option<u64>,
}

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("the files of this business are over its quota of {0} MiB (files.tenant_megabytes)")]
    TenantFull(u64),
    #[error("this sender's files of today are over {0} MiB (files.sender_megabytes_a_day)")]
    SenderFull(u64),
    #[error("the disk of this server is nearly full: files are refused until there is room again")]
    DiskFull,
    #[error("a file could not be written: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Storage(#[from] db::Error),
}

impl KeepError {
    /// Whether it is for want of room, which another try does not change.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::TenantFull(_) | Self::SenderFull(_) | Self::DiskFull)
    }
}

/// Whom a file came from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A customer, by the address they write from.
    Sender(&'a str),
    /// The business itself.
    Tenant,
}

struct Inner {
    data: PathBuf,
    db: Db,
    clock: Clock,
    rules: Rules,
    disk: Disk,
}

/// Where tenants' files are. Cheap to clone.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

impl Files {
    pub fn new(data: &Path, db: Db, clock: Clock, rules: Rules) -> Self {
        let disk = Disk::new(data, rules.reserve);
        Self(Arc::new(Inner { data: data.to_owned(), db, clock, rules, disk }))
    }

    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// The disk that the files are on.
    pub fn disk(&self) -> &Disk {
        &self.0.disk
    }

    /// Keeps a file. Its name is made of `name`, so that the same delivery again writes the same file, and is
    /// charged once. Returns the path relative to the data folder.
    ///
    /// # Errors
    /// When there is no room for it, or it cannot be written.
    pub async fn keep(
        &self,
        tenant: TenantId,
        from: Origin<'_>,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<String, KeepError> {
        // What it holds is part of the name: an id that somebody else uses too, as WhatsApp's are
        // unique within a chat only, neither overwrites the other's file nor finds it.
        let mut digest = Sha256::new();
        if let Origin::Sender(sender) = from {
            digest.update(sender.as_bytes());
        }
        digest.update([0]);
        digest.update(name.as_bytes());
        digest.update([0]);
        let (digest, bytes) = tokio::task::spawn_blocking(move || {
            digest.update(&bytes);
            (digest.finalize(), bytes)
        })
        .await
        .map_err(io::Error::other)?;
        let name: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let relative = format!("files/{tenant}/{name}");
        let path = self.0.data.join(&relative);
        let size = bytes.len() as u64;
        if tokio::fs::metadata(&path).await.is_ok_and(|there| there.len() == size) {
            return Ok(relative);
        }
        if !self.0.disk.take(size) {
            return Err(KeepError::DiskFull);
        }
        let folder = self.folder(tenant);
        let counted = folder.clone();
        let before = move || size_of(&counted);
        store::charge(&self.0.db, tenant, from, size, &self.0.rules, self.0.clock.now(), before)
            .await?;
        let written = tokio::task::spawn_blocking(move || write(&folder, &path, &bytes)).await;
        if let Err(cause) = written.map_err(io::Error::other).and_then(|done| done) {
            store::give_back(&self.0.db, tenant, size).await?;
            return Err(cause.into());
        }
        Ok(relative)
    }

    fn folder(&self, tenant: TenantId) -> PathBuf {
        self.0.data.join("files").join(tenant.to_string())
    }

    /// Where a file lies that [`Files::keep`] wrote for this tenant.
    fn own(&self, tenant: TenantId, path: &str) -> io::Result<PathBuf> {
        let own = format!("files/{tenant}/");
        match path.strip_prefix(&own) {
            Some(name) if !name.is_empty() && !name.contains(['/', '\\', '.']) => {
                Ok(self.0.data.join(own).join(name))
            }
            _ => Err(io::Error::other("a path outside of the tenant's folder")),
        }
    }

    /// Opens a file of this tenant.
    ///
    /// # Errors
    /// When it is not there, or not the tenant's.
    pub async fn open(&self, tenant: TenantId, path: &str) -> io::Result<File> {
        let path = self.own(tenant, path)?;
        tokio::task::spawn_blocking(move || File::open(path)).await.map_err(io::Error::other)?
    }

    /// Reads a file of this tenant whole.
    ///
    /// # Errors
    /// When it is not there, or not the tenant's.
    pub async fn read(&self, tenant: TenantId, path: &str) -> io::Result<Vec<u8>> {
        tokio::fs::read(self.own(tenant, path)?).await
    }

    /// Removes a file of this tenant; one that is not there is removed already.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove(&self, tenant: TenantId, path: &str) -> Result<(), KeepError> {
        let path = self.own(tenant, path)?;
        let size = match tokio::fs::metadata(&path).await {
            Ok(there) => there.len(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(cause.into()),
        };
        tokio::fs::remove_file(&path).await?;
        store::give_back(&self.0.db, tenant, size).await?;
        Ok(())
    }

    /// Removes all files of a tenant; how many there were.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn remove_all(&self, tenant: TenantId) -> io::Result<u64> {
        let folder = self.folder(tenant);
        let count = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.count() as u64,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(cause) => return Err(cause),
        };
        std::fs::remove_dir_all(&folder)?;
        Ok(count)
    }
}

/// Writes beside and renames, so that a file is there whole or not at all. For this user alone.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let aside = folder.join(format!("{}.part", kernel::JobId::generate()));
    let written = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    })();
    if written.is_err() {
        // What was begun on a full disk must not keep it full.
        let _ = std::fs::remove_file(&aside);
    }
    written
}

/// Bytes of the files in a folder.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}
