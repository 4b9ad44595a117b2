"""Point-in-time training sets of any size: label rows with features as of their times.

The output has exactly the label rows, in their order, with the values of `get_historical_features`. An engine finds the
values; this package knows no store. Memory is bounded by a setting, independent of the number of rows. The files of a
set depend on the request alone, not on memory, plan or interruptions of the build. The package requires pyarrow.
"""
