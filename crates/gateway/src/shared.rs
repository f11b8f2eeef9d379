//! What all workers and the control share.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::access::Sink;
use crate::change::History;
use crate::clock;
use crate::hosted::Hosted;
use crate::secrets::Secrets;
use crate::sharing::Outside;
use crate::stats::{HouseStats, Sharded};
use crate::table::Table;
use crate::tls::Certified;
use crate::waf::Matches;

pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    /// The version of the table, where workers look for a newer one.
    pub(crate) version: AtomicU64,
    pub(crate) secrets: Secrets,
    pub(crate) house: Arc<HouseStats>,
    /// No more connections are accepted.
    pub(crate) closing: CancellationToken,
    /// Connections come to an end: HTTP/2 is told so, others close after their answer.
    pub(crate) ending: CancellationToken,
    /// The deadline of a drain has passed.
    pub(crate) expired: CancellationToken,
    /// All is over.
    pub(crate) stopped: CancellationToken,
    /// Milliseconds since when this node drains; 0 when it does not.
    drained_since: AtomicU64,
    /// Another process has taken over; nobody is refused here.
    pub(crate) handed_over: CancellationToken,
    /// Tenants that drain.
    pub(crate) tenants: ArcSwap<HashSet<String>>,
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: Sharded,
    pub(crate) tunnels: AtomicUsize,
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    pub(crate) log: Mutex<Option<Sink>>,
    pub(crate) log_version: AtomicU64,
    /// The port on which TLS is spoken; 0 when none is.
    pub(crate) tls_port: AtomicU16,
    pub(crate) wall: kernel::Clock,
    pub(crate) variables: crate::Variables,
    pub(crate) history: History,
    pub(crate) beside: Mutex<Beside>,
    pub(crate) waf: Matches,
    pub(crate) outside: Outside,
    /// Hosts without a certificate that somebody asked for.
    asked: Mutex<HashSet<String>>,
    /// One change at a time.
    pub(crate) changing: Mutex<()>,
}

/// What the program gives beside the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Beside {
    pub(crate) hosted: Hosted,
    pub(crate) certified: Certified,
}

impl Shared {
    /// Somebody asked for a host that has no certificate. Only for hosts that are served here.
    pub(crate) fn ask_for(&self, host: &str) {
        let mut asked = self.asked.lock();
        if !asked.contains(host) {
            asked.insert(host.to_owned());
        }
    }

    /// The hosts that were asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().drain().collect()
    }

    pub(crate) fn new(
        table: Table,
        secrets: Secrets,
        wall: kernel::Clock,
        variables: crate::Variables,
    ) -> Self {
        Self {
            version: AtomicU64::new(table.version),
            table: ArcSwap::from_pointee(table),
            secrets,
            house: Arc::default(),
            closing: CancellationToken::new(),
            ending: CancellationToken::new(),
            expired: CancellationToken::new(),
            stopped: CancellationToken::new(),
            drained_since: AtomicU64::new(0),
            handed_over: CancellationToken::new(),
            tenants: ArcSwap::default(),
            connections: AtomicUsize::new(0),
            requests: Sharded::default(),
            tunnels: AtomicUsize::new(0),
            by_ip: Mutex::default(),
            log: Mutex::new(None),
            log_version: AtomicU64::new(0),
            tls_port: AtomicU16::new(0),
            wall,
            variables,
            history: History::default(),
            beside: Mutex::default(),
            asked: Mutex::default(),
            waf: Matches::default(),
            outside: Outside::default(),
            changing: Mutex::new(()),
        }
    }

    /// Begins a drain; false when one is under way.
    pub(crate) fn drain(&self) -> bool {
        let begun = self
            .drained_since
            .compare_exchange(0, clock::millis().max(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        self.ending.cancel();
        begun
    }

    /// Whether a connection of this moment came too late to be served here.
    pub(crate) fn refuses(&self, since: u64) -> bool {
        let drained = self.drained_since();
        drained != 0 && since >= drained && !self.handed_over.is_cancelled()
    }

    pub(crate) fn drained_since(&self) -> u64 {
        self.drained_since.load(Ordering::Relaxed)
    }

    /// A place for a connection; `None` when there is none left.
    pub(crate) fn admit(self: &Arc<Self>, most: usize) -> Option<Place> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= most {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place { shared: self.clone(), peer: None })
    }
}

/// A connection's place in the counts.
pub(crate) struct Place {
    shared: Arc<Shared>,
    peer: Option<IpAddr>,
}

impl Place {
    /// Counts the connection for who is at its other end; false when they have as many as they may.
    pub(crate) fn count_for(&mut self, peer: IpAddr, most: usize) -> bool {
        if most == 0 {
            return true;
        }
        let mut by_ip = self.shared.by_ip.lock();
        let count = by_ip.entry(peer).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        self.peer = Some(peer);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(peer) = self.peer {
            let mut by_ip = self.shared.by_ip.lock();
            if let Some(count) = by_ip.get_mut(&peer) {
                *count -= 1;
                if *count == 0 {
                    by_ip.remove(&peer);
                }
            }
        }
    }
}
