"""The documented REST endpoints over real HTTP: their shapes, and that they say what gRPC says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from featurama.v1 import prediction_service_pb2

from .gateway_fixtures import LAST_YEAR, MODEL, write


def is_now(text: str) -> bool:
    """Whether it is an RFC 3339 time of these minutes, in UTC."""
    moment = datetime.fromisoformat(text)
    return moment.utcoffset() == timedelta(0) and abs(datetime.now(UTC) - moment) < timedelta(minutes=10)


async def test_predict_by_id_answers_hours_the_features_used_and_the_model(gateway, online, namespace, delivery_model):
    """Features come from the store; the number is the one that gRPC predicts."""
    answer = await gateway.post("/predict", json={"delivery_id": "delivery_far"})
    by_grpc = await online.predictions.Predict(
        prediction_service_pb2.PredictRequest(namespace=namespace, entity_ids=["delivery_far"])
    )

    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert is_now(body.pop("timestamp"))
    assert body == {
        "predicted_duration": by_grpc.predictions[0],
        "prediction": by_grpc.predictions[0],
        "target": "actual_duration",
        "delivery_id": "delivery_far",
        "entity_id": "delivery_far",
        "features_used": {"distance": 9_000.0, "destination.traffic_level": 0.5},
        "missing_features": [],
        "model": MODEL,
        "version": delivery_model,
    }


async def test_predict_from_given_features_alone_has_no_delivery(gateway):
    """The same values give the same number as the stored ones; delivery_id is null."""
    stored = (await gateway.post("/predict", json={"delivery_id": "delivery_near"})).json()
    given = (await gateway.post("/predict", json={"features": stored["features_used"]})).json()

    assert given["delivery_id"] is None
    assert given["predicted_duration"] == stored["predicted_duration"]
    assert given["features_used"] == stored["features_used"]


@pytest.mark.parametrize(
    ("given", "used"), [(9_000.0, 9_000.0), (9_000, 9_000.0), ("NaN", "NaN"), ("Infinity", "Infinity"), (None, None)]
)
async def test_given_features_override_the_stored_ones(gateway, given, used):
    """Also an integer, a null, NaN and infinity, as the strings of proto JSON; the rest stays the delivery's."""
    body = (
        await gateway.post("/predict", json={"delivery_id": "delivery_near", "features": {"distance": given}})
    ).json()
    stored = (await gateway.post("/predict", json={"delivery_id": "delivery_near"})).json()

    assert body["features_used"] == stored["features_used"] | {"distance": used}
    assert ("distance" in body["missing_features"]) == (given is None)


async def test_a_model_and_version_may_be_named(gateway, delivery_model):
    """For A/B tests; what is not there is 404, as the request named it."""
    asked = {"delivery_id": "delivery_near"}
    named = await gateway.post("/predict", json={**asked, "model": MODEL, "version": delivery_model})
    missing = [
        await gateway.post("/predict", json={**asked, **wrong})
        for wrong in ({"model": "no_such_model"}, {"version": 9_999}, {"model": MODEL, "version": 9_999})
    ]

    assert (named.json()["model"], named.json()["version"]) == (MODEL, delivery_model)
    assert [(each.status_code, each.json()["reason"]) for each in missing] == [(404, "UNKNOWN_MODEL")] * 3


async def test_a_batch_answers_every_id_in_order_and_one_bad_id_never_fails_the_rest(gateway, unique):
    """Repeated ids stay, unknown and impossible ones say why."""
    nobody = unique("nobody")
    ids = ["delivery_far", nobody, "delivery_near", "", "delivery_far", "a\u0007b", "x" * 257]

    answer = await gateway.post("/features/batch", json=ids)
    alone = (await gateway.post("/predict", json={"delivery_id": "delivery_far"})).json()

    body = answer.json()
    rows = body["predictions"]
    assert answer.status_code == 200
    assert is_now(body["timestamp"])
    assert [row["entity_id"] for row in rows] == ids
    assert [row["status"] for row in rows] == ["success", "error", "success", "error", "success", "error", "error"]
    assert (
        rows[0]
        == rows[4]
        == {
            "entity_id": "delivery_far",
            "status": "success",
            "predicted_duration": alone["predicted_duration"],
            "prediction": alone["predicted_duration"],
            "features": alone["features_used"],
        }
    )
    assert rows[2]["predicted_duration"] != rows[0]["predicted_duration"]
    assert [row["reason"] for row in rows if row["status"] == "error"] == [
        "UNKNOWN_ENTITY",
        "INVALID_ENTITY_ID",
        "INVALID_ENTITY_ID",
        "INVALID_ENTITY_ID",
    ]
    assert all(set(row) == {"entity_id", "status", "message", "reason"} for row in rows if row["status"] == "error")


async def test_a_batch_of_impossible_ids_only_is_still_answered(gateway):
    """The model is checked and named as for any other batch."""
    body = (await gateway.post("/features/batch", json=["", "\u0000"])).json()
    refused = [
        await gateway.post("/features/batch", json=[""], headers={"X-Featurama-Namespace": "Not A Name"}),
        await gateway.post("/features/batch", json={"entity_ids": [""], "model": "no_such_model"}),
    ]

    assert [row["status"] for row in body["predictions"]] == ["error", "error"]
    assert (body["model"], body["target"]) == (MODEL, "actual_duration")
    assert [each.json()["reason"] for each in refused] == ["INVALID_NAME", "UNKNOWN_MODEL"]


async def test_a_batch_may_hold_a_thousand_ids(gateway):
    """The limit of a REST call."""
    body = (await gateway.post("/features/batch", json=["delivery_near", "delivery_far"] * 500)).json()

    assert {row["status"] for row in body["predictions"]} == {"success"}
    assert len({row["predicted_duration"] for row in body["predictions"]}) == 2


async def test_values_of_every_type_are_told_in_json(gateway, store, unique):
    """NaN, infinities and integers beyond 2^53 as strings, vectors as lists; null where the status is not PRESENT."""
    values = {
        "double": 0.1,
        "int": 2**63 - 1,
        "text": "Ünïcode\n\u2028\"'",
        "bool": True,
        "vector[2]": [0.5, -2.0],
    }
    fry = unique("fry")
    for kind, value in values.items():
        name = unique(kind.removesuffix("[2]"))
        await store.register_feature(name, kind)
        await write(store, {"entity_id": [fry], name: [value]})
    for name, text in (("nan", "NaN"), ("inf", "Infinity"), ("minus_inf", "-Infinity")):
        await store.register_feature(unique(name), "double")
        long = {"entity_id": [fry], "feature_name": [unique(name)], "value": [float(text)], "timestamp": [LAST_YEAR]}
        await store.write_features(long)

    body = (await gateway.get(f"/features/{fry}")).json()

    found = {each["feature_name"]: each["value"] for each in body["features"]}
    assert body["entity_id"] == fry
    assert is_now(body["timestamp"])
    assert found[unique("double")] == 0.1
    assert found[unique("int")] == str(2**63 - 1)
    assert found[unique("text")] == values["text"]
    assert found[unique("bool")] is True
    assert found[unique("vector")] == [0.5, -2.0]
    assert (found[unique("inf")], found[unique("minus_inf")]) == ("Infinity", "-Infinity")


async def test_each_feature_says_its_status_version_and_event_time(gateway, store, unique):
    """Present, null, too old, never written; versions as asked."""
    fry, here, null, old, never = (unique(name) for name in ("fry", "here", "null", "old", "never"))
    await store.register_feature_group(unique("brief"), ttl="1d")
    await store.register_feature(old, "double", group=unique("brief"))
    for name in (here, null, never):
        await store.register_feature(name, "double")
    await store.register_feature(here, "int", version=2)
    await write(store, {"entity_id": [fry], here: [1.5], old: [2.5]}, version=1)
    await write(store, {"entity_id": [fry], here: [3]}, version=2)
    await write(store, {"entity_id": [fry], null: [None]})

    names = f"{here}, {here}@1,{null},{old},{never}"
    body = (await gateway.get(f"/features/{fry}", params={"feature_names": names})).json()

    event_time = LAST_YEAR
    assert body["features"] == [
        {"feature_name": here, "value": 3, "timestamp": event_time, "status": "PRESENT", "version": 2},
        {"feature_name": here, "value": 1.5, "timestamp": event_time, "status": "PRESENT", "version": 1},
        {"feature_name": null, "value": None, "timestamp": event_time, "status": "NULL_VALUE", "version": 1},
        {"feature_name": old, "value": None, "timestamp": event_time, "status": "OUTSIDE_MAX_AGE", "version": 1},
        {"feature_name": never, "value": None, "timestamp": None, "status": "NOT_FOUND", "version": 1},
    ]


async def test_a_repeated_parameter_names_more_features(gateway):
    """`feature_names=a&feature_names=b` is `feature_names=a,b`; a path is a feature too."""
    names = ["distance", "destination.traffic_level"]
    answer = await gateway.get("/features/delivery_near", params={"feature_names": names})

    assert [each["feature_name"] for each in answer.json()["features"]] == names


NAMES = [
    "venus/1", "/", "//", "a//b/", "with space", "%2F", "100%", "q?x=1&y#z", "Zoïdberg", "全自動", "🤖", "batch",
    "'; DROP TABLE latest; --", '" OR 1=1', "$$; TRUNCATE x", "a\\b", "a+b", "a;b,c", "<script>", "{id}", "\u202eabc",
]  # fmt: skip


async def test_an_id_may_hold_any_character(gateway, store, unique):
    """Percent-encoded in the path, literally in a body: the same entity, and no other."""
    ids, feature = [unique(name) for name in NAMES], unique("speed")
    values = [float(n) for n in range(len(ids))]
    await store.register_feature(feature, "double")
    await write(store, {"entity_id": ids, feature: values})

    answers = [
        (await gateway.get(f"/features/{quote(each, safe='')}", params={"feature_names": feature})).json()
        for each in ids
    ]
    batch = (await gateway.post("/features/batch", json=ids)).json()

    assert [(each["entity_id"], each["features"][0]["value"]) for each in answers] == list(
        zip(ids, values, strict=True)
    )
    assert [each["entity_id"] for each in batch["predictions"]] == ids


async def test_an_unknown_entity_is_404_wherever_one_is_asked_for(gateway, unique):
    """Neither registered nor any value: by id, with named features, in a prediction."""
    nobody = unique("nobody")
    answers = [
        await gateway.get(f"/features/{nobody}"),
        await gateway.get(f"/features/{nobody}", params={"feature_names": "distance"}),
        await gateway.post("/predict", json={"delivery_id": nobody}),
    ]

    assert [(each.status_code, each.json()["reason"]) for each in answers] == [(404, "UNKNOWN_ENTITY")] * 3
    assert {each.headers["content-type"] for each in answers} == {"application/problem+json"}


async def test_a_registered_entity_without_values_is_known(gateway):
    """Its features are listed as NOT_FOUND, and it is predicted from nothing but what is missing."""
    listed = (await gateway.get("/features/delivery_empty", params={"feature_names": "distance"})).json()
    predicted = (await gateway.post("/predict", json={"delivery_id": "delivery_empty"})).json()

    assert [each["status"] for each in listed["features"]] == ["NOT_FOUND"]
    assert predicted["missing_features"] == ["distance", "destination.traffic_level"]


async def test_the_header_chooses_the_namespace(gateway):
    """Another namespace has nothing of this one; one that is not there, or no name, is refused."""
    answers = {
        name: await gateway.get("/features/delivery_near", headers={"X-Featurama-Namespace": name})
        for name in ("no_such_place", "Not A Name", "")
    }

    assert {name: (each.status_code, each.json()["reason"]) for name, each in answers.items()} == {
        "no_such_place": (404, "UNKNOWN_NAMESPACE"),
        "Not A Name": (400, "INVALID_NAME"),
        "": (400, "INVALID_NAME"),
    }


async def test_a_read_has_one_answer_in_every_form_of_its_query(gateway):
    """Names separated by commas, or a parameter each, which the framework reads."""
    plain, repeated = [
        (await gateway.get(f"/features/delivery_near?feature_names=distance{between}destination")).json()
        for between in (",", "&feature_names=")
    ]

    assert ["distance", "destination"] == [each["feature_name"] for each in plain["features"]]
    assert plain["features"] == repeated["features"]
    assert plain.keys() == repeated.keys()
