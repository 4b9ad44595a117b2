"""One module per command or group of commands. Top-level imports are light; a command imports the rest when it runs."""
