//! SQL of channels.

use db::{Error, Row, TenantTx, args};
use kernel::{ChannelId, Moment};
use messaging::http::{BadAddress, Outbound};
use messaging::{Kind, Link, LinkState, cloud, whaticket};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{Vault, VaultError, hash_token};

/// A channel as lists show it; never its keys.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Channel {
    pub id: ChannelId,
    /// `evolution`, `whaticket`, `whatsapp-cloud`.
    pub kind: String,
    /// The provider's name of it: instance, company domain, phone number id.
    pub instance: String,
    pub base_url: String,
    pub state: LinkState,
    pub state_reason: Option<String>,
    /// The channel's own number: digits with the country code.
    pub own_number: Option<String>,
    /// What needs a look, in plain words.
    pub alarm: Option<String>,
    pub alarm_at: Option<Moment>,
    /// Until when messages that a webhook missed were looked for, and why not if they cannot be.
    pub caught_up_at: Option<Moment>,
    pub catch_up: Option<String>,
    pub created_at: Moment,
}

/// A channel about to be added.
#[derive(Debug, Clone)]
pub struct NewChannel {
    pub kind: Kind,
    /// Instance, company domain, or phone number id.
    pub instance: String,
    pub base_url: String,
    /// Evolution's key, Whaticket's static bearer (may be empty with a login), Meta's access token.
    pub api_key: String,
    /// Evolution's webhook token, Whaticket's optional one, Meta's verify token.
    pub webhook_token: String,
    /// What webhooks are signed with: Whaticket's shared secret, Meta's app secret.
    pub secret: String,
    pub login: Option<NewLogin>,
    /// Whaticket's `whatsappId`, Meta's business account.
    pub account: Option<String>,
}

impl NewChannel {
    /// An instance of an Evolution server.
    pub fn evolution(instance: &str, base_url: &str, api_key: &str, webhook_token: &str) -> Self {
        Self {
            kind: Kind::Evolution,
            instance: instance.to_owned(),
            base_url: base_url.to_owned(),
            api_key: api_key.to_owned(),
            webhook_token: webhook_token.to_owned(),
            secret: String::new(),
            login: None,
            account: None,
        }
    }
}

/// A sign-in at a Whaticket server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewLogin {
    pub email: String,
    pub password: String,
}

/// What changes when a channel's secrets are rotated.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    pub api_key: Option<String>,
    pub webhook_token: Option<String>,
    pub secret: Option<String>,
    /// The token before ends now: it was given away.
    pub at_once: bool,
}

/// Characters of a webhook token that is no guess, at least.
pub const WEBHOOK_TOKEN: usize = 16;
/// Characters of a webhook token that is taken from programs at all.
pub(crate) const LEAST_TOKEN: usize = 8;
/// Characters of a secret that signs webhooks, at least.
const SHARED_SECRET: usize = 16;

/// Why a channel is refused.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error(
        "`{0}` is connected already: an instance, domain or phone number id belongs to one channel of the \
         whole installation. Use another one, or remove the other channel first"
    )]
    InstanceTaken(String),
    #[error("{0}")]
    Instance(&'static str),
    #[error("{0} must not be empty")]
    EmptySecret(&'static str),
    #[error("the shared secret must have at least {SHARED_SECRET} characters")]
    ShortSecret,
    #[error(
        "the webhook token must have at least {LEAST_TOKEN} characters; leave it out to have one made"
    )]
    ShortToken,
    #[error("a channel of kind {0} has no {1}")]
    NoSuchSecret(&'static str, &'static str),
    #[error(transparent)]
    Address(#[from] BadAddress),
    #[error("no such channel")]
    NoSuchChannel,
    #[error("this server refuses the channel: {0}")]
    Probe(String),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Storage(#[from] Error),
}

pub(crate) fn api_key_name(channel: ChannelId) -> String {
    format!("channel/{channel}/api_key")
}
pub(crate) fn secret_name(channel: ChannelId) -> String {
    format!("channel/{channel}/secret")
}
pub(crate) fn login_name(channel: ChannelId) -> String {
    format!("channel/{channel}/login")
}
pub(crate) fn token_name(channel: ChannelId) -> String {
    format!("channel/{channel}/webhook_token")
}

/// Checks a channel's fields by what its kind needs; returns it with its address and name as kept.
///
/// # Errors
/// The field at fault.
pub(crate) fn check(outbound: &Outbound, new: &NewChannel) -> Result<NewChannel, ChannelError> {
    let mut new = new.clone();
    new.instance = new.instance.trim().to_owned();
    let need = |text: &str, what: &'static str| {
        if text.trim().is_empty() { Err(ChannelError::EmptySecret(what)) } else { Ok(()) }
    };
    match new.kind {
        Kind::Evolution => {
            let name = &new.instance;
            let odd = name.contains('/') || !kernel::line::is_one_line(name);
            if name.is_empty() || name.chars().count() > 100 || odd {
                let why = "an instance name has 1 to 100 characters and no slash";
                return Err(ChannelError::Instance(why));
            }
            need(&new.api_key, "the API key")?;
            need(&new.webhook_token, "the webhook token")?;
        }
        Kind::Whaticket => {
            new.instance = domain_of(&new.instance).ok_or(ChannelError::Instance(
                "a company domain is a host name such as chat.example.com, without https:// and path",
            ))?;
            new.base_url = whaticket::base_of(&new.base_url).to_owned();
            // An empty secret would mean no check at all.
            need(&new.secret, "the shared secret")?;
            if new.secret.trim().chars().count() < SHARED_SECRET {
                return Err(ChannelError::ShortSecret);
            }
            match &new.login {
                None => need(&new.api_key, "the token")?,
                Some(login) => {
                    need(&login.email, "the e-mail of the login")?;
                    need(&login.password, "the password of the login")?;
                }
            }
        }
        Kind::WhatsAppCloud => {
            let digits =
                !new.instance.is_empty() && new.instance.bytes().all(|b| b.is_ascii_digit());
            if !digits || new.instance.len() > 32 {
                return Err(ChannelError::Instance(
                    "a phone number id is the number of up to 32 digits that Meta shows for the phone number",
                ));
            }
            new.base_url = cloud::base_of(&new.base_url);
            need(&new.api_key, "the access token")?;
            need(&new.secret, "the app secret")?;
            need(&new.webhook_token, "the verify token")?;
        }
    }
    new.base_url = outbound.check(&new.base_url)?;
    Ok(new)
}

/// A host name as it is compared: no port, no final dot, lower case. `None` when it is none.
pub(crate) fn domain_of(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('.');
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) => return None,
        None => text,
    };
    let fits = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    fits.then(|| host.to_ascii_lowercase())
}

/// Adds a channel that was checked.
///
/// # Errors
/// When its name is taken, a field is not acceptable, or the address is not allowed.
pub async fn add(
    tx: &mut TenantTx,
    vault: &Vault,
    outbound: &Outbound,
    new: &NewChannel,
    now: Moment,
) -> Result<Channel, ChannelError> {
    let new = check(outbound, new)?;
    // Only Evolution tells when it is connected; the others are as soon as their tokens hold.
    let state = match new.kind {
        Kind::Evolution => LinkState::Pending,
        Kind::Whaticket | Kind::WhatsAppCloud => LinkState::Connected,
    };
    let channel = Channel {
        id: ChannelId::generate(),
        kind: new.kind.name().to_owned(),
        instance: new.instance.clone(),
        base_url: new.base_url.clone(),
        state,
        state_reason: None,
        own_number: None,
        alarm: None,
        alarm_at: None,
        caught_up_at: Some(now),
        catch_up: None,
        created_at: now,
    };
    let tenant = tx.tenant();
    let hash =
        if new.webhook_token.is_empty() { String::new() } else { hash_token(&new.webhook_token) };
    let made = tx
        .execute(
            "INSERT INTO channels (id, tenant_id, kind, instance, base_url, token_hash, state, account, \
             caught_up_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) \
             ON CONFLICT (kind, instance) DO NOTHING",
            args![
                channel.id,
                tenant,
                new.kind.name(),
                &new.instance,
                &new.base_url,
                hash,
                state.name(),
                new.account.clone(),
                now
            ],
        )
        .await?;
    if made == 0 {
        return Err(ChannelError::InstanceTaken(new.instance));
    }
    if !new.api_key.is_empty() {
        vault.put(tx, &api_key_name(channel.id), &new.api_key, now).await?;
    }
    if !new.secret.is_empty() {
        vault.put(tx, &secret_name(channel.id), &new.secret, now).await?;
    }
    if !new.webhook_token.is_empty() {
        vault.put(tx, &token_name(channel.id), &new.webhook_token, now).await?;
    }
    if let Some(login) = &new.login {
        let text = serde_json::to_string(login)
            .map_err(|cause| Error::Setup(format!("login of a channel: {cause}")))?;
        vault.put(tx, &login_name(channel.id), &text, now).await?;
    }
    crate::catch_up::begin(tx, channel.id, now).await?;
    tx.settings_changed();
    Ok(channel)
}

pub(crate) const COLUMNS: &str = "id, kind, instance, base_url, state, state_reason, own_number, alarm, alarm_at, \
     caught_up_at, catch_up, created_at";

pub(crate) fn channel(row: &Row) -> Result<Channel, Error> {
    Ok(Channel {
        id: row.get(0)?,
        kind: row.get(1)?,
        instance: row.get(2)?,
        base_url: row.get(3)?,
        state: state_of(&row.get::<String>(4)?),
        state_reason: row.get(5)?,
        own_number: row.get(6)?,
        alarm: row.get(7)?,
        alarm_at: row.get(8)?,
        caught_up_at: Some(row.get::<Moment>(9)?).filter(|at| at.0 > 0),
        catch_up: row.get(10)?,
        created_at: row.get(11)?,
    })
}

/// Also the words that earlier versions wrote.
fn state_of(text: &str) -> LinkState {
    match text {
        "open" => LinkState::Connected,
        "close" | "logged_out" => LinkState::Disconnected,
        "refused" => LinkState::Error,
        other => LinkState::parse(other),
    }
}

/// The tenant's channels.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Channel>, Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            &format!("SELECT {COLUMNS} FROM channels WHERE tenant_id = $1 ORDER BY created_at, id"),
            args![tenant],
        )
        .await?;
    rows.iter().map(channel).collect()
}

/// A channel by its id or the provider's name of it.
///
/// # Errors
/// [`ChannelError::NoSuchChannel`] when there is none.
pub async fn find(tx: &mut TenantTx, name: &str) -> Result<Channel, ChannelError> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            &format!(
                "SELECT {COLUMNS} FROM channels WHERE tenant_id = $1 AND (id = $2 OR instance = $2) \
                 ORDER BY created_at LIMIT 1"
            ),
            args![tenant, name],
        )
        .await?;
    Ok(channel(&row.ok_or(ChannelError::NoSuchChannel)?)?)
}

/// Removes a channel by id or instance name, with its key and what was kept of it. Conversations
/// stay readable.
///
/// # Errors
/// [`ChannelError::NoSuchChannel`] when there is none.
pub async fn remove(
    tx: &mut TenantTx,
    vault: &Vault,
    name: &str,
) -> Result<Vec<tenancy::Removed>, ChannelError> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "DELETE FROM channels WHERE tenant_id = $1 AND (id = $2 OR instance = $2) RETURNING id",
            args![tenant, name],
        )
        .await?;
    let id: ChannelId = rows.first().ok_or(ChannelError::NoSuchChannel)?.get(0)?;
    for name in [api_key_name(id), secret_name(id), login_name(id), token_name(id)] {
        vault.remove(tx, &name).await?;
    }
    let mut removed = vec![tenancy::Removed { what: "channels".to_owned(), count: 1 }];
    for (what, sql) in [
        ("raw_events", "DELETE FROM raw_events WHERE tenant_id = $1 AND channel_id = $2"),
        ("sender_health", "DELETE FROM sender_health WHERE tenant_id = $1 AND channel_id = $2"),
    ] {
        let count = tx.execute(sql, args![tenant, id]).await?;
        removed.push(tenancy::Removed { what: what.to_owned(), count });
    }
    tx.settings_changed();
    Ok(removed)
}

/// Notes how the provider says a channel is connected. Returns whether it was not connected before
/// and is now.
pub(crate) async fn set_link(
    tx: &mut TenantTx,
    id: ChannelId,
    link: &Link,
    now: Moment,
) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let alarm = match link.state {
        LinkState::Connected | LinkState::Pending => None,
        LinkState::Disconnected | LinkState::Error => link.reason.as_deref(),
    };
    let row = tx
        .fetch_opt("SELECT state FROM channels WHERE tenant_id = $1 AND id = $2", args![tenant, id])
        .await?;
    let Some(row) = row else { return Ok(false) };
    let before = state_of(&row.get::<String>(0)?);
    tx.execute(
        "UPDATE channels SET state = $1, state_reason = $2, alarm_said = $3, \
         alarm = COALESCE($3, alarm_reach, alarm_clock), \
         alarm_at = CASE WHEN COALESCE($3, alarm_reach, alarm_clock) IS NULL THEN NULL \
         ELSE COALESCE($4, alarm_at) END, \
         pairing = CASE WHEN $1 = 'PENDING' THEN pairing ELSE NULL END \
         WHERE tenant_id = $5 AND id = $6",
        args![link.state.name(), link.reason.as_deref(), alarm, alarm.map(|_| now), tenant, id],
    )
    .await?;
    if let Some(owner) = &link.owner {
        set_own_number(tx, id, owner, now).await?;
    }
    Ok(before != LinkState::Connected && link.state == LinkState::Connected)
}

/// Notes the channel's own number. One that differs from what was known is shown to a person.
pub(crate) async fn set_own_number(
    tx: &mut TenantTx,
    id: ChannelId,
    digits: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    let known = tx
        .fetch_opt(
            "SELECT own_number FROM channels WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    let Some(row) = known else { return Ok(()) };
    let known: Option<String> = row.get(0)?;
    if known.as_deref() == Some(digits) {
        return Ok(());
    }
    tx.execute(
        "UPDATE channels SET own_number = $1 WHERE tenant_id = $2 AND id = $3",
        args![digits, tenant, id],
    )
    .await?;
    tx.settings_changed();
    if known.is_some() {
        let alarm = "this channel speaks from another number than before: see that the right phone is paired";
        set_alarm(tx, id, alarm, now).await?;
    }
    Ok(())
}

/// Notes which business account a number belongs to, as a verified webhook told.
pub(crate) async fn set_account(
    tx: &mut TenantTx,
    id: ChannelId,
    account: &str,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET account = $1 WHERE tenant_id = $2 AND id = $3",
        args![account, tenant, id],
    )
    .await?;
    tx.settings_changed();
    Ok(())
}

/// Keeps the code by which a phone is paired, for whoever shows it.
pub(crate) async fn set_pairing(
    tx: &mut TenantTx,
    id: ChannelId,
    pairing: &Value,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET pairing = $1, pairing_at = $2, state = 'PENDING' \
         WHERE tenant_id = $3 AND id = $4",
        args![pairing.to_string(), now, tenant, id],
    )
    .await?;
    Ok(())
}

/// The code by which a phone is paired, and when it came.
pub async fn pairing(tx: &mut TenantTx, id: ChannelId) -> Result<Option<(Value, Moment)>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT pairing, pairing_at FROM channels WHERE tenant_id = $1 AND id = $2 \
             AND pairing IS NOT NULL AND pairing_at IS NOT NULL",
            args![tenant, id],
        )
        .await?;
    row.map(|row| {
        let value = serde_json::from_str(&row.get::<String>(0)?)
            .map_err(|_| Error::Corrupt { column: 0, expected: "a pairing code" })?;
        Ok((value, row.get(1)?))
    })
    .transpose()
}

pub(crate) async fn set_alarm(
    tx: &mut TenantTx,
    id: ChannelId,
    alarm: &str,
    now: Moment,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET alarm_said = $1, alarm = $1, alarm_at = $2 WHERE tenant_id = $3 AND id = $4",
        args![alarm, now, tenant, id],
    )
    .await?;
    Ok(())
}

/// Until when the channel's past was looked through.
pub(crate) async fn caught_up_at(tx: &mut TenantTx, id: ChannelId) -> Result<Moment, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT caught_up_at FROM channels WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    row.map_or(Ok(Moment(0)), |row| row.get(0))
}

/// Whether the channel is known to be disconnected.
pub(crate) async fn away(tx: &mut TenantTx, id: ChannelId) -> Result<bool, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt("SELECT state FROM channels WHERE tenant_id = $1 AND id = $2", args![tenant, id])
        .await?;
    let state = row.map(|row| row.get::<String>(0)).transpose()?.unwrap_or_default();
    Ok(state_of(&state) == LinkState::Disconnected)
}

/// Notes until when the past was looked through, or why it could not be.
pub(crate) async fn set_caught_up(
    tx: &mut TenantTx,
    id: ChannelId,
    until: Option<Moment>,
    why_not: Option<&str>,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "UPDATE channels SET caught_up_at = COALESCE($1, caught_up_at), catch_up = $2 \
         WHERE tenant_id = $3 AND id = $4",
        args![until, why_not, tenant, id],
    )
    .await?;
    Ok(())
}
