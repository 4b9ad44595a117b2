"""`featurama serve SERVICE`: run one service in this process."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Literal

import typer


def serve(service: Annotated[Literal["online", "ingest", "gateway"], typer.Argument()]) -> None:
    """Run one service, configured by the environment. It drains on SIGTERM and SIGINT.


    `featurama config` shows the settings. Equivalent to `python -m featurama_online` and so on.
    """
    from featurama_cli.service_settings import settings_kind
    from featurama_service.process import main

    run = import_module(f"featurama_{service}.app").run
    raise typer.Exit(main(settings_kind(service), run))
