-- One file is one namespace. Times are int64 microseconds UTC, ingested_at as in storage-layout "Times".

CREATE TABLE namespace_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Ids and group names appear in every data row: there they are small integers.
CREATE TABLE entities (
    id        INTEGER PRIMARY KEY,
    entity_id TEXT NOT NULL UNIQUE
);

CREATE TABLE history_groups (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Append-only: readers load what lies past the last number they know.
CREATE TABLE feature_layouts (
    number    INTEGER PRIMARY KEY,
    layout_id INTEGER NOT NULL UNIQUE,
    fields    TEXT NOT NULL
);

CREATE TABLE feature_history (
    feature_group INTEGER NOT NULL,
    period        INTEGER NOT NULL,
    entity        INTEGER NOT NULL,
    timestamp     INTEGER NOT NULL,
    ingested_at   INTEGER NOT NULL,
    layout        INTEGER NOT NULL,
    cell          BLOB NOT NULL,
    PRIMARY KEY (feature_group, period, entity, timestamp DESC, ingested_at DESC, layout)
) WITHOUT ROWID;

-- A deletion mark of the entity is a row of its partition too (layout = mark_id, timestamp = D + 1).
CREATE TABLE feature_latest (
    entity    INTEGER NOT NULL,
    layout    INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    cell      BLOB NOT NULL,
    PRIMARY KEY (entity, layout)
) WITHOUT ROWID;

CREATE TABLE deletions (
    entity          INTEGER NOT NULL,
    feature_name    TEXT NOT NULL,
    deleted_through INTEGER NOT NULL,
    PRIMARY KEY (entity, feature_name)
) WITHOUT ROWID;

CREATE TABLE entity_types (
    name        TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    deprecated  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE feature_groups (
    name        TEXT PRIMARY KEY,
    entity_type TEXT NOT NULL,
    description TEXT NOT NULL,
    ttl         INTEGER,
    retention   INTEGER,
    buckets     INTEGER NOT NULL,
    deprecated  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE feature_metadata (
    feature_name    TEXT NOT NULL,
    version         INTEGER NOT NULL,
    entity_type     TEXT NOT NULL,
    feature_group   TEXT NOT NULL,
    value_type      INTEGER NOT NULL,
    vector_length   INTEGER NOT NULL,
    references_type TEXT,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    owner           TEXT NOT NULL,
    deprecated      INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (feature_name, version)
) WITHOUT ROWID;

CREATE TABLE feature_services (
    name        TEXT PRIMARY KEY,
    features    TEXT NOT NULL,
    description TEXT NOT NULL,
    deprecated  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE entity_registry (
    entity_id   TEXT PRIMARY KEY,
    entity_type TEXT NOT NULL,
    name        TEXT NOT NULL,
    metadata    TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX entity_by_type ON entity_registry (entity_type, entity_id);

CREATE TABLE models (
    name           TEXT NOT NULL,
    version        INTEGER NOT NULL,
    manifest       TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    artefact_bytes INTEGER NOT NULL,
    chunks         INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;

CREATE TABLE model_chunks (
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    content  BLOB NOT NULL,
    UNIQUE (name, version, position)
);

CREATE TABLE model_aliases (
    model   TEXT NOT NULL,
    alias   TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias)
) WITHOUT ROWID;

CREATE TABLE audit_log (
    number  INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
);

CREATE INDEX audit_by_time ON audit_log (at, number);
