"""The kinds of definitions on the wire, for the client and the servicers of RegistryService.

Each kind has the same four calls (Register, Get, List, Deprecate), which differ in names only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from featurama.v1 import registry_service_pb2 as pb
from featurama.wire.definitions import (
    entity_type_from_proto,
    entity_type_to_proto,
    feature_from_proto,
    feature_group_from_proto,
    feature_group_to_proto,
    feature_service_from_proto,
    feature_service_to_proto,
    feature_to_proto,
)
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService

T = TypeVar("T", bound=Definition)


@dataclass(frozen=True, slots=True)
class DefinitionKind(Generic[T]):
    """A kind of definition. rpc: its name in the names of the calls; field: in the messages, with an s in lists."""

    type: type[T]
    rpc: str
    field: str
    to_proto: Callable[[T], Any]
    from_proto: Callable[[Any], T]

    def call(self, verb: str) -> str:
        """The rpc: `RegisterFeature`, `ListFeatures`."""
        return f"{verb}{self.rpc}{'s' if verb == 'List' else ''}"

    def request(self, verb: str) -> Any:
        """The request class of a call."""
        return getattr(pb, f"{self.call(verb)}Request")

    def response(self, verb: str, definition: T) -> Message:
        """The response of a call about one definition."""
        answer: Message = getattr(pb, f"{self.call(verb)}Response")(**{self.field: self.to_proto(definition)})
        return answer

    def page(self, definitions: Sequence[Message], next_page_token: str) -> Message:
        """The response of a List call, with messages of `to_proto`."""
        fields = {f"{self.field}s": definitions}
        answer: Message = getattr(pb, f"{self.call('List')}Response")(**fields, next_page_token=next_page_token)
        return answer

    def read(self, message: Any) -> T:
        """The definition in a request or a response."""
        return self.from_proto(getattr(message, self.field))

    def read_page(self, message: Any) -> list[T]:
        """The definitions in a List response."""
        return [self.from_proto(each) for each in getattr(message, f"{self.field}s")]


DEFINITION_KINDS: Final[tuple[DefinitionKind[Any], ...]] = (
    DefinitionKind(EntityType, "EntityType", "entity_type", entity_type_to_proto, entity_type_from_proto),
    DefinitionKind(FeatureGroup, "FeatureGroup", "feature_group", feature_group_to_proto, feature_group_from_proto),
    DefinitionKind(FeatureDefinition, "Feature", "feature", feature_to_proto, feature_from_proto),
    DefinitionKind(
        FeatureService, "FeatureService", "feature_service", feature_service_to_proto, feature_service_from_proto
    ),
)


def definition_kind(of: type[T]) -> DefinitionKind[T]:
    """The row of a kind."""
    return next(each for each in DEFINITION_KINDS if each.type is of)
