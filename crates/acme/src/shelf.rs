//! Where accounts and certificates are kept.

use std::time::Duration;

use async_trait::async_trait;
use kernel::Moment;

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub host: String,
    /// PEM, the host's own first.
    pub chain: String,
    /// PEM.
    pub key: String,
    pub starts: Moment,
    pub ends: Moment,
}

impl Kept {
    /// Whether a new one should be there: the last third of its time has begun.
    pub fn is_due(&self, now: Moment) -> bool {
        now.0 >= self.ends.0 - (self.ends.0 - self.starts.0) / 3
    }
}

/// An account at an authority.
#[derive(Clone)]
pub struct AccountKept {
    /// What the library needs to use it; secret.
    pub credentials: String,
    /// Of the account's key: the second half of every HTTP-01 answer.
    pub thumbprint: String,
}

/// The right to order a certificate for a host, until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub host: String,
    pub token: String,
}

/// What TLS-ALPN-01 shows for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub host: String,
    /// SHA-256 of the key authorization.
    pub digest: Vec<u8>,
}

/// The shelf could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ShelfError(pub String);

/// How long a lease lasts.
pub const LEASE: Duration = Duration::from_secs(300);
/// How long a host is left alone when it was found out without the authority that it leads elsewhere.
pub const POSTPONED: Duration = Duration::from_secs(60);
/// After a failure a host is left alone so long, doubled with each.
const FIRST_PAUSE: Duration = Duration::from_secs(15 * 60);
const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);

/// How long a host is left alone after so many failures in a row.
pub fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST_PAUSE)
}

/// Keeps what all nodes share.
#[async_trait]
pub trait Shelf: Send + Sync {
    async fn account(&self, directory: &str) -> Result<Option<AccountKept>, ShelfError>;

    /// Keeps an account unless there is one; the one that is kept.
    async fn keep_account(
        &self,
        directory: &str,
        account: AccountKept,
    ) -> Result<AccountKept, ShelfError>;

    /// Certificates that were kept since, and perhaps some from before.
    async fn certificates(&self, since: Moment) -> Result<Vec<Kept>, ShelfError>;

    /// The right to order for a host; `None` when another has it, or the host is to be left alone.
    async fn lease(&self, host: &str) -> Result<Option<Lease>, ShelfError>;

    /// Keeps what was ordered, and gives the lease back. False when the lease is another's by now.
    async fn keep(&self, lease: &Lease, kept: &Kept) -> Result<bool, ShelfError>;

    /// Gives the lease back after a failure. The end of the pause.
    async fn fail(&self, lease: &Lease, reason: &str) -> Result<Moment, ShelfError>;

    /// Gives the lease back without an order: the host is looked at again in a minute. The end of the pause.
    async fn postpone(&self, lease: &Lease, reason: &str) -> Result<Moment, ShelfError>;

    /// Shows a proof to all nodes; `None` takes the host's away.
    async fn prove(&self, host: &str, proof: Option<&Proof>) -> Result<(), ShelfError>;

    async fn proofs(&self) -> Result<Vec<Proof>, ShelfError>;

    /// Grows when something may have changed.
    fn epoch(&self) -> u64;
}
