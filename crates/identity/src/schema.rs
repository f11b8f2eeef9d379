//! Tables of people, memberships, sessions, links, mail and the audit trail.

use db::Migration;

pub const MIGRATIONS: &[Migration] =
    &[PEOPLE, PASSKEYS, PROVIDERS, LETTERS, LINKS_BY_EMAIL, NOTICES_COUNTED];

const PEOPLE: Migration = Migration {
    version: 13,
    name: "identity",
    sql: "
CREATE TABLE people (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    language TEXT,
    operator BIGINT NOT NULL DEFAULT 0,
    disabled BIGINT NOT NULL DEFAULT 0,
    second_sealed BYTEA,
    second_confirmed BIGINT NOT NULL DEFAULT 0,
    second_step BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    password_at BIGINT
);
CREATE TABLE recovery_codes (
    person_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (person_id, hash)
);
CREATE TABLE memberships (
    tenant_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);
CREATE INDEX memberships_person ON memberships (person_id);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    person_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    how TEXT NOT NULL,
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id, seen_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE TABLE links (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    email TEXT NOT NULL,
    tenant_id TEXT,
    role TEXT,
    created_by TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX links_tenant ON links (tenant_id, created_at);
CREATE TABLE mails (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    sent_at BIGINT,
    failed TEXT
);
CREATE INDEX mails_due ON mails (next_at) WHERE sent_at IS NULL AND failed IS NULL;
CREATE TABLE support_grants (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX support_grants_tenant ON support_grants (tenant_id, created_at);
CREATE TABLE audit_trail (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    before_value TEXT,
    after_value TEXT,
    address TEXT NOT NULL
);
CREATE INDEX audit_trail_tenant ON audit_trail (tenant_id, at, id);
",
    tenant_tables: &["memberships", "support_grants", "audit_trail"],
    // The others hold what no tenant may see: who else a person belongs to, hashes, mail.
    system_tables: &[
        "people",
        "recovery_codes",
        "memberships",
        "sessions",
        "links",
        "mails",
        "support_grants",
        "audit_trail",
    ],
    house_tables: &[],
};

const PASSKEYS: Migration = Migration {
    version: 18,
    name: "passkeys",
    sql: "
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    person_id TEXT NOT NULL,
    handle BYTEA NOT NULL,
    credential BYTEA NOT NULL,
    credential_hash TEXT NOT NULL UNIQUE,
    fixed BYTEA NOT NULL,
    moving BYTEA NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX passkeys_person ON passkeys (person_id);
CREATE TABLE passkey_ceremonies (
    hash TEXT PRIMARY KEY,
    state BYTEA NOT NULL,
    person_id TEXT,
    expires_at BIGINT NOT NULL
);
",
    tenant_tables: &[],
    system_tables: &["passkeys", "passkey_ceremonies"],
    house_tables: &[],
};

const PROVIDERS: Migration = Migration {
    version: 20,
    name: "identity_providers",
    sql: "
CREATE TABLE provider_identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    person_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX provider_identities_person ON provider_identities (person_id);
CREATE INDEX passkey_ceremonies_expiry ON passkey_ceremonies (expires_at);
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE memberships ADD COLUMN source TEXT NOT NULL DEFAULT 'team';
ALTER TABLE people ADD COLUMN operator_source TEXT NOT NULL DEFAULT 'house';
",
    tenant_tables: &[],
    system_tables: &["provider_identities"],
    house_tables: &[],
};

const LETTERS: Migration = Migration {
    version: 23,
    name: "letters_end",
    // After this a letter is of no use; and whose business it is of.
    sql: "
ALTER TABLE mails ADD COLUMN expires_at BIGINT;
ALTER TABLE mails ADD COLUMN tenant_id TEXT;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

const NOTICES_COUNTED: Migration = Migration {
    version: 36,
    name: "notices_counted",
    // Notices of the last hour are counted before another is kept: customers cause them.
    sql: "
ALTER TABLE mails ADD COLUMN notice BIGINT NOT NULL DEFAULT 0;
CREATE INDEX mails_notices ON mails (tenant_id, created_at) WHERE notice = 1;
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

const LINKS_BY_EMAIL: Migration = Migration {
    version: 32,
    name: "links_by_email",
    sql: "CREATE INDEX links_email ON links (email, created_at);",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};
