//! The table of assistants.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[FIRST, SPEND];

const FIRST: Migration = Migration {
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
};

const SPEND: Migration = Migration {
    version: 17,
    name: "model_spend",
    sql: "
CREATE TABLE model_spend (
    tenant_id TEXT NOT NULL,
    month TEXT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, month)
);
",
    tenant_tables: &["model_spend"],
    system_tables: &[],
    house_tables: &[],
};
