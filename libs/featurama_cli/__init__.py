"""The `featurama` command. The only room that may know every other; nothing imports it."""
