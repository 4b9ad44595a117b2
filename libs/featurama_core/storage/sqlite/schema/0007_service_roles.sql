-- The roles of a feature service: a JSON list of [role, entity type].
ALTER TABLE feature_services ADD COLUMN roles TEXT NOT NULL DEFAULT '[]';
