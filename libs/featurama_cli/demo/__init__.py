"""The demonstration: every part of Featurama, on real components, measured. Nothing here is made up or left out."""
