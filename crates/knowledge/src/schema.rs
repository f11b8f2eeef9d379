//! Tables of documents and their chunks.

use db::Migration;

pub const MIGRATIONS: &[Migration] =
    &[FIRST, VERSIONS, REVISIONS, SENTENCE_VECTORS, CORRECTIONS, READERS];

const FIRST: Migration = Migration {
    version: 5,
    name: "knowledge",
    sql: "
CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    category TEXT,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    body TEXT NOT NULL,
    chunk_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX documents_name ON documents (tenant_id, name);
CREATE TABLE chunks (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    document_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    heading TEXT,
    question TEXT,
    body TEXT NOT NULL,
    category TEXT,
    embedding BYTEA
);
CREATE INDEX chunks_document ON chunks (tenant_id, document_id, ordinal);
CREATE TABLE knowledge_settings (
    tenant_id TEXT PRIMARY KEY,
    embedding_provider TEXT,
    embedding_base_url TEXT,
    embedding_model TEXT
);
",
    tenant_tables: &["documents", "chunks", "knowledge_settings"],
    system_tables: &[],
    house_tables: &[],
};

const VERSIONS: Migration = Migration {
    version: 16,
    name: "document_versions",
    sql: "
CREATE TABLE document_versions (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    document_id TEXT NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    category TEXT,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    body TEXT NOT NULL,
    chunk_count BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX document_versions_document ON document_versions (tenant_id, document_id, until);
",
    tenant_tables: &["document_versions"],
    system_tables: &[],
    house_tables: &[],
};

/// A document's pieces are written a batch at a time under a revision of their own, and count from the moment at which
/// the document names it. Pieces of other revisions are swept.
const REVISIONS: Migration = Migration {
    version: 29,
    name: "document_revisions",
    sql: "
ALTER TABLE documents ADD COLUMN revision TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN original TEXT;
ALTER TABLE document_versions ADD COLUMN original TEXT;
ALTER TABLE chunks ADD COLUMN revision TEXT NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN vector_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE knowledge_settings ADD COLUMN vector_epoch BIGINT NOT NULL DEFAULT 0;
CREATE INDEX chunks_revision ON chunks (tenant_id, document_id, revision);
",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};

/// Vectors of sentences by the encoder that the program brings along, under a digest of what was encoded.
const SENTENCE_VECTORS: Migration = Migration {
    version: 38,
    name: "sentence_vectors",
    sql: "
CREATE TABLE sentence_vectors (
    tenant_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    model TEXT NOT NULL,
    vector BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
",
    tenant_tables: &["sentence_vectors"],
    system_tables: &[],
    house_tables: &[],
};

/// What owners say is right instead of what their documents say, by the document's name and what it states.
const CORRECTIONS: Migration = Migration {
    version: 39,
    name: "fact_corrections",
    sql: "
CREATE TABLE fact_corrections (
    tenant_id TEXT NOT NULL,
    document TEXT NOT NULL,
    fact TEXT NOT NULL,
    original TEXT NOT NULL,
    corrected TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, document, fact)
);
",
    tenant_tables: &["fact_corrections"],
    system_tables: &[],
    house_tables: &[],
};

/// Which reader read a document: files that an earlier one read are read again.
const READERS: Migration = Migration {
    version: 40,
    name: "document_readers",
    sql: "ALTER TABLE documents ADD COLUMN reader BIGINT NOT NULL DEFAULT 0;",
    tenant_tables: &[],
    system_tables: &[],
    house_tables: &[],
};
