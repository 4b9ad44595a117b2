"""A good request of every rpc, for the tests that make it bad by one field."""

from __future__ import annotations

from typing import Any

from .requests import DOUBLE, SECOND, column, now_us

YESTERDAY = now_us() - 86_400 * SECOND

ROW: dict[str, Any] = {
    "entity_ids": ["bad_fry"],
    "event_time_us": [YESTERDAY],
    "columns": [column("bad_speed", DOUBLE, [1.0])],
}

GOOD: dict[str, dict[str, Any]] = {
    "OnlineService/GetOnlineFeatures": {"features": ["bad_speed"], "entity_ids": ["bad_fry"]},
    "OnlineService/GetFeatureHistory": {"feature": "bad_speed", "entity_id": "bad_fry"},
    "OnlineService/GetHistoricalFeatures": {
        "features": ["bad_speed"],
        "entity_ids": ["bad_fry"],
        "event_time_us": [YESTERDAY],
    },
    "PredictionService/Predict": {"model": "delivery_time", "entity_ids": ["delivery_near"]},
    "ModelService/ListModels": {},
    "ModelService/GetModel": {"name": "delivery_time"},
    "ModelService/SetAlias": {"name": "delivery_time", "alias": "bad_alias", "version": 1},
    "RegistryService/RegisterEntityType": {"entity_type": {"name": "bad_planet"}},
    "RegistryService/GetEntityType": {"name": "bad_planet"},
    "RegistryService/ListEntityTypes": {},
    "RegistryService/DeprecateEntityType": {"name": "bad_gone"},
    "RegistryService/RegisterFeatureGroup": {"feature_group": {"name": "bad_group"}},
    "RegistryService/GetFeatureGroup": {"name": "bad_group"},
    "RegistryService/ListFeatureGroups": {},
    "RegistryService/DeprecateFeatureGroup": {"name": "bad_gone"},
    "RegistryService/RegisterFeature": {"feature": {"name": "bad_speed", "value_type": DOUBLE}},
    "RegistryService/GetFeature": {"name": "bad_speed"},
    "RegistryService/ListFeatures": {},
    "RegistryService/DeprecateFeature": {"name": "bad_gone", "version": 1},
    "RegistryService/RegisterFeatureService": {"feature_service": {"name": "bad_view", "features": ["bad_speed"]}},
    "RegistryService/GetFeatureService": {"name": "bad_view"},
    "RegistryService/ListFeatureServices": {},
    "RegistryService/DeprecateFeatureService": {"name": "bad_gone"},
    "RegistryService/RegisterDefinitions": {"definitions": [{"feature": {"name": "bad_speed", "value_type": DOUBLE}}]},
    "RegistryService/RestoreDefinition": {"key": {"feature": {"name": "bad_back", "version": 1}}},
    "RegistryService/UpdateDefinition": {
        "definition": {"feature_group": {"name": "bad_group", "description": "said"}},
        "update_mask": {"paths": ["description"]},
        "dry_run": True,
    },
    "RegistryService/DeleteDefinition": {"key": {"feature": {"name": "bad_dropped", "version": 1}}},
    "RegistryService/ListDefinitionUses": {"key": {"feature": {"name": "bad_speed"}}},
    "RegistryService/RegisterEntities": {"entities": [{"entity_id": "bad_mars", "entity_type": "bad_planet"}]},
    "RegistryService/GetEntity": {"entity_id": "bad_mars"},
    "RegistryService/ListEntities": {"entity_type": "bad_planet"},
    "IngestService/WriteFeatures": ROW,
    "IngestService/StreamFeatures": ROW,
    "IngestService/BeginImport": {
        "features": ["bad_speed"],
        "first_event_time": {"seconds": 1},
        "last_event_time": {"seconds": 2},
        "first_ingested_time": {"seconds": 1},
        "last_ingested_time": {"seconds": 1},
    },
    "IngestService/DeleteEntity": {"entity_id": "bad_doomed", "deleted_through_time": {"seconds": 1}},
    "IngestService/DeleteFeatureValues": {
        "entity_id": "bad_doomed",
        "features": ["bad_speed"],
        "deleted_through_time": {"seconds": 1},
    },
}
