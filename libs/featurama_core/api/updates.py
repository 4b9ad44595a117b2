"""The store's methods that change definitions: each change is a further revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import EllipsisType
from typing import Any

from featurama_core.api.lookups import check_kind, checked_number
from featurama_core.api.primitives import D, Primitives, Update
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_list_of_texts, check_unicode
from featurama_core.types.revisions import REVISED
from featurama_core.types.schema import (
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    kind_name,
)
from featurama_core.types.times import parse_duration


class UpdateMethods(Primitives):
    """Changing the fields of definitions that may change."""

    async def update_definition(
        self,
        kind: type[D],
        name: str,
        version: int | None = None,
        *,
        changes: Mapping[str, Any],
        expected_revision: int | None = None,
        confirmed: bool = False,
        dry_run: bool = False,
    ) -> tuple[D, int]:
        """Change fields of a definition: its next revision, which starts once all servers know it.

        With default settings that is 22 seconds later. Changing a field to what it is changes nothing.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature, required for features.
            changes: Field -> new value: `description` of all kinds; `tags` and `owner` of a feature; `ttl`, `retention`
                `buckets` and `history` of a group.
            expected_revision: Number of the revision that is changed. None for the newest.
            confirmed: Whether a lower retention may remove values.
            dry_run: Whether nothing is stored, and only the outcome is returned.

        Returns:
            The definition with the new revision, its number in `revision` and its start (microseconds) in `start`; and
            the number of stored values that a lower retention removes, 0 if it is confirmed.

        Raises:
            Conflict: It has another revision than the expected one: someone else changed it (REVISION_CONFLICT).
            FailedPrecondition: The retention is lower and not confirmed (VALUES_LOST). The message says how many
                values would go.
            InvalidInput: A field cannot change, or its value is out of bounds.
            Unknown: No definition has this name (and version).
        """
        check_kind(kind)
        if not changes:
            raise InvalidInput("nothing is to be changed; name a field", reason=Reason.EMPTY_REQUEST, field="changes")
        if not isinstance(changes, Mapping):
            raise InvalidInput(f"changes must map fields to new values, not {changes!r:.40}", field="changes")
        if expected_revision is not None:
            checked_number("expected_revision", expected_revision)
        version = checked_number("version", version) if kind is FeatureDefinition else None
        check_unicode(name=name)
        parsed = {field: _parsed(kind, name, field, value) for field, value in changes.items()}
        update = Update(expected_revision, confirmed, dry_run)
        return await self._update_definition(kind, name, version, parsed, update)

    async def update_feature_group(
        self,
        name: str,
        *,
        ttl: str | timedelta | EllipsisType | None = ...,
        retention: str | timedelta | EllipsisType | None = ...,
        description: str | None = None,
        buckets: int | None = None,
        history: str | None = None,
        expected_revision: int | None = None,
        confirmed: bool = False,
    ) -> FeatureGroup:
        """Change a feature group; see `update_definition`. What is not given stays.

        A ttl applies from its start on; a read with `known_at` uses the ttl in force then. A lower retention removes
        values; a longer one helps only values whose event time lies after its start.

        Args:
            name: Name of the group.
            ttl: A text with a unit ("36h") or a timedelta; None for no limit.
            retention: The same; not shorter than ttl. At least an hour if it is lower than before.
            description: Free text, at most 4,096 bytes.
            buckets: Number of partitions per period of history, a power of two. It can only be raised.
            history: "packed": a CQL server stores further values in packed cells, and `featurama pack` moves the
                earlier ones. It stays so.
            expected_revision: Number of the revision that is changed. None for the newest.
            confirmed: Whether a lower retention may remove values.

        Raises:
            Conflict: Someone else changed the group (REVISION_CONFLICT).
            FailedPrecondition: The retention is lower and not confirmed (VALUES_LOST).
        """
        ages = {field: value for field, value in (("ttl", ttl), ("retention", retention)) if value is not ...}
        changes = ages | _given(description=description, buckets=buckets, history=history)
        updated, _ = await self.update_definition(
            FeatureGroup, name, changes=changes, expected_revision=expected_revision, confirmed=confirmed
        )
        return updated

    async def update_feature(
        self,
        name: str,
        version: int,
        *,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        owner: str | None = None,
        expected_revision: int | None = None,
    ) -> FeatureDefinition:
        """Change the description, tags or owner of a version of a feature; see `update_definition`.

        Args:
            name: Name of the feature.
            version: Its version.
            description: Free text, at most 4,096 bytes.
            tags: At most 32 texts of 1 to 128 bytes, instead of the earlier ones.
            owner: Free text.
            expected_revision: Number of the revision that is changed. None for the newest.

        Raises:
            Conflict: Someone else changed the feature (REVISION_CONFLICT).
        """
        changes = _given(description=description, tags=tags, owner=owner)
        updated, _ = await self.update_definition(
            FeatureDefinition, name, version, changes=changes, expected_revision=expected_revision
        )
        return updated

    async def update_entity_type(
        self, name: str, *, description: str, expected_revision: int | None = None
    ) -> EntityType:
        """Change the description of an entity type; see `update_definition`."""
        changes = {"description": description}
        updated, _ = await self.update_definition(
            EntityType, name, changes=changes, expected_revision=expected_revision
        )
        return updated

    async def update_feature_service(
        self, name: str, *, description: str, expected_revision: int | None = None
    ) -> FeatureService:
        """Change the description of a feature service; see `update_definition`."""
        changes = {"description": description}
        updated, _ = await self.update_definition(
            FeatureService, name, changes=changes, expected_revision=expected_revision
        )
        return updated

    async def retention_loss(self, group: str, retention: str | timedelta) -> int:
        """The number of stored values that a lower retention of a group would remove. Changes nothing.

        Args:
            group: Name of the group.
            retention: The new retention: a text with a unit or a timedelta.

        Raises:
            InvalidInput: The retention is shorter than ttl, or than an hour.
            Unknown: The group is not registered.
        """
        _, lost = await self.update_definition(FeatureGroup, group, changes={"retention": retention}, dry_run=True)
        return lost


def _given(**values: Any) -> dict[str, Any]:
    return {field: value for field, value in values.items() if value is not None}


def _parsed(kind: type[Any], name: str, field: Any, value: Any) -> Any:
    """The value of a field in the type of the definition. InvalidInput if the field cannot change."""
    if field not in REVISED[kind]:
        raise InvalidInput(
            f"{field} of {kind_name(kind)} {name!r} cannot change, only {', '.join(REVISED[kind])};"
            f" {'register a new version' if kind is FeatureDefinition else 'register another one'}",
            reason=Reason.INVALID_DEFINITION,
            field=field,
        )
    if field in ("ttl", "retention"):
        return parse_duration(value, field)
    if field == "tags":
        check_list_of_texts(value, "tags")
        for tag in value:
            check_unicode(tags=tag)
        return tuple(value)
    is_number = field == "buckets"
    if type(value) is not int if is_number else not isinstance(value, str):
        raise InvalidInput(
            f"{field} must be a {'whole number' if is_number else 'text'}, not {value!r:.40}",
            reason=Reason.INVALID_DEFINITION,
            field=field,
        )
    if isinstance(value, str):
        check_unicode(**{field: value})
    return value
