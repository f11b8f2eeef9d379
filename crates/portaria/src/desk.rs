//! This gateway as a node of the house: it says in the database how it is, answers what operators ask, follows what
//! nodes are told, and counts tenants' traffic there. Without the database it serves on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Call, Gateway};
use kernel::Clock;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use traffic::{Desk, Said, Told};
use uuid::Uuid;

use crate::foresight::{self, Meter};

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
    /// A step whose outlook is to be made.
    due: Option<i64>,
    untold: Vec<Told>,
    epoch: Option<u64>,
    followed: (String, u64),
    done: HashSet<String>,
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
            untold: Vec::new(),
            epoch: None,
            followed: (String::new(), 0),
            done: HashSet::new(),
            reported: None,
            away: false,
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
            pause = match self.turn().await {
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
        // The next process goes on with this step.
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
        }
        for call in self.gateway.calls() {
            self.untold.push(Told {
                id: Uuid::now_v7().to_string(),
                by: self.node.clone(),
                method: call.method,
                path: call.path,
                body: call.body,
            });
        }
        let base = self.gateway.base();
        if !self.untold.is_empty() {
            self.desk.tell(&base.0, &self.untold).await?;
            self.untold.clear();
        }
        let epoch = self.desk.db.signals().epoch();
        if self.epoch != Some(epoch) || self.followed != base {
            self.follow(base).await?;
            self.answer().await?;
            self.epoch = Some(epoch);
        }
        if !self.unwritten.is_empty() {
            self.desk.add(&self.unwritten).await?;
            self.unwritten.clear();
        }
        if let Some(step) = self.due.filter(|step| foresight::is_complete(*step, now)) {
            self.due = None;
            if self.desk.claim(step).await? {
                let history = foresight::history(&self.desk.used(step - HISTORY).await?);
                let shown = foresight::look(history, step, self.gateway.servers()).await;
                self.desk.foresee(step, &shown.to_string()).await?;
            }
        }
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

    /// Does what the nodes of this file were told, all in one order.
    async fn follow(&mut self, base: (String, u64)) -> Result<(), db::Error> {
        if self.followed != base {
            self.done.clear();
        }
        let told = self.desk.told(&base.0).await?;
        let news = told.iter().any(|one| one.by != self.node && !self.done.contains(&one.id));
        for one in &told {
            if news {
                let call = Call {
                    method: one.method.clone(),
                    path: one.path.clone(),
                    body: one.body.clone(),
                };
                if let Err(reason) = self.gateway.replay(&call)
                    && one.by != self.node
                {
                    let (method, path) = (&call.method, &call.path);
                    tracing::warn!(event = "gateway_call_not_followed", method, path, reason);
                }
            }
            self.done.insert(one.id.clone());
        }
        if news {
            self.reported = None;
        }
        self.followed = base;
        Ok(())
    }

    async fn answer(&self) -> Result<(), db::Error> {
        for ask in self.desk.asked(&self.node).await? {
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
