"""Options that name one entity by the keys of its type, instead of by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_core.types.errors import InvalidInput, Reason

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

KeysOption = Annotated[
    list[str] | None,
    typer.Option("--key", help="NAME=KEY, repeated for several keys: names the entity by the keys of its type."),
]
TypeOfKeysOption = Annotated[
    str | None,
    typer.Option("--type", help="Entity type of --key, where no feature is named that says it; of an id, a check."),
]


def keys_of(given: Sequence[str] | None) -> dict[str, str]:
    """`NAME=KEY` -> {name: key}; a key may hold `=`."""
    found: dict[str, str] = {}
    for each in given or ():
        name, sign, key = each.partition("=")
        if not sign or not name or name in found:
            problem = f"names {name!r} twice" if name in found else "is not NAME=KEY"
            raise InvalidInput(f"--key {each!r} {problem}", field="key")
        found[name] = key
    return found


def one_entity(entity_id: str | None, keys: Sequence[str] | None) -> str | Mapping[str, str]:
    """The entity of a command: its id, or its keys."""
    named = keys_of(keys)
    if (entity_id is None) == (not named):
        raise InvalidInput(
            "give an entity id, or the keys of its type as --key NAME=KEY",
            reason=Reason.INVALID_ENTITY_ID,
            field="entity_id",
        )
    return named or str(entity_id)


def shown(entity: str | Mapping[str, str]) -> str:
    """An entity in a title: its id, or its keys."""
    return entity if isinstance(entity, str) else ", ".join(f"{name} {key}" for name, key in entity.items())


async def type_of(store: FeatureStore, features: Sequence[str] | None, service: str | None) -> str:
    """The one entity type that features describe."""
    kinds = []
    if features is not None or service is not None:
        kinds = await store.list_entity_types(features=features, service=service)
    if len(kinds) != 1:
        raise InvalidInput("--key needs --type: no feature says the entity type", field="type")
    return kinds[0].name
