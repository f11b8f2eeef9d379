//! SQL of who belongs to which tenant, as what.

use db::{Db, Error, SystemTx, args};
use kernel::{Moment, PersonId, Slug, TenantId};

use crate::{Role, link};

/// A place a person belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub tenant: TenantId,
    pub slug: Slug,
    pub name: String,
    pub role: Role,
}

/// Somebody of a tenant's team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub person: PersonId,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub since: Moment,
    pub has_second: bool,
    /// When they were last here.
    pub seen_at: Option<Moment>,
    /// Shut out of every tenant.
    pub disabled: bool,
}

fn role(text: &str) -> Result<Role, Error> {
    text.parse().map_err(|_| Error::Corrupt { column: 0, expected: "a role" })
}

/// The tenants of a person, by name.
///
/// # Errors
/// When the database cannot be read.
pub async fn memberships(tx: &mut SystemTx, person: PersonId) -> Result<Vec<Membership>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT t.id, t.slug, t.name, m.role FROM memberships m JOIN tenants t ON t.id = m.tenant_id \
             WHERE m.person_id = $1 ORDER BY t.name, t.id",
            args![person],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Membership {
                tenant: row.get(0)?,
                slug: row.get(1)?,
                name: row.get(2)?,
                role: role(&row.get::<String>(3)?)?,
            })
        })
        .collect()
}

/// The team of a tenant, owners first.
///
/// # Errors
/// When the database cannot be read.
pub async fn members(tx: &mut SystemTx, tenant: TenantId) -> Result<Vec<Member>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT p.id, p.name, p.email, m.role, m.created_at, p.second_confirmed, \
             (SELECT MAX(s.seen_at) FROM sessions s WHERE s.person_id = p.id), p.disabled \
             FROM memberships m JOIN people p ON p.id = m.person_id WHERE m.tenant_id = $1 ORDER BY p.name, p.id",
            args![tenant],
        )
        .await?;
    let mut members = rows
        .iter()
        .map(|row| {
            Ok(Member {
                person: row.get(0)?,
                name: row.get(1)?,
                email: row.get(2)?,
                role: role(&row.get::<String>(3)?)?,
                since: row.get(4)?,
                has_second: row.get(5)?,
                seen_at: row.get(6)?,
                disabled: row.get(7)?,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    members.sort_by_key(|member| std::cmp::Reverse(member.role));
    Ok(members)
}

/// Who says that somebody belongs to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Somebody of the team, or of the house.
    Team,
    /// The identity provider.
    Provider,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Provider => "provider",
        }
    }
}

/// Makes a person part of a tenant. `false` when they are: an invitation changes nobody's role.
///
/// # Errors
/// When the database refuses.
pub async fn join(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    (role, source): (Role, Source),
    now: Moment,
) -> Result<bool, Error> {
    let done = tx
        .execute(
            "INSERT INTO memberships (tenant_id, person_id, role, source, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, person_id) DO NOTHING",
            args![tenant, person, role.name(), source.name(), now],
        )
        .await?;
    Ok(done == 1)
}

/// The tenants a person belongs to only because the identity provider said so.
///
/// # Errors
/// When the database cannot be read.
pub async fn provided(tx: &mut SystemTx, person: PersonId) -> Result<Vec<TenantId>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT tenant_id FROM memberships WHERE person_id = $1 AND source = $2",
            args![person, Source::Provider.name()],
        )
        .await?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Changes a member's role; what it was before. `None` when there is no such member, or a tenant
/// would be left without an owner.
///
/// # Errors
/// When the database refuses.
pub async fn set_role(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    to: Role,
) -> Result<Option<Role>, Error> {
    let Some(before) = lock(tx, tenant, person, to == Role::Owner).await? else { return Ok(None) };
    tx.rights_changed();
    tx.execute(
        "UPDATE memberships SET role = $1 WHERE tenant_id = $2 AND person_id = $3",
        args![to.name(), tenant, person],
    )
    .await?;
    Ok(Some(before))
}

/// Takes a person out of a tenant; what they were. `None` as in [`set_role`].
///
/// # Errors
/// When the database refuses.
pub async fn leave(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    now: Moment,
) -> Result<Option<Role>, Error> {
    let Some(before) = lock(tx, tenant, person, false).await? else { return Ok(None) };
    tx.rights_changed();
    link::end_links(tx, tenant, person, now).await?;
    tx.execute(
        "DELETE FROM memberships WHERE tenant_id = $1 AND person_id = $2",
        args![tenant, person],
    )
    .await?;
    Ok(Some(before))
}

/// The member's role, if it may be changed: the last owner's may not, unless it stays one.
async fn lock(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: PersonId,
    stays_owner: bool,
) -> Result<Option<Role>, Error> {
    // A write first: two who remove the last two owners take turns.
    let rows = tx
        .fetch_all(
            "UPDATE memberships SET role = role WHERE tenant_id = $1 RETURNING person_id, role",
            args![tenant],
        )
        .await?;
    let mut owners = 0;
    let mut own = None;
    for row in &rows {
        let role = role(&row.get::<String>(1)?)?;
        owners += u32::from(role == Role::Owner);
        if row.get::<PersonId>(0)? == person {
            own = Some(role);
        }
    }
    Ok(own.filter(|role| *role != Role::Owner || stays_owner || owners > 1))
}

/// Deletes invitations to a tenant that is gone.
///
/// # Errors
/// When the database refuses.
pub async fn remove_invitations(db: &Db, tenant: TenantId) -> Result<tenancy::Removed, Error> {
    let mut tx = db.begin_system().await?;
    let count = tx.execute("DELETE FROM links WHERE tenant_id = $1", args![tenant]).await?;
    tx.commit().await?;
    Ok(tenancy::Removed { what: "links".to_owned(), count })
}
