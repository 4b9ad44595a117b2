"""What `featurama infer` proposes for files: definitions and a mapping, with a question where the values do not decide.

The files are read twice through the reader of `featurama write`: once for facts about every column, and once as the
proposed mapping reads them. Memory does not grow with the rows. Nothing is stored.
"""
