"""Writing: values are checked, converted, packed into cells, written, deleted, purged and moved here."""
