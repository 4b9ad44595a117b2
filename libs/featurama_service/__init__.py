"""What every server shares: how a gRPC server is opened, guarded, watched, drained and configured.

It knows the wire and core's pure types, and no store: servicers are handed to it. Nothing is kept in a module:
a server, its gate and its log are made by `run` of a service and closed by it.
"""
