"""REST for a model that has nothing to do with deliveries: its own entity type, target and features."""

from __future__ import annotations

import pytest

from .gateway_fixtures import LAST_YEAR
from .penguins import RING
from .test_gateway_errors import problem


def without_times(body: dict) -> dict:
    return {name: value for name, value in body.items() if name != "timestamp"}


async def test_a_model_in_the_path_predicts_for_its_own_entity_and_target(gateway, penguins):
    """No field of the answer is about deliveries."""
    answer = await gateway.post(f"/models/{penguins.model}/predict", json={"entity_id": penguins.pingu})

    body = answer.json()
    assert answer.status_code == 200
    assert without_times(body) == {
        "prediction": body["prediction"],
        "target": "body_mass_g",
        "entity_id": penguins.pingu,
        "features_used": {penguins.bill: 40.5, penguins.ring: str(RING)},
        "missing_features": [],
        "model": penguins.model,
        "version": 1,
    }
    assert isinstance(body["prediction"], float)


async def test_predict_answers_entity_id_as_the_model_in_the_path_does(gateway, penguins):
    """`entity_id` and `model` in the body are the same request, without the documented names."""
    in_path = (await gateway.post(f"/models/{penguins.model}/predict", json={"entity_id": penguins.pingu})).json()
    in_body = (await gateway.post("/predict", json={"entity_id": penguins.pingu, "model": penguins.model})).json()

    assert without_times(in_path) == without_times(in_body)


async def test_predict_answers_delivery_id_with_the_documented_names_beside_the_others(gateway, delivery_model):
    """The number and the id stand under both names, also for given features alone."""
    by_id = (await gateway.post("/predict", json={"delivery_id": "delivery_near"})).json()
    given = (await gateway.post("/predict", json={"features": by_id["features_used"]})).json()
    by_entity = (await gateway.post("/predict", json={"entity_id": "delivery_near"})).json()

    assert (by_id["predicted_duration"], by_id["delivery_id"]) == (by_id["prediction"], by_id["entity_id"])
    assert (given["predicted_duration"], given["delivery_id"], given["entity_id"]) == (given["prediction"], None, None)
    assert set(by_id) - set(by_entity) == {"predicted_duration", "delivery_id"}
    assert by_entity["prediction"] == by_id["prediction"]


async def test_a_request_of_nothing_is_refused_in_words_of_any_model(gateway, delivery_model):
    """`delivery_id` is named to those who use it."""
    nothing = await gateway.post("/predict", json={})
    empty = await gateway.post("/predict", json={"delivery_id": ""})

    assert "give entity_id, features, or both" == nothing.json()["detail"]
    assert ["entity_id", "delivery_id"] == [each.json()["field"] for each in (nothing, empty)]


@pytest.mark.parametrize(
    ("choice", "version"),
    [({}, 1), ({"alias": "challenger"}, 2), ({"version": 2}, 2), ({"version": 1, "alias": "challenger"}, 1)],
)
async def test_a_version_is_named_by_number_or_by_alias(gateway, penguins, choice, version):
    """As query parameters beside a model in the path, as fields beside a model in the body; a number comes first."""
    pingu, named = {"entity_id": penguins.pingu}, {"model": penguins.model, **choice}
    answers = [
        await gateway.post(f"/models/{penguins.model}/predict", json=pingu, params=choice),
        await gateway.post("/predict", json={**pingu, **named}),
        await gateway.post("/features/batch", json={"entity_ids": [penguins.pingu], **named}),
    ]

    assert [version] * 3 == [each.json()["version"] for each in answers]


async def test_a_whole_number_may_be_written_with_a_point(gateway, penguins):
    """2.0 is the integer 2 in JSON."""
    answer = await gateway.post(
        "/predict",
        content=f'{{"entity_id": "{penguins.pingu}", "model": "{penguins.model}", "version": 2.0}}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.json()["version"] == 2


async def test_an_integer_beyond_2_53_keeps_every_digit_and_is_given_back_as_it_came(gateway, penguins):
    """As a string, so that no client rounds it; as a number for a client that says so."""
    path = f"/models/{penguins.model}/predict"
    stored = (await gateway.post(path, json={"entity_id": penguins.pingu})).json()
    number = (await gateway.post(path, json={"entity_id": penguins.pingu}, params={"large_integers": "number"})).json()
    given = (await gateway.post(path, json={"features": stored["features_used"]})).json()
    read = [
        (await gateway.get(f"/features/{penguins.pingu}", params={"feature_names": penguins.ring, **form})).json()
        for form in ({}, {"large_integers": "number"})
    ]

    assert [str(RING), RING] == [each["features_used"][penguins.ring] for each in (stored, number)]
    assert [str(RING), RING] == [each["features"][0]["value"] for each in read]
    assert (given["features_used"], given["prediction"]) == (stored["features_used"], stored["prediction"])


async def test_a_batch_names_its_model_and_its_rows_are_of_that_model(gateway, penguins):
    """One unknown id fails alone; no row is about deliveries."""
    one = (await gateway.post(f"/models/{penguins.model}/predict", json={"entity_id": penguins.pingu})).json()
    body = (
        await gateway.post("/features/batch", json={"entity_ids": [penguins.pingu, "nobody"], "model": penguins.model})
    ).json()

    first, second = body["predictions"]
    assert (body["target"], body["model"], body["version"]) == ("body_mass_g", penguins.model, 1)
    assert first == {
        "entity_id": penguins.pingu,
        "status": "success",
        "prediction": one["prediction"],
        "features": one["features_used"],
    }
    assert (second["status"], second["reason"]) == ("error", "UNKNOWN_ENTITY")


async def test_an_error_about_an_entity_names_its_type_and_the_field_of_the_request(gateway, penguins):
    """An entity of another type, and one that is unknown."""
    other = await gateway.post(f"/models/{penguins.model}/predict", json={"entity_id": "delivery_empty"})
    unknown = await gateway.post(f"/models/{penguins.model}/predict", json={"entity_id": "nobody"})

    assert [(404, "entity_id")] * 2 == [(each.status_code, each.json()["field"]) for each in (other, unknown)]
    assert (
        other.json()["detail"]
        == f"'delivery_empty' is registered as delivery, the model predicts for a {penguins.kind}"
    )
    assert unknown.json()["detail"] == f"{penguins.kind} 'nobody' is neither registered nor has any value"


async def test_health_is_of_the_model_that_is_named(gateway, penguins):
    """The documented members; a model that does not exist is not loaded."""
    # A model is loaded with its first request, which may take longer than a health check waits.
    await gateway.post(f"/models/{penguins.model}/predict", json={"entity_id": penguins.pingu})
    there = (await gateway.get("/health", params={"model": penguins.model})).json()
    missing = (await gateway.get("/health", params={"model": "no_such_model"})).json()

    assert ("healthy", True, True) == tuple(list(there.values())[:3])
    assert ("degraded", True, False) == tuple(list(missing.values())[:3])


async def test_many_entities_are_read_in_columns(gateway, penguins):
    """One list of values per feature, in the order of the ids; null where nothing is there, and its status."""
    ids = [penguins.pingu, "nobody", penguins.pingu]
    body = (await gateway.post("/features", json={"entity_ids": ids, "feature_names": [penguins.ring]})).json()

    assert without_times(body) == {
        "entity_ids": ids,
        "features": [
            {
                "feature_name": penguins.ring,
                "version": 1,
                "values": [str(RING), None, str(RING)],
                "timestamps": [LAST_YEAR, None, LAST_YEAR],
                "statuses": ["PRESENT", "NOT_FOUND", "PRESENT"],
            }
        ],
    }


async def test_many_entities_are_read_in_rows(gateway, penguins):
    """Every row has the features of GET /features/{entity_id}, in their order."""
    names = [penguins.bill, penguins.ring]
    one = (await gateway.get(f"/features/{penguins.pingu}", params={"feature_names": names})).json()
    body = (
        await gateway.post(
            "/features", json={"entity_ids": [penguins.pingu] * 2, "feature_names": names, "format": "rows"}
        )
    ).json()

    assert without_times(body) == {"rows": [without_times(one)] * 2}


@pytest.mark.parametrize(("form", "lists"), [("columns", {"values"}), ("rows", {"value"})])
async def test_statuses_and_event_times_are_left_out_on_request(gateway, penguins, form, lists):
    """The values stay, with the name and the version."""
    asked = {"entity_ids": [penguins.pingu], "feature_names": [penguins.bill], "format": form}
    body = (await gateway.post("/features", json={**asked, "statuses": False, "event_times": False})).json()

    (feature,) = body["features"] if form == "columns" else body["rows"][0]["features"]
    assert set(feature) == {"feature_name", "version"} | lists
    assert 40.5 in (feature.get("value"), *feature.get("values", ()))


async def test_a_feature_service_is_read_in_its_order(gateway, store, penguins, unique):
    """Its pinned features."""
    service = unique("penguin_service")
    await store.register_feature_service(service, [penguins.ring, penguins.bill])
    body = (await gateway.post("/features", json={"entity_ids": [penguins.pingu], "feature_service": service})).json()

    assert [penguins.ring, penguins.bill] == [each["feature_name"] for each in body["features"]]


async def test_a_read_of_more_values_than_an_answer_holds_is_refused(gateway, store, unique):
    """100,000 values are read; more say how many they are."""
    names = [unique(f"reading_{number}") for number in range(101)]
    for name in names:
        await store.register_feature(name, "double")
    ids = [f"penguin {number}" for number in range(1_000)]
    most = await gateway.post("/features", json={"entity_ids": ids, "feature_names": names[1:]})
    more = await gateway.post("/features", json={"entity_ids": ids, "feature_names": names})

    assert (200, 100) == (most.status_code, len(most.json()["features"]))
    assert (400, "LIMIT_EXCEEDED") == problem(more)
    assert more.json()["detail"].startswith("entity_ids: 1000 entities of 101 features are more than 100000 values")
