//! Sealing secrets: XChaCha20-Poly1305 with one data key per tenant, wrapped by a master key.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use db::{Db, Error, SystemTx, TenantTx, args};
use kernel::Moment;
use sha2::{Digest, Sha256};

const CHECK: &str = "master_key_check";
const DATA_KEY: &str = "data_key";
const NONCE: usize = 24;

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("master key file {path}: {cause}")]
    File { path: String, cause: std::io::Error },
    #[error("the master key must have at least 16 characters; this one has {0}")]
    Short(usize),
    #[error(
        "a secret of this tenant cannot be opened: the master key is not the one it was sealed with"
    )]
    WrongKey,
    #[error(
        "the master key file {0} is missing, and this database's secrets were sealed with it: put its copy back, or \
         set security.master_key to what it held"
    )]
    Lost(String),
    #[error(
        "the master key is not the one this database's secrets were sealed with: put the old one back (the file \
         master.key in data.dir, or security.master_key)"
    )]
    NotThisDatabase,
    #[error(transparent)]
    Storage(#[from] Error),
}

/// The key that wraps every tenant's data key. Never printed.
#[derive(Clone)]
pub struct MasterKey(Arc<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// From what the operator set; any text of 16 characters or more.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        if text.chars().count() < 16 {
            return Err(VaultError::Short(text.chars().count()));
        }
        Ok(Self(Arc::new(Sha256::digest(text.as_bytes()).into())))
    }

    /// From the file, which is made with mode 0600 on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or made.
    pub fn from_file(path: &Path) -> Result<Self, VaultError> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let fail = |cause| VaultError::File { path: path.display().to_string(), cause };
        // Written aside and linked into place: of processes that start together one wins, and none
        // ever reads half a key.
        if !path.exists() {
            let aside = path.with_extension(format!("new-{}", kernel::JobId::generate()));
            let text = BASE64.encode(random::<32>());
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)
                .and_then(|mut file| {
                    file.write_all(text.as_bytes())?;
                    file.sync_all()
                })
                .map_err(fail)?;
            let linked = std::fs::hard_link(&aside, path);
            std::fs::remove_file(&aside).map_err(fail)?;
            match linked {
                Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(fail(cause));
                }
                _ => {}
            }
        }
        let text = std::fs::read_to_string(path).map_err(fail)?;
        Self::from_text(text.trim())
    }
}

fn random<const N: usize>() -> [u8; N] {
    rand::random()
}

fn seal(key: &[u8; 32], about: &str, plain: &[u8]) -> Vec<u8> {
    let nonce = random::<NONCE>();
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: about.as_bytes() })
        .expect("encrypting to memory cannot fail");
    [nonce.as_slice(), &sealed].concat()
}

fn open(key: &[u8; 32], about: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(VaultError::WrongKey)?;
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| VaultError::WrongKey)?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(nonce), Payload { msg: body, aad: about.as_bytes() })
        .map_err(|_| VaultError::WrongKey)
}

/// The master key of this database: the text when the operator set one, else the file, which is
/// made only for a database that has never had a key.
///
/// # Errors
/// When the file is gone or holds another key than the one the secrets were sealed with.
pub async fn master_key(db: &Db, text: Option<&str>, file: &Path) -> Result<MasterKey, VaultError> {
    // Only the first start writes: a command beside a busy server does not wait for its lock.
    let stored = checked(&mut db.read_system().await?).await?;
    let key = match text {
        Some(text) => MasterKey::from_text(text)?,
        None if stored.is_some() && !file.exists() => {
            return Err(VaultError::Lost(file.display().to_string()));
        }
        None => MasterKey::from_file(file)?,
    };
    let stored = match stored {
        Some(stored) => stored,
        None => first(db, &key).await?,
    };
    open(&key.0, CHECK, &stored).map_err(|_| VaultError::NotThisDatabase)?;
    Ok(key)
}

/// Writes the probe. Of processes that start together the first writes, and all compare with that.
async fn first(db: &Db, key: &MasterKey) -> Result<Vec<u8>, VaultError> {
    let mut tx = db.begin_system().await?;
    tx.execute(
        "INSERT INTO master_key_check (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO NOTHING",
        args![seal(&key.0, CHECK, CHECK.as_bytes())],
    )
    .await?;
    let stored = checked(&mut tx).await?.ok_or(VaultError::NotThisDatabase)?;
    tx.commit().await?;
    Ok(stored)
}

async fn checked(tx: &mut SystemTx) -> Result<Option<Vec<u8>>, Error> {
    let row = tx.fetch_opt("SELECT sealed FROM master_key_check WHERE id = 1", args![]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Puts secrets away and takes them out again.
#[derive(Debug, Clone)]
pub struct Vault {
    master: MasterKey,
}

impl Vault {
    pub fn new(master: MasterKey) -> Self {
        Self { master }
    }

    /// Stores a secret of the tenant, replacing the one of that name.
    ///
    /// # Errors
    /// When the tenant's data key does not open, or the database refuses.
    pub async fn put(
        &self,
        tx: &mut TenantTx,
        name: &str,
        secret: &str,
        now: Moment,
    ) -> Result<(), VaultError> {
        let key = self.data_key(tx, now).await?;
        let sealed = seal(&key, &about(tx, name), secret.as_bytes());
        write(tx, name, sealed, now).await?;
        tx.settings_changed();
        Ok(())
    }

    /// The secret of that name, if there is one.
    ///
    /// # Errors
    /// When it was sealed with another key.
    pub async fn get(&self, tx: &mut TenantTx, name: &str) -> Result<Option<String>, VaultError> {
        let Some(wrapped) = read(tx, DATA_KEY).await? else { return Ok(None) };
        let Some(sealed) = read(tx, name).await? else { return Ok(None) };
        let key = self.unwrap(tx, &wrapped)?;
        let plain = open(&key, &about(tx, name), &sealed)?;
        Ok(Some(String::from_utf8(plain).map_err(|_| VaultError::WrongKey)?))
    }

    /// Whether there is a secret of that name. Nothing is opened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has(&self, tx: &mut TenantTx, name: &str) -> Result<bool, VaultError> {
        Ok(read(tx, name).await?.is_some())
    }

    /// Forgets a secret.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove(&self, tx: &mut TenantTx, name: &str) -> Result<(), VaultError> {
        let tenant = tx.tenant();
        tx.execute("DELETE FROM secrets WHERE tenant_id = $1 AND name = $2", args![tenant, name])
            .await?;
        Ok(())
    }

    /// Seals what belongs to no tenant, bound to what it is about.
    pub fn seal_for_house(&self, about: &str, plain: &[u8]) -> Vec<u8> {
        seal(&self.master.0, &format!("house/{about}"), plain)
    }

    /// A secret that only who has the master key can make, always the same for a purpose: for what the processes of a
    /// house share without telling each other.
    pub fn house_secret(&self, purpose: &str) -> [u8; 32] {
        let hash =
            Sha256::new().chain_update("portaria house secret\0").chain_update(*self.master.0);
        hash.chain_update(purpose).finalize().into()
    }

    /// Opens what [`Vault::seal_for_house`] sealed.
    ///
    /// # Errors
    /// When it was sealed with another key or about something else.
    pub fn open_for_house(&self, about: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        open(&self.master.0, &format!("house/{about}"), sealed)
    }

    async fn data_key(&self, tx: &mut TenantTx, now: Moment) -> Result<[u8; 32], VaultError> {
        let tenant = tx.tenant();
        let fresh = random::<32>();
        let wrapped = seal(&self.master.0, &about(tx, DATA_KEY), &fresh);
        tx.execute(
            "INSERT INTO secrets (tenant_id, name, sealed, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant_id, name) DO NOTHING",
            args![tenant, DATA_KEY, wrapped, now],
        )
        .await?;
        let stored = read(tx, DATA_KEY).await?.ok_or(VaultError::WrongKey)?;
        self.unwrap(tx, &stored)
    }

    fn unwrap(&self, tx: &TenantTx, wrapped: &[u8]) -> Result<[u8; 32], VaultError> {
        open(&self.master.0, &about(tx, DATA_KEY), wrapped)?
            .try_into()
            .map_err(|_| VaultError::WrongKey)
    }
}

/// Binds a sealed value to its place: moved to another tenant or name, it does not open.
fn about(tx: &TenantTx, name: &str) -> String {
    format!("{}/{name}", tx.tenant())
}

async fn write(tx: &mut TenantTx, name: &str, sealed: Vec<u8>, now: Moment) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO secrets (tenant_id, name, sealed, updated_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
        args![tenant, name, sealed, now],
    )
    .await?;
    Ok(())
}

async fn read(tx: &mut TenantTx, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT sealed FROM secrets WHERE tenant_id = $1 AND name = $2",
            args![tenant, name],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}
