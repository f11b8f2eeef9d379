//! The table of domains.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 24,
    name: "domains",
    sql: "
CREATE TABLE domains (
    host TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    upstream TEXT,
    region TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX domains_tenant ON domains (tenant_id, host);
",
    tenant_tables: &["domains"],
    system_tables: &["domains"],
    house_tables: &[],
}];
