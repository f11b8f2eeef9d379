//! What this gateway knows that strangers do not, made of the file's secret or the house's.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::Config;

/// Made once, at the start.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// Signs sticky cookies.
    pub(crate) marks: Arc<[u8; 32]>,
    /// Keys the hash under which limits know clients; the same on all nodes that share.
    pub(crate) limits: [u8; 16],
    /// The name of this house in a Redis; it says nothing of the secret.
    pub(crate) house: String,
}

impl Secrets {
    /// `house`: a secret that all nodes of a house know.
    pub(crate) fn of(config: &Config, house: Option<[u8; 32]>) -> Self {
        let prefix = config.cluster.as_ref().map_or("", |cluster| &cluster.prefix);
        let own = config
            .global
            .sticky_secret
            .as_ref()
            .map(|secret| Sha256::digest(secret.0.as_bytes()).into());
        let shared: Option<[u8; 32]> = own.or(house);
        let derived = |purpose: &str| -> [u8; 32] {
            let hash = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(prefix);
            hash.chain_update([0]).chain_update(shared.unwrap_or_default()).finalize().into()
        };
        let marks = shared.unwrap_or_else(rand::random);
        // Without sharing, nobody outside is to know which addresses fall together.
        let seed: [u8; 32] =
            if config.cluster.is_some() { derived("limits") } else { rand::random() };
        let mut limits = [0; 16];
        limits.copy_from_slice(&seed[..16]);
        let house = derived("house")[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { marks: Arc::new(marks), limits, house }
    }

    /// For a table that is only looked at.
    pub(crate) fn none() -> Self {
        Self { marks: Arc::new([0; 32]), limits: [0; 16], house: String::new() }
    }
}
