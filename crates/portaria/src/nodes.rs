//! This gateway among others of its house: what is shared with them through Redis, carried by one task. When Redis is
//! slow or gone, the gateway serves by what it counts itself.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Link, Settings, Use};
use gateway::{Call, Cluster, Gateway, Member, Others};
use kernel::{Clock, Moment};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

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
}

impl Nodes {
    pub(crate) fn new(gateway: Arc<Gateway>, clock: &Clock, house: Option<String>) -> Self {
        let node = format!("{:016x}", rand::random::<u64>());
        Self {
            gateway,
            started: clock.now(),
            house,
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
            let node = wanted.node.as_ref().unwrap_or(&self.node);
            // Without a word, the others find out by the time.
            let _ = link.leave(node).await;
        }
    }

    /// One round; how long until the next.
    async fn turn(&mut self) -> Duration {
        let Some((wanted, name)) = self.gateway.cluster() else {
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
            let used: Vec<Use<'_>> = draws
                .iter()
                .map(|draw| Use {
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
        self.follow().await?;
        if self.is_due(wanted) {
            self.meet(wanted).await?;
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
