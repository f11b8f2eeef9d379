//! Opening the database and handing out transactions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::TenantId;

use crate::conn::{After, Handle};
use crate::postgres::Pg;
use crate::sqlite::Sqlite;
use crate::{Error, Migration, Signals, SystemTx, TenantTx, migrate, postgres};

/// Where the rows live.
#[derive(Debug, Clone)]
pub struct Options {
    /// `postgres://…`; without it, SQLite in `data`.
    pub database_url: Option<String>,
    /// Folder of files; holds `portaria.db` when there is no `database_url`.
    pub data: PathBuf,
    /// PostgreSQL connections of this process at most.
    pub connections: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// The database of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
    signals: Signals,
}

enum Inner {
    Sqlite(Sqlite),
    Postgres(Pg),
}

impl Db {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be reached, or when row-level security would not hold.
    pub async fn open(options: &Options, migrations: &[Migration]) -> Result<Self, Error> {
        let signals = Signals::default();
        let inner = match &options.database_url {
            None => {
                let path = sqlite_path(&options.data)?;
                migrate::sqlite(&path, migrations)?;
                Inner::Sqlite(Sqlite::open(&path, signals.clone())?)
            }
            Some(url) => {
                let pg = Pg::connect(url, options.connections).await?;
                migrate::postgres(&pg, migrations).await?;
                pg.spawn_notifications(&signals);
                Inner::Postgres(pg)
            }
        };
        Ok(Self { inner: Arc::new(inner), signals })
    }

    pub fn engine(&self) -> Engine {
        match *self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Begins a transaction that writes rows of one tenant.
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx, Error> {
        let handle = match &*self.inner {
            Inner::Sqlite(db) => Handle::Write(db.begin().await?),
            Inner::Postgres(pg) => Handle::Postgres(
                postgres::begin(&pg.pool, &pg.roles.tenant, &tenant.to_string()).await?,
            ),
        };
        let after = After::of(tenant);
        Ok(TenantTx { tenant, handle, after, signals: self.signals.clone() })
    }

    /// Begins a transaction that only reads rows of one tenant; writers do not wait for it.
    pub async fn read(&self, tenant: TenantId) -> Result<TenantTx, Error> {
        let handle = match &*self.inner {
            Inner::Sqlite(db) => Handle::Read(db.read()?),
            Inner::Postgres(pg) => Handle::Postgres(
                postgres::begin(&pg.pool, &pg.roles.tenant, &tenant.to_string()).await?,
            ),
        };
        Ok(TenantTx { tenant, handle, after: After::default(), signals: self.signals.clone() })
    }

    /// Begins a transaction of the house itself. See [`SystemTx`].
    pub async fn begin_system(&self) -> Result<SystemTx, Error> {
        let handle = match &*self.inner {
            Inner::Sqlite(db) => Handle::Write(db.begin().await?),
            Inner::Postgres(pg) => {
                Handle::Postgres(postgres::begin(&pg.pool, &pg.roles.system, "").await?)
            }
        };
        Ok(SystemTx { handle, after: After::default(), signals: self.signals.clone() })
    }

    /// Like [`Db::begin_system`], for reading only.
    pub async fn read_system(&self) -> Result<SystemTx, Error> {
        let handle = match &*self.inner {
            Inner::Sqlite(db) => Handle::Read(db.read()?),
            Inner::Postgres(pg) => {
                Handle::Postgres(postgres::begin(&pg.pool, &pg.roles.system, "").await?)
            }
        };
        Ok(SystemTx { handle, after: After::default(), signals: self.signals.clone() })
    }

    /// Asks the database for a sign of life; how long it took.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let started = Instant::now();
        let mut tx = self.read_system().await?;
        tx.fetch_all("SELECT 1", Vec::new()).await?;
        Ok(started.elapsed())
    }

    /// Writes a row and makes it durable: whether the database takes writes at all.
    ///
    /// # Errors
    /// When it does not.
    pub async fn write_probe(&self) -> Result<(), Error> {
        let mut tx = self.begin_system().await?;
        tx.execute(
            "INSERT INTO write_probe (id, times) VALUES (1, 1) \
             ON CONFLICT (id) DO UPDATE SET times = write_probe.times + 1",
            Vec::new(),
        )
        .await?;
        tx.commit().await
    }

    /// Lets go of all connections.
    pub async fn close(&self) {
        if let Inner::Postgres(pg) = &*self.inner {
            pg.pool.close().await;
        }
    }
}

/// The database's file. Folder and file are made for this user alone: they hold conversations and
/// what opens accounts, and SQLite gives its other files the mode of this one.
fn sqlite_path(data: &Path) -> Result<PathBuf, Error> {
    let mut folder = std::fs::DirBuilder::new();
    let mut file = std::fs::OpenOptions::new();
    folder.recursive(true);
    file.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folder.mode(0o700);
        file.mode(0o600);
    }
    folder.create(data).map_err(|cause| {
        Error::Setup(format!("data folder {} cannot be made: {cause}", data.display()))
    })?;
    let path = data.join("portaria.db");
    file.open(&path).map_err(|cause| {
        Error::Setup(format!("database {} cannot be opened: {cause}", path.display()))
    })?;
    Ok(path)
}
