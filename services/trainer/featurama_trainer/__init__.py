"""The trainer: a job that builds a point-in-time training set, fits a model and publishes it.

It reads and writes through FeatureStore and ModelRegistry only.
"""
