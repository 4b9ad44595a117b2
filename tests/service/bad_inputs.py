"""Bad requests for every rpc: what each wrong field of a good one is refused with.

One table, longer than other files: an rpc is found by its name, and a field that no row has is seen.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from .good_requests import YESTERDAY
from .requests import BOOL, DOUBLE, INT, SECOND, TEXT, VECTOR, column, now_us

INJECTION = "'; DROP TABLE latest; --"
FUTURE = 10**11
"""Seconds since 1970: the year 5138."""
BEYOND = 10**13
"""Seconds since 1970 that no Timestamp may hold."""
TOMORROW = now_us() + 86_400 * SECOND


@dataclass(frozen=True)
class Bad:
    """Fields that make a good request bad, and the refusal: gRPC code, reason, and what the refusal names."""

    fields: dict[str, Any]
    code: str
    reason: str
    names: str = ""


def bad(reason: str, names: str = "", code: str = "INVALID_ARGUMENT", **fields: Any) -> Bad:
    """A bad request, refused with INVALID_ARGUMENT unless said otherwise."""
    return Bad(fields, code, reason, names)


def missing(reason: str, names: str = "", **fields: Any) -> Bad:
    """A request for what is not there."""
    return Bad(fields, "NOT_FOUND", reason, names)


def request_id_at(seconds_from_now: float) -> str:
    """A UUIDv7 of another moment."""
    millis = int((time.time() + seconds_from_now) * 1_000)
    return str(uuid.UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | 12_345))


BAD_REFERENCES = [
    bad("INVALID_REFERENCE", "features", features=[each])
    for each in ("", "Bad_Speed", "bad speed", "bad_speed@0", "bad_speed@x", "a.b.c", INJECTION, "ſpeed", "x" * 64)
] + [
    missing("UNKNOWN_FEATURE", "bad_nothing", features=["bad_speed", "bad_nothing"]),
    missing("UNKNOWN_FEATURE_VERSION", "bad_speed", features=["bad_speed@9"]),
    bad("EMPTY_REQUEST", "features", features=[]),
    bad("LIMIT_EXCEEDED", "features", features=["bad_speed"] * 1_001),
    bad("INVALID_ARGUMENT", "feature_service", feature_service="bad_view"),
    missing("UNKNOWN_FEATURE_SERVICE", "bad_nothing", features=[], feature_service="bad_nothing"),
    missing("UNKNOWN_FEATURE_SERVICE", features=[], feature_service=INJECTION),
    bad("INVALID_REFERENCE", "bad_speed", features=["bad_speed.bad_speed"]),
]
BAD_IDS = [
    bad("EMPTY_REQUEST", "entity_ids", entity_ids=[]),
    bad("INVALID_ENTITY_ID", "entity_ids[0]", entity_ids=[""]),
    bad("INVALID_ENTITY_ID", "entity_ids[1]", entity_ids=["bad_fry", "a\x00b"]),
    bad("INVALID_ENTITY_ID", "entity_ids[0]", entity_ids=["\u0085"]),
    bad("INVALID_ENTITY_ID", "entity_ids[0]", entity_ids=["é" * 129]),
]
BAD_ID = [bad("INVALID_ENTITY_ID", "entity_id", entity_id=each) for each in ("", "a\nb", "\x7f", "x" * 257, "é" * 129)]
BAD_PAGES = [
    bad("LIMIT_EXCEEDED", "page_size", page_size=-1),
    bad("LIMIT_EXCEEDED", "page_size", page_size=1_001),
    bad("INVALID_PAGE_TOKEN", "page_token", page_token="no token"),
    bad("INVALID_PAGE_TOKEN", "page_token", page_token=INJECTION),
    bad("INVALID_PAGE_TOKEN", "page_token", page_token="YQBi"),
]
WRONG_NAMES = ("", "Bad", "1x", "x" * 64, "a-b", "é", INJECTION, "value", "timestamp", "entity_id", "__x")


def named(message: str, **good: Any) -> list[Bad]:
    """Names that nothing may have, in the `name` of a definition."""
    return [
        bad("INVALID_NAME", "name" if not name else "", **{message: {**good, "name": name}}) for name in WRONG_NAMES
    ]


def definition(message: str, names: str, **fields: Any) -> Bad:
    """A definition of which one field is out of bounds."""
    return bad("INVALID_DEFINITION", names, **{message: {"name": "bad_new", **fields}})


def feature(names: str, **fields: Any) -> Bad:
    """A feature of which one field is out of bounds."""
    return definition("feature", names, **{"value_type": DOUBLE, **fields})


def changes(kind: str, field: str, **fields: Any) -> dict[str, Any]:
    """The fields of a request that changes one field of a definition."""
    return {"definition": {kind: fields}, "update_mask": {"paths": [field]}}


def update(kind: str, field: str, **fields: Any) -> Bad:
    """A change of a field that cannot change, or is out of bounds."""
    return bad("INVALID_DEFINITION", field, **changes(kind, field, **fields))


LONG = "x" * 4_097
NOBODY = ("", "bad_nothing", INJECTION)
NEW = {"name": "bad_new", "value_type": DOUBLE}
WRITES = [
    bad("EMPTY_REQUEST", "entity_ids", entity_ids=[], event_time_us=[], columns=[column("bad_speed", DOUBLE, [])]),
    bad("EMPTY_REQUEST", "columns", columns=[]),
    bad(
        "LIMIT_EXCEEDED",
        "entity_ids",
        entity_ids=["bad_fry"] * 10_001,
        event_time_us=[YESTERDAY] * 10_001,
        columns=[column("bad_speed", DOUBLE, [1.0] * 10_001)],
    ),
    bad("INVALID_ARGUMENT", "event_time_us", event_time_us=[]),
    bad("INVALID_ARGUMENT", "event_time_us", event_time_us=[YESTERDAY] * 2),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[column("bad_speed", DOUBLE, [1.0, 2.0])]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[column("bad_speed", DOUBLE, [])]),
    bad("TYPE_MISMATCH", "bad_speed", columns=[column("bad_speed", DOUBLE, [1.0], int_values=[1])]),
    bad("TYPE_MISMATCH", "bad_speed", columns=[{"name": "bad_speed", "value_type": INT, "double_values": [1.0]}]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[{"name": "bad_speed", "double_values": [1.0]}]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[{"name": "bad_speed", "value_type": 77, "double_values": [1.0]}]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[column("bad_speed", DOUBLE, [1.0], statuses=[4])]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[column("bad_speed", DOUBLE, [1.0], statuses=[99])]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[column("bad_speed", DOUBLE, [1.0], statuses=[257])]),
    bad("INVALID_ARGUMENT", "bad_speed", columns=[column("bad_speed", DOUBLE, [1.0], statuses=[1, 1])]),
    bad("VECTOR_LENGTH_MISMATCH", "bad_mood", columns=[column("bad_mood", VECTOR, [1.0], vector_length=0)]),
    bad("VECTOR_LENGTH_MISMATCH", "bad_mood", columns=[column("bad_mood", VECTOR, [1.0], vector_length=-1)]),
    bad("INVALID_ARGUMENT", "bad_mood", columns=[column("bad_mood", VECTOR, [1.0] * 4, vector_length=3)]),
    bad("INVALID_REQUEST_ID", "request_id", request_id="not-a-uuid"),
    bad("INVALID_REQUEST_ID", "request_id", request_id=INJECTION),
    bad("INVALID_REQUEST_ID", "request_id", request_id=str(uuid.UUID(int=1))),
    bad("REQUEST_TOO_OLD", "request_id", "FAILED_PRECONDITION", request_id=request_id_at(-3_600)),
    bad("REQUEST_IN_FUTURE", "request_id", "FAILED_PRECONDITION", request_id=request_id_at(3_600)),
    bad("INVALID_ARGUMENT", "mode", mode=9),
    bad("INVALID_ARGUMENT", "unit", unit=9),
    bad("INVALID_ARGUMENT", "ingested", ingested_time_ns=[1]),
    bad("INVALID_ARGUMENT", "ingested", mode=2, ingested_time_ns=[1, 2]),
    bad("INVALID_ARGUMENT", "import_number", mode=2, ingested_time_ns=[1]),
    bad("INVALID_ARGUMENT", "import_number", mode=2, ingested_time_ns=[1], import_number=1_000),
    bad("INVALID_ARGUMENT", "import_number", mode=2, ingested_time_ns=[1], import_number=-1),
    bad("INVALID_ARGUMENT", "import_number", mode=2, import_number=0),
    bad("INVALID_TIME", "ingested_at", mode=2, ingested_time_ns=[-(2**63)], import_number=0),
    bad(
        "KNOWN_AT_NOT_SETTLED",
        "ingested_at",
        "FAILED_PRECONDITION",
        mode=2,
        ingested_time_ns=[2**63 - 1],
        import_number=0,
    ),
]

REFUSED: dict[str, list[Bad]] = {
    "OnlineService/GetOnlineFeatures": [
        *BAD_REFERENCES,
        *BAD_IDS,
        bad("LIMIT_EXCEEDED", "entity_ids", entity_ids=["bad_fry"] * 10_001),
        bad("INVALID_ARGUMENT", "consistency", consistency=9),
        bad("INVALID_ARGUMENT", "all_features", all_features=True),
        bad("INVALID_ARGUMENT", "entity_ids", all_features=True, features=[], entity_ids=["bad_fry", "bad_leela"]),
        bad("INVALID_ENTITY_ID", "entity_ids[0]", all_features=True, features=[], entity_ids=[""]),
        missing("UNKNOWN_ENTITY", "entity_id", all_features=True, features=[], entity_ids=["bad_nobody"]),
    ],
    "OnlineService/GetFeatureHistory": [
        *BAD_ID,
        bad("INVALID_REFERENCE", "feature", feature=""),
        bad("INVALID_REFERENCE", "feature", feature=INJECTION),
        bad("INVALID_REFERENCE", "feature", feature="bad_home.bad_size"),
        missing("UNKNOWN_FEATURE", "bad_nothing", feature="bad_nothing"),
        missing("UNKNOWN_FEATURE_VERSION", "bad_speed", feature="bad_speed@9"),
        bad("INVALID_ARGUMENT", "limit", limit=-1),
        bad("LIMIT_EXCEEDED", "page_size", page_size=-1),
        bad("LIMIT_EXCEEDED", "page_size", page_size=10_001),
        bad("INVALID_PAGE_TOKEN", "page_token", page_token="no token"),
        bad("INVALID_PAGE_TOKEN", "page_token", page_token="OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTo="),
        bad("INVALID_TIME", "start_time", start_time={"seconds": BEYOND}),
        bad("INVALID_TIME", "end_time", end_time={"seconds": -BEYOND}),
        bad("INVALID_TIME", "start_time", start_time={"nanos": -1}),
    ],
    "OnlineService/GetHistoricalFeatures": [
        *BAD_REFERENCES,
        *[
            Bad({**each.fields, "event_time_us": [YESTERDAY] * len(each.fields["entity_ids"])}, *_rest)
            for each in BAD_IDS
            for _rest in [(each.code, each.reason, each.names)]
        ],
        bad("INVALID_ARGUMENT", "time", event_time_us=[]),
        bad("INVALID_ARGUMENT", "time", event_time_us=[YESTERDAY] * 2),
        bad("INVALID_TIME", "timestamp", event_time_us=[2**62]),
        bad("INVALID_TIME", "timestamp", event_time_us=[-(2**62)]),
        bad("INVALID_TIME", "known_at", known_at_time={"seconds": BEYOND}),
        bad("KNOWN_AT_NOT_SETTLED", "known_at", "FAILED_PRECONDITION", known_at_time={"seconds": FUTURE}),
        bad("KNOWN_AT_NOT_SETTLED", "row 0", "FAILED_PRECONDITION", known_at_label=True, event_time_us=[TOMORROW]),
        bad("LIMIT_EXCEEDED", "entity_ids", entity_ids=["x"] * 100_001, event_time_us=[YESTERDAY] * 100_001),
    ],
    "PredictionService/Predict": [
        *BAD_IDS,
        bad("LIMIT_EXCEEDED", "entity_ids", entity_ids=["x"] * 10_001),
        bad("LIMIT_EXCEEDED", "contributions", entity_ids=["x"] * 1_001, include_contributions=True),
        missing("UNKNOWN_MODEL", "model", model="bad_nothing"),
        missing("UNKNOWN_MODEL", "version", version=99),
        missing("UNKNOWN_MODEL", "alias", alias="bad_nothing"),
        bad("INVALID_NAME", "model", model=INJECTION),
        bad("INVALID_ARGUMENT", "version", version=-1),
        missing("UNKNOWN_FEATURE", "bad_nothing", given=[column("bad_nothing", DOUBLE, [1.0])]),
        bad("TYPE_MISMATCH", "distance", given=[column("distance", TEXT, ["far"])]),
        bad("TYPE_MISMATCH", "distance", given=[column("distance", BOOL, [True])]),
        bad("INVALID_ARGUMENT", "distance", given=[column("distance", DOUBLE, [1.0] * 2)]),
        bad("INVALID_ARGUMENT", "distance", given=[column("distance", DOUBLE, [1.0])] * 2),
        bad("INVALID_ARGUMENT", "distance", given=[column("distance", DOUBLE, [1.0], statuses=[5])]),
    ],
    "ModelService/ListModels": [
        bad("INVALID_NAME", "name", name=INJECTION),
        bad("INVALID_NAME", "name", name="x" * 64),
        bad("LIMIT_EXCEEDED", "page_size", page_size=-1),
        bad("LIMIT_EXCEEDED", "page_size", page_size=1_001),
        bad("INVALID_PAGE_TOKEN", "page_token", page_token="moon"),
        bad("INVALID_PAGE_TOKEN", "page_token", page_token=INJECTION),
    ],
    "ModelService/GetModel": [
        bad("INVALID_NAME", "name", name=INJECTION),
        bad("INVALID_ARGUMENT", "version", version=-1),
        missing("UNKNOWN_MODEL", "bad_nothing", name="bad_nothing"),
        missing("UNKNOWN_MODEL", "version", version=99),
        missing("UNKNOWN_MODEL", "alias", alias="bad_nothing"),
        missing("UNKNOWN_MODEL", "alias", alias=INJECTION),
    ],
    "ModelService/SetAlias": [
        bad("INVALID_NAME", "name", name=""),
        bad("INVALID_NAME", "name", name=INJECTION),
        bad("INVALID_NAME", "alias", alias=""),
        bad("INVALID_NAME", "alias", alias=INJECTION),
        bad("INVALID_NAME", "alias", alias="a" * 64),
        bad("INVALID_ARGUMENT", "version", version=0),
        bad("INVALID_ARGUMENT", "version", version=-1),
        missing("UNKNOWN_MODEL", "bad_nothing", name="bad_nothing"),
        missing("UNKNOWN_MODEL", "version", version=99),
        bad("INVALID_ARGUMENT", "expected_version", expected_version=-1),
        bad("ALIAS_MOVED", "alias", code="ABORTED", alias="bad_unset", expected_version=99),
    ],
    "RegistryService/RegisterEntityType": [
        *named("entity_type"),
        bad("INVALID_NAME", "name", entity_type=None),
        definition("entity_type", "description", description=LONG),
    ],
    "RegistryService/RegisterFeatureGroup": [
        *named("feature_group"),
        bad("INVALID_NAME", "name", feature_group=None),
        definition("feature_group", "description", description=LONG),
        definition("feature_group", "ttl", ttl={"seconds": -1}),
        definition("feature_group", "ttl", ttl={}),
        definition("feature_group", "retention", retention={"seconds": -1}),
        definition("feature_group", "retention", retention={"seconds": 1}, ttl={"seconds": 2}),
        definition("feature_group", "buckets", buckets=3),
        definition("feature_group", "buckets", buckets=-1),
        definition("feature_group", "buckets", buckets=2_048),
        definition("feature_group", "history", history=3),
        missing("UNKNOWN_ENTITY_TYPE", "bad_nothing", feature_group={"name": "bad_new", "entity_type": "bad_nothing"}),
        bad("INVALID_NAME", "entity_type", feature_group={"name": "bad_new", "entity_type": INJECTION}),
        bad("DEFINITION_CONFLICT", "ttl", "ALREADY_EXISTS", feature_group={"name": "bad_group", "ttl": {"seconds": 9}}),
        bad(
            "DEPRECATED",
            "bad_gone",
            "FAILED_PRECONDITION",
            feature_group={"name": "bad_new", "entity_type": "bad_gone"},
        ),
    ],
    "RegistryService/RegisterFeature": [
        *named("feature", value_type=DOUBLE),
        bad("INVALID_DEFINITION", "value_type", feature=None),
        feature("value_type", value_type=0),
        feature("value_type", value_type=77),
        feature("version", version=-1),
        feature("vector_length", vector_length=3),
        feature("vector_length", value_type=VECTOR),
        feature("vector_length", value_type=VECTOR, vector_length=2_049),
        feature("references", references="bad_planet"),
        feature("description", description=LONG),
        feature("owner", owner=LONG),
        feature("tags", tags=["x"] * 33),
        feature("tags", tags=[""]),
        feature("tags", tags=["x" * 129]),
        missing("UNKNOWN_FEATURE_GROUP", "bad_nothing", feature={**NEW, "group": "bad_nothing"}),
        missing(
            "UNKNOWN_ENTITY_TYPE",
            "bad_nothing",
            feature={"name": "bad_new", "value_type": TEXT, "references": "bad_nothing"},
        ),
        bad("INVALID_NAME", "references", feature={"name": "bad_new", "value_type": TEXT, "references": INJECTION}),
        bad("DEFINITION_CONFLICT", "value_type", "ALREADY_EXISTS", feature={"name": "bad_speed", "value_type": TEXT}),
        bad("DEPRECATED", "bad_gone", "FAILED_PRECONDITION", feature={**NEW, "group": "bad_gone"}),
    ],
    "RegistryService/RegisterDefinitions": [
        bad("EMPTY_REQUEST", "definitions", definitions=[]),
        bad("INVALID_DEFINITION", "definitions", definitions=[{}]),
        bad("LIMIT_EXCEEDED", "definitions", definitions=[{"entity_type": {"name": "bad_new"}}] * 1_001),
        bad("INVALID_DEFINITION", "value_type", definitions=[{"feature": {"name": "bad_new", "value_type": 77}}]),
        bad("INVALID_NAME", "entity_type", definitions=[{"feature": NEW}, {"entity_type": {"name": INJECTION}}]),
        missing("UNKNOWN_FEATURE_GROUP", "bad_nothing", definitions=[{"feature": {**NEW, "group": "bad_nothing"}}]),
    ],
    "RegistryService/RestoreDefinition": [
        bad("INVALID_DEFINITION", "key", key=None),
        bad("INVALID_ARGUMENT", "version", key={"feature": {"name": "bad_gone"}}),
        missing("UNKNOWN_FEATURE_GROUP", "feature_group", key={"feature_group": "bad_nothing"}),
    ],
    "RegistryService/UpdateDefinition": [
        bad("INVALID_DEFINITION", "definition", definition=None),
        bad("EMPTY_REQUEST", "changes", update_mask=None),
        update("feature_group", "name", name="bad_group"),
        update("feature_group", "entity_type", name="bad_group", entity_type="bad_planet"),
        update("feature_group", "no_field", name="bad_group"),
        update("feature_group", "description", name="bad_group", description=LONG),
        update("feature_group", "ttl", name="bad_group", ttl={"seconds": -1}),
        update("feature_group", "retention", name="bad_group", retention={"seconds": 60}),
        update("feature_group", "buckets", name="bad_group", buckets=3),
        update("feature_group", "history", name="bad_group", history=-1),
        update("feature", "value_type", name="bad_speed", version=1, value_type=TEXT),
        update("feature", "tags", name="bad_speed", version=1, tags=[""]),
        bad("INVALID_ARGUMENT", "version", **changes("feature", "owner", name="bad_speed")),
        bad("INVALID_ARGUMENT", "expected_revision", expected_revision=-1),
        bad("REVISION_CONFLICT", "expected_revision", "ABORTED", expected_revision=2),
        bad(
            "VALUES_LOST",
            "retention",
            "FAILED_PRECONDITION",
            **changes("feature_group", "retention", name="bad_group", retention={"seconds": 86_400}),
            dry_run=False,
        ),
        missing("UNKNOWN_ENTITY_TYPE", "entity_type", **changes("entity_type", "description", name=INJECTION)),
    ],
    "RegistryService/DeleteDefinition": [
        bad("INVALID_DEFINITION", "key", key={}),
        bad("INVALID_ARGUMENT", "version", key={"feature": {"name": "bad_gone", "version": -1}}),
        missing("UNKNOWN_FEATURE_SERVICE", "feature_service", key={"feature_service": INJECTION}),
        bad("DEFINITION_USED", "name", "FAILED_PRECONDITION", key={"feature": {"name": "bad_speed", "version": 1}}),
        bad("INVALID_ARGUMENT", "name", key={"feature_group": "default"}),
    ],
    "RegistryService/ListDefinitionUses": [
        bad("INVALID_DEFINITION", "key", key=None),
        missing("UNKNOWN_FEATURE", "bad_nothing", key={"feature": {"name": "bad_nothing"}}),
        missing("UNKNOWN_ENTITY_TYPE", "entity_type", key={"entity_type": INJECTION}),
    ],
    "RegistryService/RegisterFeatureService": [
        *named("feature_service", features=["bad_speed"]),
        bad("INVALID_NAME", "name", feature_service=None),
        definition("feature_service", "features"),
        definition("feature_service", "features", features=["bad_speed", "bad_speed"]),
        definition("feature_service", "description", features=["bad_speed"], description=LONG),
        bad("INVALID_REFERENCE", "features", feature_service={"name": "bad_new", "features": [INJECTION]}),
        missing("UNKNOWN_FEATURE", "bad_nothing", feature_service={"name": "bad_new", "features": ["bad_nothing"]}),
        missing(
            "UNKNOWN_FEATURE_VERSION", "bad_speed", feature_service={"name": "bad_new", "features": ["bad_speed@9"]}
        ),
        bad(
            "DEFINITION_CONFLICT",
            "features",
            "ALREADY_EXISTS",
            feature_service={"name": "bad_view", "features": ["bad_count"]},
        ),
        bad(
            "DEPRECATED",
            "bad_gone",
            "FAILED_PRECONDITION",
            feature_service={"name": "bad_new", "features": ["bad_gone"]},
        ),
    ],
    "RegistryService/RegisterEntities": [
        bad("EMPTY_REQUEST", "entit", entities=[]),
        bad("LIMIT_EXCEEDED", "entit", entities=[{"entity_id": f"bad_{n}"} for n in range(1_001)]),
        bad("INVALID_ENTITY_ID", "[1]", entities=[{"entity_id": "bad_new"}, {"entity_id": "a\tb"}]),
        bad("INVALID_ENTITY_ID", "[0]", entities=[{"entity_id": ""}]),
        missing(
            "UNKNOWN_ENTITY_TYPE", "bad_nothing", entities=[{"entity_id": "bad_new", "entity_type": "bad_nothing"}]
        ),
        bad(
            "ENTITY_CONFLICT",
            "bad_mars",
            "ALREADY_EXISTS",
            entities=[{"entity_id": "bad_mars", "entity_type": "bad_robot"}],
        ),
        bad("INVALID_DEFINITION", "name", entities=[{"entity_id": "bad_new", "name": LONG}]),
        bad("INVALID_DEFINITION", "metadata", entities=[{"entity_id": "bad_new", "metadata": {"x": "y" * 9_000}}]),
        bad("INVALID_DEFINITION", "metadata", entities=[{"entity_id": "bad_new", "metadata": {"x": float("nan")}}]),
    ],
    "RegistryService/GetEntityType": [missing("UNKNOWN_ENTITY_TYPE", name=each) for each in NOBODY],
    "RegistryService/GetFeatureGroup": [missing("UNKNOWN_FEATURE_GROUP", name=each) for each in NOBODY],
    "RegistryService/GetFeature": [
        *[missing("UNKNOWN_FEATURE", name=each) for each in NOBODY],
        missing("UNKNOWN_FEATURE_VERSION", "bad_speed", version=9),
        bad("INVALID_ARGUMENT", "version", version=-1),
    ],
    "RegistryService/GetFeatureService": [missing("UNKNOWN_FEATURE_SERVICE", name=each) for each in NOBODY],
    "RegistryService/GetEntity": [*BAD_ID, missing("UNKNOWN_ENTITY", "entity", entity_id="bad_nobody")],
    "RegistryService/ListEntityTypes": BAD_PAGES,
    "RegistryService/ListFeatureGroups": BAD_PAGES,
    "RegistryService/ListFeatures": [
        *BAD_PAGES,
        Bad({"names": [f"f{number}" for number in range(1_001)]}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED", "names"),
        Bad({"names": ["bad_speed"], "group": "bad_group"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "names"),
    ],
    "RegistryService/ListFeatureServices": BAD_PAGES,
    "RegistryService/ListEntities": [
        *BAD_PAGES,
        missing("UNKNOWN_ENTITY_TYPE", "bad_nothing", entity_type="bad_nothing"),
    ],
    "RegistryService/DeprecateEntityType": [missing("UNKNOWN_ENTITY_TYPE", name=each) for each in NOBODY],
    "RegistryService/DeprecateFeatureGroup": [missing("UNKNOWN_FEATURE_GROUP", name=each) for each in NOBODY],
    "RegistryService/DeprecateFeature": [
        *[missing("UNKNOWN_FEATURE", name=each) for each in NOBODY],
        missing("UNKNOWN_FEATURE_VERSION", "bad_speed", name="bad_speed", version=9),
        bad("INVALID_ARGUMENT", "version", name="bad_speed", version=0),
        bad("INVALID_ARGUMENT", "version", name="bad_speed", version=-1),
    ],
    "RegistryService/DeprecateFeatureService": [missing("UNKNOWN_FEATURE_SERVICE", name=each) for each in NOBODY],
    "IngestService/WriteFeatures": WRITES,
    "IngestService/StreamFeatures": WRITES,
    "IngestService/BeginImport": [
        bad("EMPTY_REQUEST", "features", features=[]),
        *[bad("INVALID_NAME", "features", features=["bad_speed", each]) for each in ("", "bad_speed@1", INJECTION)],
        bad("INVALID_REQUEST_ID", "import_id", import_id="not-a-uuid"),
        *[
            bad("INVALID_TIME", each, **{each: None})
            for each in ("first_event_time", "last_event_time", "first_ingested_time", "last_ingested_time")
        ],
        bad("INVALID_TIME", "last_event_time", last_event_time={"seconds": BEYOND}),
        bad("INVALID_TIME", "event_time", first_event_time={"seconds": 9}),
        bad("INVALID_TIME", "ingested_time", first_ingested_time={"seconds": 9}),
        bad("KNOWN_AT_NOT_SETTLED", "ingested_at", "FAILED_PRECONDITION", last_ingested_time={"seconds": FUTURE}),
    ],
    "IngestService/DeleteEntity": [
        *BAD_ID,
        bad("EVENT_TIME_IN_FUTURE", "deleted_through", deleted_through_time={"seconds": FUTURE}),
        bad("INVALID_TIME", "deleted_through_time", deleted_through_time={"seconds": BEYOND}),
    ],
    "IngestService/DeleteFeatureValues": [
        *BAD_ID,
        bad("EVENT_TIME_IN_FUTURE", "deleted_through", deleted_through_time={"seconds": FUTURE}),
        bad("INVALID_TIME", "deleted_through_time", deleted_through_time={"seconds": BEYOND}),
        bad("EMPTY_REQUEST", "features", features=[]),
        missing("UNKNOWN_FEATURE", "bad_nothing", features=["bad_speed", "bad_nothing"]),
        bad("INVALID_REFERENCE", "features", features=["bad_speed@1"]),
        bad("INVALID_REFERENCE", "features", features=[INJECTION]),
    ],
}
