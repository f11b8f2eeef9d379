//! The two doors to the rows: [`TenantTx`] (one tenant) and [`SystemTx`] (the house).
//!
//! One SQL text serves both engines: ids and JSON as TEXT, instants as BIGINT microseconds, flags
//! as BIGINT, bytes as BYTEA, `$1` placeholders.
//!
//! # Invariants
//! - On SQLite every write goes over one connection as a savepoint; savepoints that finish while
//!   others wait share one durable COMMIT. [`TenantTx::commit`] returns only after that COMMIT.
//! - On PostgreSQL every transaction runs as a role that owns nothing and cannot bypass row-level
//!   security, with the tenant in `portaria.tenant`: a query that forgets its filter sees one
//!   tenant all the same.
//! - A transaction that writes starts with a write.

mod conn;
mod engine;
mod error;
mod migrate;
mod postgres;
mod schema;
mod signals;
mod sqlite;
mod value;

pub use conn::{SystemTx, TenantTx};
pub use engine::{Db, Engine, Options};
pub use error::Error;
pub use migrate::{Migration, print_role_sql, schema_version};
pub use schema::MIGRATIONS;
pub use signals::Signals;
pub use value::{Column, Row, Value, page_start};

/// Builds the argument list of a statement from anything that is a [`Value`].
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::Value::from($value)),*] };
}
