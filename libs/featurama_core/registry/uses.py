"""What uses a definition: nothing that is used is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from featurama_core.registry.snapshot import Snapshot
from featurama_core.storage.records import StoredModel
from featurama_core.types.references import FeatureRef
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService, Use

_FIELDS: dict[type[Definition], str] = {EntityType: "entity_type", FeatureService: "feature_service"}
"""Field of a model's manifest that names a definition."""


def uses_in(
    snapshot: Snapshot,
    features: Iterable[FeatureDefinition],
    definition: Definition,
    models: Iterable[StoredModel],
) -> Iterator[Use]:
    """The definitions and models that name a definition. Registered entities of a type are not among them.

    features: those of a group, or those that refer to an entity type.
    """
    if isinstance(definition, EntityType):
        for group in snapshot.groups.values():
            if group.entity_type == definition.name:
                yield Use("feature group", group.name)
        for service in snapshot.services.values():
            yield from (
                Use("feature service", service.name, role.name)
                for role in service.roles
                if role.entity_type == definition.name
            )
    elif isinstance(definition, FeatureDefinition):
        for service in snapshot.services.values():
            for reference in service.features:
                if _names(reference, definition):
                    yield Use("feature service", service.name, reference)
    yield from (Use("feature", each.reference) for each in features)
    yield from _models_with(definition, models)


def _models_with(definition: Definition, models: Iterable[StoredModel]) -> Iterator[Use]:
    for model in [] if isinstance(definition, FeatureGroup) else models:
        try:
            manifest = json.loads(model.manifest)
        except ValueError:
            continue  # a model that cannot be read cannot be used
        name = f"{model.name}@{model.version}"
        if isinstance(definition, FeatureDefinition):
            references = [each["reference"] for each in manifest["features"]]
            yield from (Use("model", name, each) for each in references if _names(each, definition))
        elif definition.name == manifest.get(_FIELDS[type(definition)]):
            yield Use("model", name)


def _names(reference: str, feature: FeatureDefinition) -> bool:
    return feature.key in [(each.name, each.version) for each in FeatureRef.parse_pinned(reference).steps]
