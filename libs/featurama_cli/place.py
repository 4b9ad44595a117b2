"""The place of a command: the options --store and --namespace, which a decorator adds.

A parameter whose type is a dataclass of options expands to its fields, so that commands can share them. Flags override
the environment. Commands that run servers have --storage instead.
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

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Storage sqlite:///dir or scylla://host, or servers grpc://host:port "
        f"(or FEATURAMA_STORE; else {DEFAULT_STORAGE}).",
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help=f"Storage to serve: sqlite:///dir or scylla://host (or FEATURAMA_STORAGE; else {DEFAULT_STORAGE}).",
    ),
]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="The tenant (or FEATURAMA_NAMESPACE; else default).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace of a store. url: of a storage, which the command opens, or of servers."""

    namespace: str
    url: str

    @property
    def servers(self) -> bool:
        """Whether the URL is of servers."""
        return self.url.startswith("grpc:")

    @property
    def text(self) -> str:
        """The URL without password, for display."""
        from featurama_core.storage.settings import redacted

        return redacted(self.url)


def at_a_place(
    command: Callable[Concatenate[Place, P], Coroutine[Any, Any, R]],
) -> Callable[..., R]:
    """Make a command of an async function whose first parameter is a `Place`; any store is allowed."""
    return _command(command, "store", StoreOption, servers=True)


def at_a_storage(
    command: Callable[Concatenate[Place, P], Coroutine[Any, Any, R]],
) -> Callable[..., R]:
    """Like `at_a_place`, for commands that need a storage."""
    return _command(command, "store", StoreOption, servers=False)


def serving_a_storage(
    command: Callable[Concatenate[Place, P], Coroutine[Any, Any, R]],
) -> Callable[..., R]:
    """Like `at_a_storage`, for commands that run servers; the option is named like the setting of the servers."""
    return _command(command, "storage", StorageOption, servers=False)


def without_a_place(command: Callable[P, Coroutine[Any, Any, R]]) -> Callable[..., R]:
    """Make a command of an async function that works on no store."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    expanded, packed = _expanded(own)

    def call(**given: Any) -> R:
        return run(command(**packed(given)))  # type: ignore[call-arg]

    return _like(call, command, expanded)


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run on a new event loop, uvloop if it is installed."""
    try:
        from uvloop import new_event_loop
    except ModuleNotFoundError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def place(
    url: str | None = None, namespace: str | None = None, *, option: str = "store", servers: bool = True
) -> Place:
    """The place of flags and environment. option: the flag, and the end of the variable; servers: whether allowed."""
    variable = f"FEATURAMA_{option.upper()}"
    where = Place(
        namespace or os.environ.get("FEATURAMA_NAMESPACE") or "default",
        url or os.environ.get(variable) or DEFAULT_STORAGE,
    )
    if where.servers and not servers:
        from featurama_core.types.errors import InvalidInput

        raise InvalidInput(
            f"this command opens the storage itself, but {where.text} names servers; give --{option} sqlite:///dir or "
            "scylla://host",
            field=option,
        )
    return where


def _command(
    command: Callable[..., Coroutine[Any, Any, R]], option: str, annotation: Any, *, servers: bool
) -> Callable[..., R]:
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    expanded, packed = _expanded(own)

    def call(**given: Any) -> R:
        where = place(given.pop(option), given.pop("namespace"), option=option, servers=servers)
        return run(command(where, **packed(given)))

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in ((option, annotation), ("namespace", NamespaceOption))
    ]
    return _like(call, command, expanded + added)


def _like(call: Callable[..., R], command: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., R]:
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__doc__, call.__name__ = command.__doc__, command.__name__
    return call


def _expanded(
    own: list[inspect.Parameter],
) -> tuple[list[inspect.Parameter], Callable[[dict[str, Any]], dict[str, Any]]]:
    """(the parameters, with those of dataclasses of options as their fields; what makes arguments of their values)."""
    groups: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}

    def packed(given: dict[str, Any]) -> dict[str, Any]:
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        return given

    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        for each in (_options_of(groups[parameter.name]) if parameter.name in groups else [parameter])
    ]
    return parameters, packed


def _options_of(group: Any) -> list[inspect.Parameter]:
    """One parameter per field of a dataclass of options."""
    types = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=types[each.name])
        for each in fields(group)
    ]
