-- Revisions of a definition after the first, whose fields are the other columns: a JSON list, null without any.
ALTER TABLE entity_types ADD COLUMN revisions TEXT;
ALTER TABLE feature_groups ADD COLUMN revisions TEXT;
ALTER TABLE feature_metadata ADD COLUMN revisions TEXT;
ALTER TABLE feature_services ADD COLUMN revisions TEXT;
