//! Tables of endpoints and deliveries.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 9,
    name: "hooks",
    sql: "
CREATE TABLE hook_endpoints (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    failures BIGINT NOT NULL DEFAULT 0,
    open_until BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
CREATE INDEX hook_endpoints_tenant ON hook_endpoints (tenant_id, created_at);
CREATE TABLE hook_deliveries (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    status BIGINT,
    error TEXT,
    created_at BIGINT NOT NULL,
    tried_at BIGINT
);
CREATE INDEX hook_deliveries_tenant ON hook_deliveries (tenant_id, created_at, id);
CREATE INDEX hook_deliveries_endpoint ON hook_deliveries (tenant_id, endpoint_id);
",
    tenant_tables: &["hook_endpoints", "hook_deliveries"],
    system_tables: &["hook_deliveries"],
    house_tables: &[],
}];
