"""Checks of an installation. A check reports its observation and the remedy, and changes nothing."""
