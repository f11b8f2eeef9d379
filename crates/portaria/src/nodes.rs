//! This gateway among others of its house: what is shared with them through Redis, carried by one task. When Redis is
//! slow or gone, the gateway serves by what it counts itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::{Link, Settings};
use gateway::{Cluster, Gateway, Member, Others};
use kernel::{Clock, Moment};
use outlook::History;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use traffic::{Told, Used};

use crate::foresight::{self, Meter};
use crate::told::{self, ALL, List, news};

/// How long one command may take. A node that waits for Redis shares late, and nothing else.
const PATIENCE: Duration = Duration::from_millis(1000);
/// Between two attempts to reach Redis.
const AGAIN: Duration = Duration::from_secs(1);
/// Without a cluster it is looked now and then whether the file names one.
const IDLE: Duration = Duration::from_millis(500);

/// Carries what nodes tell each other.
pub(crate) struct Nodes {
    gateway: Arc<Gateway>,
    /// The house's Redis, for a file that names none.
    house: Option<String>,
    node: String,
    started: Moment,
    settings: Option<Settings>,
    link: Option<Link>,
    failures: u64,
    others: Others,
    met: Option<tokio::time::Instant>,
    /// The file whose calls are followed, and how often it was taken in.
    followed: (String, u64),
    of_file: List,
    of_all: List,
    /// Calls that were not told yet, each with its list.
    untold: Vec<(String, Told)>,
    /// It was said that Redis is reached.
    said: bool,
    /// Without a house these nodes keep counts and calls themselves.
    alone: Option<Alone>,
}

/// What a gateway without a house keeps of tenants' traffic.
struct Alone {
    clock: Clock,
    meter: Meter,
    history: History,
    due: Option<i64>,
    looking: Option<JoinHandle<Value>>,
    /// What was counted and not told yet.
    uncounted: Vec<Used>,
}

impl Nodes {
    /// `house`: its Redis, for a file that names none. `alone`: there is no house behind this gateway.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        clock: &Clock,
        node: String,
        house: Option<String>,
        alone: bool,
    ) -> Self {
        let alone = alone.then(|| Alone {
            clock: clock.clone(),
            meter: Meter::new(gateway.clone()),
            history: History::default(),
            due: None,
            looking: None,
            uncounted: Vec::new(),
        });
        Self {
            gateway,
            started: clock.now(),
            house,
            alone,
            node,
            settings: None,
            link: None,
            failures: 0,
            others: Others::default(),
            met: None,
            followed: (String::new(), 0),
            of_file: List::default(),
            of_all: List::default(),
            untold: Vec::new(),
            said: false,
        }
    }

    /// Works until it is stopped.
    pub(crate) async fn run(&mut self, stop: CancellationToken, handed: Arc<AtomicBool>) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            pause = tokio::select! {
                () = stop.cancelled() => break,
                pause = self.turn() => pause,
            };
        }
        if handed.load(Ordering::Relaxed) {
            // The process that took over is this node now.
            return;
        }
        if let Some(link) = &mut self.link
            && let Some((wanted, _)) = self.gateway.cluster()
        {
            if let Some(alone) = &mut self.alone {
                // The next process goes on with this step.
                let rest = alone.meter.rest();
                alone.uncounted.extend(rest);
                let _ = tell_counts(link, &mut alone.uncounted).await;
            }
            let node = wanted.node.as_ref().unwrap_or(&self.node);
            // Without a word, the others find out by the time.
            let _ = link.leave(node).await;
        }
    }

    /// One round; how long until the next.
    async fn turn(&mut self) -> Duration {
        if let Some(alone) = &mut self.alone
            && let Some(used) = alone.meter.turn(alone.clock.now())
        {
            alone.due = used.first().map(|one| one.step);
            alone.uncounted.extend(used);
            let over = alone.uncounted.len().saturating_sub(foresight::UNTOLD);
            alone.uncounted.drain(..over);
        }
        let cluster = self.gateway.cluster();
        let shares = cluster.as_ref().is_some_and(|(wanted, _)| !wanted.limits_only);
        if self.alone.is_some() {
            // Without a secret that all nodes know, whoever can write to Redis could tell them what to do.
            self.gateway.carry(shares && self.gateway.sign(&[]).is_some());
            if !shares {
                self.look_alone().await;
            }
        }
        let Some((wanted, name)) = cluster else {
            if self.settings.take().is_some() {
                self.link = None;
                self.gateway.others(Others::default());
            }
            return IDLE;
        };
        self.others.node = wanted.node.clone().unwrap_or_else(|| self.node.clone());
        let settings = self.settings_of(&wanted, name);
        if self.settings.as_ref() != Some(&settings) {
            self.link = None;
            self.settings = Some(settings.clone());
        }
        if self.link.is_none() {
            match Link::open(&settings).await {
                Ok(link) => {
                    self.others.redis = Some(link.kind().name());
                    self.others.reason.clear();
                    self.link = Some(link);
                    self.met = None;
                }
                Err(error) => {
                    self.failed(&error);
                    return AGAIN;
                }
            }
        }
        if let Err(error) = self.share(&wanted).await {
            self.link = None;
            self.failed(&error);
            return AGAIN;
        }
        // One that is connected to and does nothing is not reached.
        if !std::mem::replace(&mut self.said, true) {
            tracing::info!(event = "gateway_redis_connected", kind = self.others.redis);
        }
        wanted.share
    }

    fn settings_of(&self, wanted: &Cluster, house: String) -> Settings {
        let mut servers = wanted.servers.clone();
        if servers.is_empty() {
            servers.extend(self.house.clone());
        }
        Settings {
            servers,
            username: wanted.username.clone(),
            password: wanted.password.as_ref().map(|password| password.reveal().to_owned()),
            db: wanted.db,
            tls: wanted.tls,
            master: wanted.sentinel_master.clone(),
            is_cluster: wanted.is_cluster,
            prefix: wanted.prefix.clone(),
            house,
            patience: PATIENCE,
        }
    }

    /// Said once when Redis goes, and counted every time.
    fn failed(&mut self, error: &cluster::Error) {
        self.failures += 1;
        let reason = error.to_string();
        let first = self.failures == 1;
        if std::mem::replace(&mut self.said, false) || first {
            tracing::warn!(event = "gateway_redis_lost", reason);
        }
        // Nobody is known to be there.
        let node = self.others.node.clone();
        self.others = Others { node, reason, failures: self.failures, ..Others::default() };
        self.gateway.others(self.others.clone());
        // What was counted while Redis was away is the past when it is back.
        let _ = self.gateway.draws();
    }

    async fn share(&mut self, wanted: &Cluster) -> Result<(), cluster::Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let draws = self.gateway.draws();
        if !draws.is_empty() {
            let used: Vec<cluster::Use<'_>> = draws
                .iter()
                .map(|draw| cluster::Use {
                    tenant: draw.tenant.as_deref(),
                    limit: &draw.limit,
                    client: draw.key,
                    per_second: draw.per_second,
                    burst: draw.burst,
                    taken: draw.taken,
                })
                .collect();
            let left = link.tell_used(&used).await?;
            let levels: Vec<_> = draws.into_iter().zip(left).collect();
            self.gateway.levels(&levels);
        }
        if wanted.limits_only {
            // There is nothing to find out by the way, and Redis may have gone in silence.
            if self.is_due(wanted) {
                if let Some(link) = &mut self.link {
                    link.ping().await?;
                }
                self.others.failures = self.failures;
                self.gateway.others(self.others.clone());
            }
            return Ok(());
        }
        if self.alone.is_some() {
            self.follow().await?;
        }
        if self.is_due(wanted) {
            self.meet(wanted).await?;
            self.foresee().await?;
        }
        Ok(())
    }

    /// Looks at what this process counted; nobody else knows it.
    async fn look_alone(&mut self) {
        let Some(alone) = &mut self.alone else { return };
        for one in alone.uncounted.drain(..) {
            alone.history.add(&one.tenant, one.step, foresight::count(&one));
        }
        if alone.looking.is_none()
            && let Some(step) = alone.due.take()
        {
            alone.history.forget(step);
            let (history, servers) = (alone.history.clone(), self.gateway.servers());
            let looking = async move { foresight::look(history, step, servers).await };
            alone.looking = Some(tokio::spawn(looking));
        }
        if let Some(looking) = alone.looking.take_if(|looking| looking.is_finished()) {
            let shown = looking.await.unwrap_or_default();
            self.gateway.foresee(foresight::outlook(shown));
        }
    }

    /// Tells what was counted; who leads looks at it, for all.
    async fn foresee(&mut self) -> Result<(), cluster::Error> {
        let Some((alone, link)) = self.alone.as_mut().zip(self.link.as_mut()) else {
            return Ok(());
        };
        tell_counts(link, &mut alone.uncounted).await?;
        let now = alone.clock.now();
        let leads = self.others.leader.as_ref().filter(|(node, _)| *node == self.others.node);
        if let Some(step) = alone.due.filter(|step| foresight::is_complete(*step, now)) {
            alone.due = None;
            if leads.is_some() && alone.looking.is_none() {
                let mut history = History::default();
                let today = step / STEPS;
                for day in today - DAYS..=today {
                    for (name, [requests, failures, micros]) in link.counts(day).await? {
                        let Some((step, tenant)) = name.split_once(' ') else { continue };
                        let count = outlook::Count { requests, failures, micros };
                        history.add(tenant, step.parse().unwrap_or_default(), count);
                    }
                }
                let nodes = self.others.members.len().max(1);
                let servers = foresight::of_nodes(self.gateway.servers(), nodes);
                let looking = async move { foresight::look(history, step, servers).await };
                alone.looking = Some(tokio::spawn(looking));
            }
        }
        if let Some(looking) = alone.looking.take_if(|looking| looking.is_finished()) {
            let shown = looking.await.unwrap_or_default();
            // Who led when it began and leads no more writes nothing.
            if let Some((_, term)) = leads {
                link.write_as(*term, "outlook", &shown.to_string()).await?;
            }
        }
        if let Some(text) = link.read("outlook").await? {
            let shown = serde_json::from_str(&text).unwrap_or_default();
            self.gateway.foresee(foresight::outlook(shown));
        }
        Ok(())
    }

    fn is_due(&mut self, wanted: &Cluster) -> bool {
        let now = tokio::time::Instant::now();
        let due = self.met.is_none_or(|met| now >= met + wanted.heartbeat);
        if due {
            self.met = Some(now);
        }
        due
    }

    async fn meet(&mut self, wanted: &Cluster) -> Result<(), cluster::Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let node = wanted.node.as_ref().unwrap_or(&self.node).clone();
        let word = json!({
            "file": self.gateway.base().0,
            "program": env!("CARGO_PKG_VERSION"),
            "started": self.started.0,
            "draining": self.gateway.is_draining(),
        });
        let meeting = link.meet(&node, &word.to_string(), wanted.leader, wanted.leader).await?;
        let leader = (meeting.leader.node, meeting.leader.term);
        if self.others.leader.as_ref() != Some(&leader) {
            let me = leader.0 == node;
            tracing::info!(event = "gateway_leader", leader = leader.0, term = leader.1, me);
        }
        let members = meeting.members.iter().map(|(node, word)| {
            let word: Value = serde_json::from_str(word).unwrap_or_default();
            let text = |name: &str| word[name].as_str().unwrap_or_default().to_owned();
            Member {
                node: node.clone(),
                file: text("file"),
                program: text("program"),
                started: Moment(word["started"].as_i64().unwrap_or_default()),
                draining: word["draining"].as_bool().unwrap_or_default(),
            }
        });
        self.others.members = members.collect();
        self.others.node = node;
        self.others.leader = Some(leader);
        self.others.failures = self.failures;
        self.gateway.others(self.others.clone());
        Ok(())
    }

    /// Tells calls of the admin API to other nodes, and does what those were asked. All come to the same.
    async fn follow(&mut self) -> Result<(), cluster::Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let base = self.gateway.base();
        if self.followed != base {
            // The file was taken in anew: what was told on top of it is done again.
            if self.followed.0 != base.0 {
                self.of_file = List::default();
            }
            self.of_file.heard = None;
            self.followed = base.clone();
        }
        self.untold.extend(told::calls(&self.gateway, &base.0, &self.node));
        while let Some((list, told)) = self.untold.first() {
            if let Some(text) = told::write(told, &self.gateway) {
                link.add_told(list, &[text]).await?;
            }
            self.untold.remove(0);
        }
        self.of_file.read(link, &base.0, &self.gateway).await?;
        let (calls, new) = news(&self.of_file.told, &mut self.of_file.heard, &self.node);
        if new.is_some() {
            for (call, reason) in self.gateway.follow(&calls) {
                let (method, path) = (call.method, call.path);
                tracing::warn!(event = "gateway_call_not_followed", method, path, reason);
            }
        }
        self.of_all.read(link, ALL, &self.gateway).await?;
        let (calls, new) = news(&self.of_all.told, &mut self.of_all.heard, &self.node);
        if let Some(new) = new {
            self.gateway.follow_all(&calls, &new);
        }
        Ok(())
    }
}

/// Steps of a day, and days that are looked at.
const STEPS: i64 = 288;
const DAYS: i64 = 14;
/// Tenants that are told of in one step: the busiest.
const TOLD: usize = 200;

/// Adds what was counted to what all nodes counted.
async fn tell_counts(link: &mut Link, used: &mut Vec<Used>) -> Result<(), cluster::Error> {
    let mut steps: BTreeMap<i64, Vec<Used>> = BTreeMap::new();
    for one in used.iter() {
        steps.entry(one.step).or_default().push(one.clone());
    }
    for (step, mut of_step) in steps {
        of_step.sort_by_key(|one| std::cmp::Reverse((one.tenant.is_empty(), one.requests)));
        of_step.truncate(TOLD);
        let counts: Vec<(String, [u64; 3])> = of_step
            .iter()
            .map(|one| {
                let count = foresight::count(one);
                let numbers = [count.requests, count.failures, count.micros];
                (format!("{step} {}", one.tenant), numbers)
            })
            .collect();
        link.add_counts(step / STEPS, &counts).await?;
        used.retain(|one| one.step != step);
    }
    Ok(())
}
