"""A group of commands that imports only the command that is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Listed(NamedTuple):
    """A command that is not imported yet: its module, its help and its panel."""

    module: str
    help: str
    panel: str


class LazyGroup(TyperGroup):
    """Lists commands by `LISTED`, and imports a command's module when it is called."""

    LISTED: ClassVar[dict[str, Listed]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        del ctx
        return list(self.LISTED)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stub of a command for lists, with its name and help."""
        del ctx
        listed = self.LISTED.get(cmd_name)
        if listed is None:
            return None
        return TyperCommand(name=cmd_name, help=listed.help, rich_help_panel=listed.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, imported."""
        name, stub, rest = super().resolve_command(ctx, args)
        if stub is None or name is None:
            return name, stub, rest
        return name, loaded(self.LISTED[name], name), rest


def loaded(listed: Listed, name: str) -> Any:
    """The command. Its module has `app`, a Typer with one command or a group of commands."""
    app: typer.Typer = import_module(listed.module).app
    command: Any = typer.main.get_command(app)
    command.name = name
    return command
