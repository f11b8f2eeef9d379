//! The database's own tables.

use crate::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 30,
    name: "write_probe",
    sql: "CREATE TABLE write_probe (id BIGINT PRIMARY KEY, times BIGINT NOT NULL);",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &["write_probe"],
}];
