//! Who is told.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[FIRST, BY_ACT];

const FIRST: Migration = Migration {
    version: 12,
    name: "notices",
    sql: "
CREATE TABLE notice_settings (
    tenant_id TEXT PRIMARY KEY,
    emails TEXT NOT NULL
);
",
    tenant_tables: &["notice_settings"],
    system_tables: &[],
    house_tables: &[],
};

/// Who is told of what, and whom an emergency reaches at any hour.
const BY_ACT: Migration = Migration {
    version: 41,
    name: "notices_by_act",
    sql: "
ALTER TABLE notice_settings ADD COLUMN on_call TEXT NOT NULL DEFAULT '';
CREATE TABLE notice_acts (
    tenant_id TEXT NOT NULL,
    act TEXT NOT NULL,
    emails TEXT NOT NULL,
    urgent BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, act)
);
",
    tenant_tables: &["notice_acts"],
    system_tables: &[],
    house_tables: &[],
};
