"""Frames in and out: pandas, polars, Arrow and mappings of columns. Pure; a frame library is imported only when one of
its frames is given or asked for.
"""
