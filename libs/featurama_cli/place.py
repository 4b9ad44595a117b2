"""Where a command works: the options --target, --storage and --namespace, added to a command by a decorator.

A parameter whose type is a dataclass of options stands for its fields, so that commands can share them.

A flag wins over the environment; both kinds of place at once are refused, wherever they come from.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import typer

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_STORAGE = "sqlite:///featurama-data"

TargetOption = Annotated[
    str | None,
    typer.Option("--target", metavar="HOST:PORT", help="Online service to speak gRPC to (or FEATURAMA_TARGET)."),
]
IngestOption = Annotated[
    str | None,
    typer.Option(
        "--ingest-target",
        metavar="HOST:PORT",
        help="Ingest service, for writing (or FEATURAMA_INGEST_TARGET; else --target).",
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help=f"sqlite:///dir or scylla://host, to open (or FEATURAMA_STORAGE; else {DEFAULT_STORAGE}).",
    ),
]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="The tenant (or FEATURAMA_NAMESPACE; else default).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Exactly one of `target` and `storage` is set."""

    namespace: str
    storage: str = ""
    target: str = ""
    ingest_target: str = ""

    @property
    def text(self) -> str:
        """For people; no password."""
        if self.target:
            return self.target
        from featurama_core.storage.settings import redacted

        return redacted(self.storage)


def at_a_place(
    command: Callable[Concatenate[Place, P], Coroutine[Any, Any, R]],
) -> Callable[..., R]:
    """Make an async function with a `Place` first a command that takes the options of any place."""
    return _command(
        command,
        {"target": TargetOption, "ingest_target": IngestOption, "storage": StorageOption, "namespace": NamespaceOption},
    )


def at_a_storage(
    command: Callable[Concatenate[Place, P], Coroutine[Any, Any, R]],
) -> Callable[..., R]:
    """The same for what works on an opened storage only."""
    return _command(command, {"storage": StorageOption, "namespace": NamespaceOption})


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run on a loop of its own, uvloop where it is installed."""
    try:
        from uvloop import new_event_loop
    except ModuleNotFoundError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def place(
    target: str | None = None,
    ingest_target: str | None = None,
    storage: str | None = None,
    namespace: str | None = None,
    *,
    servers: bool = True,
) -> Place:
    """What flags and environment say together. `servers`: whether a target will do."""
    from featurama_core.types.errors import InvalidInput

    name = namespace or os.environ.get("FEATURAMA_NAMESPACE") or "default"
    if target and storage:
        raise InvalidInput("--target and --storage exclude each other; give one", field="target")
    if not target and not storage:
        target, storage = os.environ.get("FEATURAMA_TARGET"), os.environ.get("FEATURAMA_STORAGE")
        if target and storage and servers:
            raise InvalidInput(
                "FEATURAMA_TARGET and FEATURAMA_STORAGE are both set; unset one, or give --target or --storage",
                field="target",
            )
    if not servers and not storage and target:
        raise InvalidInput(
            "this command opens the storage itself and FEATURAMA_TARGET names servers; give --storage URL",
            field="storage",
        )
    if target and servers:
        return Place(
            name, target=target, ingest_target=ingest_target or os.environ.get("FEATURAMA_INGEST_TARGET") or target
        )
    if ingest_target:
        raise InvalidInput("--ingest-target goes with --target; give that too", field="ingest_target")
    return Place(name, storage=storage or DEFAULT_STORAGE)


def _command(command: Callable[..., Coroutine[Any, Any, R]], options: dict[str, Any]) -> Callable[..., R]:
    servers = "target" in options
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    groups: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}

    def call(**given: Any) -> R:
        where = {name: given.pop(name) for name in options}
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        return run(command(place(**where, servers=servers), **given))

    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        for each in (_options_of(groups[parameter.name]) if parameter.name in groups else [parameter])
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]
    call.__signature__ = inspect.Signature(parameters + added)  # type: ignore[attr-defined]
    call.__doc__, call.__name__ = command.__doc__, command.__name__
    return call


def _options_of(group: Any) -> list[inspect.Parameter]:
    """A parameter per field of a dataclass of options."""
    types = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=types[each.name])
        for each in fields(group)
    ]
