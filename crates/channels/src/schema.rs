//! Tables of channels and of webhooks that nobody could read.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[FIRST, EVERY_KIND, TOKEN_BEFORE, ALARMS];

const FIRST: Migration = Migration {
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
};

const EVERY_KIND: Migration = Migration {
    version: 11,
    name: "every_kind_of_channel",
    sql: "
ALTER TABLE channels ADD COLUMN own_number TEXT;
ALTER TABLE channels ADD COLUMN account TEXT;
ALTER TABLE channels ADD COLUMN pairing TEXT;
ALTER TABLE channels ADD COLUMN pairing_at BIGINT;
ALTER TABLE channels ADD COLUMN caught_up_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN catch_up TEXT;
CREATE INDEX channels_owner ON channels (own_number) WHERE own_number IS NOT NULL;
CREATE INDEX channels_account ON channels (kind, account) WHERE account IS NOT NULL;
CREATE TABLE sender_health (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    field TEXT NOT NULL,
    event TEXT NOT NULL,
    value TEXT,
    raw TEXT NOT NULL
);
CREATE INDEX sender_health_channel ON sender_health (tenant_id, channel_id, at, id);
",
    tenant_tables: &["sender_health"],
    system_tables: &[],
    house_tables: &[],
};

const TOKEN_BEFORE: Migration = Migration {
    version: 31,
    name: "channel_token_before",
    sql: "
ALTER TABLE channels ADD COLUMN before_hash TEXT;
ALTER TABLE channels ADD COLUMN before_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX channels_before ON channels (before_hash) WHERE before_hash IS NOT NULL;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

const ALARMS: Migration = Migration {
    version: 35,
    name: "channel_alarms",
    // What ends an alarm depends on what it is about: each kind has its own, and `alarm` is the one
    // that is shown. And by how many seconds our clock is ahead of the times that the provider tells.
    sql: "
ALTER TABLE channels ADD COLUMN alarm_said TEXT;
ALTER TABLE channels ADD COLUMN alarm_reach TEXT;
ALTER TABLE channels ADD COLUMN alarm_clock TEXT;
ALTER TABLE channels ADD COLUMN clock_offset BIGINT NOT NULL DEFAULT 0;
UPDATE channels SET alarm_said = alarm;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};
