//! Tables of contacts, conversations and messages.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 3,
    name: "inbox",
    sql: "
CREATE TABLE contacts (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX contacts_tenant ON contacts (tenant_id, id);
CREATE TABLE contact_handles (
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value)
);
CREATE INDEX contact_handles_contact ON contact_handles (tenant_id, contact_id);
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    address TEXT NOT NULL,
    owner TEXT NOT NULL,
    owner_since BIGINT NOT NULL,
    handoff_reason TEXT,
    inbound_seq BIGINT NOT NULL,
    answered_seq BIGINT NOT NULL,
    burst_started_at BIGINT NOT NULL,
    cancels BIGINT NOT NULL DEFAULT 0,
    declines BIGINT NOT NULL DEFAULT 0,
    needs_person BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    last_message_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX conversations_key ON conversations (tenant_id, channel_id, contact_id);
CREATE INDEX conversations_recent ON conversations (tenant_id, last_message_at, id);
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    author TEXT NOT NULL,
    content TEXT NOT NULL,
    body TEXT,
    provider_id TEXT,
    provider_at BIGINT,
    at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    from_seq BIGINT NOT NULL DEFAULT 0,
    cancellable BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    state_at BIGINT NOT NULL,
    reason TEXT,
    trace TEXT,
    raw TEXT,
    media TEXT
);
CREATE UNIQUE INDEX messages_provider ON messages (tenant_id, channel_id, provider_id)
    WHERE provider_id IS NOT NULL;
CREATE INDEX messages_conversation ON messages (tenant_id, conversation_id, at, id);
CREATE TABLE inbox_settings (
    tenant_id TEXT PRIMARY KEY,
    quiet_ms BIGINT NOT NULL,
    longest_wait_ms BIGINT NOT NULL,
    handoff_words TEXT NOT NULL,
    store_groups BIGINT NOT NULL DEFAULT 0
);
",
    tenant_tables: &["contacts", "contact_handles", "conversations", "messages", "inbox_settings"],
    system_tables: &[],
    house_tables: &[],
}];
