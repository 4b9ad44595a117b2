"""Pure types of the feature store: numpy and the standard library only (frames import pandas, polars or
pyarrow only when one is handed over or asked for), so that the client can share them.
"""
