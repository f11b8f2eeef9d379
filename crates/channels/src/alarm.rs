//! Alarms that end by themselves: what raised them is tried or measured again all the time.

use std::collections::HashMap;
use std::time::Duration;

use db::{Error, TenantTx, args};
use kernel::{ChannelId, Moment};
use parking_lot::Mutex;

/// What an alarm is about, and so what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AlarmKind {
    /// The provider cannot be reached. Ends with the next send that it takes.
    Reach,
    /// Our clock and the provider's times disagree. Ends with the next message that is on time.
    Clock,
}

impl AlarmKind {
    fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Clock => "clock",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Reach => "alarm_reach",
            Self::Clock => "alarm_clock",
        }
    }

    /// What is shown when this kind's alarm is `own`.
    fn shown(self, own: &str) -> String {
        match self {
            Self::Reach => format!("COALESCE(alarm_said, {own}, alarm_clock)"),
            Self::Clock => format!("COALESCE(alarm_said, alarm_reach, {own})"),
        }
    }
}

/// Between two checks whether an alarm stands that may end now. Another process may have raised it.
const EVERY: Duration = Duration::from_secs(60);

/// When each channel was last checked for an alarm that may end: not every message and send asks the
/// database.
#[derive(Default)]
pub(crate) struct LastChecks(Mutex<HashMap<(ChannelId, AlarmKind), Moment>>);

impl LastChecks {
    /// Whether to check again, at this time by the clock that nobody sets.
    pub(crate) fn due(&self, id: ChannelId, kind: AlarmKind, steady: Moment) -> bool {
        let mut checks = self.0.lock();
        let due = checks.get(&(id, kind)).is_none_or(|at| steady.since(*at) >= EVERY);
        if due {
            checks.insert((id, kind), steady);
        }
        due
    }

    /// One was raised just now: the next good news ends it.
    pub(crate) fn raised(&self, id: ChannelId, kind: AlarmKind) {
        self.0.lock().remove(&(id, kind));
    }
}

/// Raises an alarm, in place of one of its kind only when it is `news`. Whether one was raised.
pub(crate) async fn raise(
    tx: &mut TenantTx,
    id: ChannelId,
    kind: AlarmKind,
    (text, news): (&str, bool),
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let (column, shown) = (kind.column(), kind.shown("$1"));
    let over = if news { format!("{column} <> $1") } else { "1 = 0".to_owned() };
    let moved = tx
        .execute(
            &format!(
                "UPDATE channels SET {column} = $1, alarm = {shown}, \
                 alarm_at = CASE WHEN alarm = {shown} THEN alarm_at ELSE $2 END \
                 WHERE tenant_id = $3 AND id = $4 AND ({column} IS NULL OR {over})"
            ),
            args![text, now, tenant, id],
        )
        .await?;
    if moved > 0 {
        tracing::warn!(
            event = "channel_alarm", tenant_id = %tenant, channel_id = %id, state = kind.name(),
        );
    }
    Ok(moved > 0)
}

/// Ends an alarm of this kind, if one stands.
pub(crate) async fn end(tx: &mut TenantTx, id: ChannelId, kind: AlarmKind) -> Result<(), Error> {
    let tenant = tx.tenant();
    let (column, shown) = (kind.column(), kind.shown("NULL"));
    tx.execute(
        &format!(
            "UPDATE channels SET {column} = NULL, alarm = {shown}, \
             alarm_at = CASE WHEN {shown} IS NULL THEN NULL ELSE alarm_at END \
             WHERE tenant_id = $1 AND id = $2 AND {column} IS NOT NULL"
        ),
        args![tenant, id],
    )
    .await?;
    Ok(())
}

/// Notes by how many seconds our clock is ahead of the provider's times; 0 when it is right.
pub(crate) async fn set_clock_offset(
    tx: &mut TenantTx,
    id: ChannelId,
    seconds: i64,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET clock_offset = $1 WHERE tenant_id = $2 AND id = $3",
        args![seconds, tenant, id],
    )
    .await?;
    tx.settings_changed();
    Ok(())
}
