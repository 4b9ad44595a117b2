"""A namespace in files: `manifest.json`, `definitions.json`, `imports.json`, `entities.parquet`, `marks.parquet`,
`models/`, and `history/<group>.parquet`.

A history row is one entity, event time and ingest time, with a value and a status for each feature version, so that
what was written together is written together again. Nothing that is deleted or past retention leaves the namespace;
its marks do, so that it stays deleted. Parquet, JSON and model artefacts only: no code, no pickle.
"""
