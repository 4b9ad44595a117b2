"""A group of commands that imports only the command that is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Listed(NamedTuple):
    """A command that is not imported yet: its help and its panel."""

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
        return listed and TyperCommand(name=cmd_name, help=listed.help, rich_help_panel=listed.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, imported."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub and name and loaded(name), rest


def loaded(name: str) -> Any:
    """The command or group of commands of a module of `featurama_cli.commands`."""
    module = import_module(f"featurama_cli.commands.{name}")
    if hasattr(module, "app"):
        group: Any = typer.main.get_group(module.app)
        group.name, group.no_args_is_help = name, not group.invoke_without_command
        return group
    app = typer.Typer(add_completion=False)
    app.command(name)(getattr(module, name))
    return typer.main.get_command(app)
