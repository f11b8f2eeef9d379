//! Transactions: the only handles through which rows are read or written.

use kernel::{Moment, TenantId};

use crate::{Error, Row, Signals, Value, postgres, sqlite};

pub(crate) enum Handle {
    Write(sqlite::WriteTx),
    Read(sqlite::ReadTx),
    Postgres(postgres::Tx),
}

impl Handle {
    async fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        match self {
            Self::Write(tx) => sqlite::execute(tx.conn(), sql, args),
            Self::Read(tx) => sqlite::execute(tx.conn(), sql, args),
            Self::Postgres(tx) => postgres::execute(tx, sql, args).await,
        }
    }

    async fn fetch(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Write(tx) => sqlite::fetch(tx.conn(), sql, args),
            Self::Read(tx) => sqlite::fetch(tx.conn(), sql, args),
            Self::Postgres(tx) => postgres::fetch(tx, sql, args).await,
        }
    }

    async fn commit(self, after: After, signals: Signals) -> Result<(), Error> {
        match self {
            Self::Write(tx) => tx.commit(Box::new(move || after.tell(&signals))).await,
            Self::Read(_) => Ok(()),
            Self::Postgres(mut tx) => {
                if after.settings {
                    // With the commit itself: a command that ends right after it must not take
                    // the news along.
                    postgres::notify_settings(&mut tx).await?;
                }
                tx.commit().await?;
                after.tell(&signals);
                Ok(())
            }
        }
    }
}

/// What to tell the rest of the process once the rows are durable.
#[derive(Default)]
pub(crate) struct After {
    /// When the earliest of the jobs that were enqueued is due.
    jobs: Option<Moment>,
    settings: bool,
    /// Somebody may do less than before.
    rights: bool,
    /// Whose rows they are.
    tenant: Option<TenantId>,
}

impl After {
    /// What a transaction that writes rows of this tenant tells.
    pub(crate) fn of(tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..Self::default() }
    }

    fn tell(&self, signals: &Signals) {
        if self.settings {
            signals.settings_changed();
        }
        if let Some(due) = self.jobs {
            signals.jobs_due(due);
        }
        if self.rights {
            signals.rights_changed();
        }
        if let Some(tenant) = self.tenant {
            signals.committed(tenant);
        }
    }
}

macro_rules! transaction {
    ($name:ident) => {
        impl $name {
            /// Runs a statement; returns how many rows it touched.
            pub async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, Error> {
                self.handle.execute(sql, &args).await
            }

            pub async fn fetch_all(
                &mut self,
                sql: &str,
                args: Vec<Value>,
            ) -> Result<Vec<Row>, Error> {
                self.handle.fetch(sql, &args).await
            }

            /// The first row, if there is one.
            pub async fn fetch_opt(
                &mut self,
                sql: &str,
                args: Vec<Value>,
            ) -> Result<Option<Row>, Error> {
                Ok(self.handle.fetch(sql, &args).await?.into_iter().next())
            }

            /// Whether this runs on PostgreSQL, for the few statements that differ.
            pub fn is_postgres(&self) -> bool {
                matches!(self.handle, Handle::Postgres(_))
            }

            /// Wakes the workers once this is committed: jobs may be ready.
            pub fn jobs_enqueued(&mut self) {
                self.job_enqueued_for(Moment(0));
            }

            /// Wakes the workers once this is committed, if they would look later than `due`.
            pub fn job_enqueued_for(&mut self, due: Moment) {
                self.after.jobs = Some(self.after.jobs.map_or(due, |other| other.min(due)));
            }

            /// Makes caches of settings look again once this is committed.
            pub fn settings_changed(&mut self) {
                self.after.settings = true;
            }

            /// Makes open pages and streams look, once this is committed, whether they still may.
            pub fn rights_changed(&mut self) {
                self.after.rights = true;
            }

            /// Makes the writes durable, then tells whoever waits for them.
            ///
            /// # Errors
            /// When the group that this write belonged to could not be made durable.
            pub async fn commit(self) -> Result<(), Error> {
                let Self { handle, after, signals, .. } = self;
                handle.commit(after, signals).await
            }
        }
    };
}

/// A transaction that sees one tenant's rows. Dropped without [`TenantTx::commit`], it undoes all.
pub struct TenantTx {
    pub(crate) tenant: TenantId,
    pub(crate) handle: Handle,
    pub(crate) after: After,
    pub(crate) signals: Signals,
}

impl TenantTx {
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Deletes some rows of the tenant in one of its tables, `most` at a time: whoever removes many
    /// commits between, so that nobody else waits for long. How many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn delete_some(&mut self, table: &'static str, most: i64) -> Result<u64, Error> {
        let row = if self.is_postgres() { "ctid" } else { "rowid" };
        let tenant = self.tenant;
        let sql = format!(
            "DELETE FROM {table} WHERE {row} IN \
             (SELECT {row} FROM {table} WHERE tenant_id = $1 LIMIT $2)"
        );
        self.execute(&sql, vec![tenant.into(), most.into()]).await
    }

    /// A yes or no about the tenant's settings, asked of the database once until settings change.
    /// The statement's first row and column decide; it gets the tenant as `$1`.
    pub async fn fact(&mut self, name: &'static str, sql: &str) -> Result<bool, Error> {
        if let Some(holds) = self.signals.fact(self.tenant, name) {
            return Ok(holds);
        }
        let epoch = self.signals.epoch();
        let tenant = self.tenant;
        let holds = self.fetch_opt(sql, vec![tenant.into()]).await?.is_some();
        // What this transaction changed itself is not everybody's yet.
        if !self.after.settings {
            self.signals.learn(tenant, name, holds, epoch);
        }
        Ok(holds)
    }
}

transaction!(TenantTx);

/// A transaction of the house itself: job claims, channel look-up, operator lists, reconcilers.
/// `xtask tidy` holds the list of files that may use it.
pub struct SystemTx {
    pub(crate) handle: Handle,
    pub(crate) after: After,
    pub(crate) signals: Signals,
}

transaction!(SystemTx);
