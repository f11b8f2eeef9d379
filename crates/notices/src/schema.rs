//! Who is told.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
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
}];
