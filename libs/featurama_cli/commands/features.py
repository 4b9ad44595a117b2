"""`featurama features`: list, show, edit, deprecate, restore and delete definitions."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import typer

from featurama_cli.output import note, show, show_one, when
from featurama_cli.place import JsonOption, Place, YesOption, at_a_place
from featurama_cli.progress import must_confirm
from featurama_core.types.errors import InvalidInput, Unknown
from featurama_core.types.references import FeatureRef
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService, Use

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

Kind = Literal["feature", "group", "service", "entity-type"]
_KINDS: dict[str, type[Definition]] = {
    "feature": FeatureDefinition,
    "group": FeatureGroup,
    "service": FeatureService,
    "entity-type": EntityType,
}
app = typer.Typer(add_completion=False)


class Filters(TypedDict):
    """Of a list of features."""

    entity_type: str | None
    group: str | None
    all_versions: bool


NameArgument = Annotated[str, typer.Argument(help="Name; of a feature `distance` (the newest) or `distance@1`.")]
KindOption = Annotated[Kind, typer.Option("--kind", help="What the name stands for.")]


@app.callback(invoke_without_command=True)
@at_a_place
async def features(
    place: Place,
    context: typer.Context,
    groups: Annotated[bool, typer.Option("--groups", help="List feature groups.")] = False,
    services: Annotated[bool, typer.Option("--services", help="List feature services.")] = False,
    types: Annotated[bool, typer.Option("--types", help="List entity types.")] = False,
    entity_type: Annotated[str | None, typer.Option("--entity-type", help="Only features of this type.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="Only features of this group.")] = None,
    all_versions: Annotated[bool, typer.Option("--all-versions", help="All versions instead of the newest.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A page of about so many features.")] = None,
    after: Annotated[str | None, typer.Option("--after", help="Where the page begins: shown below the last.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List, show, edit, deprecate, restore and delete definitions.

    Definitions are features, feature groups, feature services and entity types.
    """
    from featurama_cli.session import open_store

    if context.invoked_subcommand is not None:
        return
    if after is not None and limit is None:
        raise InvalidInput("--after is the beginning of a page; give its length with --limit", field="limit")
    if [groups, services, types].count(True) > 1:
        raise InvalidInput("give one of --groups, --services, --types", field="features")
    async with open_store(place) as store:
        if groups:
            show([_row(each) for each in await store.list_feature_groups()], as_json=as_json)
        elif services:
            show([_row(each) for each in await store.list_feature_services()], as_json=as_json)
        elif types:
            show([_row(each) for each in await store.list_entity_types()], as_json=as_json)
        else:
            filters: Filters = {"entity_type": entity_type, "group": group, "all_versions": all_versions}
            if limit is None:
                listed, following = await store.list_features(**filters), None
            else:
                listed, following = await store.page_features(after, limit, **filters)
            columns = ("name", "version", "type", "entity_type", "group", "description")
            show(
                [_row(each) for each in listed],
                as_json=as_json,
                columns=columns,
                empty="No features are registered; see `featurama apply --help`.",
            )
            if following is not None:
                note(f"More features: --limit {limit} --after {following}")


@app.command("show")
@at_a_place
async def show_(place: Place, name: NameArgument, kind: KindOption = "feature", as_json: JsonOption = False) -> None:
    """Show a definition and what uses it: feature services, models, paths."""
    from featurama_cli.session import open_store

    async with open_store(place) as store:
        found = await _found(store, kind, name)
        version = found.version if isinstance(found, FeatureDefinition) else None
        uses = [_use(each) for each in await store.uses(type(found), found.name, version)]
    owner = {"owner": found.owner or None} if isinstance(found, FeatureDefinition) else {}
    revision = {"revision": found.revision, "revision_start": when(found.start) if found.earlier else None}
    show_one(_row(found) | owner | revision | {"used_by": uses}, as_json=as_json)


AgeOption = Annotated[str | None, typer.Option(metavar="AGE", help="Of a group: such as 36h or 30d; none: no limit.")]


@app.command()
@at_a_place
async def edit(
    place: Place,
    name: NameArgument,
    kind: KindOption = "feature",
    description: Annotated[str | None, typer.Option(help="New description.")] = None,
    owner: Annotated[str | None, typer.Option(help="Of a feature: new owner.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Of a feature: a tag, instead of the earlier ones.")] = None,
    ttl: AgeOption = None,
    retention: AgeOption = None,
    buckets: Annotated[int | None, typer.Option(help="Of a group: partitions per period; only more.")] = None,
    history: Annotated[str | None, typer.Option(help="Of a group: packed, instead of rows.")] = None,
    yes: YesOption = False,
) -> None:
    """Change what may change in a definition, after showing it. The change starts once all servers know it.

    Name, type, entity type and group cannot change. A lower retention removes values: the command says how many.
    """
    from featurama_cli.changes import confirm, make, shown_changes, values_lost
    from featurama_cli.session import open_store
    from featurama_core.types.times import parse_duration

    tags = None if tag is None else tuple(tag)
    given = {"description": description, "owner": owner, "tags": tags, "buckets": buckets, "history": history}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    for field, age in (("ttl", ttl), ("retention", retention)):
        if age is not None:
            changes[field] = None if age == "none" else parse_duration(age, field)
    async with open_store(place) as store:
        before = await _found(store, kind, name, exact=True)
        key = _key(before)
        # Refuses what cannot change before anything is confirmed.
        after, _ = await store.update_definition(*key, changes=changes, dry_run=True)
        changes = {field: value for field, value in changes.items() if getattr(before, field) != getattr(after, field)}
        if not changes:
            note("Nothing to do.")
            return
        note(f"{kind} {name}: {shown_changes(before, changes)}")
        lost = await values_lost(store, before, changes)
        if not confirm(f"Change it in {place.namespace} at {place.text}?", lost or 0, lost is not None, yes):
            raise typer.Exit(1)
        await make(store, [(before, changes)])


@app.command()
@at_a_place
async def deprecate(place: Place, name: NameArgument, kind: KindOption = "feature") -> None:
    """Mark a definition as deprecated: new definitions cannot use it."""
    from featurama_cli.session import open_store

    async with open_store(place) as store:
        await store.deprecate(*_key(await _found(store, kind, name, exact=True)))
    note(f"Deprecated {kind} {name}.")


@app.command()
@at_a_place
async def restore(place: Place, name: NameArgument, kind: KindOption = "feature") -> None:
    """Take back a deprecation."""
    from featurama_cli.session import open_store

    async with open_store(place) as store:
        await store.restore(*_key(await _found(store, kind, name, exact=True)))
    note(f"Restored {kind} {name}.")


@app.command()
@at_a_place
async def delete(
    place: Place,
    name: NameArgument,
    kind: KindOption = "feature",
    yes: YesOption = False,
) -> None:
    """Delete a definition that nothing uses, permanently. Its name, of a feature its version, is never given again."""
    from featurama_cli.session import open_store

    async with open_store(place) as store:
        key = _key(await _found(store, kind, name, exact=True))
        must_confirm(f"Delete {kind} {name} in {place.namespace} at {place.text} permanently?", yes)
        await store.delete_definition(*key)
    note(f"Deleted {kind} {name}.")


async def _found(store: FeatureStore, kind: Kind, name: str, *, exact: bool = False) -> Definition:
    """A definition. exact: whether a feature needs its version. Unknown names the kind that has the name instead."""
    wanted = FeatureRef.parse(name) if kind == "feature" else FeatureRef(name)
    if wanted.via is not None:
        raise InvalidInput(f"{name!r} is a path; give one feature, such as {wanted.name}", field="name")
    try:
        found = await store.get_definition(_KINDS[kind], wanted.name, wanted.version)
    except Unknown as error:
        others: list[str] = []
        for other, cls in _KINDS.items():
            with suppress(Unknown):
                await store.get_definition(cls, wanted.name)
                others.append(other)
        if not others or kind in others:
            raise
        raise Unknown(
            f"{kind} {wanted.name!r} is not registered, but a definition of another kind is: add --kind {others[0]}",
            reason=error.reason,
            field="kind",
        ) from error
    if exact and isinstance(found, FeatureDefinition) and wanted.version is None:
        raise InvalidInput(f"{name!r} names no version of a feature; write it as {found.reference}", field="name")
    return found


def _key(found: Definition) -> tuple[type[Definition], str, int | None]:
    return type(found), found.name, found.version if isinstance(found, FeatureDefinition) else None


def _use(each: Use) -> str:
    return f"{each.kind} {each.name}" + (f" ({each.reference})" if "." in each.reference else "")


def _row(each: Definition) -> dict[str, object]:
    if isinstance(each, FeatureDefinition):
        return _feature(each)
    if isinstance(each, FeatureGroup):
        return _group(each)
    about = {"description": each.description, "deprecated": each.deprecated}
    if isinstance(each, FeatureService):
        roles = {role.name: role.entity_type for role in each.roles}
        about = {"features": list(each.features)} | ({"roles": roles} if roles else {}) | about
    if isinstance(each, EntityType) and each.keys:
        about = {"keys": {key.name: key.value_type.label for key in each.keys}} | about
    return {"name": each.name} | about


def _feature(each: FeatureDefinition) -> dict[str, object]:
    return {
        "name": each.name,
        "version": each.version,
        "type": each.type_text,
        "entity_type": each.entity_type,
        "group": each.group,
        "references": each.references,
        "description": each.description,
        "tags": list(each.tags),
        "deprecated": each.deprecated,
        "created_at": when(each.created_at),
    }


def _group(each: FeatureGroup) -> dict[str, object]:
    from featurama_core.types.times import duration_text

    return {
        "name": each.name,
        "entity_type": each.entity_type,
        "ttl": duration_text(each.ttl),
        "retention": duration_text(each.retention),
        "buckets": each.buckets,
        "history": each.history,
        "description": each.description,
        "deprecated": each.deprecated,
    }
