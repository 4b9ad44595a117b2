"""What the package looks like from outside: its methods, its signatures, its weight."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import featurama
from featurama.client.remote_store import RemoteStore
from featurama.client.settings import CallSettings, ServerUrl
from featurama.errors import InvalidInput
from featurama_core.store import EmbeddedStore


def methods(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [RemoteStore, EmbeddedStore])
def test_every_store_has_the_methods_of_the_one_class_and_no_others(kind: type) -> None:
    """With the same arguments; a store adds only primitives."""
    assert methods(featurama.FeatureStore) == methods(kind)
    for name in methods(kind) - {"namespace"}:
        ours, theirs = getattr(kind, name), getattr(featurama.FeatureStore, name)
        assert inspect.signature(theirs).parameters == inspect.signature(ours).parameters


def test_the_blocking_form_has_every_method_with_signature_and_docstring() -> None:
    """Completion and help show the same; only waiting differs."""
    names = methods(featurama.FeatureStore)
    assert names | {"close"} == methods(featurama.sync.FeatureStore)
    for name in names - {"namespace"}:
        form, method = getattr(featurama.sync.FeatureStore, name), getattr(featurama.FeatureStore, name)
        assert inspect.signature(method) == inspect.signature(form)
        assert inspect.getdoc(method) == inspect.getdoc(form)
        assert inspect.getdoc(form)
        assert not inspect.iscoroutinefunction(form)


def test_both_forms_are_opened_with_the_same_arguments() -> None:
    assert inspect.signature(featurama.connect).parameters == inspect.signature(featurama.sync.connect).parameters


def test_every_name_of_the_package_can_be_loaded() -> None:
    """Also those that are loaded when first used."""
    assert all(getattr(featurama, name) is not None for name in featurama.__all__)
    assert set(featurama.__all__) <= set(dir(featurama))
    with pytest.raises(AttributeError):
        featurama.no_such_name  # noqa: B018


def test_a_store_behind_servers_loads_no_frame_library_and_nothing_of_a_storage() -> None:
    """grpcio, protobuf, googleapis-common-protos and numpy are all it needs."""
    code = (
        "import sys, featurama; assert 'grpc' not in sys.modules and 'numpy' not in sys.modules; "
        "store = featurama.sync.connect('grpc://127.0.0.1:1'); store.close(); assert 'grpc' in sys.modules; "
        "roots = {name.partition('.')[0] for name in sys.modules}; "
        "heavy = {'pandas', 'polars', 'pyarrow', 'pydantic', 'structlog', 'grpc_status', 'acsylla', 'sqlite3', "
        "'featurama_service'}; "
        "print(sorted(roots & heavy), sorted(n for n in sys.modules if n.startswith('featurama_core.storage')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_what_a_url_needs_and_is_not_installed_is_named_with_its_extra() -> None:
    """A cluster's driver is an extra's."""
    code = (
        "import sys; sys.modules['acsylla'] = None; import featurama\n"
        "try: featurama.sync.connect('scylla://127.0.0.1:1')\n"
        "except featurama.FeaturamaError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        "scylla:// needs the package acsylla; install featurama[ingest], or featurama[cli] for all of it"
        == done.stdout.strip()
    )


async def test_secrets_never_show() -> None:
    """Neither in the repr of a store nor in that of its settings."""
    async with featurama.connect("grpc://moon:1", authorization="Bearer s3cret", metadata={"X-Key": "s3cret"}) as store:
        assert "FeatureStore('moon:1', ingest='moon:1', namespace='default')" == repr(store)
        settings: CallSettings = store._open.online.settings  # type: ignore[attr-defined]
        assert "s3cret" not in repr(settings)
        assert (("x-key", "s3cret"), ("authorization", "Bearer s3cret")) == settings.metadata


@pytest.mark.parametrize(
    ("url", "arguments", "field"),
    [
        ("grpc://moon:1", {"namespace": "Not-A-Name"}, "namespace"),
        ("grpc://moon:1", {"timeout": 0.0}, "timeout"),
        ("grpc://moon:1", {"timeout": float("nan")}, "timeout"),
        ("grpc://moon:1", {"password": "x"}, "password"),
        ("grpc://moon:1", {"read_only": False}, "read_only"),
        ("sqlite:///moon", {"tls": featurama.Tls()}, "tls"),
        ("sqlite:///moon", {"timeout": 1.0}, "timeout"),
        ("sqlite:///moon", {"authorization": "x"}, "authorization"),
        ("scylla://moon", {"retries": featurama.Retries()}, "retries"),
        ("scylla://moon", {"metadata": {}}, "metadata"),
        ("http://moon", {}, "url"),
        ("moon:1", {}, "url"),
        ("grpc://", {}, "url"),
        ("grpc://moon:x", {}, "url"),
        ("grpc://moon:1,", {}, "url"),
        ("grpc://me@moon:1", {}, "url"),
        ("grpc://moon:1/path", {}, "url"),
        ("grpc://moon:1?speed=1", {}, "url"),
        ("grpc://moon:1?tls=maybe", {}, "url"),
        ("grpc://moon:1?timeout=0", {}, "url"),
        ("grpc://moon:1?ingest=", {}, "url"),
    ],
)
async def test_what_a_url_does_not_take_is_refused_and_named(
    url: str, arguments: dict[str, object], field: str
) -> None:
    """A parameter that its kind of store does not have, or a part that cannot be read."""
    with pytest.raises(InvalidInput) as refused:
        async with featurama.connect(url, **arguments):  # type: ignore[arg-type]
            pass
    assert field == refused.value.metadata["field"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("grpc://moon", ServerUrl(("moon:50051",), ("moon:50051",))),
        ("grpc://a:1,b:2", ServerUrl(("a:1", "b:2"), ("a:1", "b:2"))),
        ("grpc://a,b:2?ingest=c,d:4", ServerUrl(("a:50051", "b:2"), ("c:50052", "d:4"))),
        ("grpc://[::1]:1?ingest=[::1]", ServerUrl(("[::1]:1",), ("[::1]:50052",))),
        ("grpc://a:1?timeout=2.5&tls=1", ServerUrl(("a:1",), ("a:1",), 2.5, True)),
        ("grpc://a:1?channels=64", ServerUrl(("a:1",), ("a:1",), channels=64)),
    ],
)
def test_a_server_url_names_replicas_and_options(url: str, expected: ServerUrl) -> None:
    """Ports have defaults; without ingest= the same servers write."""
    assert expected == ServerUrl.parse(url)


@pytest.mark.parametrize("channels", ["0", "65", "-1", "2.0", "many", ""])
def test_a_number_of_channels_that_cannot_be_is_refused(channels: str) -> None:
    """The error names the option and its bounds."""
    with pytest.raises(InvalidInput, match=r"option channels is .*; it must be a whole number from 1 to 64"):
        ServerUrl.parse(f"grpc://a:1?channels={channels}")
