"""Mapping between proto messages and core."""
