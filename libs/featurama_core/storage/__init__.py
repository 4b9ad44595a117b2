"""Where values, definitions and models are kept: one port, one adapter a folder."""
