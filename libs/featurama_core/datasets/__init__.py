"""Point-in-time training sets of any size: label rows in, the same rows with the values as they were out.

Output rows are the label rows: same number, same order. What is read equals `past_reads.read_as_of` row for row; only
the walk differs. Memory is bounded by a setting, not by the rows. The files of a set depend on the request alone, never
on the memory, the plan or how often a build was interrupted. pyarrow is needed here, and nowhere else in the core.
"""
