//! The table of assistants.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 6,
    name: "assistant",
    sql: "
CREATE TABLE assistants (
    tenant_id TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
",
    tenant_tables: &["assistants"],
    system_tables: &[],
    house_tables: &[],
}];
