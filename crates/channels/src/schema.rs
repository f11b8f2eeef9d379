//! Tables of channels and of webhooks that nobody could read.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 4,
    name: "channels",
    sql: "
CREATE TABLE channels (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    instance TEXT NOT NULL,
    base_url TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    state TEXT NOT NULL,
    state_reason TEXT,
    alarm TEXT,
    alarm_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX channels_instance ON channels (kind, instance);
CREATE INDEX channels_token ON channels (token_hash);
CREATE INDEX channels_tenant ON channels (tenant_id, created_at);
CREATE TABLE raw_events (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    event TEXT NOT NULL,
    reason TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX raw_events_tenant ON raw_events (tenant_id, received_at, id);
",
    tenant_tables: &["channels", "raw_events"],
    system_tables: &["channels"],
    house_tables: &[],
}];
