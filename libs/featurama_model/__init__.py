"""The parts of a model that training and serving share: engineered columns, manifest, registry, safe loading,
prediction.

The package needs numpy, pydantic and xgboost. It imports neither pandas nor scikit-learn, which the online image lacks.
xgboost is imported when the first model is loaded. Nothing is unpickled or evaluated.
"""
