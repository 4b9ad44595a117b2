"""The demonstration: all parts of Featurama, on real components, with measurements."""
