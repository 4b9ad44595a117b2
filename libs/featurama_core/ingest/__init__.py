"""The writing side: values are checked, converted, planned into cells, written, deleted and purged here only."""
