"""The client of the services, from the connection to the primitives of a store."""
