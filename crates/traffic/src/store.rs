//! Rows of nodes, traffic, calls and questions.

use std::time::Duration;

use db::{Db, args};
use kernel::{Clock, Moment};
use serde_json::Value;
use uuid::Uuid;

/// How long a node that is not heard of counts as there.
const ALIVE: Duration = Duration::from_secs(20);
/// How long a node's answer is waited for, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// Steps of traffic that are kept: fifteen days of five minutes.
const KEPT: i64 = 15 * 288;
/// The status of a question that a node took and has not answered.
const TAKEN: i64 = 1;
/// Rows of calls that are kept of one file.
const CALLS: i64 = 1000;
const DAY: Duration = Duration::from_secs(86_400);

/// The house's book of its gateways.
#[derive(Clone)]
pub struct Desk {
    pub db: Db,
    pub clock: Clock,
}

/// A node that was heard of lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub node: String,
    pub seen_at: Moment,
    /// What it last said of itself.
    pub report: Value,
}

/// What a tenant's clients asked in one step of five minutes; the empty name is of routes without a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    pub tenant: String,
    /// Seconds since 1970 by 300.
    pub step: i64,
    pub requests: i64,
    pub failures: i64,
    pub micros: i64,
}

/// A call that all nodes with the same file follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// In the order of which they are done.
    pub id: String,
    pub by: String,
    pub method: String,
    pub path: String,
    pub body: String,
}

/// A question to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub id: String,
    pub method: String,
    pub path: String,
    pub body: String,
}

/// What a node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    pub body: String,
}

impl Desk {
    /// A node says how it is.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn report(&self, node: &str, report: &str) -> Result<(), db::Error> {
        let mut tx = self.db.begin_system().await?;
        tx.execute(
            "INSERT INTO gateway_nodes (node, seen_at, report) VALUES ($1, $2, $3) \
             ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at, report = excluded.report",
            args![node, self.clock.now(), report],
        )
        .await?;
        tx.commit().await
    }

    /// A node goes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn leave(&self, node: &str) -> Result<(), db::Error> {
        let mut tx = self.db.begin_system().await?;
        tx.execute("DELETE FROM gateway_nodes WHERE node = $1", args![node]).await?;
        tx.commit().await
    }

    /// The nodes that are there, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, db::Error> {
        let since = self.clock.now() - ALIVE;
        let mut tx = self.db.read_system().await?;
        let sql =
            "SELECT node, seen_at, report FROM gateway_nodes WHERE seen_at >= $1 ORDER BY node";
        let rows = tx.fetch_all(sql, args![since]).await?;
        rows.iter()
            .map(|row| {
                let report: String = row.get(2)?;
                let report = serde_json::from_str(&report).unwrap_or_default();
                Ok(Node { node: row.get(0)?, seen_at: row.get(1)?, report })
            })
            .collect()
    }

    /// Adds what was counted. Several nodes may say something of the same step.
    ///
    /// # Errors
    /// When the database refuses; nothing of it is added then.
    pub async fn add(&self, used: &[Used]) -> Result<(), db::Error> {
        let mut tx = self.db.begin_system().await?;
        for one in used {
            tx.execute(
                "INSERT INTO gateway_traffic (tenant, step, requests, failures, micros) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (tenant, step) DO UPDATE SET requests = gateway_traffic.requests + excluded.requests, \
                 failures = gateway_traffic.failures + excluded.failures, micros = gateway_traffic.micros + excluded.micros",
                args![one.tenant.as_str(), one.step, one.requests, one.failures, one.micros],
            )
            .await?;
        }
        tx.commit().await
    }

    /// What was counted since a step.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn used(&self, since: i64) -> Result<Vec<Used>, db::Error> {
        let mut tx = self.db.read_system().await?;
        let sql =
            "SELECT tenant, step, requests, failures, micros FROM gateway_traffic WHERE step >= $1";
        let rows = tx.fetch_all(sql, args![since]).await?;
        rows.iter().map(used).collect()
    }

    /// The same of the tenants with most requests since `busy`, and of routes without a tenant, which tell in which steps
    /// anybody was there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn used_by_busiest(
        &self,
        since: i64,
        busy: i64,
        most: i64,
    ) -> Result<Vec<Used>, db::Error> {
        let mut tx = self.db.read_system().await?;
        let sql = "SELECT tenant, step, requests, failures, micros FROM gateway_traffic WHERE step >= $1 AND (tenant = '' OR tenant IN \
                   (SELECT tenant FROM gateway_traffic WHERE step >= $2 GROUP BY tenant ORDER BY SUM(requests) DESC LIMIT $3))";
        let rows = tx.fetch_all(sql, args![since, busy, most]).await?;
        rows.iter().map(used).collect()
    }

    /// Whether the caller is the one who makes the outlook of a step. Of all who ask, one is.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, step: i64) -> Result<bool, db::Error> {
        let mut tx = self.db.begin_system().await?;
        let sql = "UPDATE gateway_outlook SET step = $1 WHERE id = 1 AND step < $1";
        let claimed = tx.execute(sql, args![step]).await? == 1;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Keeps the outlook of a step, unless there is a later one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn foresee(&self, step: i64, outlook: &str) -> Result<(), db::Error> {
        let mut tx = self.db.begin_system().await?;
        let sql = "UPDATE gateway_outlook SET outlook = $2 WHERE id = 1 AND step = $1";
        tx.execute(sql, args![step, outlook]).await?;
        tx.commit().await
    }

    /// The newest outlook; null before there is any.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outlook(&self) -> Result<Value, db::Error> {
        let mut tx = self.db.read_system().await?;
        let row = tx.fetch_opt("SELECT outlook FROM gateway_outlook WHERE id = 1", args![]).await?;
        let text: Option<String> = row.map(|row| row.get(0)).transpose()?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Tells the nodes of a file what to do.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn tell(&self, file: &str, calls: &[Told]) -> Result<(), db::Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin_system().await?;
        for call in calls {
            tx.execute(
                "INSERT INTO gateway_told (id, file, told_by, method, path, body, told_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 ON CONFLICT (id) DO NOTHING",
                args![
                    call.id.as_str(),
                    file,
                    call.by.as_str(),
                    call.method.as_str(),
                    call.path.as_str(),
                    call.body.as_str(),
                    now
                ],
            )
            .await?;
        }
        tx.execute(
            "DELETE FROM gateway_told WHERE file = $1 AND id NOT IN \
             (SELECT id FROM gateway_told WHERE file = $1 ORDER BY id DESC LIMIT $2)",
            args![file, CALLS],
        )
        .await?;
        tx.settings_changed();
        tx.commit().await
    }

    /// All that nodes of a file were told, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn told(&self, file: &str) -> Result<Vec<Told>, db::Error> {
        let mut tx = self.db.read_system().await?;
        let sql =
            "SELECT id, told_by, method, path, body FROM gateway_told WHERE file = $1 ORDER BY id";
        let rows = tx.fetch_all(sql, args![file]).await?;
        rows.iter()
            .map(|row| {
                Ok(Told {
                    id: row.get(0)?,
                    by: row.get(1)?,
                    method: row.get(2)?,
                    path: row.get(3)?,
                    body: row.get(4)?,
                })
            })
            .collect()
    }

    /// Asks a node, as its admin API would be asked, and waits for its answer. `None` when there is none in time.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn ask(
        &self,
        node: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Option<Said>, db::Error> {
        let id = Uuid::now_v7().to_string();
        let mut tx = self.db.begin_system().await?;
        tx.execute(
            "INSERT INTO gateway_asks (id, node, method, path, body, status, answer, asked_at) VALUES ($1, $2, $3, $4, $5, 0, '', $6)",
            args![id.as_str(), node, method, path, body, self.clock.now()],
        )
        .await?;

        tx.commit().await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut said = None;
        while said.is_none() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
            let mut tx = self.db.read_system().await?;
            let sql = "SELECT status, answer FROM gateway_asks WHERE id = $1 AND status >= 100";
            if let Some(row) = tx.fetch_opt(sql, args![id.as_str()]).await? {
                let status: i64 = row.get(0)?;
                said = Some(Said { status: status as u16, body: row.get(1)? });
            }
        }
        // A node that answers later answers nobody.
        let mut tx = self.db.begin_system().await?;
        tx.execute("DELETE FROM gateway_asks WHERE id = $1", args![id.as_str()]).await?;
        tx.commit().await?;
        Ok(said)
    }

    /// Takes what a node is asked now. Each question is taken once, and none that nobody waits for any more.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn take_asked(&self, node: &str) -> Result<Vec<Ask>, db::Error> {
        let since = self.clock.now() - PATIENCE;
        let mut tx = self.db.read_system().await?;
        let sql = "SELECT id, method, path, body FROM gateway_asks WHERE node = $1 AND status = 0 AND asked_at >= $2 ORDER BY id";
        let rows = tx.fetch_all(sql, args![node, since]).await?;
        drop(tx);
        let mut taken = Vec::new();
        for row in rows {
            let ask =
                Ask { id: row.get(0)?, method: row.get(1)?, path: row.get(2)?, body: row.get(3)? };
            let mut tx = self.db.begin_system().await?;
            let sql = "UPDATE gateway_asks SET status = $2 WHERE id = $1 AND status = 0";
            let mine = tx.execute(sql, args![ask.id.as_str(), TAKEN]).await? == 1;
            tx.commit().await?;
            if mine {
                taken.push(ask);
            }
        }
        Ok(taken)
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn answer(&self, id: &str, said: &Said) -> Result<(), db::Error> {
        let mut tx = self.db.begin_system().await?;
        let sql = "UPDATE gateway_asks SET status = $2, answer = $3 WHERE id = $1";
        tx.execute(sql, args![id, i64::from(said.status), said.body.as_str()]).await?;
        tx.commit().await
    }

    /// Forgets what is too old to be of use.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prune(&self) -> Result<(), db::Error> {
        let now = self.clock.now();
        let step = now.0 / 1_000_000 / 300 - KEPT;
        let mut tx = self.db.begin_system().await?;
        tx.execute("DELETE FROM gateway_traffic WHERE step < $1", args![step]).await?;
        tx.execute("DELETE FROM gateway_nodes WHERE seen_at < $1", args![now - DAY]).await?;
        tx.execute("DELETE FROM gateway_told WHERE told_at < $1", args![now - DAY * 30]).await?;
        tx.execute("DELETE FROM gateway_asks WHERE asked_at < $1", args![now - DAY]).await?;
        tx.commit().await
    }
}

fn used(row: &db::Row) -> Result<Used, db::Error> {
    Ok(Used {
        tenant: row.get(0)?,
        step: row.get(1)?,
        requests: row.get(2)?,
        failures: row.get(3)?,
        micros: row.get(4)?,
    })
}
