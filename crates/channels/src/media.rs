//! Files that come with messages, kept in the data folder.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use kernel::TenantId;
use sha2::{Digest, Sha256};

/// What is kept of files that contacts send.
#[derive(Debug, Clone)]
pub struct MediaRules {
    /// Bytes of a file at most.
    pub limit: usize,
    /// Types such as `image/png`, or families such as `image/*`.
    pub types: Vec<String>,
}

impl MediaRules {
    /// Why a file of this type is not kept, if it is not.
    pub(crate) fn refuses(&self, mime: &str) -> Option<String> {
        let mime = plain(mime);
        let fits = |allowed: &String| match allowed.strip_suffix("/*") {
            Some(family) => mime.split('/').next() == Some(family),
            None => mime == *allowed,
        };
        if self.types.iter().any(fits) {
            return None;
        }
        Some(format!("files of type {mime} are not kept (media.types)"))
    }
}

/// A type without its parameters, in lower case.
pub(crate) fn plain(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Where a tenant's files are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    data: PathBuf,
}

impl Files {
    pub(crate) fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Bytes that came as base64; `None` when it is none.
    pub(crate) fn decode(encoded: &str) -> Option<Vec<u8>> {
        let encoded = encoded.split_once("base64,").map_or(encoded, |(_, rest)| rest);
        // Providers cut padding off at times.
        let engine = base64::engine::GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        engine.decode(encoded.trim()).ok()
    }

    /// Keeps a file. Its name is made of the provider's id, so that a repeated delivery writes the
    /// same file. Returns the path relative to the data folder.
    pub(crate) async fn keep(
        &self,
        tenant: TenantId,
        provider_id: &str,
        bytes: Vec<u8>,
    ) -> std::io::Result<String> {
        let digest = Sha256::digest(provider_id.as_bytes());
        let name: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let folder = self.data.join("files").join(tenant.to_string());
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
        Ok(format!("files/{tenant}/{name}"))
    }

    /// Reads a file of this tenant that [`Files::keep`] wrote.
    pub(crate) async fn read(&self, tenant: TenantId, path: &str) -> std::io::Result<Vec<u8>> {
        let own = format!("files/{tenant}/");
        let name = path.strip_prefix(&own).filter(|name| !name.contains(['/', '\\', '.']));
        let Some(name) = name else {
            return Err(std::io::Error::other("a path outside of the tenant's folder"));
        };
        tokio::fs::read(self.data.join(own).join(name)).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_their_parameters() {
        let rules = MediaRules {
            limit: 1,
            types: vec!["audio/*".to_owned(), "application/pdf".to_owned()],
        };
        assert_eq!(rules.refuses("audio/ogg; codecs=opus"), None);
        assert_eq!(rules.refuses("Application/PDF"), None);
        assert!(rules.refuses("text/html").is_some());
        assert!(rules.refuses("").is_some());
    }

    #[tokio::test]
    async fn only_files_of_the_tenants_own_folder_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path());
        let (one, other) = (TenantId::generate(), TenantId::generate());
        let path = files.keep(one, "id", b"x".to_vec()).await.unwrap();
        assert_eq!(files.read(one, &path).await.unwrap(), b"x");
        assert!(files.read(other, &path).await.is_err());
        assert!(files.read(one, &format!("files/{one}/../{other}/a")).await.is_err());
    }
}
