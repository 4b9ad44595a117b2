"""The kinds of definitions on the wire, for the client and the servicers of RegistryService.

Each kind has the same four calls (Register, Get, List, Deprecate), which differ in names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from featurama.v1 import definitions_pb2
from featurama.v1 import registry_service_pb2 as pb
from featurama.wire.definitions import changes_from_proto, changes_to_proto, from_proto, to_proto
from featurama_core.api.primitives import Update
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService

T = TypeVar("T", bound=Definition)


@dataclass(frozen=True, slots=True)
class DefinitionKind(Generic[T]):
    """A kind of definition. rpc: its name in the names of the calls; field: in the messages, with an s in lists."""

    type: type[T]
    rpc: str
    field: str

    def call(self, verb: str) -> str:
        """The rpc: `RegisterFeature`, `ListFeatures`."""
        return f"{verb}{self.rpc}{'s' if verb == 'List' else ''}"

    def request(self, verb: str) -> Any:
        """The request class of a call."""
        return getattr(pb, f"{self.call(verb)}Request")

    def response(self, verb: str, definition: T) -> Message:
        """The response of a call about one definition."""
        answer: Message = getattr(pb, f"{self.call(verb)}Response")(**{self.field: to_proto(definition)})
        return answer

    def page(self, definitions: Sequence[Message], next_page_token: str) -> Message:
        """The response of a List call, with messages of `wire.to_proto`."""
        fields = {f"{self.field}s": definitions}
        answer: Message = getattr(pb, f"{self.call('List')}Response")(**fields, next_page_token=next_page_token)
        return answer

    def read(self, message: Any) -> T:
        """The definition in a request or a response."""
        return from_proto(self.type, getattr(message, self.field))

    def read_page(self, message: Any) -> list[T]:
        """The definitions in a List response."""
        return [from_proto(self.type, each) for each in getattr(message, f"{self.field}s")]


DEFINITION_KINDS: Final[tuple[DefinitionKind[Any], ...]] = (
    DefinitionKind(EntityType, "EntityType", "entity_type"),
    DefinitionKind(FeatureGroup, "FeatureGroup", "feature_group"),
    DefinitionKind(FeatureDefinition, "Feature", "feature"),
    DefinitionKind(FeatureService, "FeatureService", "feature_service"),
)


def definition_to_proto(definition: Definition) -> definitions_pb2.Definition:
    """A definition of any kind as a message."""
    kind: DefinitionKind[Any] = definition_kind(type(definition))
    return definitions_pb2.Definition(**{kind.field: to_proto(definition)})


def definition_from_proto(message: definitions_pb2.Definition) -> Definition:
    """A definition of any kind from its message. InvalidInput if it holds none."""
    found: Definition = _kind_of(message, "definitions").read(message)
    return found


def definition_key(kind: type[Any], name: str, version: int | None) -> definitions_pb2.DefinitionKey:
    """The key of a definition as a message."""
    if kind is FeatureDefinition:
        return definitions_pb2.DefinitionKey(feature=definitions_pb2.FeatureKey(name=name, version=version or 0))
    named: dict[str, Any] = {definition_kind(kind).field: name}
    return definitions_pb2.DefinitionKey(**named)


def read_key(key: definitions_pb2.DefinitionKey) -> tuple[type[Definition], str, int | None]:
    """(kind, name, version) of a key. InvalidInput if it has no kind."""
    kind = _kind_of(key, "key")
    named = getattr(key, kind.field)
    return (
        (kind.type, named.name, named.version or None) if kind.type is FeatureDefinition else (kind.type, named, None)
    )


def read_update(request: pb.UpdateDefinitionRequest) -> tuple[type[Definition], str, int | None, dict[str, Any]]:
    """(kind, name, version, changes) of a request. InvalidInput if its definition has no kind."""
    kind = _kind_of(request.definition, "definition")
    message = getattr(request.definition, kind.field)
    changes = changes_from_proto(kind.type, message, request.update_mask.paths)
    version = message.version or None if kind.type is FeatureDefinition else None
    return kind.type, message.name, version, changes


def update_request(
    kind: type[Any], name: str, version: int | None, changes: Mapping[str, Any], update: Update
) -> pb.UpdateDefinitionRequest:
    """The inverse of `read_update`, without a namespace."""
    message: dict[str, Any] = {definition_kind(kind).field: changes_to_proto(kind, name, version, changes)}
    return pb.UpdateDefinitionRequest(
        definition=definitions_pb2.Definition(**message),
        update_mask=FieldMask(paths=list(changes)),
        expected_revision=update.expected_revision or 0,
        confirmed=update.confirmed,
        dry_run=update.dry_run,
    )


def _kind_of(message: definitions_pb2.Definition | definitions_pb2.DefinitionKey, field: str) -> DefinitionKind[Any]:
    named = message.WhichOneof("kind")
    kind = next((each for each in DEFINITION_KINDS if each.field == named), None)
    if kind is None:
        raise InvalidInput(
            f"{field} has no kind; set entity_type, feature_group, feature or feature_service",
            reason=Reason.INVALID_DEFINITION,
            field=field,
        )
    return kind


def definition_kind(of: type[T]) -> DefinitionKind[T]:
    """The row of a kind."""
    return next(each for each in DEFINITION_KINDS if each.type is of)
