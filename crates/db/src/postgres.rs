//! PostgreSQL: a pool, roles that cannot bypass row-level security, and wake-ups by NOTIFY.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgQueryResult};
use sqlx::{AssertSqlSafe, ConnectOptions, Postgres, Transaction};

use crate::{Error, Row, Signals, Value};

/// Wake-ups of other processes are bundled: a NOTIFY in each commit would serialise all commits.
const NOTIFY_AT_MOST_EVERY: Duration = Duration::from_millis(20);
const CHANNEL: &str = "portaria";

pub(crate) struct Pg {
    pub(crate) pool: PgPool,
    pub(crate) roles: Roles,
}

/// The roles a transaction works as. They cannot log in and own nothing.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// Sees the rows of the tenants named in `portaria.tenant`.
    pub(crate) tenant: String,
    /// Sees all rows of the tables that the house itself works on.
    pub(crate) system: String,
}

impl Roles {
    pub(crate) fn of_database(name: &str) -> Self {
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        Self {
            tenant: format!("portaria_{name}_tenant"),
            system: format!("portaria_{name}_system"),
        }
    }
}

/// Why nobody gets in, which the pool itself does not say.
async fn not_connected(options: &PgConnectOptions, cause: sqlx::Error) -> Error {
    let cause = match cause {
        sqlx::Error::PoolTimedOut => {
            // A host that answers nothing keeps this waiting too.
            let tried = tokio::time::timeout(Duration::from_secs(5), options.connect()).await;
            tried.ok().and_then(Result::err).unwrap_or(cause)
        }
        other => other,
    };
    // Neither names the password.
    let why = match cause.as_database_error() {
        Some(refused) => refused.message().to_owned(),
        None => cause.to_string(),
    };
    Error::Setup(format!("PostgreSQL cannot be used by DATABASE_URL: {why}"))
}

impl Pg {
    pub(crate) async fn connect(url: &str, connections: u32) -> Result<Self, Error> {
        // The SQLAlchemy form of the address is common in the .env files people bring.
        let url = url
            .replacen("postgresql+psycopg2://", "postgres://", 1)
            .replacen("postgresql+psycopg://", "postgres://", 1)
            .replacen("postgresql+asyncpg://", "postgres://", 1);
        let options = PgConnectOptions::from_str(&url)
            .map_err(|cause| Error::Setup(format!("DATABASE_URL is not readable: {cause}")))?
            .application_name("portaria")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.clone())
            .await;
        let pool = match pool {
            Ok(pool) => pool,
            Err(cause) => return Err(not_connected(&options, cause).await),
        };
        let (name, version): (String, i32) = sqlx::query_as(
            "SELECT current_database()::text, current_setting('server_version_num')::int",
        )
        .fetch_one(&pool)
        .await?;
        if version < 150_000 {
            return Err(Error::Setup(format!(
                "PostgreSQL 15 or newer is needed, this server reports {version}"
            )));
        }
        Ok(Self { pool, roles: Roles::of_database(&name) })
    }

    /// Passes wake-ups between processes of this installation.
    pub(crate) fn spawn_notifications(&self, signals: &Signals) {
        let process = kernel::JobId::generate().to_string();
        let (pool, out, me) = (self.pool.clone(), signals.clone(), process.clone());
        tokio::spawn(async move {
            loop {
                out.wait_outward().await;
                if pool.is_closed() {
                    return;
                }
                // A lost wake-up costs one poll of the queue.
                let _ = sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(format!("jobs {me}"))
                    .execute(&pool)
                    .await;
                tokio::time::sleep(NOTIFY_AT_MOST_EVERY).await;
            }
        });
        let (pool, signals) = (self.pool.clone(), signals.clone());
        tokio::spawn(async move {
            while !pool.is_closed() {
                if let Err(cause) = listen(&pool, &signals, &process).await
                    && !pool.is_closed()
                {
                    tracing::warn!(event = "db_listen_lost", cause = %cause);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

async fn listen(pool: &PgPool, signals: &Signals, me: &str) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was missed before the connection stood is unknown: treat all as stale.
    signals.changed_elsewhere();
    loop {
        // Nothing is received when the connection was lost and made again.
        let Some(message) = listener.try_recv().await? else {
            signals.changed_elsewhere();
            continue;
        };
        match message.payload().split_once(' ') {
            Some((_, from)) if from == me => {}
            Some(("jobs", _)) => signals.jobs_ready_here(),
            _ => signals.changed_elsewhere(),
        }
    }
}

/// Tells every process, this one included, that settings changed once `tx` commits.
pub(crate) async fn notify_settings(tx: &mut Tx) -> Result<(), Error> {
    sqlx::query("SELECT pg_notify($1, 'settings -')").bind(CHANNEL).execute(&mut **tx).await?;
    Ok(())
}

pub(crate) type Tx = Transaction<'static, Postgres>;

pub(crate) async fn begin(pool: &PgPool, role: &str, tenant: &str) -> Result<Tx, Error> {
    // One round trip. Both texts are ours: a role made of letters and digits, and a UUID.
    let statement = format!(
        "BEGIN; SELECT set_config('role', '{role}', true), set_config('portaria.tenant', '{tenant}', true)"
    );
    Ok(pool.begin_with(AssertSqlSafe(statement)).await?)
}

fn bind<'q>(
    sql: &'q str,
    args: &[Value],
) -> sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in args {
        query = match value {
            Value::Int(value) => query.bind(*value),
            Value::Real(value) => query.bind(*value),
            // PostgreSQL has no NUL in texts; providers and PDFs do.
            Value::Text(value) => query.bind(value.as_ref().map(|text| text.replace('\0', ""))),
            Value::Bytes(value) => query.bind(value.clone()),
        };
    }
    query
}

pub(crate) async fn execute(
    conn: &mut sqlx::PgConnection,
    sql: &str,
    args: &[Value],
) -> Result<u64, Error> {
    let done: PgQueryResult = bind(sql, args).execute(conn).await?;
    Ok(done.rows_affected())
}

pub(crate) async fn fetch(
    conn: &mut sqlx::PgConnection,
    sql: &str,
    args: &[Value],
) -> Result<Vec<Row>, Error> {
    let rows = bind(sql, args).fetch_all(conn).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}
