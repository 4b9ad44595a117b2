"""Storage of values, definitions and models: one port, and one folder per adapter."""
