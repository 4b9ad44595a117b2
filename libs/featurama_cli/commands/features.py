"""`featurama features`: list the registered definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.output import show, show_one, when
from featurama_cli.place import JsonOption, Place, at_a_place
from featurama_core.types.errors import InvalidInput

if TYPE_CHECKING:
    from featurama_core.types.schema import FeatureDefinition, FeatureGroup


@at_a_place
async def features(
    place: Place,
    name: Annotated[str | None, typer.Argument(help="One feature: `distance` or `distance@1`.")] = None,
    groups: Annotated[bool, typer.Option("--groups", help="List feature groups.")] = False,
    services: Annotated[bool, typer.Option("--services", help="List feature services.")] = False,
    types: Annotated[bool, typer.Option("--types", help="List entity types.")] = False,
    entity_type: Annotated[str | None, typer.Option("--entity-type", help="Only features of this type.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="Only features of this group.")] = None,
    all_versions: Annotated[bool, typer.Option("--all-versions", help="All versions instead of the newest.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show features, groups and feature services."""
    from featurama_cli.session import open_store
    from featurama_core.types.references import FeatureRef

    if [name is not None, groups, services, types].count(True) > 1:
        raise InvalidInput("name one feature, or give one of --groups, --services, --types", field="features")
    async with open_store(place) as store:
        if name is not None:
            wanted = FeatureRef.parse(name)
            found = await store.get_feature(wanted.name, wanted.version)
            show_one(_feature(found) | {"owner": found.owner or None}, as_json=as_json)
        elif groups:
            show([_group(each) for each in await store.list_feature_groups()], as_json=as_json)
        elif services:
            rows = [
                {"name": each.name, "features": list(each.features), "description": each.description}
                for each in await store.list_feature_services()
            ]
            show(rows, as_json=as_json)
        elif types:
            rows = [{"name": each.name, "description": each.description} for each in await store.list_entity_types()]
            show(rows, as_json=as_json)
        else:
            listed = await store.list_features(entity_type=entity_type, group=group, all_versions=all_versions)
            columns = ("name", "version", "type", "entity_type", "group", "description")
            show(
                [_feature(each) for each in listed],
                as_json=as_json,
                columns=columns,
                empty="No features are registered; see `featurama apply --help`.",
            )


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
        "description": each.description,
    }
