//! Tables of the house: nodes serve hosts of all tenants.

use db::Migration;

pub const MIGRATIONS: &[Migration] = &[GATEWAYS];

const GATEWAYS: Migration = Migration {
    version: 26,
    name: "gateways",
    sql: "
CREATE TABLE gateway_nodes (
    node TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    report TEXT NOT NULL
);
CREATE TABLE gateway_traffic (
    tenant TEXT NOT NULL,
    step BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (tenant, step)
);
CREATE INDEX gateway_traffic_step ON gateway_traffic (step);
CREATE TABLE gateway_told (
    id TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    told_by TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    told_at BIGINT NOT NULL
);
CREATE INDEX gateway_told_file ON gateway_told (file, id);
CREATE TABLE gateway_asks (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT NOT NULL,
    asked_at BIGINT NOT NULL
);
CREATE INDEX gateway_asks_node ON gateway_asks (node, status);
CREATE TABLE gateway_outlook (
    id BIGINT PRIMARY KEY,
    step BIGINT NOT NULL,
    outlook TEXT NOT NULL
);
INSERT INTO gateway_outlook (id, step, outlook) VALUES (1, 0, '');
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[
        "gateway_nodes",
        "gateway_traffic",
        "gateway_told",
        "gateway_asks",
        "gateway_outlook",
    ],
};
