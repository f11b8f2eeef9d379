//! Alarms that end by themselves: what raised them is tried or measured again all the time.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, Moment};

/// What an alarm is about, and so what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Reach, Self::Clock].into_iter().find(|kind| kind.name() == text)
    }
}

/// Raises an alarm, unless one stands that only a person or a new connection ends.
pub(crate) async fn raise(
    tx: &mut TenantTx,
    id: ChannelId,
    kind: AlarmKind,
    text: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let moved = tx
        .execute(
            "UPDATE channels SET alarm = $1, alarm_at = $2, alarm_kind = $3 \
             WHERE tenant_id = $4 AND id = $5 \
             AND (alarm IS NULL OR (alarm_kind IS NOT NULL AND alarm <> $1))",
            args![text, now, kind.name(), tenant, id],
        )
        .await?;
    if moved > 0 {
        tx.settings_changed();
        tracing::warn!(
            event = "channel_alarm", tenant_id = %tenant, channel_id = %id, state = kind.name(),
        );
    }
    Ok(())
}

/// Ends an alarm of this kind.
pub(crate) async fn end(tx: &mut TenantTx, id: ChannelId, kind: AlarmKind) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET alarm = NULL, alarm_at = NULL, alarm_kind = NULL \
         WHERE tenant_id = $1 AND id = $2 AND alarm_kind = $3",
        args![tenant, id, kind.name()],
    )
    .await?;
    tx.settings_changed();
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
