"""Files of rows in: one reader of Parquet, CSV and Arrow files and of directories, for values and label rows alike.

A file yields record batches and the address of each row. The meaning of a cell depends on its own text and on what was
declared for its column: not on its neighbours, on the first block of its file, or on another file. Errors name the
file, row and column. The package requires pyarrow.
"""
