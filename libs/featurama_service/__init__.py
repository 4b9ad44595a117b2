"""The shared part of all servers: opening, guarding, watching, draining and configuring a gRPC server.

The package knows the wire and core's pure types, but no store; it is given the servicers. Modules hold no state: `run`
of a service creates the server, its admission and its log, and closes them.
"""
