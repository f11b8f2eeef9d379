//! SQL of tenants.

use db::{Db, Error, Row, TenantTx, args};
use kernel::line::Line;
use kernel::{Moment, Slug, TenantId};
use serde::Serialize;

use crate::State;

/// One business.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: Slug,
    pub name: String,
    /// BCP 47, such as `pt-BR`.
    pub language: String,
    /// IANA, such as `America/Sao_Paulo`.
    pub time_zone: String,
    pub state: State,
    /// Origins that browsers may call the API from; empty: none.
    pub cors_origins: Vec<String>,
    pub created_at: Moment,
}

impl Tenant {
    /// The day where the business is.
    pub fn day(&self, at: Moment) -> jiff::civil::Date {
        let zone = jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        at.timestamp().to_zoned(zone).date()
    }
}

/// What a tenant is created with.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub slug: Slug,
    pub name: String,
    pub language: String,
    pub time_zone: String,
    pub state: State,
}

/// Why tenancy refuses.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    #[error("there is a tenant `{0}` already")]
    SlugTaken(Slug),
    #[error("language `{0}` is not supported; use pt-BR or en")]
    Language(String),
    #[error("time zone `{0}` is not known; use an IANA name such as America/Sao_Paulo")]
    TimeZone(String),
    #[error("name must have 1 to 120 characters")]
    Name,
    #[error("no tenant `{0}`")]
    NoSuchTenant(String),
    #[error(transparent)]
    Storage(#[from] Error),
}

/// Writes the tenant with its opening hours and consent texts. The caller adds what other
/// capabilities seed, then commits.
///
/// # Errors
/// When a field is not acceptable or the slug is taken.
pub async fn create(
    db: &Db,
    new: NewTenant,
    now: Moment,
) -> Result<(TenantTx, Tenant), TenantError> {
    let profile =
        Profile { name: new.name, language: new.language, time_zone: new.time_zone }.checked()?;
    let tenant = Tenant {
        id: TenantId::generate(),
        slug: new.slug,
        name: profile.name,
        language: profile.language,
        time_zone: profile.time_zone,
        state: new.state,
        cors_origins: Vec::new(),
        created_at: now,
    };
    let mut tx = db.begin(tenant.id).await?;
    let made = tx
        .execute(
            "INSERT INTO tenants (id, slug, name, language, time_zone, state, created_at, \
             state_changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (slug) DO NOTHING",
            args![
                tenant.id,
                &tenant.slug,
                &tenant.name,
                &tenant.language,
                &tenant.time_zone,
                tenant.state.name(),
                now
            ],
        )
        .await?;
    if made == 0 {
        return Err(TenantError::SlugTaken(tenant.slug));
    }
    // Monday to Friday, 8 to 18: a start that the owner confirms. Until then nobody is told it.
    let week: Vec<OpeningHours> = (1..=5)
        .map(|weekday| OpeningHours { weekday, opens_minute: 480, closes_minute: 1080 })
        .collect();
    write_hours(&mut tx, &week, false).await?;
    for (purpose, body) in consent_texts(&tenant) {
        tx.execute(
            "INSERT INTO consent_texts (tenant_id, purpose, body, updated_at) VALUES ($1, $2, $3, $4)",
            args![tenant.id, purpose, body, now],
        )
        .await?;
    }
    tx.settings_changed();
    Ok((tx, tenant))
}

/// The tenant's own wording for a purpose: `service`, `marketing` or `opt_out`.
///
/// # Errors
/// When the database cannot be read.
pub async fn consent_text(tx: &mut TenantTx, purpose: &str) -> Result<Option<String>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT body FROM consent_texts WHERE tenant_id = $1 AND purpose = $2",
            args![tenant, purpose],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

fn consent_texts(tenant: &Tenant) -> [(&'static str, String); 3] {
    let name = &tenant.name;
    if tenant.language == "en" {
        [
            (
                "service",
                format!("{name} uses your messages to answer you. Reply STOP to end this."),
            ),
            (
                "marketing",
                format!(
                    "May {name} send you news and offers? Reply YES to agree, STOP to end it at any time."
                ),
            ),
            (
                "opt_out",
                format!(
                    "Done. {name} will not write to you again unless you write first. To hear from us again, write START."
                ),
            ),
        ]
    } else {
        [
            (
                "service",
                format!(
                    "{name} usa suas mensagens para atender você. Responda SAIR para encerrar."
                ),
            ),
            (
                "marketing",
                format!(
                    "{name} pode enviar novidades e ofertas? Responda SIM para aceitar e SAIR quando quiser parar."
                ),
            ),
            (
                "opt_out",
                format!(
                    "Pronto. {name} não vai mais escrever para você, a não ser que você escreva primeiro. Para voltar a receber mensagens, escreva VOLTAR."
                ),
            ),
        ]
    }
}

/// A span in which the business is open, in minutes after midnight of its own time zone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct OpeningHours {
    /// 1 Monday to 7 Sunday.
    pub weekday: i64,
    pub opens_minute: i64,
    pub closes_minute: i64,
}

/// How late a night may last that began the day before, in minutes of the next day.
pub const NIGHT: i64 = 6 * 60;

/// Opening and closing minutes of a day as people think of them: what goes on past midnight belongs to
/// the day on which it began, and closes after minute 1440.
pub fn day_spans(hours: &[OpeningHours], weekday: i64) -> Vec<(i64, i64)> {
    let of = |day: i64| {
        let of_day = hours.iter().filter(|span| span.weekday == day);
        let mut spans: Vec<_> = of_day.map(|s| (s.opens_minute, s.closes_minute)).collect();
        spans.sort_unstable();
        spans
    };
    let night_before = |day: i64| {
        let evening = of((day + 5) % 7 + 1).last().copied();
        let first = of(day).first().copied().filter(|first| first.0 == 0 && first.1 <= NIGHT)?;
        evening.filter(|last| last.1 == 1440 && last.0 > 0).map(|_| first.1)
    };
    let mut spans = of(weekday);
    if night_before(weekday).is_some() {
        spans.remove(0);
    }
    if let (Some(last), Some(end)) = (spans.last_mut(), night_before(weekday % 7 + 1)) {
        last.1 = 1440 + end;
    }
    spans
}

/// The opening hours, and whether the owner confirmed them.
///
/// # Errors
/// When the database cannot be read.
pub async fn opening_hours(tx: &mut TenantTx) -> Result<(Vec<OpeningHours>, bool), Error> {
    let tenant = tx.tenant();
    let rows = tx
        .fetch_all(
            "SELECT weekday, opens_minute, closes_minute, confirmed FROM opening_hours \
             WHERE tenant_id = $1 ORDER BY weekday, opens_minute",
            args![tenant],
        )
        .await?;
    let mut confirmed = !rows.is_empty();
    let mut hours = Vec::new();
    for row in &rows {
        confirmed &= row.get::<bool>(3)?;
        hours.push(OpeningHours {
            weekday: row.get(0)?,
            opens_minute: row.get(1)?,
            closes_minute: row.get(2)?,
        });
    }
    Ok((hours, confirmed))
}

/// Replaces the opening hours with what the owner says.
///
/// # Errors
/// When the database refuses.
pub async fn set_opening_hours(tx: &mut TenantTx, week: &[OpeningHours]) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute("DELETE FROM opening_hours WHERE tenant_id = $1", args![tenant]).await?;
    write_hours(tx, week, true).await?;
    tx.settings_changed();
    Ok(())
}

async fn write_hours(
    tx: &mut TenantTx,
    week: &[OpeningHours],
    confirmed: bool,
) -> Result<(), Error> {
    let tenant = tx.tenant();
    for hours in week {
        tx.execute(
            "INSERT INTO opening_hours (tenant_id, weekday, opens_minute, closes_minute, confirmed) \
             VALUES ($1, $2, $3, $4, $5)",
            args![tenant, hours.weekday, hours.opens_minute, hours.closes_minute, confirmed],
        )
        .await?;
    }
    Ok(())
}

const COLUMNS: &str = "id, slug, name, language, time_zone, state, cors_origins, created_at";

fn tenant(row: &Row) -> Result<Tenant, Error> {
    let origins: String = row.get(6)?;
    Ok(Tenant {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        language: row.get(3)?,
        time_zone: row.get(4)?,
        state: row
            .get::<String>(5)?
            .parse()
            .map_err(|_| Error::Corrupt { column: 5, expected: "a tenant state" })?,
        cors_origins: origins.split_whitespace().map(str::to_owned).collect(),
        created_at: row.get(7)?,
    })
}

/// Finds a tenant by its slug.
///
/// # Errors
/// [`TenantError::NoSuchTenant`] when there is none.
pub async fn by_slug(db: &Db, slug: &str) -> Result<Tenant, TenantError> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(&format!("SELECT {COLUMNS} FROM tenants WHERE slug = $1"), args![slug])
        .await?;
    match row {
        Some(row) => Ok(tenant(&row)?),
        None => Err(TenantError::NoSuchTenant(slug.to_owned())),
    }
}

/// Finds a tenant by its id.
///
/// # Errors
/// When the database cannot be read.
pub async fn by_id(db: &Db, id: TenantId) -> Result<Option<Tenant>, Error> {
    own(&mut db.read(id).await?).await
}

/// The tenant that this transaction belongs to.
///
/// # Errors
/// When the database cannot be read.
pub async fn own(tx: &mut TenantTx) -> Result<Option<Tenant>, Error> {
    let id = tx.tenant();
    let row =
        tx.fetch_opt(&format!("SELECT {COLUMNS} FROM tenants WHERE id = $1"), args![id]).await?;
    row.as_ref().map(tenant).transpose()
}

/// Tenants by slug, a page at a time: those after `after`.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(db: &Db, after: &str, limit: usize) -> Result<Vec<Tenant>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx
        .fetch_all(
            &format!("SELECT {COLUMNS} FROM tenants WHERE slug > $1 ORDER BY slug LIMIT $2"),
            args![after, limit],
        )
        .await?;
    rows.iter().map(tenant).collect()
}

/// Every tenant's id and slug, for operator reports.
///
/// # Errors
/// When the database cannot be read.
pub async fn ids(db: &Db) -> Result<Vec<(TenantId, Slug)>, Error> {
    let mut tx = db.read_system().await?;
    let rows = tx.fetch_all("SELECT id, slug FROM tenants ORDER BY slug", args![]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Moves the tenant to another state; the state it was in, or `None` if there is no such tenant.
///
/// # Errors
/// When the database refuses.
pub async fn set_state(
    tx: &mut TenantTx,
    state: State,
    now: Moment,
) -> Result<Option<State>, Error> {
    let id = tx.tenant();
    // The write comes first, so that two who change it take turns.
    tx.execute("UPDATE tenants SET state_changed_at = $1 WHERE id = $2", args![now, id]).await?;
    let row = tx.fetch_opt("SELECT state FROM tenants WHERE id = $1", args![id]).await?;
    let Some(row) = row else { return Ok(None) };
    let before: State = row
        .get::<String>(0)?
        .parse()
        .map_err(|_| Error::Corrupt { column: 0, expected: "a tenant state" })?;
    tx.execute("UPDATE tenants SET state = $1 WHERE id = $2", args![state.name(), id]).await?;
    tx.settings_changed();
    tracing::info!(
        event = "tenant_state_changed", tenant_id = %id, from = before.name(), to = state.name()
    );
    Ok(Some(before))
}

/// What a tenant is called, speaks, and by which clock it lives.
#[derive(Debug, Clone)]
pub struct Profile {
    pub name: String,
    /// `pt-BR` or `en`.
    pub language: String,
    /// IANA name.
    pub time_zone: String,
}

impl Profile {
    fn checked(mut self) -> Result<Self, TenantError> {
        if !["pt-BR", "en"].contains(&self.language.as_str()) {
            return Err(TenantError::Language(self.language));
        }
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return Err(TenantError::TimeZone(self.time_zone));
        }
        let name: Line<120> = self.name.parse().map_err(|_| TenantError::Name)?;
        self.name = name.into();
        Ok(self)
    }
}

/// Sets what the tenant is called, speaks, and by which clock it lives.
///
/// # Errors
/// When a value is not acceptable, or the database refuses.
pub async fn set_profile(tx: &mut TenantTx, profile: Profile) -> Result<(), TenantError> {
    let id = tx.tenant();
    let Profile { name, language, time_zone } = profile.checked()?;
    tx.execute(
        "UPDATE tenants SET name = $1, language = $2, time_zone = $3 WHERE id = $4",
        args![name, language, time_zone, id],
    )
    .await?;
    tx.settings_changed();
    Ok(())
}

/// Sets the origins that browsers may call the API from.
///
/// # Errors
/// When the database refuses.
pub async fn set_cors(tx: &mut TenantTx, origins: &[String]) -> Result<(), Error> {
    let id = tx.tenant();
    tx.execute("UPDATE tenants SET cors_origins = $1 WHERE id = $2", args![origins.join(" "), id])
        .await?;
    tx.settings_changed();
    Ok(())
}

/// Tells every process that the tenant's knowledge changed.
///
/// # Errors
/// When the database refuses.
pub async fn bump_knowledge(tx: &mut TenantTx) -> Result<(), Error> {
    let id = tx.tenant();
    tx.execute(
        "UPDATE tenants SET knowledge_generation = knowledge_generation + 1 WHERE id = $1",
        args![id],
    )
    .await?;
    Ok(())
}

/// Grows with every change of the tenant's knowledge.
///
/// # Errors
/// When the database cannot be read.
pub async fn knowledge_generation(tx: &mut TenantTx) -> Result<i64, Error> {
    let id = tx.tenant();
    let row =
        tx.fetch_opt("SELECT knowledge_generation FROM tenants WHERE id = $1", args![id]).await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// How many rows of one kind went away with a tenant.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    pub what: String,
    pub count: u64,
}

/// Removes the tenant itself, once nothing else is left of it. How many: one, or none when somebody
/// else was quicker.
///
/// # Errors
/// When the database refuses.
pub async fn remove(tx: &mut TenantTx) -> Result<u64, Error> {
    let id = tx.tenant();
    tx.settings_changed();
    tx.execute("DELETE FROM tenants WHERE id = $1", args![id]).await
}
