//! Bringing the tables up to date, under a lock, and holding row-level security to its word.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use sqlx::{AssertSqlSafe, Connection as _, Executor};

use crate::Error;
use crate::postgres::{Pg, Roles};

/// One step forward. Steps only expand: what an older binary reads stays.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    /// For both engines.
    pub sql: &'static str,
    /// Tables that belong to tenants: row-level security is put on them on PostgreSQL.
    pub tenant_tables: &'static [&'static str],
    /// Tables of the list above in which the house itself must see all rows.
    pub system_tables: &'static [&'static str],
    /// Tables of the house, without a tenant.
    pub house_tables: &'static [&'static str],
}

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (version BIGINT PRIMARY KEY, name TEXT NOT NULL)";

/// The newest version in a list of migrations.
pub fn schema_version(migrations: &[Migration]) -> i64 {
    migrations.iter().map(|step| step.version).max().unwrap_or(0)
}

pub(crate) fn sqlite(path: &Path, migrations: &[Migration]) -> Result<(), Error> {
    let mut conn = Connection::open(path).map_err(|cause| {
        Error::Setup(format!("the database file {} cannot be opened: {cause}", path.display()))
    })?;
    conn.busy_timeout(Duration::from_secs(30))?;
    crate::sqlite::write_ahead(&conn)?;
    conn.execute_batch("PRAGMA synchronous = FULL")?;
    // The write lock of the file makes processes that start together take turns.
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    tx.execute_batch(LEDGER)?;
    for step in migrations {
        let done = tx
            .query_row("SELECT 1 FROM schema_migrations WHERE version = ?1", [step.version], |_| {
                Ok(())
            })
            .optional()?;
        if done.is_none() {
            tx.execute_batch(step.sql)?;
            tx.execute(
                "INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)",
                (step.version, step.name),
            )?;
        }
    }
    let newest: i64 =
        tx.query_row("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", [], |r| r.get(0))?;
    check_not_newer(newest, migrations)?;
    tx.commit()?;
    Ok(())
}

fn check_not_newer(found: i64, migrations: &[Migration]) -> Result<(), Error> {
    let known = schema_version(migrations);
    if found > known {
        return Err(Error::Setup(format!(
            "the database is at schema {found}, this program knows {known}: start the newer \
             program, or restore the backup made before the upgrade"
        )));
    }
    Ok(())
}

/// Any number; it only has to be the same for every process of this product.
const ADVISORY_LOCK: i64 = 0x706f_7274_6172_6961;

pub(crate) async fn postgres(pg: &Pg, migrations: &[Migration]) -> Result<(), Error> {
    let mut conn = pg.pool.acquire().await?;
    let conn: &mut sqlx::PgConnection = &mut conn;
    // Roles belong to the whole server, so the lock is taken on top of the database's own.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(ADVISORY_LOCK).execute(&mut *conn).await?;
    let outcome = migrate_locked(conn, &pg.roles, migrations).await;
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(ADVISORY_LOCK).execute(&mut *conn).await?;
    outcome?;
    check_isolation(conn, &pg.roles, migrations).await
}

async fn migrate_locked(
    conn: &mut sqlx::PgConnection,
    roles: &Roles,
    migrations: &[Migration],
) -> Result<(), Error> {
    let done: bool = sqlx::query_scalar("SELECT to_regclass('schema_migrations') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await?;
    let mut applied: Vec<i64> = Vec::new();
    if done {
        applied = sqlx::query_scalar("SELECT version FROM schema_migrations")
            .fetch_all(&mut *conn)
            .await?;
    }
    check_not_newer(applied.iter().copied().max().unwrap_or(0), migrations)?;
    if migrations.iter().all(|step| applied.contains(&step.version)) {
        return Ok(());
    }
    ensure_roles(conn, roles).await?;
    let mut tx = conn.begin().await?;
    tx.execute(LEDGER).await?;
    for step in migrations.iter().filter(|step| !applied.contains(&step.version)) {
        tx.execute(AssertSqlSafe(step.sql)).await?;
        for statement in security(step, roles) {
            tx.execute(AssertSqlSafe(statement.as_str())).await?;
        }
        sqlx::query("INSERT INTO schema_migrations (version, name) VALUES ($1, $2)")
            .bind(step.version)
            .bind(step.name)
            .execute(&mut *tx)
            .await?;
    }
    // Earlier versions gave these to tenants' transactions as well, which have no use for them.
    for table in migrations.iter().flat_map(|step| step.house_tables) {
        let revoke = format!("REVOKE ALL ON {table} FROM {}", roles.tenant);
        tx.execute(AssertSqlSafe(revoke)).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn ensure_roles(conn: &mut sqlx::PgConnection, roles: &Roles) -> Result<(), Error> {
    for role in [&roles.tenant, &roles.system] {
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)")
                .bind(role.as_str())
                .fetch_one(&mut *conn)
                .await?;
        if !exists {
            let made = conn.execute(AssertSqlSafe(format!("CREATE ROLE {role} NOLOGIN"))).await;
            // Another database's process may have made it between the look and the attempt.
            let code = made.err().and_then(|e| e.as_database_error()?.code().map(String::from));
            if let Some(code) = code
                && code != "42710"
                && code != "23505"
            {
                return Err(Error::Setup(format!(
                    "the database login may not create the role {role} (SQLSTATE {code}). Run the \
                     output of `portaria migrate --print-role-sql` as an administrator, then start again"
                )));
            }
        }
        let member: bool = sqlx::query_scalar("SELECT pg_has_role(current_user, $1, 'MEMBER')")
            .bind(role.as_str())
            .fetch_one(&mut *conn)
            .await?;
        if !member {
            conn.execute(AssertSqlSafe(format!("GRANT {role} TO CURRENT_USER"))).await.map_err(
                |cause| {
                    Error::Setup(format!(
                        "the database login is no member of {role} ({cause}). Run the output of \
                         `portaria migrate --print-role-sql` as an administrator"
                    ))
                },
            )?;
        }
    }
    Ok(())
}

/// What an administrator runs when the login may not create roles.
pub fn print_role_sql(database: &str, login: &str) -> String {
    let roles = Roles::of_database(database);
    format!(
        "CREATE ROLE {tenant} NOLOGIN NOSUPERUSER NOBYPASSRLS;\n\
         CREATE ROLE {system} NOLOGIN NOSUPERUSER NOBYPASSRLS;\n\
         GRANT {tenant}, {system} TO \"{login}\";\n",
        tenant = roles.tenant,
        system = roles.system,
    )
}

/// Tables whose rows no tenant's transaction changes once they are written.
const APPEND_ONLY: &[&str] = &["audit_trail"];

fn security(step: &Migration, roles: &Roles) -> Vec<String> {
    let Roles { tenant, system } = roles;
    let mut out = vec![format!("GRANT USAGE ON SCHEMA public TO {tenant}, {system}")];
    for table in step.tenant_tables {
        // The tenants table is its own key.
        let key = if *table == "tenants" { "id" } else { "tenant_id" };
        let own = format!("{key} = current_setting('portaria.tenant', true)");
        // Rows go with their tenant only.
        let verbs = if APPEND_ONLY.contains(table) {
            "SELECT, INSERT, DELETE"
        } else {
            "SELECT, INSERT, UPDATE, DELETE"
        };
        out.extend([
            format!("GRANT {verbs} ON {table} TO {tenant}"),
            format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
            format!(
                "CREATE POLICY own_rows ON {table} TO {tenant} USING ({own}) WITH CHECK ({own})"
            ),
        ]);
    }
    for table in step.system_tables {
        let verbs = if APPEND_ONLY.contains(table) {
            "SELECT, INSERT"
        } else {
            "SELECT, INSERT, UPDATE, DELETE"
        };
        out.extend([
            format!("GRANT {verbs} ON {table} TO {system}"),
            format!("CREATE POLICY house ON {table} TO {system} USING (true) WITH CHECK (true)"),
        ]);
    }
    for table in step.house_tables {
        out.push(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {system}"));
    }
    out
}

/// A role that owns tables, is superuser or bypasses row-level security would see everything.
async fn check_isolation(
    conn: &mut sqlx::PgConnection,
    roles: &Roles,
    migrations: &[Migration],
) -> Result<(), Error> {
    for role in [&roles.tenant, &roles.system] {
        let (weak, owns): (bool, i64) = sqlx::query_as(
            "SELECT r.rolsuper OR r.rolbypassrls, \
             (SELECT COUNT(*) FROM pg_class c WHERE c.relowner = r.oid) \
             FROM pg_roles r WHERE r.rolname = $1",
        )
        .bind(role.as_str())
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(|| Error::Setup(format!("the role {role} is missing")))?;
        if weak || owns > 0 {
            return Err(Error::Setup(format!(
                "the role {role} is superuser, has BYPASSRLS or owns {owns} tables: row-level \
                 security would not hold. Run ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS and move \
                 its tables to another owner"
            )));
        }
    }
    for table in migrations.iter().flat_map(|step| step.tenant_tables) {
        let held: Option<bool> = sqlx::query_scalar(
            "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class \
             WHERE oid = to_regclass($1)",
        )
        .bind(*table)
        .fetch_optional(&mut *conn)
        .await?;
        if held != Some(true) {
            return Err(Error::Setup(format!(
                "table {table} has no forced row-level security: run \
                 ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
            )));
        }
    }
    Ok(())
}
