"""The ingest service: definitions, entities, writes and deletions over gRPC, and housekeeping."""
