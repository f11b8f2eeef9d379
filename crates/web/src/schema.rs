//! The table of repeated writes.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 7,
    name: "web",
    sql: "
CREATE TABLE idempotency_keys (
    tenant_id TEXT NOT NULL,
    key TEXT NOT NULL,
    route TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    status BIGINT,
    response TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
",
    tenant_tables: &["idempotency_keys"],
    system_tables: &["idempotency_keys"],
    house_tables: &[],
}];
