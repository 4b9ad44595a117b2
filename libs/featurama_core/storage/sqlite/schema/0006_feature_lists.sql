-- Features of a group, of an entity type, and those that refer to an entity type, in the order of their names.
CREATE INDEX features_of_group ON feature_metadata (feature_group, feature_name);
CREATE INDEX features_of_type ON feature_metadata (entity_type, feature_name);
CREATE INDEX features_by_target ON feature_metadata (references_type, feature_name) WHERE references_type IS NOT NULL;
