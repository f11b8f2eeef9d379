//! What pages are made with.

use std::sync::Arc;
use std::time::Duration;

use assistant::{Answerer, Contexts};
use async_trait::async_trait;
use channels::{Manage, Sender};
use db::Db;
use identity::Throttle;
use kernel::{Clock, TenantId};
use knowledge::Library;
use messaging::Messengers;
use messaging::http::Outbound;
use tenancy::{NewTenant, State, Tenant, Vault};
use web::{Problem, TrustedProxies};

/// How the panel behaves; from the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where browsers reach us, such as `https://painel.example.com`.
    pub public_url: Option<String>,
    /// What links in letters begin with.
    pub base_url: String,
    pub proxies: TrustedProxies,
    /// A session ends after this long without use.
    pub idle: Duration,
    /// A session ends after this long.
    pub life: Duration,
    /// What the house is called before somebody brands it.
    pub house_name: String,
    /// Letters are shown on a page of the demo instead of being sent.
    pub mailbox: bool,
    /// Letters reach people.
    pub mails: bool,
    /// The name beside the address that letters come from.
    pub mail_name: Option<String>,
    /// Bytes of an uploaded file at most.
    pub upload_limit: usize,
}

/// What touches several rooms at once, and is wired where they all are known.
#[async_trait]
pub trait Operations: Send + Sync {
    async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, Problem>;
    async fn set_state(&self, slug: &str, state: State) -> Result<(), Problem>;
    /// How the work of every tenant stands that has any.
    async fn queues(&self) -> Result<Vec<(TenantId, Work)>, Problem>;
}

/// How a tenant's work stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Jobs that wait or run.
    pub waiting: i64,
    /// Jobs that were given up.
    pub dead: i64,
}

/// Everything that pages use. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub db: Db,
    pub clock: Clock,
    pub vault: Vault,
    pub library: Library,
    pub contexts: Contexts,
    pub answerer: Answerer,
    pub outbound: Outbound,
    pub manage: Manage,
    pub sender: Sender,
    pub messengers: Messengers,
    pub throttle: Throttle,
    pub operations: Arc<dyn Operations>,
    /// Writes as a customer would, where there is a stand-in phone.
    pub customer: Option<Arc<dyn crate::simulator::Customer>>,
    /// Where people may sign in instead.
    pub oidc: Option<Arc<oidc::Oidc>>,
    pub options: Arc<Options>,
}
