"""What a request for newest values says besides its entities. Clients repeat it, so it is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurama.v1 import columns_pb2
from featurama.v1 import online_service_pb2 as pb
from featurama_core.api.primitives import Consistency
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import Role

_REMEMBERED: Final = 1_024
_LARGEST: Final = 64 * 1024
"""Bytes of a request that is remembered."""

_CONSISTENCY: Final[dict[int, Consistency | None]] = {
    columns_pb2.CONSISTENCY_UNSPECIFIED: None,
    columns_pb2.CONSISTENCY_LOCAL_QUORUM: "LOCAL_QUORUM",
    columns_pb2.CONSISTENCY_LOCAL_ONE: "LOCAL_ONE",
}


@dataclass(frozen=True, slots=True)
class RequestShape:
    """A request without its entities."""

    namespace: str
    features: FeatureSelection
    consistency: Consistency | None
    statuses: bool
    event_times: bool

    @classmethod
    def of(cls, request: pb.GetOnlineFeaturesRequest, roles: tuple[Role, ...]) -> RequestShape:
        """Raises InvalidInput for what no read can have."""
        return cls(
            request.namespace,
            selection(request.features, request.feature_service, request.ttl_revisions, roles),
            consistency_of(request.consistency),
            request.include_statuses,
            request.include_event_times,
        )


class RequestShapes:
    """The requests that were read last."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, tuple[Role, ...]], RequestShape] = {}

    def shape_of(self, request: pb.GetOnlineFeaturesRequest, roles: tuple[Role, ...]) -> RequestShape:
        """What the request says; its entities are removed from it. roles: that it declares."""
        for each in ("entity_ids", "entities", "keys"):
            request.ClearField(each)
        key = request.SerializeToString(), roles
        found = self._known.get(key)
        if found is None:
            found = RequestShape.of(request, roles)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(key[0]) <= _LARGEST:
                self._known[key] = found
        return found


def selection(
    features: Sequence[str], service: str | None, pins: Mapping[str, int], roles: tuple[Role, ...]
) -> FeatureSelection:
    """The features of a request. Raises InvalidInput unless it names references or a feature service."""
    if service and features:
        raise InvalidInput("name either features or a feature_service, not both", field="feature_service")
    return FeatureSelection.of(None if service else list(features), service or None, dict(pins) or None, roles)


def consistency_of(number: int) -> Consistency | None:
    """The request's consistency; None for the server's default."""
    if number not in _CONSISTENCY:
        raise InvalidInput(f"consistency {number} is not known; send LOCAL_QUORUM or LOCAL_ONE", field="consistency")
    return _CONSISTENCY[number]
