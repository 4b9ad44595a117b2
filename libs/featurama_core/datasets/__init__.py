"""Point-in-time training sets of any size: label rows in, the same rows with the values as they were out.

Output rows are the label rows: same number, same order. The values are those that `get_historical_features` finds; an
engine finds them, and the room knows no store. Memory is bounded by a setting, not by the rows. The files of a set
depend on the request alone, never on the memory, the plan or how often a build was interrupted. The room needs pyarrow.
"""
