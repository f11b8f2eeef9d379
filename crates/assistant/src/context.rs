//! What a turn needs to know of its tenant, held until somebody changes it.

use std::collections::HashMap;
use std::sync::Arc;

use db::Db;
use inbox::Rules;
use kernel::TenantId;
use models::ModelRef;
use parking_lot::Mutex;
use tenancy::{OpeningHours, Tenant, Vault, VaultError};

use crate::Settings;
use crate::settings::{FALLBACK_KEY, MODEL_KEY, ModelSettings, load};

/// A tenant with its assistant.
#[derive(Clone)]
pub struct Context {
    pub tenant: Tenant,
    pub settings: Settings,
    pub rules: Rules,
    /// In the order they are asked.
    pub models: Vec<ModelRef>,
    /// Only when the owner confirmed them: nobody is told a default.
    pub hours: Option<Vec<OpeningHours>>,
    /// What somebody is told once who wants no more messages.
    pub opt_out: String,
}

type Held = HashMap<TenantId, (u64, Arc<Context>)>;

/// The contexts of this process.
#[derive(Clone)]
pub struct Contexts {
    db: Db,
    vault: Vault,
    held: Arc<Mutex<Held>>,
}

/// More than this, and the cache starts anew: idle tenants must not fill the memory.
const HELD: usize = 2_000;

impl Contexts {
    pub fn new(db: Db, vault: Vault) -> Self {
        Self { db, vault, held: Arc::default() }
    }

    /// The tenant as of the last change of settings, whichever process made it.
    ///
    /// # Errors
    /// When rows cannot be read or secrets do not open. `None` when there is no such tenant.
    pub async fn get(&self, id: TenantId) -> Result<Option<Arc<Context>>, VaultError> {
        let epoch = self.db.signals().epoch();
        if let Some((at, context)) = self.held.lock().get(&id)
            && *at == epoch
        {
            return Ok(Some(context.clone()));
        }
        let Some(tenant) = tenancy::by_id(&self.db, id).await? else { return Ok(None) };
        let mut tx = self.db.read(id).await?;
        let settings = load(&mut tx).await?;
        let rules = inbox::rules(&mut tx).await?;
        let (hours, confirmed) = tenancy::opening_hours(&mut tx).await?;
        let opt_out = tenancy::consent_text(&mut tx, "opt_out").await?.unwrap_or_default();
        let mut models = Vec::new();
        for (model, key) in [(&settings.model, MODEL_KEY), (&settings.fallback, FALLBACK_KEY)] {
            let Some(ModelSettings { provider, base_url, model }) = model.clone() else { continue };
            let api_key = self.vault.get(&mut tx, key).await?.unwrap_or_default();
            models.push(ModelRef { provider, base_url, api_key, model });
        }
        let hours = confirmed.then_some(hours);
        let context = Arc::new(Context { tenant, settings, rules, models, hours, opt_out });
        let mut held = self.held.lock();
        if held.len() >= HELD {
            held.clear();
        }
        held.insert(id, (epoch, context.clone()));
        Ok(Some(context))
    }
}
