//! Steps of the wall clock: jobs wait for a time of it, and a correction must not make them wait for an hour more, or
//! take them from a worker that is at them.

use db::{Db, Engine, Error, args};
use kernel::{Clock, Moment};
use parking_lot::Mutex;
use tokio::sync::{RwLock, RwLockReadGuard};

/// A difference that is a step, and no drift: microseconds.
const STEP: i64 = 2_000_000;
/// Between two looks at most, while the queue runs: microseconds.
const LOOK: i64 = 5_000_000;
/// Jobs that are due later than this wait for a date rather than for a while: they are left where they are.
const SHORT: i64 = 3_600_000_000;

/// What of the wall clock the queue's times are of.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// How far it is from the steady one, in microseconds.
    known: Mutex<Option<i64>>,
    /// Held by a worker of this process that writes a time, from reading it to the commit; alone by the one that moves
    /// what was written.
    writing: RwLock<()>,
}

/// A time to be written. No step is followed as long as it is held.
pub(crate) struct Now<'a> {
    pub(crate) at: Moment,
    /// How far it is from the steady clock, in microseconds.
    offset: i64,
    _writing: RwLockReadGuard<'a, ()>,
}

impl Now<'_> {
    /// A time that was named when the wall clock was so far from the steady one, with the steps since.
    pub(crate) fn moved(&self, time: Moment, before: i64) -> Moment {
        let by = self.offset - before;
        if by.abs() < STEP { time } else { Moment(time.0.saturating_add(by)) }
    }
}

impl Steps {
    /// The time, after every step of the clock is followed: what is written before would be moved by it.
    pub(crate) async fn now(&self, db: &Db, clock: &Clock) -> Result<Now<'_>, Error> {
        loop {
            let writing = self.writing.read().await;
            if let Some((at, offset)) = self.followed(clock) {
                return Ok(Now { at, offset, _writing: writing });
            }
            drop(writing);
            if let Some(seconds) = self.follow(db, clock).await? {
                tracing::warn!(event = "clock_stepped", seconds);
            }
        }
    }

    /// The time and its offset, unless a step is still to be followed. A clock that is slewed drifts a little at a time.
    fn followed(&self, clock: &Clock) -> Option<(Moment, i64)> {
        let (now, offset) = read(clock);
        let mut known = self.known.lock();
        known.filter(|known| (offset - known).abs() < STEP)?;
        *known = Some(offset);
        Some((now, offset))
    }

    /// Moves short waits and leases by what the clock was set by since it was last followed. How many seconds.
    async fn follow(&self, db: &Db, clock: &Clock) -> Result<Option<i64>, Error> {
        let _alone = self.writing.write().await;
        if self.followed(clock).is_some() {
            return Ok(None);
        }
        let ((now, offset), known) = (read(clock), *self.known.lock());
        let stepped = shift(db, here(db.engine()), (known, offset), now).await?;
        *self.known.lock() = Some(offset);
        Ok(stepped)
    }
}

/// The time, and how far it is from the steady clock, in microseconds.
pub(crate) fn read(clock: &Clock) -> (Moment, i64) {
    let now = clock.now();
    (now, now.0.saturating_sub(clock.steady().0))
}

/// Which start of which machine this is: only processes of one share a steady clock.
fn here(engine: Engine) -> (String, String) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let machine = match engine {
        // One file is worked on by one machine.
        Engine::Sqlite => "sqlite".to_owned(),
        Engine::Postgres => read("/etc/machine-id"),
    };
    (machine, read("/proc/sys/kernel/random/boot_id"))
}

/// Moves what waits by what the clock was set by. Of several processes one does it: whoever changes the row.
async fn shift(
    db: &Db,
    (machine, boot): (String, String),
    (known, offset): (Option<i64>, i64),
    now: Moment,
) -> Result<Option<i64>, Error> {
    let mut tx = db.begin_system().await?;
    tx.execute(
        "INSERT INTO queue_clocks (boot, machine, known) VALUES ($1, $2, $3) ON CONFLICT (boot) DO NOTHING",
        args![&boot, &machine, offset],
    )
    .await?;
    // Earlier starts of the same machine have a steady clock that nobody reads any more.
    tx.execute(
        "DELETE FROM queue_clocks WHERE machine = $1 AND machine <> '' AND boot <> $2",
        args![&machine, &boot],
    )
    .await?;
    let rows = tx.fetch_all("SELECT boot, known FROM queue_clocks ORDER BY boot", args![]).await?;
    let mut before = None;
    for row in &rows {
        if row.get::<String>(0)? == boot {
            before = Some(row.get::<i64>(1)?);
        }
    }
    // The row says what was last followed; this process may know of drift since.
    let kept = before.unwrap_or(offset);
    let by = offset
        - if (kept - known.unwrap_or(kept)).abs() < STEP { known.unwrap_or(kept) } else { kept };
    let changed = tx
        .execute(
            "UPDATE queue_clocks SET known = $1 WHERE boot = $2 AND known = $3",
            args![offset, &boot, kept],
        )
        .await?;
    // Where several machines work one queue, the clock of one says nothing of the times that others wrote.
    let alone = rows.len() == 1;
    if by.abs() < STEP || changed != 1 || !alone {
        tx.commit().await?;
        return Ok(None);
    }
    let then = Moment(now.0.saturating_sub(by));
    // What came between a step ahead and this look is of the new time already. After a step back nothing is left
    // out: what is due too early is only early.
    let fresh = if by > 0 { Moment(now.0.saturating_sub(LOOK)) } else { now };
    tx.execute(
        "UPDATE jobs SET run_at = run_at + $1 WHERE state = 0 AND run_at <= $2 \
         AND NOT (enqueued_at > $3 AND enqueued_at <= $4)",
        args![by, Moment(then.0.saturating_add(SHORT)), fresh, now],
    )
    .await?;
    tx.execute("UPDATE jobs SET lease_until = lease_until + $1 WHERE state = 2", args![by]).await?;
    tx.commit().await?;
    Ok(Some(by / 1_000_000))
}
