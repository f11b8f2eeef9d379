//! SQL that finds a channel before its tenant is known, and lists those of the whole house.

use db::{Db, Error, Row, TenantTx, args};
use kernel::{ChannelId, Moment, TenantId};
use messaging::{Kind, Login};
use tenancy::hash_token;

use crate::NewLogin;

/// Every channel that needs a look: tenant's slug, instance and what is wrong.
///
/// # Errors
/// When the database cannot be read.
pub async fn alarms(db: &Db) -> Result<Vec<(String, String, String)>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            "SELECT t.slug, c.instance, c.alarm FROM channels c JOIN tenants t ON t.id = c.tenant_id \
             WHERE c.alarm IS NOT NULL ORDER BY t.slug, c.instance",
            args![],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Every channel of the house with its tenant.
///
/// # Errors
/// When the database cannot be read.
pub async fn every(db: &Db) -> Result<Vec<(TenantId, ChannelId)>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx.fetch_all("SELECT tenant_id, id FROM channels ORDER BY id", args![]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// A channel with what authenticates it.
pub(crate) struct Located {
    pub(crate) id: ChannelId,
    pub(crate) tenant: TenantId,
    pub(crate) kind: Kind,
    pub(crate) base_url: String,
    pub(crate) instance: String,
    pub(crate) token_hash: String,
    /// The token that was replaced, and until when it holds beside the new one.
    pub(crate) before: Option<(String, Moment)>,
    pub(crate) own_number: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) clock_offset: i64,
}

const LOCATED: &str = "SELECT id, tenant_id, kind, base_url, instance, token_hash, own_number, account, before_hash, \
     before_until, clock_offset FROM channels";
/// Whose the token `$1` is at the time `$2`.
const HAS_TOKEN: &str = "(token_hash = $1 OR (before_hash = $1 AND before_until > $2))";

fn located(row: &Row) -> Result<Located, Error> {
    let kind: String = row.get(2)?;
    Ok(Located {
        id: row.get(0)?,
        tenant: row.get(1)?,
        kind: kind
            .parse()
            .map_err(|_| Error::Corrupt { column: 2, expected: "a kind of channel" })?,
        base_url: row.get(3)?,
        instance: row.get(4)?,
        token_hash: row.get(5)?,
        own_number: row.get(6)?,
        account: row.get(7)?,
        before: row.get::<Option<String>>(8)?.zip(Some(row.get(9)?)),
        clock_offset: row.get(10)?,
    })
}

/// Which channel of the house the provider calls so.
pub(crate) async fn by_instance(
    db: &Db,
    kind: Kind,
    instance: &str,
) -> Result<Option<Located>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            &format!("{LOCATED} WHERE kind = $1 AND instance = $2"),
            args![kind.name(), instance],
        )
        .await?;
    row.as_ref().map(located).transpose()
}

/// Whether any channel of this kind has a token with this hash.
pub(crate) async fn is_token(db: &Db, kind: Kind, hash: &str, now: Moment) -> Result<bool, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            &format!("SELECT 1 FROM channels WHERE {HAS_TOKEN} AND kind = $3 LIMIT 1"),
            args![hash, now, kind.name()],
        )
        .await?;
    Ok(row.is_some())
}

/// Evolution channels with this token, two at most: one is an answer, two are none.
pub(crate) async fn by_token(db: &Db, token: &str, now: Moment) -> Result<Option<Located>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            &format!("{LOCATED} WHERE {HAS_TOKEN} AND kind = $3 LIMIT 2"),
            args![hash_token(token), now, Kind::Evolution.name()],
        )
        .await?;
    match rows.as_slice() {
        [one] => Ok(Some(located(one)?)),
        _ => Ok(None),
    }
}

/// The one Evolution channel with this token and own number; `None` when there is none, or more.
pub(crate) async fn by_owner(
    db: &Db,
    token: &str,
    digits: &str,
    now: Moment,
) -> Result<Option<Located>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            &format!("{LOCATED} WHERE {HAS_TOKEN} AND own_number = $3 AND kind = $4 LIMIT 2"),
            args![hash_token(token), now, digits, Kind::Evolution.name()],
        )
        .await?;
    match rows.as_slice() {
        [one] => Ok(Some(located(one)?)),
        _ => Ok(None),
    }
}

/// Channels of a business account, or all of this kind when no account is given.
pub(crate) async fn of_account(
    db: &Db,
    kind: Kind,
    account: Option<&str>,
) -> Result<Vec<Located>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            &format!("{LOCATED} WHERE kind = $1 AND ($2 = '' OR account = $2) ORDER BY id"),
            args![kind.name(), account.unwrap_or("")],
        )
        .await?;
    rows.iter().map(located).collect()
}

pub(crate) async fn by_id(tx: &mut TenantTx, id: ChannelId) -> Result<Option<Located>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(&format!("{LOCATED} WHERE tenant_id = $1 AND id = $2"), args![tenant, id])
        .await?;
    row.as_ref().map(located).transpose()
}

/// A login as it was put away.
pub(crate) fn login_of(text: &str) -> Option<Login> {
    let login: NewLogin = serde_json::from_str(text).ok()?;
    Some(Login { email: login.email, password: login.password })
}
