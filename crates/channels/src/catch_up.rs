//! Looking through a provider's past: messages that no webhook brought, and sends of which nobody
//! knows whether they left.

use std::time::Duration;

use async_trait::async_trait;
use db::{Db, TenantTx};
use kernel::{ChannelId, Moment};
use messaging::{Inbound, Messenger, Messengers, SendError};
use queue::{Done, Handler, JobCx, JobError, Lane, NewJob, Payload};
use serde::{Deserialize, Serialize};

use crate::intake::IntakeError;
use crate::past::{Verdict, Wanted};
use crate::{Entry, Intake, Taken, past, store};

/// A channel's past is to be looked through.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CatchUpDue {
    pub channel: ChannelId,
    /// One of the looks that follow each other; others come on top, when something happened.
    pub regular: bool,
}

impl Payload for CatchUpDue {
    const KIND: &'static str = "channels.catch_up_due";
    const LANE: Lane = Lane::Notify;
    const MAX_ATTEMPTS: u32 = 6;
}

/// The nightly look at what has no end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileDue {
    pub channel: ChannelId,
}

impl Payload for ReconcileDue {
    const KIND: &'static str = "channels.reconcile_due";
    const LANE: Lane = Lane::Bulk;
}

/// Before the watermark, for clocks that differ.
const OVERLAP: Duration = Duration::from_secs(120);
/// What is younger may still be on its way by webhook.
const FRESH: Duration = Duration::from_secs(20);
/// The provider's past is looked through no further back.
const BACK: Duration = Duration::from_secs(3 * 86_400);
/// A send that provably did not leave leaves again within this time; later a person decides.
const STILL_FRESH: Duration = Duration::from_secs(10 * 60);
/// A send is looked up no earlier than this after its call.
const SETTLED: Duration = Duration::from_secs(30);

/// Enqueues a look on top of the regular ones, in the caller's transaction: of one minute, one waits at most.
pub(crate) async fn soon(
    tx: &mut TenantTx,
    channel: ChannelId,
    at: Moment,
    now: Moment,
) -> Result<(), db::Error> {
    let minute = at.0.div_euclid(60_000_000);
    let key = format!("catch_up:{channel}:{minute}");
    enqueue(tx, CatchUpDue { channel, regular: false }, key, at, now).await
}

/// Enqueues the next of the regular looks.
async fn regular(
    tx: &mut TenantTx,
    channel: ChannelId,
    at: Moment,
    now: Moment,
) -> Result<(), db::Error> {
    let key = format!("catch_up:{channel}");
    enqueue(tx, CatchUpDue { channel, regular: true }, key, at, now).await
}

async fn enqueue(
    tx: &mut TenantTx,
    payload: CatchUpDue,
    dedupe_key: String,
    at: Moment,
    now: Moment,
) -> Result<(), db::Error> {
    let job = NewJob {
        payload: &payload,
        run_at: at,
        // None waits for another: what happened now is not to wait for the look in a quarter of an hour.
        order_key: None,
        dedupe_key: Some(dedupe_key),
        now,
    };
    queue::enqueue(tx, job).await
}

/// The first of the regular looks at a new channel, which has no past here yet.
const FIRST: Duration = Duration::from_secs(15 * 60);

/// Enqueues the looks at a channel that was just added.
pub(crate) async fn begin(
    tx: &mut TenantTx,
    channel: ChannelId,
    now: Moment,
) -> Result<(), db::Error> {
    regular(tx, channel, now + FIRST, now).await?;
    tonight(tx, channel, now).await
}

/// Enqueues what every channel needs when the house starts: a look at its past now, and the nightly
/// look.
///
/// # Errors
/// When the database refuses.
pub async fn schedule(db: &Db, now: Moment) -> Result<(), db::Error> {
    for (tenant, channel) in crate::locate::every(db).await? {
        let mut tx = db.begin(tenant).await?;
        regular(&mut tx, channel, now, now).await?;
        tonight(&mut tx, channel, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn tonight(tx: &mut TenantTx, channel: ChannelId, now: Moment) -> Result<(), db::Error> {
    let zone = tenancy::own(tx).await?.map(|tenant| tenant.time_zone);
    let job = NewJob {
        payload: &ReconcileDue { channel },
        run_at: next_night(zone.as_deref(), now),
        order_key: None,
        dedupe_key: Some(format!("reconcile:{channel}")),
        now,
    };
    queue::enqueue(tx, job).await
}

/// Three in the morning where the tenant is.
fn next_night(zone: Option<&str>, now: Moment) -> Moment {
    let zone =
        zone.and_then(|name| jiff::tz::TimeZone::get(name).ok()).unwrap_or(jiff::tz::TimeZone::UTC);
    let local = now.timestamp().to_zoned(zone);
    let three =
        |day: jiff::Zoned| day.with().hour(3).minute(0).second(0).subsec_nanosecond(0).build();
    let at = three(local.clone())
        .ok()
        .filter(|at| *at > local)
        .or_else(|| three(local.tomorrow().ok()?).ok());
    at.map_or(now + Duration::from_secs(86_400), |at| Moment(at.timestamp().as_microsecond()))
}

/// Runs [`CatchUpDue`].
pub struct CatchUp {
    pub intake: Intake,
    pub messengers: Messengers,
    /// Time between two looks.
    pub every: Duration,
}

#[async_trait]
impl Handler<CatchUpDue> for CatchUp {
    async fn run(&self, due: CatchUpDue, cx: &JobCx) -> Result<Done, JobError> {
        let retry = |cause: String| JobError::Retry { after: None, cause };
        let found = self.intake.directory.by_id(cx.tenant, due.channel).await;
        let Some(entry) = found.map_err(|error| retry(error.to_string()))? else {
            return Ok(Done::Finish);
        };
        // Whoever reads the list of failed jobs sees which channel to look at.
        let of = |cause: &dyn std::fmt::Display| format!("channel {}: {cause}", entry.id);
        let messenger = self.messengers.of(entry.kind);
        let now = cx.clock.now();
        if messenger.capabilities().look_up && entry.state.rule().stores_inbound {
            // Neither waits for the other: a past that cannot be read through is no reason to
            // leave a send in doubt.
            let looked = self.look(messenger, &entry, now).await;
            let settled = self.settle(messenger, &entry, now).await;
            match looked.and(settled) {
                Ok(()) => {}
                Err(Trouble::Provider(SendError::Refused { reason, .. })) => {
                    // It cannot be looked through: said where the channel is shown.
                    let mut tx = self.intake.db.begin(cx.tenant).await?;
                    store::set_caught_up(&mut tx, entry.id, None, Some(&reason)).await?;
                    tx.commit().await?;
                }
                Err(Trouble::Provider(SendError::Throttled { retry_after, .. })) => {
                    let cause = of(&"the provider asks to wait");
                    return Err(JobError::Retry { after: Some(retry_after), cause });
                }
                Err(Trouble::Provider(error)) => return Err(retry(of(&error))),
                Err(Trouble::Intake(error)) => return Err(retry(of(&error))),
            }
        }
        let mut tx = self.intake.db.begin(cx.tenant).await?;
        if due.regular && messenger.capabilities().look_up {
            regular(&mut tx, entry.id, now + self.every, now).await?;
        }
        cx.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finished)
    }

    async fn gave_up(&self, due: CatchUpDue, cx: &JobCx, _: &str) {
        // The provider is away for longer: the next regular look goes on from the same mark.
        if !due.regular {
            return;
        }
        let again = async {
            let now = cx.clock.now();
            let mut tx = self.intake.db.begin(cx.tenant).await?;
            regular(&mut tx, due.channel, now + self.every, now).await?;
            tx.commit().await
        };
        if let Err(error) = again.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}

enum Trouble {
    Provider(SendError),
    Intake(IntakeError),
}

impl From<SendError> for Trouble {
    fn from(error: SendError) -> Self {
        Self::Provider(error)
    }
}
impl From<IntakeError> for Trouble {
    fn from(error: IntakeError) -> Self {
        Self::Intake(error)
    }
}
impl From<db::Error> for Trouble {
    fn from(error: db::Error) -> Self {
        Self::Intake(IntakeError::Storage(error))
    }
}

impl CatchUp {
    async fn look(
        &self,
        messenger: &dyn Messenger,
        entry: &std::sync::Arc<Entry>,
        now: Moment,
    ) -> Result<(), Trouble> {
        let mut tx = self.intake.db.read(entry.tenant).await?;
        let mark = store::caught_up_at(&mut tx, entry.id).await?;
        drop(tx);
        let from = (mark - OVERLAP).max(now - BACK);
        let until = now - FRESH;
        if until <= from {
            return Ok(());
        }
        let past = past::stretch(messenger, entry, (from, until), false).await?;
        let mut found = 0u64;
        for item in &past.items {
            // Statuses of ours come by webhook; what matters here is what left.
            if let Inbound::Message(_) | Inbound::Sent(_) = item {
                let taken = self.intake.take_found(entry, item).await?;
                found += u64::from(taken == Taken::Stored);
            }
        }
        let mut tx = self.intake.db.begin(entry.tenant).await?;
        if !past.whole {
            let alarm = format!(
                "more came between {} and {} than could be looked through; see the phone",
                from.rfc3339(),
                until.rfc3339()
            );
            store::set_alarm(&mut tx, entry.id, &alarm, now).await?;
            tracing::warn!(
                event = "channel_alarm", tenant_id = %entry.tenant, channel_id = %entry.id,
                state = "gap_too_large",
            );
        }
        // While the phone is away its messages are nowhere yet.
        let mark = if store::away(&mut tx, entry.id).await? { mark } else { until.max(mark) };
        store::set_caught_up(&mut tx, entry.id, Some(mark), None).await?;
        tx.commit().await?;
        if found > 0 {
            tracing::warn!(
                event = "gap_filled", tenant_id = %entry.tenant, channel_id = %entry.id, count = found,
            );
            metrics::counter!("portaria_channel_gap_messages_total", "kind" => entry.kind.name())
                .increment(found);
        }
        Ok(())
    }

    /// Sends of which nobody knows whether they left: the provider is asked what did.
    async fn settle(
        &self,
        messenger: &dyn Messenger,
        entry: &std::sync::Arc<Entry>,
        now: Moment,
    ) -> Result<(), Trouble> {
        let mut tx = self.intake.db.read(entry.tenant).await?;
        let mut open = inbox::unknown_sends(&mut tx, entry.id, now - BACK, 200).await?;
        drop(tx);
        open.retain(|send| now.since(send.since) >= SETTLED);
        let Some(first) = open.iter().map(|send| send.at).min() else { return Ok(()) };
        let past = past::stretch(messenger, entry, (first - OVERLAP, now), true).await?;
        // What fits is known again by this.
        for item in &past.items {
            if let Inbound::Sent(_) = item {
                self.intake.take_found(entry, item).await?;
            }
        }
        // Evidence of absence needs evidence that anything is written down there at all.
        let written = past.sent().next().is_some() || {
            let day = (now - Duration::from_secs(86_400), now);
            past::stretch(messenger, entry, day, true).await?.sent().next().is_some()
        };
        if !written {
            return Ok(());
        }
        let strange = past.strange(&self.intake.db, entry).await?;
        for send in open {
            let wanted = Wanted {
                address: &send.address,
                content: &send.content,
                body: &send.body,
                since: send.at,
            };
            if past.verdict(&wanted, &strange) != Verdict::Absent {
                continue;
            }
            let mut tx = self.intake.db.begin(entry.tenant).await?;
            if now.since(send.at) < STILL_FRESH {
                inbox::requeue(&mut tx, send.message, send.conversation, now).await?;
            } else {
                inbox::not_sent(&mut tx, send.message, send.conversation, now).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Runs [`ReconcileDue`].
pub struct Reconcile {
    pub db: Db,
}

#[async_trait]
impl Handler<ReconcileDue> for Reconcile {
    async fn run(&self, due: ReconcileDue, cx: &JobCx) -> Result<Done, JobError> {
        let now = cx.clock.now();
        let mut tx = self.db.begin(cx.tenant).await?;
        if crate::locate::by_id(&mut tx, due.channel).await?.is_none() {
            return Ok(Done::Finish);
        }
        let open = inbox::unsettled(&mut tx, now, 1000).await?;
        let open = open.iter().filter(|one| one.channel == due.channel).count();
        soon(&mut tx, due.channel, now, now).await?;
        tonight(&mut tx, due.channel, now).await?;
        if open > 0 {
            let alarm =
                format!("{open} messages have no final state: see `portaria channel unsettled`");
            store::set_alarm(&mut tx, due.channel, &alarm, now).await?;
            tracing::warn!(
                event = "unsettled_messages", tenant_id = %cx.tenant, channel_id = %due.channel,
                count = open as u64,
            );
        }
        cx.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_night_is_three_in_the_morning_where_the_tenant_is() {
        // 2026-01-05 12:00 UTC is 09:00 in São Paulo.
        let noon = Moment(1_767_614_400_000_000);
        let next = next_night(Some("America/Sao_Paulo"), noon);
        assert_eq!(next.rfc3339(), "2026-01-06T06:00:00Z");
        let early = noon - Duration::from_secs(10 * 3600);
        assert_eq!(next_night(Some("America/Sao_Paulo"), early).rfc3339(), "2026-01-05T06:00:00Z");
        assert_eq!(next_night(None, noon).rfc3339(), "2026-01-06T03:00:00Z");
    }
}
