//! Tenants' domains as the gateway serves them: which paths a purpose has, and who answers them.

use std::time::Duration;

use db::Db;
use domains::{Purpose, Served};
use gateway::{Gateway, Hosted, HostedPool, HostedRoute, HostedTo};

/// The pool of this house. One of this name in the gateway's file takes its place.
const HOUSE: &str = "house";

/// What programs call. Nothing here is a page.
const API: &[&str] = &["/v1", "/webhook", "/openapi.json", "/livez", "/readyz", "/healthz"];
/// What the panel is made of: its pages, and the calls that they make.
const PANEL: &[&str] = &["/painel", "/v1"];
/// What of this house a site for customers does not show.
const NOT_SITE: &[&str] =
    &["/painel", "/v1", "/webhook", "/openapi.json", "/livez", "/readyz", "/healthz", "/metrics"];

/// Where domains are read, and what stands behind them.
#[derive(Clone)]
pub(crate) struct Hosts {
    pub(crate) db: Db,
    /// `HOST:PORT` of the processes that serve this house.
    pub(crate) house: Vec<String>,
    pub(crate) certificates: domains::Certificates,
    /// Whether servers of tenants may be on private networks.
    pub(crate) private: bool,
    /// What all nodes of the house know, for what they share.
    pub(crate) secret: [u8; 32],
    /// The house's Redis.
    pub(crate) redis: Option<String>,
}

impl Hosts {
    /// The hosts as they are now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn read(&self) -> Result<Hosted, db::Error> {
        Ok(self.of(&domains::served(&self.db).await?))
    }

    fn of(&self, served: &[Served]) -> Hosted {
        let mut hosted = Hosted::default();
        if !served.is_empty() {
            hosted.pools.push(HostedPool {
                name: HOUSE.to_owned(),
                tenant: None,
                addresses: self.house.clone(),
                public_only: false,
                check: Some("/readyz".to_owned()),
            });
        }
        for Served { domain, slug } in served {
            let own = domain.upstream.as_ref().map(|address| HostedPool {
                name: format!("domain {}", domain.host),
                tenant: Some(slug.clone()),
                addresses: vec![address.clone()],
                public_only: !self.private,
                check: None,
            });
            let pool = own.as_ref().map_or(HOUSE, |pool| &pool.name).to_owned();
            let mut add = |prefix: &str, to: HostedTo| {
                hosted.routes.push(HostedRoute {
                    host: domain.host.clone(),
                    prefix: prefix.to_owned(),
                    tenant: slug.clone(),
                    region: domain.region.clone(),
                    to,
                });
            };
            let here = || HostedTo::Pool(pool.clone());
            match domain.purpose {
                Purpose::Site => {
                    add("/", here());
                    if own.is_none() {
                        NOT_SITE.iter().for_each(|prefix| add(prefix, HostedTo::Nothing));
                    }
                }
                Purpose::Api => API.iter().for_each(|prefix| add(prefix, here())),
                Purpose::Panel => {
                    PANEL.iter().for_each(|prefix| add(prefix, here()));
                    add("/", HostedTo::Redirect("/painel".to_owned()));
                }
            }
            hosted.pools.extend(own);
        }
        hosted
    }
}

/// How often the gateway's file and settings are looked at: a change is to be live within a second.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// Keeps the gateway in step with the database. Without the database it serves what it knew.
pub(crate) struct Follower {
    hosts: Hosts,
    epoch: u64,
    away: bool,
}

impl Follower {
    /// `epoch`: of the database's signals, before the hosts that serve were read.
    pub(crate) fn new(hosts: Hosts, epoch: u64) -> Self {
        Self { hosts, epoch, away: false }
    }

    pub(crate) async fn look(&mut self, gateway: &Gateway) {
        let epoch = self.hosts.db.signals().epoch();
        if epoch == self.epoch {
            return;
        }
        let done = match self.hosts.read().await {
            Ok(hosted) => gateway.host(hosted).map_err(|faults| {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                faults.join("; ")
            }),
            Err(error) => Err(error.to_string()),
        };
        match done {
            Ok(_) => (self.epoch, self.away) = (epoch, false),
            // Tried again at the next look, and said once.
            Err(reason) => {
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!(event = "gateway_domains_unread", reason);
                }
            }
        }
    }
}
