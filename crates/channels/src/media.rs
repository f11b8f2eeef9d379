//! Files that come with messages, kept in the data folder.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use kernel::TenantId;
use sha2::{Digest, Sha256};

/// Where a tenant's files are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    pub(crate) fn new(data: &Path) -> Self {
        Self { root: data.join("files") }
    }

    /// Keeps a file that came as base64. Its name is made of the provider's id, so that a repeated
    /// delivery writes the same file. Returns the path relative to the data folder.
    pub(crate) async fn keep(
        &self,
        tenant: TenantId,
        provider_id: &str,
        encoded: &str,
    ) -> std::io::Result<Option<String>> {
        let encoded = encoded.split_once("base64,").map_or(encoded, |(_, rest)| rest);
        // Providers cut padding off at times.
        let engine = base64::engine::GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        let Ok(bytes) = engine.decode(encoded.trim()) else { return Ok(None) };
        let digest = Sha256::digest(provider_id.as_bytes());
        let name: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let folder = self.root.join(tenant.to_string());
        let path = folder.join(&name);
        tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            std::fs::create_dir_all(&folder)?;
            let aside = folder.join(format!("{}.part", kernel::JobId::generate()));
            let mut file = std::fs::File::create(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&aside, &path)
        })
        .await
        .map_err(std::io::Error::other)??;
        Ok(Some(format!("files/{tenant}/{name}")))
    }
}

/// Removes a tenant's files; how many there were.
///
/// # Errors
/// When the folder cannot be removed.
pub fn remove_all(data: &Path, tenant: TenantId) -> std::io::Result<u64> {
    let folder = data.join("files").join(tenant.to_string());
    let count = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.count() as u64,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(cause) => return Err(cause),
    };
    std::fs::remove_dir_all(&folder)?;
    Ok(count)
}
