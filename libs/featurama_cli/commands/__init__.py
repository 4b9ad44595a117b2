"""One module a command or group of commands. Their imports at the top are light; the rest is loaded when it runs."""
