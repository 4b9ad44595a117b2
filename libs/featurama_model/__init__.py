"""What training and serving share of a model: engineered columns, manifest, registry, safe loading,
prediction.

Needs numpy, pydantic and xgboost; imports neither pandas nor scikit-learn, which the online image lacks.
xgboost itself is imported when the first model is loaded. No pickle and no evaluated code anywhere.
"""
