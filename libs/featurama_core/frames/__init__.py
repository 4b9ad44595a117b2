"""Frames in and out: pandas, polars, Arrow and mappings of columns. Pure. A frame library is imported only for its own
frames.
"""
