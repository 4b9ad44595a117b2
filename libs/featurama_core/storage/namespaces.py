"""What the adapters have in common about namespaces: their names, their schema files, and the errors for both."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files

from featurama_core.storage.port import NamespaceOptions
from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown


def check_options(options: NamespaceOptions) -> None:
    """Raise InvalidInput for options that no namespace can have."""
    if options.history_period <= 0:
        raise InvalidInput("history_period must be longer than zero", field="history_period")


def unknown_namespace(name: str, known: Collection[str] = ()) -> Unknown:
    """The namespace does not exist, or is not the one that was opened. known: names of those that exist."""
    fix = did_you_mean(name, known, "check its name or create it")
    return Unknown(
        f"namespace {name!r} does not exist; {fix}",
        reason=Reason.UNKNOWN_NAMESPACE,
        namespace=name,
    )


def namespace_exists(name: str) -> Conflict:
    """The namespace cannot be created again."""
    return Conflict(f"namespace {name!r} exists already", reason=Reason.NAMESPACE_EXISTS, namespace=name)


def read_schema(adapter: str, ending: str) -> dict[str, str]:
    """The numbered schema files of an adapter, such as "sqlite": file name -> text, in the order of numbers. Blocks."""
    folder = files("featurama_core.storage") / adapter / "schema"
    found = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(ending)}
    return dict(sorted(found.items()))


def missing_files(namespace: str, applied: Collection[str], known: Collection[str]) -> list[str]:
    """Names of the schema files that a namespace lacks. FailedPrecondition if it has one of a newer release."""
    if newer := sorted(set(applied) - set(known)):
        raise FailedPrecondition(
            f"namespace {namespace!r} has schema {', '.join(newer)} of a newer release; update this installation",
            namespace=namespace,
        )
    return [name for name in known if name not in applied]


def check_schema_files(namespace: str, applied: Collection[str], known: Collection[str]) -> None:
    """Raise FailedPrecondition (SCHEMA_MISMATCH) unless exactly the known files were applied."""
    if missing := missing_files(namespace, applied, known):
        raise FailedPrecondition(
            f"namespace {namespace!r} lacks schema {', '.join(missing)}; migrate the namespace", namespace=namespace
        )
