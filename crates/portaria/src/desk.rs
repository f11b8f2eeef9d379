//! This gateway as a node of the house: it says in the database how it is, answers what operators ask, follows what
//! nodes are told, and counts tenants' traffic there. Without the database it serves on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Call, Gateway};
use kernel::{Clock, Moment};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use traffic::{Desk, Said, Told};

use crate::foresight::{self, Meter};
use crate::told::{self, ALL, news};

/// How often it is looked whether somebody wants something, and how often the node says how it is.
const LOOK: Duration = Duration::from_millis(200);
const REPORT: Duration = Duration::from_secs(5);
/// After the database could not be used.
const AGAIN: Duration = Duration::from_secs(2);
/// Steps of history that are looked at.
const HISTORY: i64 = 15 * 288;

pub(crate) struct AtDesk {
    gateway: Arc<Gateway>,
    desk: Desk,
    clock: Clock,
    node: String,
    meter: Meter,
    /// What was counted and not written yet.
    unwritten: Vec<traffic::Used>,
    /// A step whose outlook is to be made, and the making of one.
    due: Option<i64>,
    looking: Option<(i64, JoinHandle<Value>)>,
    /// Calls that were not told yet, each with its list.
    untold: Vec<(String, Told)>,
    epoch: Option<u64>,
    followed: (String, u64),
    /// Entries of the file's list, and of the list of all nodes, that were heard.
    heard: Option<HashSet<String>>,
    heard_by_all: Option<HashSet<String>>,
    reported: Option<Instant>,
    away: bool,
}

impl AtDesk {
    pub(crate) fn new(gateway: Arc<Gateway>, desk: Desk, node: String) -> Self {
        gateway.carry(true);
        Self {
            meter: Meter::new(gateway.clone()),
            gateway,
            clock: desk.clock.clone(),
            desk,
            node,
            unwritten: Vec::new(),
            due: None,
            looking: None,
            untold: Vec::new(),
            epoch: None,
            followed: (String::new(), 0),
            heard: None,
            heard_by_all: None,
            reported: None,
            away: false,
        }
    }

    /// Works until it is stopped.
    pub(crate) async fn run(&mut self, stop: CancellationToken) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let turn = tokio::select! {
                () = stop.cancelled() => break,
                turn = self.turn() => turn,
            };
            pause = match turn {
                Ok(()) => {
                    self.away = false;
                    LOOK
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.away, true) {
                        tracing::warn!(event = "gateway_desk_away", reason = error.to_string());
                    }
                    AGAIN
                }
            };
        }
        // The next process goes on with this step. Who stops waits for this, but not for long.
        let rest = self.meter.rest();
        self.unwritten.extend(rest);
        let _ = self.desk.add(&self.unwritten).await;
        let _ = self.desk.leave(&self.node).await;
    }

    async fn turn(&mut self) -> Result<(), db::Error> {
        let now = self.clock.now();
        if let Some(used) = self.meter.turn(now) {
            self.due = used.first().map(|one| one.step);
            self.unwritten.extend(used);
            // A database that is away for a day is not told of that day.
            let over = self.unwritten.len().saturating_sub(foresight::UNTOLD);
            self.unwritten.drain(..over);
        }
        let base = self.gateway.base();
        self.untold.extend(told::calls(&self.gateway, &base.0, &self.node));
        while let Some((list, told)) = self.untold.first() {
            self.desk.tell(list, std::slice::from_ref(told)).await?;
            self.untold.remove(0);
        }
        let epoch = self.desk.db.signals().epoch();
        if self.epoch != Some(epoch) || self.followed != base {
            self.follow(base).await?;
            self.epoch = Some(epoch);
        }
        self.answer().await?;
        if !self.unwritten.is_empty() {
            self.desk.add(&self.unwritten).await?;
            self.unwritten.clear();
        }
        self.foresee(now).await?;
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT) {
            self.reported = Some(Instant::now());
            self.desk.report(&self.node, &self.gateway.report().to_string()).await?;
            let shown = self.desk.outlook().await?;
            if shown != Value::Null {
                self.gateway.foresee(foresight::outlook(shown));
            }
        }
        Ok(())
    }

    /// Has a step looked at, if nobody else has, and keeps what was seen.
    async fn foresee(&mut self, now: Moment) -> Result<(), db::Error> {
        if let Some(step) = self.due.filter(|step| foresight::is_complete(*step, now)) {
            self.due = None;
            if self.looking.is_none() && self.desk.claim(step).await? {
                let used = self.desk.used_by_busiest(step - HISTORY, step - DAY, MOST).await?;
                let nodes = self.desk.nodes().await?.len().max(1);
                let servers = foresight::of_nodes(self.gateway.servers(), nodes);
                let looking = tokio::spawn(async move {
                    foresight::look(foresight::history(&used), step, servers).await
                });
                self.looking = Some((step, looking));
            }
        }
        if let Some((step, looking)) = self.looking.take_if(|(_, looking)| looking.is_finished()) {
            let shown = looking.await.unwrap_or_default();
            self.desk.foresee(step, &shown.to_string()).await?;
        }
        Ok(())
    }

    /// Does what the nodes of this file, and all nodes, were told.
    async fn follow(&mut self, base: (String, u64)) -> Result<(), db::Error> {
        if self.followed != base {
            // The file was taken in anew: what was told on top of it is done again.
            self.heard = None;
        }
        let told = self.desk.told(&base.0).await?;
        let (calls, of_file) = news(&told, &mut self.heard, &self.node);
        if of_file.is_some() {
            for (call, reason) in self.gateway.follow(&calls) {
                let (method, path) = (call.method, call.path);
                tracing::warn!(event = "gateway_call_not_followed", method, path, reason);
            }
        }
        let told = self.desk.told(ALL).await?;
        let (calls, of_all) = news(&told, &mut self.heard_by_all, &self.node);
        if let Some(new) = &of_all {
            self.gateway.follow_all(&calls, new);
        }
        if of_file.is_some() || of_all.is_some() {
            self.reported = None;
        }
        self.followed = base;
        Ok(())
    }

    async fn answer(&self) -> Result<(), db::Error> {
        for ask in self.desk.take_asked(&self.node).await? {
            let call = Call { method: ask.method, path: ask.path, body: ask.body };
            let (status, body) = self.gateway.ask(&call);
            if call.method != "GET" {
                // Whoever asked looks next.
                self.desk.report(&self.node, &self.gateway.report().to_string()).await?;
            }
            self.desk.answer(&ask.id, &Said { status, body }).await?;
        }
        Ok(())
    }
}

/// Steps of a day, and tenants that are looked at.
const DAY: i64 = 288;
const MOST: i64 = 100;
