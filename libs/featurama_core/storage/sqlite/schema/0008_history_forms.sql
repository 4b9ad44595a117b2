-- How a CQL server would store the history of a group. This store packs all history.
ALTER TABLE feature_groups ADD COLUMN history TEXT NOT NULL DEFAULT 'rows';
