//! Tables of how much room files take.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[USAGE];

const USAGE: Migration = Migration {
    version: 28,
    name: "file_usage",
    sql: "
CREATE TABLE file_usage (
    tenant_id TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL
);
CREATE TABLE file_senders (
    tenant_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    day BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, sender)
);
",
    tenant_tables: &["file_usage", "file_senders"],
    system_tables: &[],
    house_tables: &[],
};
