//! What nodes of one gateway tell each other, as the program carries it: what clients used of their limits, calls of
//! the admin API, who else is there. The gateway works the same when nothing of it arrives.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::{Method, Uri};
use kernel::Moment;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::balance::Pool;
use crate::config::{Cluster, Config};
use crate::limits::Limiter;
use crate::shared::Shared;
use crate::table::Table;
use crate::{Gateway, admin, clock, follow};

/// Calls kept while nobody carries them.
const CALLS: usize = 1000;

/// What one client used of one limit since it was last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// The limit: the same name on every node.
    pub limit: Arc<str>,
    pub tenant: Option<Arc<str>>,
    /// The client, as a hash.
    pub key: u64,
    pub per_second: f64,
    pub burst: f64,
    pub taken: u32,
}

/// A call of the admin API that changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    /// With its query.
    pub path: String,
    pub body: String,
}

/// A gateway of the same house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub node: String,
    /// What it serves: the same text on nodes with the same routes and pools in their files.
    pub file: String,
    pub program: String,
    pub started: Moment,
    pub draining: bool,
}

/// What is known of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// This node's own name.
    pub node: String,
    /// How Redis is reached: `single`, `sentinel` or `cluster`; `None` while it is not.
    pub redis: Option<&'static str>,
    /// Why it is not.
    pub reason: String,
    pub members: Vec<Member>,
    /// The leader's name, and the number of its term: no later leader has a smaller one.
    pub leader: Option<(String, u64)>,
    pub failures: u64,
}

/// What clients of a tenant asked, since the gateway began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Routes of no tenant are under the empty name.
    pub tenant: String,
    pub requests: u64,
    /// Answered with 500 and above.
    pub failures: u64,
    pub micros: u64,
}

/// Who serves a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Servers {
    /// That take requests now.
    pub count: usize,
    /// Requests at once that each may have, where all have such a limit.
    pub at_once: Option<usize>,
}

/// What is expected of tenants, as the program finds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outlook {
    /// For people and programs, as it is.
    pub shown: Value,
    /// By tenant: requests a second in the next hour as expected, and the bounds of 95 of 100.
    pub expected: Vec<(String, [f64; 3])>,
    /// By tenant: what is odd now.
    pub odd: Vec<(String, &'static str)>,
}

/// What is kept for and of the others.
#[derive(Default)]
pub(crate) struct Outside {
    calls: Mutex<Vec<Call>>,
    others: Mutex<Others>,
    /// The file that is the base of what serves, its name, and how often one was taken in.
    base: Mutex<Option<(String, Config)>>,
    loads: AtomicU64,
    /// Somebody carries calls to other nodes.
    carried: AtomicBool,
    /// A change by a call, and one by what others were told, are not made at the same time.
    pub(crate) order: Mutex<()>,
    outlook: Mutex<Outlook>,
}

impl Outside {
    /// A file was taken in.
    pub(crate) fn based_on(&self, config: &Config) {
        *self.base.lock() = Some((follow::digest(config), config.clone()));
        // What was to be told of the file before is told of nobody's file any more.
        self.calls.lock().retain(Call::is_for_all);
        self.loads.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn base(&self) -> String {
        self.base.lock().as_ref().map(|(name, _)| name.clone()).unwrap_or_default()
    }

    pub(crate) fn base_config(&self) -> Option<Config> {
        self.base.lock().as_ref().map(|(_, config)| config.clone())
    }

    /// Calls that nobody carried away yet.
    pub(crate) fn pending(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// Keeps a call for the other nodes.
    pub(crate) fn tell(&self, call: Call) {
        if self.is_carried() {
            let mut calls = self.calls.lock();
            if calls.len() < CALLS {
                calls.push(call);
            }
        }
    }

    pub(crate) fn is_carried(&self) -> bool {
        self.carried.load(Ordering::Relaxed)
    }

    pub(crate) fn outlook(&self) -> Outlook {
        self.outlook.lock().clone()
    }

    pub(crate) fn seen(&self) -> Others {
        self.others.lock().clone()
    }
}

/// For people.
pub(crate) fn view(shared: &Shared) -> Value {
    let others = shared.outside.seen();
    let members: Vec<Value> = others
        .members
        .iter()
        .map(|member| {
            json!({
                "node": member.node,
                "file": member.file,
                "program": member.program,
                "started": member.started.rfc3339(),
                "draining": member.draining,
                "leader": others.leader.as_ref().is_some_and(|(node, _)| *node == member.node),
            })
        })
        .collect();
    json!({
        "node": others.node,
        "file": shared.outside.base(),
        "redis": others.redis,
        "reason": (!others.reason.is_empty()).then_some(others.reason),
        "leader": others.leader.as_ref().map(|(node, _)| node),
        "term": others.leader.as_ref().map(|(_, term)| term),
        "nodes": members,
        "failures": others.failures,
    })
}

fn limiters(table: &Table) -> impl Iterator<Item = &Arc<Limiter>> {
    table.limiter.iter().chain(table.routes.iter().filter_map(|route| route.limiter.as_ref()))
}

impl Gateway {
    /// What the file that serves says of other nodes, and the name of this house among others.
    #[must_use]
    pub fn cluster(&self) -> Option<(Cluster, String)> {
        let cluster = self.shared.table.load().cluster.clone()?;
        Some((cluster, self.shared.secrets.house.clone()))
    }

    /// What clients used of shared limits since the last call.
    #[must_use]
    pub fn draws(&self) -> Vec<Draw> {
        let mut found = Vec::new();
        for limiter in limiters(&self.shared.table.load()) {
            let Some(sharing) = limiter.sharing() else { continue };
            let rate = limiter.rate();
            found.extend(limiter.used().into_iter().map(|(key, taken)| Draw {
                limit: sharing.name.clone(),
                tenant: sharing.tenant.clone(),
                key,
                per_second: rate.per_second,
                burst: rate.burst,
                taken,
            }));
        }
        found
    }

    /// Takes in what is left for each of these, in tokens; less than none when nodes together let too many through.
    pub fn levels(&self, levels: &[(Draw, f64)]) {
        if levels.is_empty() {
            return;
        }
        let table = self.shared.table.load();
        let known: HashMap<&str, &Arc<Limiter>> = limiters(&table)
            .filter_map(|limiter| Some((&*limiter.sharing()?.name, limiter)))
            .collect();
        for (draw, tokens) in levels {
            if let Some(limiter) = known.get(&*draw.limit) {
                limiter.level(draw.key, tokens.min(draw.burst));
            }
        }
    }

    /// Which routes and pools the file that serves has, and how often a file was taken in: after one, what other nodes
    /// were told on top of it is to be replayed.
    #[must_use]
    pub fn base(&self) -> (String, u64) {
        let loads = self.shared.outside.loads.load(Ordering::Acquire);
        (self.shared.outside.base(), loads)
    }

    /// Calls that changed something here since the last call, for the other nodes.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.shared.outside.calls.lock())
    }

    /// Whether calls of the admin API are carried to other nodes; they are kept for that from then on.
    pub fn carry(&self, on: bool) {
        self.shared.outside.carried.store(on, Ordering::Relaxed);
    }

    /// Answers a call as the admin API does, and tells other nodes what it changed: its status and its body.
    #[must_use]
    pub fn ask(&self, call: &Call) -> (u16, String) {
        let asked =
            Method::from_bytes(call.method.as_bytes()).ok().zip(call.path.parse::<Uri>().ok());
        let Some((method, uri)) = asked else { return (400, String::new()) };
        let answer = admin::act_and_tell(&self.shared, &method, &uri, call.body.as_bytes());
        let status = answer.status().as_u16();
        (status, String::from_utf8_lossy(answer.body()).into_owned())
    }

    /// What was counted of each tenant.
    #[must_use]
    pub fn counts(&self) -> Vec<Counts> {
        let table = self.shared.table.load();
        let mut by: std::collections::BTreeMap<&str, Counts> = std::collections::BTreeMap::new();
        for route in &table.routes {
            let tenant = route.config.tenant.as_deref().unwrap_or_default();
            let sum = by.entry(tenant).or_default();
            sum.requests += route.stats.total();
            sum.failures += route.stats.classes()[4];
            sum.micros += route.stats.latency().1;
        }
        by.into_iter().map(|(tenant, sum)| Counts { tenant: tenant.to_owned(), ..sum }).collect()
    }

    /// Who serves each tenant. How much servers may take is said only of those that serve nobody else, or it would be
    /// promised to each.
    #[must_use]
    pub fn servers(&self) -> HashMap<String, Servers> {
        let table = self.shared.table.load();
        let now = clock::millis();
        let mut pools: HashMap<&str, Vec<&Arc<Pool>>> = HashMap::new();
        let mut tenants: HashMap<&str, HashSet<&str>> = HashMap::new();
        for route in &table.routes {
            let tenant = route.config.tenant.as_deref().unwrap_or_default();
            let known = pools.entry(tenant).or_default();
            if let Some(pool) = &route.pool {
                tenants.entry(&pool.config.name).or_default().insert(tenant);
                if !known.iter().any(|other| other.config.name == pool.config.name) {
                    known.push(pool);
                }
            }
        }
        let of = |pools: &[&Arc<Pool>]| {
            let serves = |pool: &&Arc<Pool>| {
                pool.members.iter().filter(|one| one.usable(now) && !one.is_draining()).count()
            };
            let own = match pools {
                [pool] => {
                    tenants.get(&*pool.config.name).filter(|all| all.len() == 1).map(|_| pool)
                }
                _ => None,
            };
            Servers {
                count: pools.iter().map(serves).sum(),
                at_once: own.map(|pool| pool.config.max_requests).filter(|most| *most > 0),
            }
        };
        pools.iter().map(|(tenant, pools)| ((*tenant).to_owned(), of(pools))).collect()
    }

    /// All that the admin API shows of this node, in one.
    #[must_use]
    pub fn report(&self) -> Value {
        admin::report(&self.shared)
    }

    /// Takes in what is expected.
    pub fn foresee(&self, outlook: Outlook) {
        *self.shared.outside.outlook.lock() = outlook;
    }

    /// A proof that a node of this house says this; none where nodes share no secret, and then nothing is to be followed.
    #[must_use]
    pub fn sign(&self, parts: &[&str]) -> Option<String> {
        self.shared.secrets.sign(parts)
    }

    /// Takes in who else is there.
    pub fn others(&self, others: Others) {
        *self.shared.outside.others.lock() = others;
    }

    /// Whether it takes nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.drained_since() != 0
    }
}
