//! Letters to people: kept first, then sent by a mail server of the operator's.

use std::time::Duration;

use db::{Db, Error, SystemTx, args};
use kernel::line::Line;
use kernel::{Clock, MailId, Moment, TenantId};

/// A letter.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    pub to: &'a str,
    /// Whose name it carries.
    pub sender_name: &'a Line<120>,
    pub subject: &'a Line<200>,
    pub body: &'a str,
    /// Whose business it is of: it goes with it.
    pub tenant: Option<TenantId>,
    /// It is of use for so long.
    pub lives: Duration,
}

/// A letter that was kept, for the mailbox of the demo.
#[derive(Debug, Clone)]
pub struct Mail {
    pub id: MailId,
    pub to: String,
    /// What is on no line is not carried: it was written before there was such a rule.
    pub sender_name: String,
    pub subject: String,
    pub body: String,
    pub created_at: Moment,
    pub sent_at: Option<Moment>,
}

/// Which letters are due at `$1`: also those that were never tried and seem to be of the future, as
/// the clock was set back since.
const DUE: &str = "(next_at <= $1 OR (tries = 0 AND created_at > $1))";
/// What notices are counted over.
const WINDOW: Duration = Duration::from_secs(3600);
/// Tries before a letter is given up: over about a day.
const TRIES: i64 = 8;
/// A process that took a letter and died gives it back after this long.
const LEASE: Duration = Duration::from_secs(120);
/// Letters are kept so long: as long as the longest link in one works.
const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Notices of one business in an hour, at most: to one address, and in all. Its customers cause them;
/// invitations have limits of their own, and what concerns an account is never left out.
#[derive(Debug, Clone, Copy)]
pub struct MailLimits {
    pub recipient: u32,
    pub tenant: u32,
}

/// Keeps a letter; [`Outbox`] sends it once this is committed.
///
/// # Errors
/// When the database refuses.
pub async fn post(tx: &mut SystemTx, letter: &Letter<'_>, now: Moment) -> Result<MailId, Error> {
    keep(tx, letter, false, now).await
}

/// Keeps a notice that a business's customers caused. `None` when there were too many in the last
/// hour: it is not sent, and the log says so.
///
/// # Errors
/// When the database refuses.
pub async fn post_notice(
    tx: &mut SystemTx,
    letter: &Letter<'_>,
    limits: MailLimits,
    now: Moment,
) -> Result<Option<MailId>, Error> {
    let row = tx
        .fetch_opt(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN recipient = $1 THEN 1 ELSE 0 END), 0) FROM mails \
             WHERE tenant_id = $2 AND created_at > $3 AND notice = 1",
            args![letter.to, letter.tenant, now - WINDOW],
        )
        .await?;
    let row = row.ok_or(Error::Corrupt { column: 0, expected: "a count" })?;
    let (all, own): (i64, i64) = (row.get(0)?, row.get(1)?);
    let limit = if own >= i64::from(limits.recipient) {
        Some("recipient")
    } else {
        (all >= i64::from(limits.tenant)).then_some("tenant")
    };
    if let Some(limit) = limit {
        let tenant = letter.tenant.map(tracing::field::display);
        tracing::warn!(event = "letters_limited", tenant_id = tenant, limit);
        metrics::counter!("portaria_letters_limited_total", "limit" => limit).increment(1);
        return Ok(None);
    }
    keep(tx, letter, true, now).await.map(Some)
}

async fn keep(
    tx: &mut SystemTx,
    letter: &Letter<'_>,
    notice: bool,
    now: Moment,
) -> Result<MailId, Error> {
    let id = MailId::generate();
    tx.execute(
        "INSERT INTO mails (id, recipient, sender_name, subject, body, created_at, next_at, tenant_id, \
         expires_at, notice) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)",
        args![
            id,
            letter.to,
            letter.sender_name.as_str(),
            letter.subject.as_str(),
            letter.body,
            now,
            letter.tenant,
            now + letter.lives,
            notice
        ],
    )
    .await?;
    Ok(id)
}

/// Removes a tenant's letters; what they said named its customers.
///
/// # Errors
/// When the database refuses.
pub async fn remove_letters(db: &Db, tenant: TenantId) -> Result<u64, Error> {
    let mut tx = db.begin_system().await?;
    let count = tx.execute("DELETE FROM mails WHERE tenant_id = $1", args![tenant]).await?;
    tx.commit().await?;
    Ok(count)
}

/// The newest letters. Only the demo shows them: they hold links that open accounts.
///
/// # Errors
/// When the database cannot be read.
pub async fn mailbox(tx: &mut SystemTx, limit: usize) -> Result<Vec<Mail>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT id, recipient, sender_name, subject, body, created_at, sent_at FROM mails \
             ORDER BY created_at DESC, id DESC LIMIT $1",
            args![limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Mail {
                id: row.get(0)?,
                to: row.get(1)?,
                sender_name: row.get(2)?,
                subject: row.get(3)?,
                body: row.get(4)?,
                created_at: row.get(5)?,
                sent_at: row.get(6)?,
            })
        })
        .collect()
}

/// Hands letters to whoever carries them.
#[derive(Clone)]
pub struct Outbox {
    pub db: Db,
    pub clock: Clock,
}

impl Outbox {
    /// Takes the next letter that is due; nobody else takes it for a while.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take(&self) -> Result<Option<Mail>, Error> {
        let now = self.clock.now();
        // Looks without the writer's lock: mostly there is nothing.
        let mut tx = self.db.read_system().await?;
        let due = tx
            .fetch_opt(
                &format!("SELECT id FROM mails WHERE sent_at IS NULL AND failed IS NULL AND {DUE} \
                 AND (expires_at IS NULL OR expires_at > $1) AND tries < $2 ORDER BY next_at LIMIT 1"),
                args![now, TRIES],
            )
            .await?;
        drop(tx);
        let Some(due) = due else { return Ok(None) };
        let id: MailId = due.get(0)?;
        let mut tx = self.db.begin_system().await?;
        let rows = tx
            .fetch_all(
                &format!(
                    "UPDATE mails SET tries = tries + 1, next_at = $2 WHERE id = $3 AND {DUE} \
                     AND sent_at IS NULL AND failed IS NULL \
                     RETURNING recipient, sender_name, subject, body, created_at"
                ),
                args![now, now + LEASE, id],
            )
            .await?;
        tx.commit().await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Mail {
            id,
            to: row.get(0)?,
            sender_name: row.get(1)?,
            subject: row.get(2)?,
            body: row.get(3)?,
            created_at: row.get(4)?,
            sent_at: None,
        }))
    }

    /// The letter left. What it said, a link included, is forgotten.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sent(&self, id: MailId) -> Result<(), Error> {
        let mut tx = self.db.begin_system().await?;
        tx.execute(
            "UPDATE mails SET sent_at = $1, body = '' WHERE id = $2",
            args![self.clock.now(), id],
        )
        .await?;
        tx.commit().await
    }

    /// The letter did not leave: another try later, or, when it is refused for good, none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn not_sent(&self, id: MailId, cause: &str, for_good: bool) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin_system().await?;
        let row = tx.fetch_opt("SELECT tries FROM mails WHERE id = $1", args![id]).await?;
        let tries: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(TRIES);
        let wait = Duration::from_secs(60 << tries.clamp(0, 10));
        if for_good || tries >= TRIES {
            // What it said, a link included, is forgotten as if it had left.
            tx.execute("UPDATE mails SET failed = $1, body = '' WHERE id = $2", args![cause, id])
                .await?;
        } else {
            tx.execute("UPDATE mails SET next_at = $1 WHERE id = $2", args![now + wait, id])
                .await?;
        }
        tx.commit().await
    }

    /// Removes letters that are too old to be of use, whether they left or not. How many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prune(&self) -> Result<u64, Error> {
        let mut tx = self.db.begin_system().await?;
        let old = self.clock.now() - KEPT;
        let count = tx
            .execute(
                "DELETE FROM mails WHERE created_at < $1 OR expires_at < $2",
                args![old, self.clock.now()],
            )
            .await?;
        tx.commit().await?;
        Ok(count)
    }
}
