//! Certificates by ACME for the hosts of this process's gateway: ordered when somebody asks for a host that has none,
//! renewed before they end, taken over from other nodes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use acme::{Folder, Issuer, Kept, Method, Outcome, Settings, Shelf};
use gateway::{Auto, Certified, Gateway, HostedCertificate, HostedChallenge};
use kernel::{Clock, Moment};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hosts::LOOK;

/// Orders at once.
const AT_ONCE: usize = 4;
/// How often it is looked whether something is about to end.
const RENEWALS: Duration = Duration::from_secs(5);
/// How long a host for which there was nothing to be had is not asked for again; the shelf may know longer.
const REST: Duration = Duration::from_secs(15);
/// After the authority or the shelf could not be reached.
const LATER: Duration = Duration::from_secs(15);
/// Nodes' clocks differ by less.
const SKEW: Duration = Duration::from_secs(600);

/// Keeps a gateway's certificates.
pub(crate) struct Keeper {
    gateway: Arc<Gateway>,
    clock: Clock,
    /// The house's; `None` for a gateway on its file alone.
    house: Option<domains::Certificates>,
    kept: HashMap<String, Kept>,
    newest: Moment,
    epoch: Option<u64>,
    wanted: BTreeSet<String>,
    resting: HashMap<String, Moment>,
    issuer: Option<Arc<Issuer>>,
    shelf: Option<Arc<dyn Shelf>>,
    thumbprint: Option<String>,
    /// When the next thing may be tried after a failure.
    rest_until: Moment,
    renewals_at: Moment,
}

impl Keeper {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        clock: Clock,
        house: Option<domains::Certificates>,
    ) -> Self {
        Self {
            gateway,
            clock,
            house,
            kept: HashMap::new(),
            newest: Moment(0),
            epoch: None,
            wanted: BTreeSet::new(),
            resting: HashMap::new(),
            issuer: None,
            shelf: None,
            thumbprint: None,
            rest_until: Moment(0),
            renewals_at: Moment(0),
        }
    }

    /// Works until it is stopped.
    pub(crate) async fn run(&mut self, stop: CancellationToken) {
        let mut orders: JoinSet<bool> = JoinSet::new();
        let mut running: HashMap<tokio::task::Id, String> = HashMap::new();
        // Orders of a run that panicked ended with it.
        self.wanted.clear();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
                Some(done) = orders.join_next_with_id(), if !orders.is_empty() => {
                    // One that panicked made nothing, and its host may be tried again.
                    let (id, made) = done.unwrap_or_else(|error| (error.id(), false));
                    if let Some(host) = running.remove(&id) {
                        self.wanted.remove(&host);
                        if !made {
                            self.resting.insert(host, self.clock.now() + REST);
                        }
                    }
                }
            }
            let now = self.clock.now();
            if now < self.rest_until {
                continue;
            }
            if let Err(error) = self.look(now).await {
                tracing::warn!(event = "gateway_certificates_unread", reason = error);
                self.rest_until = now + LATER;
                continue;
            }
            let Some(issuer) = &self.issuer else { continue };
            let free = AT_ONCE.saturating_sub(running.len());
            let next: Vec<String> = self
                .wanted
                .iter()
                .filter(|host| !running.values().any(|other| other == *host))
                .take(free)
                .cloned()
                .collect();
            for host in next {
                let (issuer, of) = (issuer.clone(), host.clone());
                let id = orders.spawn(async move { order(&issuer, &of).await }).id();
                running.insert(id, host);
            }
        }
    }

    /// Takes in what changed: settings, certificates, proofs, wishes.
    async fn look(&mut self, now: Moment) -> Result<(), String> {
        let Some(auto) = self.gateway.automatic() else {
            self.issuer = None;
            return Ok(());
        };
        let settings = settings(&auto);
        if self.issuer.as_ref().is_none_or(|issuer| *issuer.settings() != settings) {
            let shelf: Arc<dyn Shelf> = match &self.house {
                Some(house) => Arc::new(house.clone()),
                None => Arc::new(
                    Folder::open(&auto.folder, self.clock.clone())
                        .map_err(|error| error.to_string())?,
                ),
            };
            self.shelf = Some(shelf.clone());
            self.issuer = Some(Arc::new(Issuer::new(settings, shelf)));
            self.thumbprint = None;
            self.epoch = None;
        }
        let (Some(issuer), Some(shelf)) = (self.issuer.clone(), self.shelf.clone()) else {
            return Ok(());
        };
        let epoch = shelf.epoch();
        if self.epoch != Some(epoch) {
            let told = |error: acme::ShelfError| error.to_string();
            let since = Moment((self.newest - SKEW).0.max(0));
            for kept in shelf.certificates(since).await.map_err(told)? {
                self.kept.insert(kept.host.clone(), kept);
            }
            self.newest = now;
            let proofs = shelf.proofs().await.map_err(told)?;
            self.publish(&proofs)?;
            self.epoch = Some(epoch);
        }
        // Those that are there are served before the authority is asked for anything.
        if self.thumbprint.is_none() {
            self.thumbprint = Some(issuer.open().await.map_err(|error| error.to_string())?);
            let proofs = shelf.proofs().await.map_err(|error| error.to_string())?;
            self.publish(&proofs)?;
        }
        self.resting.retain(|_, until| *until > now);
        for host in self.gateway.asked() {
            let has = self.kept.get(&host).is_some_and(|kept| kept.ends > now);
            if !has && !self.resting.contains_key(&host) {
                self.wanted.insert(host);
            }
        }
        if now >= self.renewals_at {
            self.renewals_at = now + RENEWALS;
            let due = self.kept.values().filter(|kept| kept.is_due(now));
            let served = due.filter(|kept| {
                self.gateway.is_automatic(&kept.host) && !self.resting.contains_key(&kept.host)
            });
            self.wanted.extend(served.map(|kept| kept.host.clone()));
        }
        Ok(())
    }

    fn publish(&self, proofs: &[acme::Proof]) -> Result<(), String> {
        let mut certificates: Vec<_> = self
            .kept
            .values()
            .map(|kept| {
                Arc::new(HostedCertificate {
                    host: kept.host.clone(),
                    chain: kept.chain.clone(),
                    key: kept.key.clone(),
                })
            })
            .collect();
        certificates.sort_by(|a, b| a.host.cmp(&b.host));
        let challenges = proofs.iter().filter_map(|proof| {
            let (certificate, key) = acme::challenge_certificate(proof).ok()?;
            Some(HostedChallenge { host: proof.host.clone(), certificate, key })
        });
        let certified = Certified {
            certificates,
            thumbprint: self.thumbprint.clone(),
            challenges: challenges.collect(),
        };
        self.gateway.certify(certified).map(|_| ()).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            faults.join("; ")
        })
    }
}

fn settings(auto: &Auto) -> Settings {
    Settings {
        directory: auto.directory.clone(),
        email: auto.email.clone(),
        root: auto.root.clone(),
        method: if auto.tls_alpn { Method::TlsAlpn01 } else { Method::Http01 },
        // The look is at port 80, which need not be ours where proofs are shown on 443.
        look: auto.check && !auto.tls_alpn,
    }
}

/// Whether a certificate was made.
async fn order(issuer: &Issuer, host: &str) -> bool {
    match issuer.obtain(host).await {
        Ok(Outcome::Made(kept)) => {
            tracing::info!(
                event = "gateway_certificate_made",
                host = kept.host,
                until = kept.ends.rfc3339()
            );
            true
        }
        Ok(Outcome::NotNow) => false,
        Err((error, until)) => {
            tracing::warn!(
                event = "gateway_certificate_failed",
                host,
                reason = error.to_string(),
                again_at = until.map(Moment::rfc3339)
            );
            false
        }
    }
}
