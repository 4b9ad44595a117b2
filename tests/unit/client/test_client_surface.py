"""What a client looks like from outside: its methods, its signatures, its weight."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import featurama
from featurama.errors import InvalidInput
from featurama_core.store import FeatureStore

EMBEDDED_ONLY = {"open", "now", "incarnation", "storage", "resolve", "point_in_time", "read_history", "purge"}
EMBEDDED_ONLY |= {"page_entities", "opened"}
NOT_CALLS = {"close", "inner", "loop", "namespace", "in_namespace"}


def methods(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def parameters(method) -> dict[str, tuple[object, object]]:
    found = inspect.signature(method).parameters.values()
    return {each.name: (each.default, each.kind) for each in found if each.name != "self"}


def test_a_client_has_every_method_of_the_store_with_the_same_arguments() -> None:
    """A client may take more arguments, all with defaults."""
    shared = methods(FeatureStore) - EMBEDDED_ONLY - {"namespace"}
    assert shared - methods(featurama.AsyncClient) == set()
    for name in shared:
        ours = parameters(getattr(featurama.AsyncClient, name))
        for parameter, expected in parameters(getattr(FeatureStore, name)).items():
            assert ours[parameter] == expected, f"{name}({parameter})"
        for parameter in ours.keys() - parameters(getattr(FeatureStore, name)).keys():
            assert ours[parameter][0] is not inspect.Parameter.empty, f"{name}({parameter})"


def test_the_blocking_client_has_every_method_with_signature_and_docstring() -> None:
    """Completion and help show the same; only waiting differs."""
    names = methods(featurama.AsyncClient) - NOT_CALLS
    assert methods(featurama.Client) - NOT_CALLS == names
    for name in names:
        twin, method = getattr(featurama.Client, name), getattr(featurama.AsyncClient, name)
        assert inspect.signature(twin) == inspect.signature(method)
        assert inspect.getdoc(twin) == inspect.getdoc(method)
        assert inspect.getdoc(twin)
        assert not inspect.iscoroutinefunction(inspect.unwrap(twin)) or inspect.iscoroutinefunction(method)


def test_both_clients_are_made_with_the_same_arguments() -> None:
    assert parameters(featurama.Client.__init__) == parameters(featurama.AsyncClient.__init__)


def test_every_name_of_the_package_can_be_loaded() -> None:
    """Also those that are loaded when first used."""
    assert all(getattr(featurama, name) is not None for name in featurama.__all__)
    assert set(featurama.__all__) <= set(dir(featurama))
    with pytest.raises(AttributeError):
        featurama.no_such_name  # noqa: B018


def test_the_client_loads_no_frame_library_and_nothing_of_the_servers() -> None:
    """grpcio, protobuf, googleapis-common-protos and numpy are all it needs."""
    code = (
        "import sys, featurama; assert 'grpc' not in sys.modules and 'numpy' not in sys.modules; "
        "featurama.AsyncClient, featurama.Client; "
        "roots = {name.partition('.')[0] for name in sys.modules}; "
        "heavy = {'pandas', 'polars', 'pyarrow', 'pydantic', 'structlog', 'grpc_status', 'acsylla', 'sqlite3', "
        "'featurama_service'}; "
        "print(sorted(roots & heavy), sorted(n for n in sys.modules if n.startswith('featurama_core.storage')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_secrets_never_show() -> None:
    """Neither in the repr of a client nor in that of its settings."""
    client = featurama.AsyncClient("moon:1", authorization="Bearer s3cret", metadata={"X-Key": "s3cret"})
    assert repr(client) == "AsyncClient('moon:1', ingest_target='moon:1', namespace='default')"
    assert "s3cret" not in repr(client._settings)
    assert client._settings.metadata == (("x-key", "s3cret"), ("authorization", "Bearer s3cret"))


def test_a_client_that_is_not_open_says_so() -> None:
    """The message shows how."""
    client = featurama.AsyncClient("moon:1")
    with pytest.raises(RuntimeError, match="async with AsyncClient"):
        client._open  # noqa: B018


@pytest.mark.parametrize("arguments", [{"namespace": "Not-A-Name"}, {"timeout": 0.0}, {"timeout": float("nan")}])
def test_bad_arguments_are_refused_at_once(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        featurama.AsyncClient("moon:1", **arguments)
