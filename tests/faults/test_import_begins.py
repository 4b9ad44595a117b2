"""An import that fails to begin can begin again with its id: the same number, and its audit record is there."""

from __future__ import annotations

import json

import pytest
from tests.laws.scene import Arena

from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.types.imports import ImportScope

from .storage import Fault, FaultyStorage, Meddling


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.DONE_UNSEEN], ids=lambda fault: fault.name.lower())
def test_an_import_that_failed_to_begin_begins_again_with_its_number(arena: Arena, fault: Fault) -> None:
    """At the number and at the audit record: no number is acknowledged without a record, and none is taken twice."""
    for number, call in enumerate(("take_import", "append_audit")):
        with arena.scene(grows=False) as scene:
            meddling = Meddling(fault, number)
            faulty = scene.server(FaultyStorage(scene.storages[0], meddling))  # type: ignore[arg-type]
            now = scene.clock.now
            scope = ImportScope((f"tally_{fault.name.lower()}_{number}",), now, now, 0, 1)
            import_id = scene.next_id(now)
            with pytest.raises((StoreUnavailable, OutcomeUnknown)):
                scene.run(faulty.begin_import(scope, import_id))
            assert call == meddling.calls[number]
            healthy = scene.servers[1]
            assert 0 == scene.run(healthy.begin_import(scope, import_id))
            assert 1 == scene.run(healthy.begin_import(scope))
            records = [json.loads(each.detail) for each in scene.run(scene.storages[1].list_audit(1_000))]
            assert {0, 1} == {each["number"] for each in records if each.get("features") == list(scope.features)}
