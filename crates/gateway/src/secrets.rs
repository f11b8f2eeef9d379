//! What this gateway knows that strangers do not, made of the file's secret or the house's.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
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
    /// Signs what nodes tell each other; none without a secret that all nodes know.
    told: Option<[u8; 32]>,
}

impl Secrets {
    /// `house`: a secret that all nodes of a house know.
    pub(crate) fn of(config: &Config, house: Option<[u8; 32]>) -> Self {
        let global = &config.global;
        let digest = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
        let own = global.sticky_secret.as_ref().map(|secret| digest(&secret.0));
        let shared = own.or(house);
        // What nodes of one installation mostly have in common tells houses apart, but is for nobody to sign with.
        let password = config.cluster.as_ref().and_then(|cluster| cluster.password.as_ref());
        let apart = global.admin_token.as_ref().or(password).map(|secret| digest(&secret.0));
        let derived = |purpose: &str| -> [u8; 32] {
            let hash = Sha256::new().chain_update(purpose).chain_update([0]);
            hash.chain_update(shared.or(apart).unwrap_or_default()).finalize().into()
        };
        let known = shared.or(apart).is_some() || config.cluster.is_some();
        // Without sharing, nobody outside is to know which addresses fall together.
        let seed: [u8; 32] = if known { derived("limits") } else { rand::random() };
        let mut limits = [0; 16];
        limits.copy_from_slice(&seed[..16]);
        Self {
            marks: Arc::new(shared.unwrap_or_else(rand::random)),
            limits,
            house: derived("house")[..6].iter().map(|byte| format!("{byte:02x}")).collect(),
            told: shared.map(|_| derived("told")),
        }
    }

    /// For a table that is only looked at.
    pub(crate) fn none() -> Self {
        Self { marks: Arc::new([0; 32]), limits: [0; 16], house: String::new(), told: None }
    }

    /// Whether there is a secret that all nodes know.
    pub(crate) fn is_shared(&self) -> bool {
        self.told.is_some()
    }

    pub(crate) fn sign(&self, parts: &[&str]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.told?)
            .unwrap_or_else(|_| unreachable!("any length fits"));
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
