//! This gateway among others of its house: what is shared with them through Redis, carried by one task. When Redis is
//! slow or gone, the gateway serves by what it counts itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Link, Settings};
use gateway::{Call, Cluster, Gateway, Member, Others};
use kernel::{Clock, Moment};
use outlook::History;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use traffic::Used;

use crate::foresight::{self, Meter};

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
    /// The file whose calls are followed, how often it was taken in, and up to which entry.
    followed: (String, u64, u64),
    /// Calls that were not told yet.
    untold: Vec<String>,
    /// Without a house these nodes keep counts and calls themselves.
    alone: Option<Alone>,
}

/// What a gateway without a house keeps of tenants' traffic.
struct Alone {
    clock: Clock,
    meter: Meter,
    history: History,
    due: Option<i64>,
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
            followed: (String::new(), 0, 0),
            untold: Vec::new(),
        }
    }

    /// Works until it is stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            pause = self.turn().await;
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
        }
        let cluster = self.gateway.cluster();
        let shares = cluster.as_ref().is_some_and(|(wanted, _)| !wanted.limits_only);
        if self.alone.is_some() {
            self.gateway.carry(shares);
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
        let settings = self.settings_of(&wanted, name);
        if self.settings.as_ref() != Some(&settings) {
            self.link = None;
            self.settings = Some(settings.clone());
        }
        if self.link.is_none() {
            match Link::open(&settings).await {
                Ok(link) => {
                    tracing::info!(event = "gateway_redis_connected", kind = link.kind().name());
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
        if self.others.redis.take().is_some() || self.others.reason.is_empty() {
            tracing::warn!(event = "gateway_redis_lost", reason);
        }
        // Nobody is known to be there.
        self.others = Others { reason, failures: self.failures, ..Others::default() };
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
        if let Some(step) = alone.due.take() {
            alone.history.forget(step);
            let shown = foresight::look(alone.history.clone(), step, self.gateway.servers()).await;
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
            if let Some((_, term)) = leads {
                let mut history = History::default();
                let today = step / STEPS;
                for day in today - DAYS..=today {
                    for (name, [requests, failures, micros]) in link.counts(day).await? {
                        let Some((step, tenant)) = name.split_once(' ') else { continue };
                        let count = outlook::Count { requests, failures, micros };
                        history.add(tenant, step.parse().unwrap_or_default(), count);
                    }
                }
                let shown = foresight::look(history, step, self.gateway.servers()).await;
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

    /// Tells calls of the admin API to the nodes with the same file, and does what those were asked. All do it in the
    /// order of the list, so that they agree at its end.
    async fn follow(&mut self) -> Result<(), cluster::Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let (base, loads) = self.gateway.base();
        if (&self.followed.0, self.followed.1) != (&base, loads) {
            self.followed = (base.clone(), loads, 0);
            self.untold.clear();
        }
        let mine = self.gateway.calls();
        for call in mine {
            let text = json!({
                "by": self.node,
                "method": call.method,
                "path": call.path,
                "body": call.body,
            });
            self.untold.push(text.to_string());
        }
        if !self.untold.is_empty() {
            link.add_told(&base, &self.untold).await?;
            self.untold.clear();
        }
        let told = link.read_told(&base, self.followed.2).await?;
        let entries: Vec<Value> =
            told.entries.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        // What only this node was told is done.
        if entries.iter().any(|entry| entry["by"] != self.node.as_str()) {
            for entry in &entries {
                let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                let call = Call { method: text("method"), path: text("path"), body: text("body") };
                if let Err(reason) = self.gateway.replay(&call)
                    && entry["by"] != self.node.as_str()
                {
                    let (method, path) = (&call.method, &call.path);
                    tracing::warn!(event = "gateway_call_not_followed", method, path, reason);
                }
            }
        }
        self.followed.2 = told.from + told.entries.len() as u64;
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
