"""What a request says besides its entities is read once, and never mixed with that of another."""

from __future__ import annotations

import pytest

from featurama.v1 import columns_pb2
from featurama.v1 import online_service_pb2 as pb
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import Role
from featurama_online.rpc.request_shape import RequestShape, RequestShapes

pytestmark = pytest.mark.unit


def request(*ids: str, **fields: object) -> pb.GetOnlineFeaturesRequest:
    return pb.GetOnlineFeaturesRequest(**({"entity_ids": ids, "features": ["mood"]} | fields))  # type: ignore[arg-type]


def test_requests_of_other_entities_are_one() -> None:
    shapes = RequestShapes()
    first = shapes.shape_of(request("fry"), ())
    assert RequestShape("", FeatureSelection(("mood",)), None, False, False) == first
    assert first is shapes.shape_of(request("leela", "bender"), ())
    columns = [pb.EntityColumn(role="", entity_ids=["fry"])]
    assert first is shapes.shape_of(request(entities=columns), ())


@pytest.mark.parametrize(
    "fields",
    [
        {"namespace": "moon"},
        {"features": ["mood", "size"]},
        {"features": [], "feature_service": "mood"},
        {"include_statuses": True},
        {"include_event_times": True},
        {"consistency": columns_pb2.CONSISTENCY_LOCAL_ONE},
        {"ttl_revisions": {"weather": 2}},
    ],
    ids=",".join,
)
def test_every_other_field_makes_another_request(fields: dict[str, object]) -> None:
    """Whichever of the two comes first."""
    shapes = RequestShapes()
    plain, other = shapes.shape_of(request("fry"), ()), shapes.shape_of(request("fry", **fields), ())
    assert plain != other
    assert other is shapes.shape_of(request("fry", **fields), ())
    assert plain is shapes.shape_of(request("fry"), ())


def test_the_roles_that_a_request_declares_are_part_of_it() -> None:
    roles = (Role("home", "team"), Role("away", "team"))
    shapes = RequestShapes()
    plain, of_roles = shapes.shape_of(request("fry"), ()), shapes.shape_of(request("fry"), roles)
    assert ((), roles) == (plain.features.roles, of_roles.features.roles)


def test_a_refused_request_is_refused_again() -> None:
    shapes = RequestShapes()
    for _ in range(2):
        with pytest.raises(InvalidInput, match="consistency 77 is not known"):
            shapes.shape_of(request("fry", consistency=77), ())
