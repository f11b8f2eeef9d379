//! Links of e-mails: invitations and resets. Used once, short-lived, kept as hashes.

use std::time::Duration;

use db::{Error, Row, SystemTx, args};
use kernel::{LinkId, Moment, PersonId, TenantId};
use tenancy::hash_token;

use crate::person::{PersonError, normal};
use crate::{Role, token};

/// What a link lets its reader do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Join a tenant with a role; make an account if there is none.
    Invite,
    /// Set a new password.
    Reset,
}

impl LinkKind {
    fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Reset => "reset",
        }
    }

    /// How long it can be used.
    pub fn life(self) -> Duration {
        match self {
            Self::Invite => Duration::from_secs(7 * 86_400),
            Self::Reset => Duration::from_secs(3_600),
        }
    }
}

/// A link that can still be used.
#[derive(Debug, Clone)]
pub struct Link {
    pub id: LinkId,
    pub email: String,
    /// Where an invitation leads, and as what. Without one it is to run the house.
    pub tenant: Option<TenantId>,
    pub role: Option<Role>,
}

/// An open invitation as the team's page lists it.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub id: LinkId,
    pub email: String,
    pub role: Role,
    pub created_at: Moment,
    pub expires_at: Moment,
}

/// Makes a link; its secret. Older ones of the same kind, address and place end.
///
/// # Errors
/// When the address is none, or the database refuses.
pub async fn issue_link(
    tx: &mut SystemTx,
    kind: LinkKind,
    email: &str,
    place: Option<(TenantId, Role)>,
    by: (Option<PersonId>, Moment),
) -> Result<String, PersonError> {
    let (by, now) = by;
    let email = normal(email)?;
    let secret = token();
    let tenant = place.map(|(tenant, _)| tenant);
    if kind == LinkKind::Invite {
        in_measure(tx, (tenant, &email), now).await?;
    }
    tx.execute(
        "UPDATE links SET used_at = $1 WHERE kind = $2 AND email = $3 AND COALESCE(tenant_id, '') = $4 \
         AND used_at IS NULL",
        args![now, kind.name(), &email, tenant.map(|t| t.to_string()).unwrap_or_default()],
    )
    .await?;
    tx.execute(
        "INSERT INTO links (id, hash, kind, email, tenant_id, role, created_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            LinkId::generate(),
            hash_token(&secret),
            kind.name(),
            email,
            tenant,
            place.map(|(_, role)| role.name()),
            by,
            now,
            now + kind.life()
        ],
    )
    .await?;
    Ok(secret)
}

/// Whether whoever gave a link may give it still: an owner anything, an admin what is below an owner, an operator both.
/// Links of the house itself have no giver.
const STILL_GIVEN: &str = "(created_by IS NULL OR EXISTS (SELECT 1 FROM people p WHERE p.id = links.created_by \
    AND p.disabled = 0 AND (p.operator = 1 OR EXISTS (SELECT 1 FROM memberships m \
    WHERE m.tenant_id = links.tenant_id AND m.person_id = p.id \
    AND (m.role = 'owner' OR (m.role = 'admin' AND links.role <> 'owner'))))))";

/// Ends the open links that somebody gave or was given for a tenant: who leaves does not come back by an old letter.
pub(crate) async fn end_links(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    now: Moment,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE links SET used_at = $1 WHERE tenant_id = $2 AND used_at IS NULL AND (created_by = $3 \
         OR email = (SELECT email FROM people WHERE id = $3))",
        args![now, tenant, person],
    )
    .await?;
    Ok(())
}

/// Refuses one invitation more than a day has: letters to strangers are what a stolen account is used for.
async fn in_measure(
    tx: &mut SystemTx,
    (tenant, email): (Option<TenantId>, &str),
    now: Moment,
) -> Result<(), PersonError> {
    let since = now - DAY;
    let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    let row = tx
        .fetch_opt(
            "SELECT (SELECT COUNT(*) FROM links WHERE kind = 'invite' AND email = $1 AND created_at > $2), \
             (SELECT COUNT(*) FROM links WHERE kind = 'invite' AND tenant_id = $3 AND created_at > $2)",
            args![email, since, &tenant],
        )
        .await?;
    let (to, of): (i64, i64) = match row {
        Some(row) => (row.get(0)?, row.get(1)?),
        None => (0, 0),
    };
    if to >= TO_ONE {
        return Err(PersonError::ManyToOne);
    }
    if !tenant.is_empty() && of >= OF_TENANT {
        return Err(PersonError::ManyInvitations);
    }
    Ok(())
}

const DAY: Duration = Duration::from_secs(86_400);
/// Invitations to one address in a day, of everybody together.
const TO_ONE: i64 = 5;
/// Invitations that a business sends in a day.
const OF_TENANT: i64 = 30;

fn role(row: &Row, at: usize) -> Result<Option<Role>, Error> {
    Ok(row.get::<Option<String>>(at)?.and_then(|text| text.parse().ok()))
}

/// The link of a secret, if it can be used.
///
/// # Errors
/// When the database cannot be read.
pub async fn find_link(
    tx: &mut SystemTx,
    kind: LinkKind,
    secret: &str,
    now: Moment,
) -> Result<Option<Link>, Error> {
    let row = tx
        .fetch_opt(
            &format!(
                "SELECT id, email, tenant_id, role FROM links \
                 WHERE hash = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3 AND {STILL_GIVEN}"
            ),
            args![hash_token(secret), kind.name(), now],
        )
        .await?;
    row.map(|row| {
        Ok(Link { id: row.get(0)?, email: row.get(1)?, tenant: row.get(2)?, role: role(&row, 3)? })
    })
    .transpose()
}

/// Uses a link up. `false` when somebody was quicker.
///
/// # Errors
/// When the database refuses.
pub async fn use_link(tx: &mut SystemTx, link: LinkId, now: Moment) -> Result<bool, Error> {
    let done = tx
        .execute(
            "UPDATE links SET used_at = $1 WHERE id = $2 AND used_at IS NULL",
            args![now, link],
        )
        .await?;
    Ok(done == 1)
}

/// Open invitations of a tenant, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn invitations(
    tx: &mut SystemTx,
    tenant: TenantId,
    now: Moment,
) -> Result<Vec<Invitation>, Error> {
    let rows = tx
        .fetch_all(
            &format!(
                "SELECT id, email, role, created_at, expires_at FROM links WHERE tenant_id = $1 \
                 AND kind = 'invite' AND used_at IS NULL AND expires_at > $2 AND {STILL_GIVEN} \
                 ORDER BY created_at DESC, id DESC"
            ),
            args![tenant, now],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Invitation {
                id: row.get(0)?,
                email: row.get(1)?,
                role: role(row, 2)?.ok_or(Error::Corrupt { column: 2, expected: "a role" })?,
                created_at: row.get(3)?,
                expires_at: row.get(4)?,
            })
        })
        .collect()
}

/// Open invitations to run the house, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn operator_invitations(
    tx: &mut SystemTx,
    now: Moment,
) -> Result<Vec<(LinkId, String, Moment)>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT id, email, expires_at FROM links WHERE tenant_id IS NULL AND kind = 'invite' \
             AND used_at IS NULL AND expires_at > $1 ORDER BY created_at DESC, id DESC",
            args![now],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Ends an open invitation to run the house; its address.
///
/// # Errors
/// When the database refuses.
pub async fn withdraw_operator(
    tx: &mut SystemTx,
    link: LinkId,
    now: Moment,
) -> Result<Option<String>, Error> {
    let rows = tx
        .fetch_all(
            "UPDATE links SET used_at = $1 WHERE tenant_id IS NULL AND kind = 'invite' AND id = $2 \
             AND used_at IS NULL RETURNING email",
            args![now, link],
        )
        .await?;
    rows.first().map(|row| row.get(0)).transpose()
}

/// Ends an open invitation of a tenant; its address.
///
/// # Errors
/// When the database refuses.
pub async fn withdraw(
    tx: &mut SystemTx,
    tenant: TenantId,
    link: LinkId,
    now: Moment,
) -> Result<Option<String>, Error> {
    let rows = tx
        .fetch_all(
            "UPDATE links SET used_at = $1 WHERE tenant_id = $2 AND id = $3 AND used_at IS NULL RETURNING email",
            args![now, tenant, link],
        )
        .await?;
    rows.first().map(|row| row.get(0)).transpose()
}
