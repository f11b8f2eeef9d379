//! The table of domains.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[DOMAINS, CERTIFICATES];

const DOMAINS: Migration = Migration {
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
};

/// Certificates belong to hosts, also to those of the gateway's file, so no tenant is named.
const CERTIFICATES: Migration = Migration {
    version: 25,
    name: "certificates",
    sql: "
CREATE TABLE acme_accounts (
    directory TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL,
    thumbprint TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE certificates (
    host TEXT PRIMARY KEY,
    sealed BYTEA,
    starts_at BIGINT NOT NULL DEFAULT 0,
    ends_at BIGINT NOT NULL DEFAULT 0,
    kept_at BIGINT NOT NULL DEFAULT 0,
    lease TEXT NOT NULL DEFAULT '',
    not_before BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX certificates_kept ON certificates (kept_at);
CREATE TABLE acme_proofs (
    host TEXT PRIMARY KEY,
    digest BYTEA NOT NULL,
    until BIGINT NOT NULL
);
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &["acme_accounts", "certificates", "acme_proofs"],
};
