//! Tables of contacts, conversations and messages.

use db::Migration;

pub const MIGRATIONS: &[Migration] =
    &[FIRST, JOURNEY_AND_PEOPLE, DESK, RECEIVED, UNRESOLVED, SHARED_ID, OPTED_OUT];

const FIRST: Migration = Migration {
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
};

const JOURNEY_AND_PEOPLE: Migration = Migration {
    version: 10,
    name: "journey_and_people",
    sql: "
CREATE TABLE message_events (
    tenant_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    state TEXT NOT NULL,
    code TEXT,
    detail TEXT
);
CREATE INDEX message_events_message ON message_events (tenant_id, message_id);
CREATE TABLE handoff_events (
    tenant_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    owner_before TEXT NOT NULL,
    owner_after TEXT NOT NULL
);
CREATE INDEX handoff_events_conversation ON handoff_events (tenant_id, conversation_id, at);
CREATE TABLE contact_merges (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    kept_id TEXT NOT NULL,
    other_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    moved TEXT NOT NULL,
    at BIGINT NOT NULL,
    undone_at BIGINT
);
CREATE INDEX contact_merges_tenant ON contact_merges (tenant_id, at, id);
CREATE INDEX contact_merges_pair ON contact_merges (tenant_id, kept_id, other_id);
ALTER TABLE contacts ADD COLUMN merged_into TEXT;
ALTER TABLE conversations ADD COLUMN merged_into TEXT;
ALTER TABLE conversations ADD COLUMN last_inbound_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN number_checked BIGINT NOT NULL DEFAULT 0;
CREATE INDEX conversations_twins ON conversations (tenant_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX conversations_waiting ON conversations (tenant_id, owner_since) WHERE needs_person = 1;
CREATE INDEX conversations_contact ON conversations (tenant_id, contact_id);
ALTER TABLE messages ADD COLUMN payload TEXT;
ALTER TABLE messages ADD COLUMN reply_to TEXT;
CREATE INDEX messages_unsettled ON messages (tenant_id, state_at)
    WHERE direction = 'out' AND state IN ('queued', 'sending', 'sent', 'unknown');
",
    tenant_tables: &["message_events", "handoff_events", "contact_merges"],
    system_tables: &[],
    house_tables: &[],
};

const DESK: Migration = Migration {
    version: 14,
    name: "desk",
    sql: "
ALTER TABLE conversations ADD COLUMN assigned_to TEXT;
ALTER TABLE conversations ADD COLUMN resolved_at BIGINT NOT NULL DEFAULT -1;
ALTER TABLE conversations ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX conversations_open ON conversations (tenant_id, last_message_at, id)
    WHERE resolved_at < last_inbound_at AND merged_into IS NULL;
CREATE INDEX conversations_assigned ON conversations (tenant_id, assigned_to, last_message_at)
    WHERE assigned_to IS NOT NULL;
ALTER TABLE messages ADD COLUMN sent_by TEXT;
ALTER TABLE messages ADD COLUMN once TEXT;
ALTER TABLE messages ADD COLUMN noted BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX messages_once ON messages (tenant_id, once) WHERE once IS NOT NULL;
ALTER TABLE handoff_events ADD COLUMN person_id TEXT;
CREATE TABLE labels (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL
);
CREATE UNIQUE INDEX labels_name ON labels (tenant_id, name);
CREATE TABLE conversation_labels (
    tenant_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    label_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, conversation_id, label_id)
);
CREATE TABLE conversation_notes (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX conversation_notes_at ON conversation_notes (tenant_id, conversation_id, at);
CREATE TABLE canned_replies (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    shortcut TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX canned_replies_shortcut ON canned_replies (tenant_id, shortcut);
",
    tenant_tables: &["labels", "conversation_labels", "conversation_notes", "canned_replies"],
    system_tables: &[],
    house_tables: &[],
};

const RECEIVED: Migration = Migration {
    version: 21,
    name: "received",
    // When we heard of the newest message, by our own clock: what is seen and what is resolved is
    // compared with this. When it was written, by the provider's, is another time.
    sql: "
ALTER TABLE conversations ADD COLUMN last_received_at BIGINT NOT NULL DEFAULT 0;
UPDATE conversations SET last_received_at = last_inbound_at;
DROP INDEX conversations_open;
CREATE INDEX conversations_open ON conversations (tenant_id, last_message_at, id)
    WHERE resolved_at < last_received_at AND merged_into IS NULL;
CREATE INDEX messages_declined ON messages (tenant_id, at, id)
    WHERE author = 'assistant' AND noted = 0 AND (trace LIKE '%\"answered_by\":\"declined\"%'
    OR trace LIKE '%\"unanswered\":%' OR trace LIKE '%\"outcome\":\"does_not_know\"%');
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

const UNRESOLVED: Migration = Migration {
    version: 22,
    name: "unresolved",
    // How a conversation stood when it was resolved, as JSON: a resolution can be taken back. And to
    // whom a conversation was given.
    sql: "
ALTER TABLE conversations ADD COLUMN unresolved TEXT;
ALTER TABLE handoff_events ADD COLUMN target_id TEXT;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

const SHARED_ID: Migration = Migration {
    version: 34,
    name: "shared_id",
    // WhatsApp's ids are unique within a chat. A message whose id another chat of the channel has
    // already carries it here instead of in `provider_id`, whose index the program before knows.
    sql: "
ALTER TABLE messages ADD COLUMN shared_id TEXT;
CREATE UNIQUE INDEX messages_shared ON messages
    (tenant_id, channel_id, shared_id, conversation_id, direction) WHERE shared_id IS NOT NULL;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

const OPTED_OUT: Migration = Migration {
    version: 37,
    name: "opted_out",
    // Since when the contact wants no messages that it did not ask for.
    sql: "
ALTER TABLE contacts ADD COLUMN opted_out_at BIGINT;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};
