"""The reading side: every read of stored values, online, at a past moment, as history, or for a training set."""
