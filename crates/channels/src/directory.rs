//! Which channel is whose, held until somebody changes a setting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::{Db, Error};
use inbox::Rules;
use kernel::{ChannelId, Clock, Moment, Slug, TenantId};
use messaging::{Endpoint, Kind};
use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;
use tenancy::{State, Vault, VaultError};

use crate::locate::{self, Located, login_of};
use crate::store::{api_key_name, login_name, secret_name};

/// A channel with all that taking in and sending need.
#[derive(Clone)]
pub struct Entry {
    pub id: ChannelId,
    pub tenant: TenantId,
    pub slug: Slug,
    pub state: State,
    pub kind: Kind,
    pub rules: Rules,
    pub own_number: Option<String>,
    pub(crate) token_hash: String,
    pub(crate) before: Option<(String, Moment)>,
    /// What its webhooks are signed with; empty where they are not.
    pub(crate) secret: String,
    pub(crate) endpoint: Endpoint,
    /// Seconds by which our clock is ahead of the provider's times, once that is known.
    pub(crate) clock_offset: i64,
}

impl Entry {
    /// Whether a webhook token is this channel's: the one it has, or the one it had a moment ago.
    pub(crate) fn takes_token(&self, token: &str, now: Moment) -> bool {
        let hash = tenancy::hash_token(token);
        let equals = |own: &str| bool::from(hash.as_bytes().ct_eq(own.as_bytes()));
        let before = self.before.as_ref().filter(|(_, until)| *until > now);
        equals(&self.token_hash) | before.is_some_and(|(own, _)| equals(own))
    }
}

/// How long a token is known without another look: one that was replaced is not known for ever.
const KNOWN: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Held {
    epoch: u64,
    by_instance: HashMap<(Kind, String), Arc<Entry>>,
    by_id: HashMap<ChannelId, Arc<Entry>>,
    /// Hashes of webhook tokens that are in use, until they are looked up again.
    tokens: HashMap<(Kind, String), Moment>,
    /// The app secrets of all Cloud channels, each once.
    app_secrets: Option<Arc<Vec<String>>>,
}

/// The channels of the house, as far as they are in use.
#[derive(Clone)]
pub struct Directory {
    pub(crate) db: Db,
    vault: Vault,
    clock: Clock,
    held: Arc<Mutex<Held>>,
}

impl Directory {
    pub fn new(db: Db, vault: Vault, clock: Clock) -> Self {
        Self { db, vault, clock, held: Arc::default() }
    }

    /// # Errors
    /// When rows cannot be read or the key does not open.
    pub async fn by_instance(
        &self,
        kind: Kind,
        instance: &str,
    ) -> Result<Option<Arc<Entry>>, VaultError> {
        let key = (kind, instance.to_owned());
        if let Some(entry) = self.fresh().by_instance.get(&key) {
            return Ok(Some(entry.clone()));
        }
        let epoch = self.db.signals().epoch();
        match locate::by_instance(&self.db, kind, instance).await? {
            Some(located) => self.complete(located, epoch).await,
            None => Ok(None),
        }
    }

    /// Whether any channel of this kind has this webhook token.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub async fn knows_token(&self, kind: Kind, token: &str) -> Result<bool, VaultError> {
        let key = (kind, tenancy::hash_token(token));
        let now = self.clock.now();
        if self.fresh().tokens.get(&key).is_some_and(|until| *until > now) {
            return Ok(true);
        }
        let epoch = self.db.signals().epoch();
        let known = locate::is_token(&self.db, kind, &key.1, now).await?;
        let mut held = self.fresh();
        if known && held.epoch == epoch {
            held.tokens.insert(key, now + KNOWN);
        }
        Ok(known)
    }

    /// # Errors
    /// When rows cannot be read or the key does not open.
    pub async fn by_token(&self, token: &str) -> Result<Option<Arc<Entry>>, VaultError> {
        let epoch = self.db.signals().epoch();
        match locate::by_token(&self.db, token, self.clock.now()).await? {
            Some(located) => self.complete(located, epoch).await,
            None => Ok(None),
        }
    }

    /// The one channel with this token that speaks from this number.
    ///
    /// # Errors
    /// When rows cannot be read or the key does not open.
    pub async fn by_owner(
        &self,
        token: &str,
        digits: &str,
    ) -> Result<Option<Arc<Entry>>, VaultError> {
        let epoch = self.db.signals().epoch();
        match locate::by_owner(&self.db, token, digits, self.clock.now()).await? {
            Some(located) => self.complete(located, epoch).await,
            None => Ok(None),
        }
    }

    /// The channels of a business account.
    ///
    /// # Errors
    /// When rows cannot be read or a key does not open.
    pub async fn of_account(&self, account: &str) -> Result<Vec<Arc<Entry>>, VaultError> {
        let epoch = self.db.signals().epoch();
        let mut found = Vec::new();
        if account.is_empty() {
            return Ok(found);
        }
        for located in locate::of_account(&self.db, Kind::WhatsAppCloud, Some(account)).await? {
            found.extend(self.complete(located, epoch).await?);
        }
        Ok(found)
    }

    /// The app secrets of all Cloud channels: a body that holds under one comes from Meta.
    ///
    /// # Errors
    /// When rows cannot be read or a key does not open.
    pub async fn app_secrets(&self) -> Result<Arc<Vec<String>>, VaultError> {
        if let Some(secrets) = self.fresh().app_secrets.clone() {
            return Ok(secrets);
        }
        let epoch = self.db.signals().epoch();
        let mut secrets = Vec::new();
        for located in locate::of_account(&self.db, Kind::WhatsAppCloud, None).await? {
            let entry = self.complete(located, epoch).await?;
            if let Some(entry) = entry.filter(|entry| !secrets.contains(&entry.secret)) {
                secrets.push(entry.secret.clone());
            }
        }
        let secrets = Arc::new(secrets);
        let mut held = self.fresh();
        if held.epoch == epoch {
            held.app_secrets = Some(secrets.clone());
        }
        Ok(secrets)
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
        let located = locate::by_id(&mut tx, id).await?;
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
        let id = located.id;
        let api_key = self.vault.get(&mut tx, &api_key_name(id)).await?.unwrap_or_default();
        let (mut secret, mut login) = (String::new(), None);
        if located.kind != Kind::Evolution {
            secret = self.vault.get(&mut tx, &secret_name(id)).await?.unwrap_or_default();
        }
        if located.kind == Kind::Whaticket {
            let text = self.vault.get(&mut tx, &login_name(id)).await?;
            login = text.as_deref().and_then(login_of);
        }
        drop(tx);
        let endpoint = Endpoint {
            channel: id,
            base_url: located.base_url,
            instance: located.instance.clone(),
            api_key,
            login,
            account: located.account,
        };
        let entry = Arc::new(Entry {
            id,
            tenant: located.tenant,
            slug: tenant.slug,
            state: tenant.state,
            kind: located.kind,
            rules,
            own_number: located.own_number,
            token_hash: located.token_hash,
            before: located.before,
            secret,
            endpoint,
            clock_offset: located.clock_offset,
        });
        let mut held = self.fresh();
        // Read before a change and kept after it would be stale.
        if held.epoch == epoch {
            held.by_instance.insert((located.kind, located.instance), entry.clone());
            held.by_id.insert(entry.id, entry.clone());
        }
        Ok(Some(entry))
    }
}
