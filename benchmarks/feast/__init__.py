"""Feast beside Featurama: the same data, the same clients, in turns. `make bench-feast` makes its environment."""
