"""The store's methods that look definitions up, and name entities by the keys of their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from featurama_core.api.primitives import MAX_DEFINITIONS_PER_CALL, D, Primitives
from featurama_core.frames.entities import id_of_keys
from featurama_core.frames.spine import row_entities
from featurama_core.types.entity_keys import EntityName
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_entity_ids, check_list_of_texts, check_unicode, is_name
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import NO_ROLE
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService


class LookupMethods(Primitives):
    """Getting and listing definitions."""

    async def get_definition(self, kind: type[D], name: str, version: int | None = None) -> D:
        """One definition.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature; None for the newest.

        Raises:
            Unknown: No definition has this name (and version).
        """
        check_kind(kind)
        check_unicode(name=name)
        return await self._get_definition(kind, name, checked_version(version))

    async def list_definitions(self, kind: type[D]) -> list[D]:
        """All definitions of a kind, sorted by name. Features are listed with their newest versions.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
        """
        check_kind(kind)
        if kind is FeatureDefinition:
            return cast("list[D]", await self.list_features())
        return await self._list_definitions(kind)

    async def make_entity_id(self, entity_type: str, keys: Mapping[str, Any]) -> str:
        """The id that keys make.

        Args:
            entity_type: A type with keys.
            keys: A text or an int per key column, such as {"film_id": 1}.

        Raises:
            InvalidInput: The type has other keys, or none, or no id can hold these (INVALID_ENTITY_ID).
            Unknown: The type is not registered.
        """
        return id_of_keys(await self.get_entity_type(entity_type), keys)

    async def make_entity_ids(self, entity_type: str, rows: Any) -> list[str | None]:
        """The ids that rows of keys make.

        Args:
            entity_type: A type with keys.
            rows: A frame or a mapping of columns with the key columns of the type.

        Returns:
            An id per row; None for a row in which a key is null, or that no id can hold.

        Raises:
            InvalidInput: A key column is missing or holds another type.
            Unknown: The type is not registered.
        """
        kind = await self.get_entity_type(entity_type)
        if kind.id_keys is None:
            raise InvalidInput(f"a {entity_type} has no keys; name it by its id", field="entity_id")
        return list(row_entities(rows, (), [kind])[0].of_role[NO_ROLE])

    async def _named(
        self, entity: EntityName, features: Sequence[str] = (), *, entity_type: str | None = None
    ) -> tuple[str, Mapping[str, Any]]:
        """(the id of one entity, its keys if these were given). features: of which it has the type, unless this is
        given; an id is one of a given type.
        """
        kind = None if entity_type is None else await self.get_entity_type(entity_type)
        if not isinstance(entity, Mapping):
            check_entity_ids([entity])
            if kind is not None and kind.id_keys is not None:
                kind.id_keys.decode(entity)
            return entity, {}
        if kind is not None:
            return id_of_keys(kind, entity), entity
        kinds = await self._types_of(FeatureSelection(tuple(features)))
        if len(kinds) != 1:
            of_features = f"; {', '.join(features)} describe no single type" if features else ", or name the type"
            raise InvalidInput(
                f"the keys {', '.join(map(str, entity))} are of no known type{of_features}", field="entity_id"
            )
        return id_of_keys(kinds[0], entity), entity

    async def get_entity_type(self, name: str) -> EntityType:
        """One entity type. Raises Unknown if it is not registered."""
        return await self.get_definition(EntityType, name)

    async def get_feature_group(self, name: str) -> FeatureGroup:
        """One feature group. Raises Unknown if it is not registered."""
        return await self.get_definition(FeatureGroup, name)

    async def get_feature(self, name: str, version: int | None = None) -> FeatureDefinition:
        """One version of a feature, by default the newest. Raises Unknown if it is not registered."""
        return await self.get_definition(FeatureDefinition, name, version)

    async def get_feature_service(self, name: str) -> FeatureService:
        """One feature service. Raises Unknown if it is not registered."""
        return await self.get_definition(FeatureService, name)

    async def list_entity_types(
        self, *, features: Sequence[str] | None = None, service: str | None = None
    ) -> list[EntityType]:
        """All entity types, sorted by name.

        Args:
            features: Only the types that these features describe, of a path that of its reference, and not `entity`.
                Names that are no features are left out. At most 1,000.
            service: Only the types that the features of this service describe, in the same way.

        Raises:
            Unknown: The service is not registered.
        """
        if features is None and service is None:
            return await self.list_definitions(EntityType)
        selection = FeatureSelection.of(features, service)
        if len(selection.references) > MAX_DEFINITIONS_PER_CALL:
            raise InvalidInput(
                f"features holds {len(selection.references)} names; at most {MAX_DEFINITIONS_PER_CALL} fit one call",
                reason=Reason.LIMIT_EXCEEDED,
                field="features",
            )
        return await self._types_of(selection)

    async def list_feature_groups(self) -> list[FeatureGroup]:
        """All feature groups, sorted by name."""
        return await self.list_definitions(FeatureGroup)

    async def list_feature_services(self) -> list[FeatureService]:
        """All feature services, sorted by name."""
        return await self.list_definitions(FeatureService)

    async def list_features(
        self, *, entity_type: str | None = None, group: str | None = None, all_versions: bool = False
    ) -> list[FeatureDefinition]:
        """Features, sorted by name and version.

        Args:
            entity_type: Only features of this entity type.
            group: Only features of this group.
            all_versions: Whether older versions are listed too.
        """
        features: list[FeatureDefinition] = []
        after: str | None = None
        while True:
            page, after = await self.page_features(
                after, entity_type=entity_type, group=group, all_versions=all_versions
            )
            features += page
            if after is None:
                return features

    async def find_features(self, names: Sequence[str], *, all_versions: bool = False) -> list[FeatureDefinition]:
        """The registered ones among these features, sorted by name and version.

        Args:
            names: Names of features. Unknown ones are left out.
            all_versions: Whether older versions are found too.
        """
        check_list_of_texts(names, "names")
        known = sorted({each for each in names if is_name(each)})
        found = [
            each
            for first in range(0, len(known), MAX_DEFINITIONS_PER_CALL)
            for each in await self._find_features(known[first : first + MAX_DEFINITIONS_PER_CALL])
        ]
        return found if all_versions else list({each.name: each for each in found}.values())

    async def page_features(
        self,
        after: str | None = None,
        limit: int = MAX_DEFINITIONS_PER_CALL,
        *,
        entity_type: str | None = None,
        group: str | None = None,
        all_versions: bool = False,
    ) -> tuple[list[FeatureDefinition], str | None]:
        """One page of features, sorted by name and version.

        Args:
            after: Position returned with the previous page; None for the first page.
            limit: Number of names, about. Servers return at most 1,000 features.
            entity_type: Only features of this entity type.
            group: Only features of this group.
            all_versions: Whether older versions are listed too.

        Returns:
            The features, and the position of the next page or None after the last one.
        """
        if limit < 1:
            raise InvalidInput("limit must be at least 1", field="limit")
        check_unicode(entity_type=entity_type, group=group, after=after)
        return await self._page_features(entity_type, group, after, limit, all_versions=all_versions)


def check_kind(kind: object) -> None:
    """Raise InvalidInput unless it is a kind of definition."""
    if kind not in (EntityType, FeatureGroup, FeatureDefinition, FeatureService):
        kinds = "EntityType, FeatureGroup, FeatureDefinition or FeatureService"
        raise InvalidInput(f"kind is {str(kind)[:80]!r}; give {kinds}", field="kind")


def checked_version(version: int | None, reason: Reason = Reason.INVALID_ARGUMENT) -> int | None:
    """Return a version, which is a whole number from 1, or None for the newest."""
    return None if version is None else checked_number("version", version, reason)


def checked_number(field: str, number: object, reason: Reason = Reason.INVALID_ARGUMENT) -> int:
    """Return the number of a version or revision, which is a whole number from 1."""
    # On the wire 0 stands for "not given": a caller's own 0 must not become that.
    if type(number) is not int or not 1 <= number < 2**31:
        raise InvalidInput(f"{field} must be a whole number from 1, not {number!r:.40}", reason=reason, field=field)
    return number
