"""Predictions of entities that are named by keys: over gRPC, and with the client."""

from __future__ import annotations

import numpy as np
import pytest

import featurama
from featurama.v1 import errors_pb2, prediction_service_pb2
from featurama_core.types.errors import InvalidInput, Reason
from featurama_model.scoring import scores

from .requests import INT, TEXT, column
from .servers import shared_checker
from .test_gateway_keys import BIG, rings  # noqa: F401 - a fixture


@pytest.fixture
async def client(online_at, ingest_at, namespace):
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace, timeout=60
    ) as client:
        yield client


async def test_predict_names_its_rows_by_key_columns(online, namespace, rings):  # noqa: F811
    """A row that names no entity has an error of its own."""
    request = prediction_service_pb2.PredictRequest(
        namespace=namespace,
        model=rings.model,
        keys=[column("ring", INT, [BIG, 7, 7]), column("colony", TEXT, ["a/b|c", "", "nowhere"])],
    )
    answer = await online.predictions.Predict(request, timeout=60)
    assert 3 == len(answer.predictions)
    unknown = errors_pb2.ERROR_REASON_UNKNOWN_ENTITY
    assert [(1, unknown), (2, unknown)] == [(each.row, each.reason) for each in answer.row_errors]
    assert "names no entity" in answer.row_errors[0].message


async def test_the_client_predicts_by_key(client, store, rings):  # noqa: F811
    """The same predictions as by id; the keys come back as they were given."""
    keys = {"colony": ["a/b|c", None, "x"], "ring": [7, 1, -1]}
    by_key = await client.predict(keys, model=rings.model)
    ids = [await store.make_entity_id(rings.kind, {"colony": c, "ring": r}) for c, r in (("a/b|c", 7), ("x", -1))]
    by_id = await client.predict(ids, model=rings.model)
    assert by_id.values.tolist() == by_key.values[[0, 2]].tolist()
    assert np.isnan(by_key.values[1])
    assert [(1, Reason.UNKNOWN_ENTITY)] == [(each.row, each.reason) for each in by_key.errors]
    frame = by_key.to_pandas()
    assert ["colony", "ring"] == list(frame.columns)[:2]
    assert [7, 1, -1] == frame["ring"].tolist()
    one = await client.predict([{"colony": "x", "ring": -1}], {rings.mass: 9.0}, model=rings.model)
    assert [9.0] == one.features[0].to_list()
    with pytest.raises(InvalidInput, match="name the model"):
        await client.predict(keys)
    for rows in (keys | {"width": [1, 2, 3]}, {"entity_id": ["x", "y"], "width": [1, 2]}):
        with pytest.raises(InvalidInput, match=r"column 'width' is no key of .*, which has colony, ring; give the"):
            await client.predict(rows, model=rings.model)


async def test_label_rows_are_scored_by_key(store, rings, tmp_path):  # noqa: F811
    """A row that names no entity has an error of its own, and the manifest counts it."""
    rows = {"colony": ["a/b|c", None, "x"], "ring": [7, 1, -1], "timestamp": ["2026-01-01T00:00:00Z"] * 3}
    made = await scores(store.space, rows, rings.model, checker=shared_checker())
    frame = (await made.to_pandas()).to_dict("list")
    assert [None, "UNKNOWN_ENTITY", None] == [each if isinstance(each, str) else None for each in frame["error_reason"]]
    assert rows["ring"] == frame["ring"]
    manifest = await made.write(tmp_path / "scores")
    assert 1 == manifest.content["unnamed_rows"]


async def test_scores_of_all_entities_of_a_type_have_their_keys(store, rings):  # noqa: F811
    """Beside the ids."""
    await store.register_entities({"colony": ["a/b|c", "x"], "ring": [7, -1]}, rings.kind)
    made = await scores(store.space, None, rings.model, entity_type=rings.kind, checker=shared_checker())
    frame = await made.to_pandas()
    assert ["entity_id", "colony", "ring", "timestamp"] == list(frame.columns)[:4]
    assert {("a/b|c", 7), ("x", -1)} <= set(zip(frame["colony"], frame["ring"], strict=True))
