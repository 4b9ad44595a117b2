"""The entry point: `featurama COMMAND`. Exit codes: 0 success, 1 failure, 2 an error that the caller can fix.

An error is one line with the remedy; `--debug` adds the traceback. This module imports typer only, so that `--help` is
fast: no pyarrow, pandas, grpc or xgboost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import typer

from featurama_cli.lazy_group import LazyGroup, Listed
from featurama_model.xgboost_alone import keep_xgboost_alone

_START, _DEFINE, _DATA, _MODELS, _CARE = "Start here", "Definitions", "Values", "Models", "Running and care"


class Featurama(LazyGroup):
    """The commands, as `--help` shows them."""

    LISTED: ClassVar[dict[str, Listed]] = {
        "demo": Listed("Build the Futurama world, serve it, train and predict; print figures.", _START),
        "up": Listed("Run online, ingest and gateway in one process on one storage.", _START),
        "world": Listed("Generate the Futurama sample world, as files or into a store.", _START),
        "doctor": Listed("Diagnose this installation and show how to fix problems.", _START),
        "apply": Listed("Register and change the definitions of a file, after showing a plan.", _DEFINE),
        "features": Listed("List, show, edit, deprecate, restore and delete definitions.", _DEFINE),
        "entities": Listed("List, show and register entities.", _DEFINE),
        "namespaces": Listed("Create, list, export, import and delete namespaces.", _DEFINE),
        "infer": Listed("Propose definitions and a mapping for files, as YAML on standard output.", _DATA),
        "write": Listed("Write the values of Parquet, CSV or Arrow files.", _DATA),
        "get": Listed("Show the newest values of entities.", _DATA),
        "history": Listed("Show the stored values of one feature, newest first.", _DATA),
        "dataset": Listed("Build point-in-time training sets, and verify them.", _DATA),
        "delete": Listed("Delete the values of an entity, or of some of its features, permanently.", _DATA),
        "purge": Listed("Remove values past retention.", _DATA),
        "pack": Listed("Move the history of a group on a CQL server from rows to packed cells.", _DATA),
        "train": Listed("Train a model and publish it.", _MODELS),
        "models": Listed("List, compare, promote, roll back and delete models.", _MODELS),
        "predict": Listed("Predict for entities or for given features.", _MODELS),
        "score": Listed("Predict for label rows at their times, into files.", _MODELS),
        "bench": Listed("Measure the online reads of a store: throughput, percentiles, errors by reason.", _CARE),
        "capacity": Listed("Estimate the nodes, cores, disk and partitions that a store of a size needs.", _CARE),
        "serve": Listed("Run one service, configured by the environment.", _CARE),
        "migrate": Listed("Migrate the tables of namespaces to this version.", _CARE),
        "config": Listed("Show the settings of each service and their variables.", _CARE),
    }


app = typer.Typer(
    cls=Featurama,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("featurama"))
        raise typer.Exit


@app.callback()
def featurama(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """A feature store: define, write, serve, train and predict.


    A command works on the store at --store: a storage, which it opens, or servers, which it calls.
    """
    del debug, version  # `main` and `_version` have seen them


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. arguments: None for those of the process, which then only runs the command."""
    if arguments is None:
        keep_xgboost_alone()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("FEATURAMA_DEBUG", "") not in ("", "0")
    rest = [each for each in given if each != "--debug"]
    try:
        app(rest, prog_name="featurama")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader has closed the output (`| head`); buffered output must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        sys.exit(_reported(error))


def _reported(error: BaseException) -> int:
    """Print one line for an error. -> the exit code."""
    from featurama_cli.hints import hint, in_options
    from featurama_core.types.errors import FeaturamaError
    from featurama_service.extras import missing_package

    error = _innermost(error)
    if isinstance(error, FeaturamaError):
        return _line(f"{in_options(error.message)}{hint(error)} [{error.reason.name}]", 2)
    if type(error).__name__ == "SettingsError":
        return _line(str(error), 2)
    if isinstance(error, ModuleNotFoundError):
        return _line(missing_package(error, "cli"), 2)
    if isinstance(error, OSError) and error.filename:
        return _line(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}", 2)
    text = " ".join(str(error).split())[:300]
    return _line(f"unexpected {type(error).__name__}: {text}; run it again with --debug for the traceback", 1)


def _innermost(error: BaseException) -> Any:
    """The first error of a task group, which is the cause."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _line(text: str, code: int) -> int:
    sys.stderr.write(f"featurama: {text}\n")
    return code


if __name__ == "__main__":
    main()
