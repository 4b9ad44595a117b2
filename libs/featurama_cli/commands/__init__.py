"""One module per command or group of commands. Top-level imports are light; a command imports the rest when it runs.

A module has the function of its command, which is named like the module, or `app`, a group of commands.
"""
