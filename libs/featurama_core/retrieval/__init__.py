"""Strategy stored values: online, at a past time, as history, and for training sets."""
