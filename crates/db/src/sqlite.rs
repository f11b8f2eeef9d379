//! The embedded engine: one writing connection with shared commits, several reading ones.
//!
//! A commit is durable before anybody is told of it, as with `synchronous = FULL`; only, the log is
//! synchronised after the writing connection was let go, so that the next group is written meanwhile.
//! What others read before it is durable leads to nothing outside: every send follows a commit of
//! its own, and its sync makes all earlier parts of the log durable too.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex as SyncMutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Statement};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, oneshot};

use crate::{Error, Row, Signals, Value};

/// How long a write waits for another process before it gives up.
const BUSY_SECONDS: u64 = 10;
/// How long opening and reading wait for a process that opens or closes the same database; nothing
/// else holds readers up.
const OPEN_WAIT: Duration = Duration::from_secs(2);
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// The log is carried over into the database this often under load (a little at a time: commits
/// wait for the disk while it works), and at the latest after so many ticks.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(50);
const CHECKPOINT_COMMITS: u64 = 100;
const CHECKPOINT_TICKS: u64 = 100;
/// Pages of 4 KiB in the log at which writers wait, so that it starts anew: 64 MiB.
const LOG_PAGES: i64 = 16_384;
/// How long writers wait then for readers of an old state.
const RESTART_WAIT: Duration = Duration::from_millis(100);
const BROKEN: &str =
    "the disk did not take what was written; restart the program when it works again";

pub(crate) struct Sqlite {
    writer: Arc<Mutex<Writer>>,
    readers: Arc<SyncMutex<Vec<Connection>>>,
    path: PathBuf,
    committer: Arc<Notify>,
}

/// The writing connection and the savepoints that wait for the next COMMIT.
pub(crate) struct Writer {
    conn: Connection,
    log: Arc<Log>,
    /// Savepoints committed since this was opened.
    committed: Arc<AtomicU64>,
    /// A transaction is open on the connection.
    open: bool,
    /// The last holder left without finishing its savepoint.
    abandoned: bool,
    waiting: Vec<Waiting>,
}

/// The write-ahead log, as far as it is ours to synchronise.
struct Log {
    /// One sync at a time: a failure is reported once per handle, to whoever asks first.
    file: SyncMutex<File>,
    /// A sync failed. What follows in the log may hang on a part that never got on disk, so nothing
    /// is acknowledged any more: the process is to be restarted.
    broken: AtomicBool,
}

/// One finished savepoint: whom to tell, and what to do once it is durable.
struct Waiting {
    done: oneshot::Sender<Result<(), String>>,
    then: Box<dyn FnOnce() + Send>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, signals: Signals) -> Result<Self, Error> {
        let conn = connect(path)?;
        // SQLite synchronises what a checkpoint needs by itself; commits are synchronised here.
        conn.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 0",
        )?;
        let log = Arc::new(Log {
            file: SyncMutex::new(open_log(&conn)?),
            broken: AtomicBool::new(false),
        });
        // Writers take turns without blocking the thread: see `begin_immediate`.
        conn.busy_timeout(Duration::ZERO)?;
        let committed = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            conn,
            log,
            committed: committed.clone(),
            open: false,
            abandoned: false,
            waiting: Vec::new(),
        };
        let this = Self {
            writer: Arc::new(Mutex::new(writer)),
            readers: Arc::new(SyncMutex::new(Vec::new())),
            path: path.to_owned(),
            committer: Arc::new(Notify::new()),
        };
        let (weak, wake) = (Arc::downgrade(&this.writer), this.committer.clone());
        tasks::supervise("commits", move || {
            // Whoever waited when it ended is still there.
            wake.notify_one();
            commit_groups(weak.clone(), wake.clone())
        });
        let weak = Arc::downgrade(&this.writer);
        tasks::supervise("commits of others", move || watch(weak.clone(), signals.clone()));
        let (weak, path) = (Arc::downgrade(&this.writer), path.to_owned());
        tasks::supervise("checkpoints", move || {
            checkpoint(weak.clone(), committed.clone(), path.clone())
        });
        Ok(this)
    }

    pub(crate) async fn begin(&self) -> Result<WriteTx, Error> {
        let mut guard = self.writer.clone().lock_owned().await;
        if guard.log.broken.load(Ordering::SeqCst) {
            return Err(Error::Unavailable(BROKEN.into()));
        }
        guard.clean_up();
        if !guard.open {
            guard = begin_immediate(guard).await?;
        }
        if let Err(cause) = run(&guard.conn, "SAVEPOINT caller") {
            // What is open must not stay open: it would keep other processes out.
            self.committer.notify_one();
            return Err(cause.into());
        }
        Ok(WriteTx { guard: Some(guard), committer: self.committer.clone() })
    }

    pub(crate) fn read(&self) -> Result<ReadTx, Error> {
        let pooled = self.readers.lock().pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => connect(&self.path)?,
        };
        run(&conn, "BEGIN")?;
        Ok(ReadTx { conn: Some(conn), readers: self.readers.clone() })
    }
}

/// Runs a statement without arguments; it is prepared once per connection.
fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

/// The log beside the database. Our own handle on it may be opened and closed: SQLite locks the
/// database and the shared-memory file, never the log.
fn open_log(conn: &Connection) -> Result<File, Error> {
    // Reading makes SQLite open the log, which it creates.
    conn.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    // As SQLite sees it: the log of a linked database lies beside the real one.
    let log = format!("{}-wal", conn.path().unwrap_or_default());
    File::open(&log)
        .map_err(|cause| Error::Setup(format!("the log {log} cannot be opened: {cause}")))
}

/// Makes it a WAL database, as the first process of all does; those that start beside that one are
/// refused at once, whatever they would wait.
pub(crate) fn write_ahead(conn: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + OPEN_WAIT;
    loop {
        match conn.execute_batch("PRAGMA journal_mode = WAL") {
            Err(cause) if is_busy(&cause) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(|cause| Error::Unavailable(Box::new(cause)))?;
    conn.busy_timeout(OPEN_WAIT)?;
    conn.set_prepared_statement_cache_capacity(256);
    // Else SQLite plans a statement anew whenever an argument changes that a partial index could
    // depend on: at every execution.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    write_ahead(&conn)?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; \
         PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(conn)
}

/// Waits for another process's transaction without blocking the thread.
async fn begin_immediate(
    mut guard: OwnedMutexGuard<Writer>,
) -> Result<OwnedMutexGuard<Writer>, Error> {
    for _ in 0..BUSY_SECONDS * 200 {
        let busy = match run(&guard.conn, "BEGIN IMMEDIATE") {
            Ok(()) => false,
            Err(cause) if is_busy(&cause) => true,
            Err(cause) => return Err(cause.into()),
        };
        if !busy {
            guard.open = true;
            return Ok(guard);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(Error::Busy(BUSY_SECONDS))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::ErrorCode as Code;
    matches!(error.sqlite_error_code(), Some(Code::DatabaseBusy | Code::DatabaseLocked))
}

impl Writer {
    /// Undoes what a holder left behind when it was dropped without a commit, and notices when
    /// SQLite itself gave the whole transaction up (disk full, I/O error).
    fn clean_up(&mut self) {
        if !self.open {
            self.abandoned = false;
            return;
        }
        let undone = if self.abandoned {
            self.abandoned = false;
            self.conn.execute_batch("ROLLBACK TO caller; RELEASE caller").map_err(|e| e.to_string())
        } else {
            Ok(())
        };
        let lost = self.conn.is_autocommit();
        if lost || undone.is_err() {
            let cause = undone.err().unwrap_or_else(|| "SQLite rolled back".to_owned());
            self.give_up(&cause);
        }
    }

    /// Nothing of this group gets on disk; the callers are told, and may try again.
    fn give_up(&mut self, cause: &str) {
        if !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        self.open = false;
        for waiting in self.waiting.drain(..) {
            let _ = waiting.done.send(Err(cause.to_owned()));
        }
    }

    /// Writes every finished savepoint to the log. Returns those who wait for it to be durable.
    fn commit(&mut self) -> Vec<Waiting> {
        self.clean_up();
        if !self.open {
            return Vec::new();
        }
        if let Err(cause) = run(&self.conn, "COMMIT") {
            self.give_up(&cause.to_string());
            return Vec::new();
        }
        self.open = false;
        self.committed.fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
        std::mem::take(&mut self.waiting)
    }
}

/// Makes the log durable and tells those who wait for it.
fn synchronise(log: &Log, group: Vec<Waiting>) {
    if group.is_empty() {
        return;
    }
    let file = log.file.lock();
    let synced = if log.broken.load(Ordering::SeqCst) {
        Err(BROKEN.to_owned())
    } else {
        file.sync_data().map_err(|cause| cause.to_string())
    };
    if let Err(cause) = &synced
        && !log.broken.swap(true, Ordering::SeqCst)
    {
        tracing::error!(event = "db_sync_failed", cause);
    }
    drop(file);
    for waiting in group {
        if synced.is_ok() {
            // Even when the caller went away meanwhile, what it did is to be known.
            (waiting.then)();
        }
        let _ = waiting.done.send(synced.clone());
    }
}

/// Commits whenever a savepoint was finished. The lock is fair, so all who waited before get in.
async fn commit_groups(writer: std::sync::Weak<Mutex<Writer>>, wake: Arc<Notify>) {
    loop {
        wake.notified().await;
        let Some(writer) = writer.upgrade() else { return };
        let mut guard = writer.lock_owned().await;
        if !guard.open {
            continue;
        }
        // A sync takes a millisecond or more: not on a thread that serves requests.
        let done = tokio::task::spawn_blocking(move || {
            let group = guard.commit();
            let log = guard.log.clone();
            drop(guard);
            synchronise(&log, group);
        });
        if unless_closing(done.await).is_none() {
            return;
        }
    }
}

/// Carries the log over into the database, beside the writers: done by a commit, as SQLite would,
/// it holds all of them up. Only a log that never comes to its end under load makes them wait.
async fn checkpoint(
    writer: std::sync::Weak<Mutex<Writer>>,
    committed: Arc<AtomicU64>,
    path: PathBuf,
) {
    let mut conn = match connect(&path) {
        Ok(conn) => conn,
        Err(cause) => {
            tracing::warn!(event = "db_checkpoint_failed", cause = %cause);
            return;
        }
    };
    let (mut carried, mut ticks) = (0, 0);
    let mut longest = LOG_PAGES;
    let mut tick = tokio::time::interval(CHECKPOINT_EVERY);
    loop {
        tick.tick().await;
        if writer.strong_count() == 0 {
            return;
        }
        let now = committed.load(Ordering::Relaxed);
        ticks = if now == carried { 0 } else { ticks + 1 };
        if ticks < CHECKPOINT_TICKS && now - carried < CHECKPOINT_COMMITS {
            continue;
        }
        (carried, ticks) = (now, 0);
        let Some((back, carry)) = carry_over(conn, "PASSIVE").await else { return };
        conn = back;
        if carry.pages < longest {
            continue;
        }
        let Some(writer) = writer.upgrade() else { return };
        let mut guard = writer.lock_owned().await;
        let group = guard.commit();
        let log = guard.log.clone();
        let Some((back, restart)) = carry_over(conn, "RESTART").await else { return };
        conn = back;
        drop(guard);
        // In vain while somebody reads an old state: not again until it has grown by as much.
        longest = if restart.busy { carry.pages + LOG_PAGES } else { LOG_PAGES };
        let done = tokio::task::spawn_blocking(move || synchronise(&log, group));
        if unless_closing(done.await).is_none() {
            return;
        }
    }
}

/// What a checkpoint came to.
struct Carried {
    /// Somebody kept it from being complete.
    busy: bool,
    /// Pages in the log.
    pages: i64,
}

async fn carry_over(conn: Connection, mode: &'static str) -> Option<(Connection, Carried)> {
    let done = tokio::task::spawn_blocking(move || {
        let wait = if mode == "RESTART" { RESTART_WAIT } else { Duration::ZERO };
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let done = conn.busy_timeout(wait).and_then(|()| {
            conn.query_row(&sql, [], |row| Ok(Carried { busy: row.get(0)?, pages: row.get(1)? }))
        });
        let carried = done.unwrap_or_else(|cause| {
            tracing::warn!(event = "db_checkpoint_failed", cause = %cause);
            Carried { busy: true, pages: 0 }
        });
        (conn, carried)
    });
    unless_closing(done.await)
}

/// What ran beside the runtime; nothing when that is closing. A panic is one here, so that whoever supervises this
/// task begins it anew: without it no commit would ever be answered again.
fn unless_closing<T>(done: Result<T, tokio::task::JoinError>) -> Option<T> {
    done.map_err(|ended| {
        if let Ok(panic) = ended.try_into_panic() {
            std::panic::resume_unwind(panic);
        }
    })
    .ok()
}

/// Notices commits of other processes.
async fn watch(writer: std::sync::Weak<Mutex<Writer>>, signals: Signals) {
    let mut seen = None;
    let mut tick = tokio::time::interval(WATCH_EVERY);
    loop {
        tick.tick().await;
        let Some(writer) = writer.upgrade() else { return };
        // The counter moves only by other connections' writes, and ours all go over this one.
        let guard = writer.lock_owned().await;
        let version: Option<i64> =
            guard.conn.query_row("PRAGMA data_version", [], |row| row.get(0)).ok();
        drop(guard);
        if seen.is_some() && version != seen {
            signals.changed_elsewhere();
        }
        seen = version;
    }
}

pub(crate) struct WriteTx {
    guard: Option<OwnedMutexGuard<Writer>>,
    committer: Arc<Notify>,
}

impl WriteTx {
    pub(crate) fn conn(&self) -> &Connection {
        &self.guard.as_ref().expect("held until commit or drop").conn
    }

    /// Finishes the savepoint and waits for the COMMIT it becomes part of; `then` runs with that
    /// COMMIT, also when nobody waits any more.
    pub(crate) async fn commit(mut self, then: Box<dyn FnOnce() + Send>) -> Result<(), Error> {
        let mut guard = self.guard.take().expect("commit consumes the transaction");
        if let Err(error) = run(&guard.conn, "RELEASE caller") {
            guard.abandoned = true;
            self.committer.notify_one();
            return Err(error.into());
        }
        let (done, outcome) = oneshot::channel();
        guard.waiting.push(Waiting { done, then });
        self.committer.notify_one();
        drop(guard);
        match outcome.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(Error::Commit(cause)),
            Err(_) => Err(Error::Commit("the database is closing".to_owned())),
        }
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            guard.abandoned = true;
            // An open transaction would keep other processes out.
            self.committer.notify_one();
        }
    }
}

pub(crate) struct ReadTx {
    conn: Option<Connection>,
    readers: Arc<SyncMutex<Vec<Connection>>>,
}

impl ReadTx {
    pub(crate) fn conn(&self) -> &Connection {
        self.conn.as_ref().expect("held until drop")
    }
}

impl Drop for ReadTx {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && run(&conn, "ROLLBACK").is_ok()
        {
            let mut readers = self.readers.lock();
            if readers.len() < 8 {
                readers.push(conn);
            }
        }
    }
}

/// `$1` is a named parameter to SQLite, numbered by first use: the number is in the name.
fn bind(statement: &mut Statement<'_>, args: &[Value]) -> Result<(), Error> {
    for position in 1..=statement.parameter_count() {
        let number = statement.parameter_name(position).and_then(|name| name[1..].parse().ok());
        let value = number.and_then(|n: usize| args.get(n.wrapping_sub(1)));
        let Some(value) = value else {
            return Err(Error::Setup("a statement has a parameter without argument".to_owned()));
        };
        statement.raw_bind_parameter(position, Bound(value))?;
    }
    Ok(())
}

/// Most texts are short, and nearly none has one: looking at all bytes, many at once, costs less than a search that
/// ends early.
#[inline]
fn has_nul(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte == 0))
}

struct Bound<'a>(&'a Value);

impl rusqlite::ToSql for Bound<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, Value as V, ValueRef as R};
        Ok(match self.0 {
            Value::Int(Some(value)) => ToSqlOutput::Owned(V::Integer(*value)),
            Value::Real(Some(value)) => ToSqlOutput::Owned(V::Real(*value)),
            // As PostgreSQL has it: a text with NUL would be cut there by functions, and compared as another.
            Value::Text(Some(value)) if has_nul(value) => {
                ToSqlOutput::Owned(V::Text(value.replace('\0', "")))
            }
            Value::Text(Some(value)) => ToSqlOutput::Borrowed(R::Text(value.as_bytes())),
            Value::Bytes(Some(value)) => ToSqlOutput::Borrowed(R::Blob(value)),
            _ => ToSqlOutput::Owned(V::Null),
        })
    }
}

pub(crate) fn execute(conn: &Connection, sql: &str, args: &[Value]) -> Result<u64, Error> {
    let mut statement = conn.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    Ok(statement.raw_execute()? as u64)
}

pub(crate) fn fetch(conn: &Connection, sql: &str, args: &[Value]) -> Result<Vec<Row>, Error> {
    let mut statement = conn.prepare_cached(sql)?;
    let columns = statement.column_count();
    bind(&mut statement, args)?;
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|i| row.get(i)).collect::<Result<_, _>>()?;
        out.push(Row::Sqlite(values));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_a_sync_that_failed_nothing_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let db = Sqlite::open(&folder.path().join("test.db"), Signals::default()).unwrap();
        let write = async || {
            let tx = db.begin().await?;
            execute(tx.conn(), "CREATE TABLE IF NOT EXISTS t (x)", &[])?;
            tx.commit(Box::new(|| {})).await
        };
        write().await.unwrap();
        // What is no file on a disk cannot be synchronised.
        *db.writer.lock().await.log.file.lock() = File::open("/dev/null").unwrap();
        assert!(matches!(write().await, Err(Error::Commit(_))));
        assert!(matches!(write().await, Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn commits_go_on_after_one_whose_follow_up_panicked() {
        let folder = tempfile::tempdir().unwrap();
        let db = Sqlite::open(&folder.path().join("test.db"), Signals::default()).unwrap();
        let write = async |then: Box<dyn FnOnce() + Send>| {
            let tx = db.begin().await?;
            execute(tx.conn(), "CREATE TABLE IF NOT EXISTS t (x)", &[])?;
            tx.commit(then).await
        };
        assert!(write(Box::new(|| panic!("a fault of the caller"))).await.is_err());
        write(Box::new(|| {})).await.unwrap();
    }

    #[tokio::test]
    async fn a_linked_database_has_its_log_beside_the_real_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        let link = folder.path().join("test.db");
        std::os::unix::fs::symlink(folder.path().join("real/test.db"), &link).unwrap();
        let db = Sqlite::open(&link, Signals::default()).unwrap();
        let tx = db.begin().await.unwrap();
        execute(tx.conn(), "CREATE TABLE t (x)", &[]).unwrap();
        tx.commit(Box::new(|| {})).await.unwrap();
        assert!(folder.path().join("real/test.db-wal").exists());
    }
}
