"""Writing: values are checked, converted, packed into cells, written, deleted and purged here."""
