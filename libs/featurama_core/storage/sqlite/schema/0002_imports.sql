-- Imports that have begun, in the order of `sequence`: the ingest times of each end in its number. Times are int64
-- microseconds UTC, the first and the last of the import's. features: a JSON list of names; empty: all.
CREATE TABLE imports (
    sequence       INTEGER PRIMARY KEY,
    import_id      TEXT NOT NULL UNIQUE,
    number         INTEGER NOT NULL,
    features       TEXT NOT NULL,
    first_event    INTEGER NOT NULL,
    last_event     INTEGER NOT NULL,
    first_ingested INTEGER NOT NULL,
    last_ingested  INTEGER NOT NULL
);

-- A namespace with data may hold imports without a number, whose times end in zeros: they count as one import of all
-- features and times with number 0.
INSERT INTO imports
SELECT 1, '', 0, '[]', -4611686018427387904, 4611686018427387904, -4611686018427387904, 4611686018427387904
WHERE EXISTS (SELECT 1 FROM feature_history);
