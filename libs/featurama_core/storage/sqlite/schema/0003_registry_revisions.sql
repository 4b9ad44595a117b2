-- Every change of a definition has the next revision, so that readers fetch what changed since the one they know.
ALTER TABLE entity_types ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE INDEX entity_types_by_revision ON entity_types (revision);
ALTER TABLE feature_groups ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE INDEX feature_groups_by_revision ON feature_groups (revision);
ALTER TABLE feature_metadata ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE INDEX feature_metadata_by_revision ON feature_metadata (revision);
ALTER TABLE feature_services ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE INDEX feature_services_by_revision ON feature_services (revision);

-- A deleted definition leaves its row: what it was named is never given again.
ALTER TABLE entity_types ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feature_groups ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feature_metadata ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feature_services ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
