//! Certificates in the database: sealed with the master key, ordered once for all nodes.

use acme::{AccountKept, Kept, LEASE, Lease, Proof, Shelf, ShelfError};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::{Db, args};
use kernel::{Clock, Moment};
use serde::{Deserialize, Serialize};
use tenancy::{Vault, VaultError};

/// The shelf that all nodes of a house share.
#[derive(Clone)]
pub struct Certificates {
    pub db: Db,
    pub clock: Clock,
    pub vault: Vault,
}

/// What is sealed of a certificate.
#[derive(Serialize, Deserialize)]
struct Sealed {
    chain: String,
    key: String,
}

fn told(error: impl std::error::Error) -> ShelfError {
    ShelfError(error.to_string())
}

impl Certificates {
    fn open(&self, about: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.vault.open_for_house(about, sealed)
    }

    /// Why hosts have no certificate, and until when each is left alone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn failures(&self) -> Result<Vec<(String, String, Moment)>, db::Error> {
        let mut tx = self.db.read_system().await?;
        let sql =
            "SELECT host, reason, not_before FROM certificates WHERE failures > 0 ORDER BY host";
        let rows = tx.fetch_all(sql, args![]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
    }

    /// Lets a host be tried again at once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forgive(&self, host: &str) -> Result<(), db::Error> {
        let mut tx = self.db.begin_system().await?;
        tx.execute(
            "UPDATE certificates SET not_before = 0, failures = 0, reason = '', lease = '' WHERE host = $1",
            args![host],
        )
        .await?;
        tx.commit().await
    }

    /// Forgets the certificates of hosts that are served no more and have ended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prune(&self) -> Result<(), db::Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin_system().await?;
        tx.execute("DELETE FROM certificates WHERE ends_at > 0 AND ends_at < $1", args![now])
            .await?;
        tx.execute("DELETE FROM acme_proofs WHERE until < $1", args![now]).await?;
        tx.commit().await
    }
}

#[async_trait]
impl Shelf for Certificates {
    async fn account(&self, directory: &str) -> Result<Option<AccountKept>, ShelfError> {
        let mut tx = self.db.read_system().await.map_err(told)?;
        let sql = "SELECT sealed, thumbprint FROM acme_accounts WHERE directory = $1";
        let Some(row) = tx.fetch_opt(sql, args![directory]).await.map_err(told)? else {
            return Ok(None);
        };
        let plain = self
            .open(&format!("acme/{directory}"), &row.get::<Vec<u8>>(0).map_err(told)?)
            .map_err(told)?;
        let credentials = String::from_utf8(plain).map_err(told)?;
        Ok(Some(AccountKept { credentials, thumbprint: row.get(1).map_err(told)? }))
    }

    async fn keep_account(
        &self,
        directory: &str,
        account: AccountKept,
    ) -> Result<AccountKept, ShelfError> {
        let sealed =
            self.vault.seal_for_house(&format!("acme/{directory}"), account.credentials.as_bytes());
        let mut tx = self.db.begin_system().await.map_err(told)?;
        tx.execute(
            "INSERT INTO acme_accounts (directory, sealed, thumbprint, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (directory) DO NOTHING",
            args![directory, sealed, &account.thumbprint, self.clock.now()],
        )
        .await
        .map_err(told)?;
        tx.settings_changed();
        tx.commit().await.map_err(told)?;
        // Another node may have been quicker; then its account is everybody's.
        Ok(self.account(directory).await?.unwrap_or(account))
    }

    async fn certificates(&self, since: Moment) -> Result<Vec<Kept>, ShelfError> {
        let mut tx = self.db.read_system().await.map_err(told)?;
        let rows = tx
            .fetch_all(
                "SELECT host, sealed, starts_at, ends_at FROM certificates \
                 WHERE kept_at >= $1 AND sealed IS NOT NULL",
                args![since],
            )
            .await
            .map_err(told)?;
        let mut found = Vec::new();
        for row in &rows {
            let host: String = row.get(0).map_err(told)?;
            let sealed: Vec<u8> = row.get(1).map_err(told)?;
            let plain = self.open(&format!("certificate/{host}"), &sealed).map_err(told)?;
            let Sealed { chain, key } = serde_json::from_slice(&plain).map_err(told)?;
            let (starts, ends) = (row.get(2).map_err(told)?, row.get(3).map_err(told)?);
            found.push(Kept { host, chain, key, starts, ends });
        }
        Ok(found)
    }

    async fn lease(&self, host: &str) -> Result<Option<Lease>, ShelfError> {
        let now = self.clock.now();
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
        let mut tx = self.db.begin_system().await.map_err(told)?;
        let taken = tx
            .execute(
                "INSERT INTO certificates (host, lease, not_before) VALUES ($1, $2, $3) \
                 ON CONFLICT (host) DO UPDATE SET lease = excluded.lease, not_before = excluded.not_before \
                 WHERE certificates.not_before <= $4",
                args![host, &token, now + LEASE, now],
            )
            .await
            .map_err(told)?;
        tx.commit().await.map_err(told)?;
        Ok((taken > 0).then(|| Lease { host: host.to_owned(), token }))
    }

    async fn keep(&self, lease: &Lease, kept: &Kept) -> Result<bool, ShelfError> {
        let plain = Sealed { chain: kept.chain.clone(), key: kept.key.clone() };
        let plain = serde_json::to_vec(&plain).map_err(told)?;
        let sealed = self.vault.seal_for_house(&format!("certificate/{}", lease.host), &plain);
        let now = self.clock.now();
        let mut tx = self.db.begin_system().await.map_err(told)?;
        // Who was too slow, and lost the lease, keeps nothing.
        let kept = tx
            .execute(
                "UPDATE certificates SET sealed = $1, starts_at = $2, ends_at = $3, kept_at = $4, \
                 lease = '', not_before = $4, failures = 0, reason = '' WHERE host = $5 AND lease = $6",
                args![sealed, kept.starts, kept.ends, now, &lease.host, &lease.token],
            )
            .await
            .map_err(told)?;
        tx.settings_changed();
        tx.commit().await.map_err(told)?;
        Ok(kept > 0)
    }

    async fn fail(&self, lease: &Lease, reason: &str) -> Result<Moment, ShelfError> {
        let now = self.clock.now();
        let mut tx = self.db.begin_system().await.map_err(told)?;
        let row = tx
            .fetch_opt(
                "UPDATE certificates SET failures = failures + 1, reason = $1, lease = '' \
                 WHERE host = $2 AND lease = $3 RETURNING failures",
                args![reason, &lease.host, &lease.token],
            )
            .await
            .map_err(told)?;
        let failures: i64 = match row {
            Some(row) => row.get(0).map_err(told)?,
            None => 1,
        };
        let until = now + acme::pause(u32::try_from(failures).unwrap_or(1));
        tx.execute(
            "UPDATE certificates SET not_before = $1 WHERE host = $2 AND lease = ''",
            args![until, &lease.host],
        )
        .await
        .map_err(told)?;
        tx.commit().await.map_err(told)?;
        Ok(until)
    }

    async fn postpone(&self, lease: &Lease, reason: &str) -> Result<Moment, ShelfError> {
        let until = self.clock.now() + acme::POSTPONED;
        let mut tx = self.db.begin_system().await.map_err(told)?;
        // One failure is shown, and no longer pause follows from it.
        tx.execute(
            "UPDATE certificates SET failures = CASE WHEN failures = 0 THEN 1 ELSE failures END, reason = $1, \
             lease = '', not_before = $2 WHERE host = $3 AND lease = $4",
            args![reason, until, &lease.host, &lease.token],
        )
        .await
        .map_err(told)?;
        tx.commit().await.map_err(told)?;
        Ok(until)
    }

    async fn prove(&self, host: &str, proof: Option<&Proof>) -> Result<(), ShelfError> {
        let mut tx = self.db.begin_system().await.map_err(told)?;
        match proof {
            Some(proof) => {
                tx.execute(
                    "INSERT INTO acme_proofs (host, digest, until) VALUES ($1, $2, $3) \
                     ON CONFLICT (host) DO UPDATE SET digest = excluded.digest, until = excluded.until",
                    args![host, proof.digest.clone(), self.clock.now() + LEASE],
                )
                .await
                .map_err(told)?;
            }
            None => {
                tx.execute("DELETE FROM acme_proofs WHERE host = $1", args![host])
                    .await
                    .map_err(told)?;
            }
        }
        tx.settings_changed();
        tx.commit().await.map_err(told)
    }

    async fn proofs(&self) -> Result<Vec<Proof>, ShelfError> {
        let mut tx = self.db.read_system().await.map_err(told)?;
        let rows = tx
            .fetch_all(
                "SELECT host, digest FROM acme_proofs WHERE until > $1",
                args![self.clock.now()],
            )
            .await
            .map_err(told)?;
        rows.iter()
            .map(|row| {
                Ok(Proof { host: row.get(0).map_err(told)?, digest: row.get(1).map_err(told)? })
            })
            .collect()
    }

    fn epoch(&self) -> u64 {
        self.db.signals().epoch()
    }
}
