-- The key columns of an entity type: a JSON list of [name, type].
ALTER TABLE entity_types ADD COLUMN keys TEXT NOT NULL DEFAULT '[]';
