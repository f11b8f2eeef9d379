//! Which channel is whose, held until somebody changes a setting.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use db::{Db, Error};
use inbox::Rules;
use kernel::{ChannelId, Slug, TenantId};
use messaging::Endpoint;
use parking_lot::Mutex;
use tenancy::{State, Vault, VaultError};

use crate::store::{self, Located, api_key_name};

/// A channel with all that taking in and sending need.
#[derive(Clone)]
pub struct Entry {
    pub id: ChannelId,
    pub tenant: TenantId,
    pub slug: Slug,
    pub state: State,
    pub rules: Rules,
    pub(crate) token_hash: String,
    pub(crate) endpoint: Endpoint,
}

#[derive(Default)]
struct Held {
    epoch: u64,
    by_instance: HashMap<String, Arc<Entry>>,
    by_id: HashMap<ChannelId, Arc<Entry>>,
    /// Hashes of webhook tokens that are in use.
    tokens: HashSet<String>,
}

/// The channels of the house, as far as they are in use.
#[derive(Clone)]
pub struct Directory {
    pub(crate) db: Db,
    vault: Vault,
    held: Arc<Mutex<Held>>,
}

impl Directory {
    pub fn new(db: Db, vault: Vault) -> Self {
        Self { db, vault, held: Arc::default() }
    }

    /// # Errors
    /// When rows cannot be read or the key does not open.
    pub async fn by_instance(&self, instance: &str) -> Result<Option<Arc<Entry>>, VaultError> {
        if let Some(entry) = self.fresh().by_instance.get(instance) {
            return Ok(Some(entry.clone()));
        }
        let epoch = self.db.signals().epoch();
        match store::by_instance(&self.db, instance).await? {
            Some(located) => self.complete(located, epoch).await,
            None => Ok(None),
        }
    }

    /// Whether any channel has this webhook token.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub async fn knows_token(&self, token: &str) -> Result<bool, VaultError> {
        let hash = tenancy::hash_token(token);
        if self.fresh().tokens.contains(&hash) {
            return Ok(true);
        }
        let epoch = self.db.signals().epoch();
        let known = store::is_token(&self.db, &hash).await?;
        let mut held = self.fresh();
        if known && held.epoch == epoch {
            held.tokens.insert(hash);
        }
        Ok(known)
    }

    /// # Errors
    /// When rows cannot be read or the key does not open.
    pub async fn by_token(&self, token: &str) -> Result<Option<Arc<Entry>>, VaultError> {
        let epoch = self.db.signals().epoch();
        match store::by_token(&self.db, token).await? {
            Some(located) => self.complete(located, epoch).await,
            None => Ok(None),
        }
    }

    /// # Errors
    /// When rows cannot be read or the key does not open.
    pub async fn by_id(
        &self,
        tenant: TenantId,
        id: ChannelId,
    ) -> Result<Option<Arc<Entry>>, VaultError> {
        if let Some(entry) = self.fresh().by_id.get(&id).filter(|e| e.tenant == tenant) {
            return Ok(Some(entry.clone()));
        }
        let epoch = self.db.signals().epoch();
        let mut tx = self.db.read(tenant).await?;
        let located = store::by_id(&mut tx, id).await?;
        drop(tx);
        match located {
            Some(located) => self.complete(located, epoch).await,
            None => Ok(None),
        }
    }

    /// What is held, emptied first if settings changed since.
    fn fresh(&self) -> parking_lot::MutexGuard<'_, Held> {
        let epoch = self.db.signals().epoch();
        let mut held = self.held.lock();
        if held.epoch != epoch {
            *held = Held { epoch, ..Held::default() };
        }
        held
    }

    async fn complete(
        &self,
        located: Located,
        epoch: u64,
    ) -> Result<Option<Arc<Entry>>, VaultError> {
        let tenant = tenancy::by_id(&self.db, located.tenant).await?;
        let tenant =
            tenant.ok_or(Error::Corrupt { column: 1, expected: "a tenant that exists" })?;
        let mut tx = self.db.read(located.tenant).await?;
        let rules = inbox::rules(&mut tx).await?;
        let api_key = self.vault.get(&mut tx, &api_key_name(located.id)).await?.unwrap_or_default();
        drop(tx);
        let endpoint =
            Endpoint { base_url: located.base_url, instance: located.instance.clone(), api_key };
        let entry = Arc::new(Entry {
            id: located.id,
            tenant: located.tenant,
            slug: tenant.slug,
            state: tenant.state,
            rules,
            token_hash: located.token_hash,
            endpoint,
        });
        let mut held = self.fresh();
        // Read before a change and kept after it would be stale.
        if held.epoch == epoch {
            held.by_instance.insert(located.instance, entry.clone());
            held.by_id.insert(entry.id, entry.clone());
        }
        Ok(Some(entry))
    }
}
