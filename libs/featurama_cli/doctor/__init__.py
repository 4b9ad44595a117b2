"""Checks of an installation. Each answers with what it saw, and how to mend what is wrong; none changes anything."""
