"""A namespace in files: `manifest.json`, `definitions.json`, `imports.json`, `entities.parquet`, `marks.parquet`,
`models/`, and `history/<group>.parquet`.

A history row has an entity, an event time and an ingest time, with a value and a status per feature version, so that
values of one write are restored by one write. Deleted values and values past retention are not exported; their
tombstones are, so that they stay deleted. The files are Parquet, JSON and model artefacts: no code, no pickle.
"""
