"""`featurama serve SERVICE`: run one service in this process."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated, Literal

import typer


def serve(
    service: Annotated[Literal["online", "ingest", "gateway"], typer.Argument()],
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that share the address.", min=1, max=256)
    ] = None,
) -> None:
    """Run one service, configured by the environment. It drains on SIGTERM and SIGINT.


    `featurama config` shows the settings. Equivalent to `python -m featurama_online` and so on.
    """
    from featurama_cli.service_settings import settings_kind
    from featurama_service.process import main
    from featurama_service.settings import environment_names

    if workers is not None:
        # In the environment, which the processes of the workers inherit.
        os.environ[environment_names(settings_kind(service))["workers"]] = str(workers)
    run = import_module(f"featurama_{service}.app").run
    raise typer.Exit(main(settings_kind(service), run))
