//! Whose turn it is: bot → waiting → human → bot, moved by typed events only.

use db::{Error, TenantTx, args};
use hooks::Event as Told;
use kernel::{ConversationId, Moment};
use queue::{Lane, NewJob, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Owner, Reason};

/// What moves a conversation between its owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The assistant cannot or may not go on: a person is called.
    Called(Reason),
    /// A person of the business wrote from the phone.
    PhoneEcho,
    /// A person took over in the panel, or replied.
    TakenOver,
    GivenBack,
    /// The person who had it is of the team no longer.
    PersonLeft,
    /// The person said nothing for a day and the contact wrote again.
    DayPassed,
    /// What looked like a person on the phone was our own message coming back.
    EchoWasOurs,
    /// The same person's other conversation, which this one took in, was a person's.
    Merged,
}

impl Event {
    pub fn name(self) -> &'static str {
        match self {
            Self::Called(reason) => reason.name(),
            Self::PhoneEcho => "phone_echo",
            Self::TakenOver => "taken_over",
            Self::GivenBack => "given_back",
            Self::PersonLeft => "person_left",
            Self::DayPassed => "day_passed",
            Self::EchoWasOurs => "echo_was_ours",
            Self::Merged => "merged",
        }
    }

    /// Who owns the conversation after it.
    pub fn next(self, owner: Owner) -> Owner {
        match (self, owner) {
            // A person who is there already need not be called.
            (Self::Called(_), Owner::Human) => Owner::Human,
            (Self::Called(_) | Self::PersonLeft, _) => Owner::Nobody,
            (Self::PhoneEcho | Self::TakenOver, _) => Owner::Human,
            (Self::Merged, owner) => owner,
            (Self::GivenBack | Self::DayPassed | Self::EchoWasOurs, _) => Owner::Bot,
        }
    }
}

/// A person is waited for: whoever is to be told is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitingDue {
    pub conversation: ConversationId,
    /// How often it was told before.
    #[serde(default)]
    pub again: u8,
}

impl Payload for WaitingDue {
    const KIND: &'static str = "inbox.waiting_due";
    const LANE: Lane = Lane::Notify;
}

/// A change of owner, as the API shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OwnerChange {
    pub at: Moment,
    /// Such as `asked_for_person`, `phone_echo`, `taken_over`, `given_back`, `day_passed`.
    pub event: String,
    pub before: Owner,
    pub after: Owner,
    /// Who of the team moved it, where somebody did.
    pub person: Option<kernel::PersonId>,
    /// To whom it was given.
    pub target: Option<kernel::PersonId>,
}

/// Moves the conversation. `None` when there is no such conversation; else who owned it before.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn apply(
    tx: &mut TenantTx,
    conversation: ConversationId,
    event: Event,
    now: Moment,
) -> Result<Option<Owner>, Error> {
    apply_upto(tx, conversation, event, None, now).await
}

/// What somebody had seen of the contact's messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// The last one of the count.
    pub(crate) upto: i64,
    /// Whether more came after it, counted or not.
    pub(crate) more: bool,
}

/// As [`apply`], by somebody who has seen no more than this.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn apply_upto(
    tx: &mut TenantTx,
    conversation: ConversationId,
    event: Event,
    heard: Option<Heard>,
    now: Moment,
) -> Result<Option<Owner>, Error> {
    let tenant = tx.tenant();
    // Events of one conversation take turns on PostgreSQL; SQLite writes one at a time anyway.
    let lock = if tx.is_postgres() { "FOR UPDATE" } else { "" };
    let row = tx
        .fetch_opt(
            &format!("SELECT owner, answered_seq, inbound_seq FROM conversations WHERE tenant_id = $1 AND id = $2 {lock}"),
            args![tenant, conversation],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let before = Owner::parse(&row.get::<String>(0)?);
    let (answered, last): (i64, i64) = (row.get(1)?, row.get(2)?);
    let heard = heard.unwrap_or(Heard { upto: last, more: false });
    let upto = heard.upto.clamp(answered, last.max(answered));
    let after = event.next(before);
    match after {
        Owner::Bot => {
            tx.execute(
                "UPDATE conversations SET owner = 'bot', owner_since = $1, handoff_reason = NULL, assigned_to = NULL, \
                 needs_person = 0, declines = 0, \
                 answered_seq = CASE WHEN $4 = 1 THEN inbound_seq ELSE answered_seq END \
                 WHERE tenant_id = $2 AND id = $3",
                // What was said meanwhile was said to the person.
                args![now, tenant, conversation, event == Event::GivenBack],
            )
            .await?;
        }
        Owner::Human => {
            tx.execute(
                "UPDATE conversations SET owner = 'human', owner_since = $1, handoff_reason = $2, \
                 needs_person = CASE WHEN $7 = 1 THEN needs_person ELSE 0 END, \
                 answered_seq = CASE WHEN $5 = 1 THEN $6 ELSE answered_seq END, \
                 assigned_to = CASE WHEN $5 = 1 AND owner <> 'human' THEN NULL ELSE assigned_to END \
                 WHERE tenant_id = $3 AND id = $4",
                args![
                    now,
                    event.name(),
                    tenant,
                    conversation,
                    event == Event::PhoneEcho,
                    upto,
                    heard.more
                ],
            )
            .await?;
            if event == Event::PhoneEcho {
                let seqs = (answered, upto);
                crate::journey::answered_by_person(tx, conversation, seqs, "phone", now).await?;
            }
        }
        Owner::Nobody => {
            tx.execute(
                "UPDATE conversations SET owner = 'nobody', owner_since = $1, handoff_reason = $2, \
                 needs_person = 1 WHERE tenant_id = $3 AND id = $4",
                args![now, event.name(), tenant, conversation],
            )
            .await?;
        }
    }
    if before != after {
        record(tx, conversation, event, (before, after), now).await?;
    }
    Ok(Some(before))
}

/// Writes a change down and tells whoever is to know.
pub(crate) async fn record(
    tx: &mut TenantTx,
    conversation: ConversationId,
    event: Event,
    (before, after): (Owner, Owner),
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO handoff_events (tenant_id, conversation_id, at, event, owner_before, owner_after) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![tenant, conversation, now, event.name(), before.name(), after.name()],
    )
    .await?;
    let data = json!({ "conversation": conversation, "event": event.name(),
        "before": before, "after": after });
    hooks::emit(tx, Told::HandedOff, data, now).await?;
    if after == Owner::Nobody {
        waiting(tx, conversation, now).await?;
    }
    tracing::info!(
        event = "handed_over", tenant_id = %tenant, conversation_id = %conversation,
        reason = event.name(),
    );
    metrics::counter!("portaria_handoffs_total", "reason" => event.name()).increment(1);
    Ok(())
}

/// Somebody is to be told that a contact waits for a person.
pub(crate) async fn waiting(
    tx: &mut TenantTx,
    conversation: ConversationId,
    now: Moment,
) -> Result<(), Error> {
    tell_at(tx, &WaitingDue { conversation, again: 0 }, now, now).await
}

/// Has it told again at this time that a contact waits, unless somebody comes before.
///
/// # Errors
/// When the database refuses.
pub async fn wait_again(
    tx: &mut TenantTx,
    due: &WaitingDue,
    at: Moment,
    now: Moment,
) -> Result<(), Error> {
    let again = due.again.saturating_add(1);
    tell_at(tx, &WaitingDue { again, ..due.clone() }, at, now).await
}

async fn tell_at(
    tx: &mut TenantTx,
    due: &WaitingDue,
    at: Moment,
    now: Moment,
) -> Result<(), Error> {
    let key = match due.again {
        0 => format!("waiting:{}", due.conversation),
        again => format!("waiting:{}:{again}", due.conversation),
    };
    let job = NewJob { payload: due, run_at: at, order_key: None, dedupe_key: Some(key), now };
    queue::enqueue(tx, job).await
}

/// Shows the conversation to a person, with the reason if it has none yet. The owner stays.
///
/// # Errors
/// When the database refuses.
pub async fn needs_person(
    tx: &mut TenantTx,
    conversation: ConversationId,
    reason: Reason,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let shown = tx
        .execute(
            // What became part of another conversation is shown there.
            "UPDATE conversations SET needs_person = 1, \
             handoff_reason = CASE WHEN owner = 'human' AND handoff_reason <> 'phone_echo' THEN $1 ELSE COALESCE(handoff_reason, $1) END \
             WHERE tenant_id = $2 AND id = COALESCE((SELECT o.merged_into FROM conversations o \
             WHERE o.tenant_id = $2 AND o.id = $3), $3) AND (needs_person = 0 OR handoff_reason IS NULL)",
            args![reason.name(), tenant, conversation],
        )
        .await?;
    if shown == 1 { waiting(tx, conversation, now).await } else { Ok(()) }
}

/// A send of which nobody knew turned out to have left: nobody need look any more, if that was all.
pub(crate) async fn known_again(
    tx: &mut TenantTx,
    conversation: ConversationId,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE conversations SET needs_person = 0, handoff_reason = NULL WHERE tenant_id = $1 AND id = $2 \
         AND owner = 'bot' AND handoff_reason = $3 AND NOT EXISTS (SELECT 1 FROM messages m \
         WHERE m.tenant_id = $1 AND m.conversation_id = $2 AND m.direction = 'out' AND m.state = 'unknown')",
        args![tenant, conversation, Reason::SendUnknown.name()],
    )
    .await?;
    Ok(())
}

/// A person takes the conversation. `false` when there is none of that id.
///
/// # Errors
/// When the database refuses.
pub async fn take_over(tx: &mut TenantTx, id: ConversationId, now: Moment) -> Result<bool, Error> {
    Ok(apply(tx, id, Event::TakenOver, now).await?.is_some())
}

/// The assistant may answer again; what was said meanwhile stays unanswered by it.
///
/// # Errors
/// When the database refuses.
pub async fn give_back(tx: &mut TenantTx, id: ConversationId, now: Moment) -> Result<bool, Error> {
    Ok(apply(tx, id, Event::GivenBack, now).await?.is_some())
}

/// Changes of a conversation's owner, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn owner_changes(
    tx: &mut TenantTx,
    conversation: ConversationId,
    limit: usize,
) -> Result<Vec<OwnerChange>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT at, event, owner_before, owner_after, person_id, target_id FROM handoff_events \
             WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY at DESC LIMIT $3",
            args![tenant, conversation, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(OwnerChange {
                at: row.get(0)?,
                event: row.get(1)?,
                before: Owner::parse(&row.get::<String>(2)?),
                after: Owner::parse(&row.get::<String>(3)?),
                person: row.get(4)?,
                target: row.get(5)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_leads_where_the_table_says() {
        use Owner::{Bot, Human, Nobody};
        let called = Event::Called(Reason::AskedForPerson);
        for (event, from_bot, from_waiting, from_human) in [
            (called, Nobody, Nobody, Human),
            (Event::Called(Reason::TwoDeclines), Nobody, Nobody, Human),
            (Event::PhoneEcho, Human, Human, Human),
            (Event::TakenOver, Human, Human, Human),
            (Event::GivenBack, Bot, Bot, Bot),
            (Event::DayPassed, Bot, Bot, Bot),
            (Event::EchoWasOurs, Bot, Bot, Bot),
            (Event::PersonLeft, Nobody, Nobody, Nobody),
        ] {
            assert_eq!(event.next(Bot), from_bot, "{event:?}");
            assert_eq!(event.next(Nobody), from_waiting, "{event:?}");
            assert_eq!(event.next(Human), from_human, "{event:?}");
        }
    }
}
