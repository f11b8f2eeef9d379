//! The queue's tables.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[JOBS, CLOCKS];

const JOBS: Migration = Migration {
    version: 2,
    name: "queue",
    sql: "
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    lane BIGINT NOT NULL,
    state BIGINT NOT NULL,
    order_key TEXT,
    dedupe_key TEXT,
    payload TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL,
    lease_until BIGINT,
    lease_owner TEXT,
    enqueued_at BIGINT NOT NULL,
    finished_at BIGINT,
    last_error TEXT
);
CREATE INDEX jobs_ready ON jobs (lane, tenant_id, id) WHERE state = 1;
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 0;
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 2;
CREATE INDEX jobs_order ON jobs (tenant_id, order_key, id) WHERE state < 3 AND order_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_dedupe ON jobs (tenant_id, dedupe_key)
    WHERE state < 2 AND dedupe_key IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state = 3;
CREATE INDEX jobs_dead ON jobs (tenant_id, finished_at) WHERE state = 4;
CREATE INDEX jobs_open ON jobs (lane, tenant_id, state) WHERE state <> 3;
CREATE TABLE queue_weights (
    tenant_id TEXT PRIMARY KEY,
    weight BIGINT NOT NULL
);
CREATE TABLE heartbeats (
    worker TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    lanes TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
",
    tenant_tables: &["jobs", "queue_weights"],
    system_tables: &["jobs", "queue_weights"],
    house_tables: &["heartbeats"],
};

const CLOCKS: Migration = Migration {
    version: 33,
    name: "queue_clocks",
    sql: "CREATE TABLE queue_clocks (boot TEXT PRIMARY KEY, machine TEXT NOT NULL, known BIGINT NOT NULL);",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &["queue_clocks"],
};
