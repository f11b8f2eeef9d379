//! Sessions: a random cookie, kept as a hash, seen and ended by its person.

use std::time::Duration;

use db::{Db, Error, SystemTx, args};
use kernel::{Moment, PersonId, SessionId};
use tenancy::{fresh_token as token, hash_token};

use crate::Person;
use crate::person::find_person;

/// How far somebody has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The password was right; the second factor is still to come. Opens nothing else.
    Second,
    Open,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Open => "open",
        }
    }
}

/// A session with its person.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub person: Person,
    pub stage: Stage,
    pub created_at: Moment,
    /// When the person last proved who they are, by password, passkey or identity provider.
    pub proved_at: Moment,
}

/// How long after proving oneself what opens the account later may be changed.
const PROVED: Duration = Duration::from_secs(10 * 60);

impl Session {
    /// Whether the person proved who they are just now: whoever finds the browser open did not.
    pub fn proved(&self, now: Moment) -> bool {
        now.since(self.proved_at) < PROVED
    }
}

/// A session as its person sees it.
#[derive(Debug, Clone)]
pub struct SessionView {
    pub id: SessionId,
    /// `password`, `passkey`, `oidc`.
    pub how: String,
    pub agent: String,
    pub address: String,
    pub created_at: Moment,
    pub seen_at: Moment,
}

/// How a new session came about.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub how: &'a str,
    pub agent: &'a str,
    pub address: &'a str,
}

/// The token that a form of this session carries. Knowing it tells nothing of the cookie.
pub fn csrf_token(cookie: &str) -> String {
    hash_token(&format!("csrf {cookie}"))[..40].to_owned()
}

/// How long the second factor is waited for.
const SECOND: Duration = Duration::from_secs(10 * 60);
/// A session's last use is written down no more often than this.
const SEEN: Duration = Duration::from_secs(60);

/// Opens a session; the cookie's value.
///
/// # Errors
/// When the database refuses.
pub async fn open_session(
    tx: &mut SystemTx,
    person: PersonId,
    stage: Stage,
    opening: Opening<'_>,
    lives: (Duration, Moment),
) -> Result<String, Error> {
    let (life, now) = lives;
    let cookie = token();
    let agent: String = opening.agent.chars().take(200).collect();
    let until = now + if stage == Stage::Open { life } else { SECOND };
    tx.execute(
        "INSERT INTO sessions (id, hash, person_id, stage, how, agent, address, created_at, seen_at, \
         proved_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $9)",
        args![
            SessionId::generate(),
            hash_token(&cookie),
            person,
            stage.name(),
            opening.how,
            agent,
            opening.address,
            now,
            until
        ],
    )
    .await?;
    tx.execute("DELETE FROM sessions WHERE expires_at < $1", args![now]).await?;
    Ok(cookie)
}

/// The live session of a cookie, unused for no longer than `idle`.
///
/// # Errors
/// When the database cannot be read.
pub async fn find_session(
    db: &Db,
    cookie: &str,
    idle: Duration,
    now: Moment,
) -> Result<Option<Session>, Error> {
    let mut tx = db.read_system().await?;
    let row = tx
        .fetch_opt(
            "SELECT id, person_id, stage, created_at, seen_at, proved_at FROM sessions \
             WHERE hash = $1 AND expires_at > $2 AND seen_at > $3",
            args![hash_token(cookie), now, now - idle],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (id, seen): (SessionId, Moment) = (row.get(0)?, row.get(4)?);
    let stage = if row.get::<String>(2)? == "open" { Stage::Open } else { Stage::Second };
    let (created_at, proved_at) = (row.get(3)?, row.get(5)?);
    let person = find_person(&mut tx, row.get(1)?).await?.filter(|person| !person.disabled);
    drop(tx);
    let Some(person) = person else { return Ok(None) };
    if now.since(seen) >= SEEN {
        let mut tx = db.begin_system().await?;
        tx.execute("UPDATE sessions SET seen_at = $1 WHERE id = $2", args![now, id]).await?;
        tx.commit().await?;
    }
    Ok(Some(Session { id, person, stage, created_at, proved_at }))
}

/// The second factor was right: a session with another cookie takes the waiting one's place.
///
/// # Errors
/// When the database refuses.
pub async fn pass_second(
    tx: &mut SystemTx,
    session: SessionId,
    lives: (Duration, Moment),
) -> Result<String, Error> {
    let (life, now) = lives;
    let cookie = token();
    tx.execute(
        "UPDATE sessions SET stage = 'open', hash = $1, seen_at = $2, proved_at = $2, expires_at = $3 WHERE id = $4",
        args![hash_token(&cookie), now, now + life, session],
    )
    .await?;
    Ok(cookie)
}

/// The person proved again who they are.
///
/// # Errors
/// When the database refuses.
pub async fn prove_session(
    tx: &mut SystemTx,
    session: SessionId,
    now: Moment,
) -> Result<(), Error> {
    tx.execute("UPDATE sessions SET proved_at = $1 WHERE id = $2", args![now, session]).await?;
    Ok(())
}

/// The live sessions of a person, the one used last first.
///
/// # Errors
/// When the database cannot be read.
pub async fn sessions(
    tx: &mut SystemTx,
    person: PersonId,
    now: Moment,
) -> Result<Vec<SessionView>, Error> {
    let rows = tx
        .fetch_all(
            "SELECT id, how, agent, address, created_at, seen_at FROM sessions \
             WHERE person_id = $1 AND stage = 'open' AND expires_at > $2 ORDER BY seen_at DESC, id DESC",
            args![person, now],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(SessionView {
                id: row.get(0)?,
                how: row.get(1)?,
                agent: row.get(2)?,
                address: row.get(3)?,
                created_at: row.get(4)?,
                seen_at: row.get(5)?,
            })
        })
        .collect()
}

/// Ends a session of this person. `false` when there is none of that id.
///
/// # Errors
/// When the database refuses.
pub async fn end_session(
    tx: &mut SystemTx,
    person: PersonId,
    session: SessionId,
) -> Result<bool, Error> {
    tx.rights_changed();
    let done = tx
        .execute("DELETE FROM sessions WHERE id = $1 AND person_id = $2", args![session, person])
        .await?;
    Ok(done == 1)
}

/// Ends all sessions of a person but one.
///
/// # Errors
/// When the database refuses.
pub async fn end_all_sessions(
    tx: &mut SystemTx,
    person: PersonId,
    but: Option<SessionId>,
) -> Result<u64, Error> {
    tx.rights_changed();
    let but = but.map(|id| id.to_string()).unwrap_or_default();
    tx.execute("DELETE FROM sessions WHERE person_id = $1 AND id <> $2", args![person, but]).await
}
