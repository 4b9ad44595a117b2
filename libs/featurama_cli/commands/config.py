"""`featurama config`: the settings of the services."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from featurama_cli.output import show, show_json
from featurama_cli.place import JsonOption
from featurama_cli.service_settings import SERVICES, settings_kind
from featurama_core.types.errors import InvalidInput


def config(
    service: Annotated[str | None, typer.Argument(help=f"One of {', '.join(SERVICES)}; default: all.")] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that differ from the default.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the settings of each service and their variables. Secrets are masked."""
    from featurama_service.settings import environment_names, load, redacted

    if service is not None and service not in SERVICES:
        raise InvalidInput(f"{service!r} is not one of {', '.join(SERVICES)}", field="service")
    found: dict[str, list[dict[str, object]]] = {}
    for name in SERVICES if service is None else [service]:
        kind: Any = settings_kind(name)
        settings = load(kind)
        variables = environment_names(kind)
        found[name] = [
            {"setting": setting, "value": value, "variable": variables[setting]}
            for setting, value in redacted(settings).items()
            if not changed or getattr(settings, setting) != kind.model_fields[setting].default
        ]
    if as_json:
        show_json({name: {str(row["setting"]): row["value"] for row in rows} for name, rows in found.items()})
        return
    for name, rows in found.items():
        show(rows, as_json=False, title=name, empty=f"{name}: all settings have their defaults.")
