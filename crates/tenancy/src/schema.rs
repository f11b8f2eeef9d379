//! Tables of tenants, their keys and settings.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[TENANTS, MASTER_KEY_CHECK, MACHINE_TOKENS];

const TENANTS: Migration = Migration {
    version: 1,
    name: "tenancy",
    sql: "
CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    state TEXT NOT NULL,
    cors_origins TEXT NOT NULL DEFAULT '',
    knowledge_generation BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    state_changed_at BIGINT NOT NULL
);
CREATE TABLE secrets (
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, created_at);
CREATE TABLE opening_hours (
    tenant_id TEXT NOT NULL,
    weekday BIGINT NOT NULL,
    opens_minute BIGINT NOT NULL,
    closes_minute BIGINT NOT NULL,
    confirmed BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, weekday, opens_minute)
);
CREATE TABLE consent_texts (
    tenant_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    body TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, purpose)
);
",
    tenant_tables: &["tenants", "secrets", "api_keys", "opening_hours", "consent_texts"],
    system_tables: &["tenants", "api_keys"],
    house_tables: &[],
};

const MASTER_KEY_CHECK: Migration = Migration {
    version: 8,
    name: "master_key_check",
    sql: "
CREATE TABLE master_key_check (
    id BIGINT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &["master_key_check"],
};

const MACHINE_TOKENS: Migration = Migration {
    version: 19,
    name: "machine_tokens",
    sql: "
CREATE TABLE machine_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
",
    tenant_tables: &[],
    system_tables: &["machine_tokens"],
    house_tables: &[],
};
