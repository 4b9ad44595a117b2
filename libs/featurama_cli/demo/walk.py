"""The steps: world -> servers -> definitions -> values -> reads -> training set -> model -> predictions."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from featurama import FeatureStore, connect
from featurama_cli.demo import measuring, rest
from featurama_cli.demo.figures import Figures, OnePrediction
from featurama_cli.place import DEFAULT_STORAGE, Place
from featurama_cli.progress import bar
from featurama_cli.servers import Addresses, Ports, all_servers
from featurama_cli.session import open_stores, storage_options
from featurama_cli.training import score_rows, train_with_progress
from featurama_cli.world_writing import define_world, register_world, world_of, write_values
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageUrl
from featurama_core.stores import Stores
from featurama_core.types.errors import CorruptData, FeaturamaError, StoreUnavailable
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.writes import WriteMode
from featurama_trainer.config import TrainingConfig
from featurama_trainer.report import TrainingReport
from featurama_world import World, training_path

MODEL = "delivery_time"
ReportStep = Callable[[str, str], None]
"""Called with (step, result) after every step."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """storage: a URL, or "" for a directory that is removed afterwards (kept with `keep`)."""

    storage: str = ""
    deliveries: int = 2_000
    days: int = 60
    seed: int = 1_729
    mode: WriteMode = WriteMode.BULK
    keep: bool = False
    online_calls: int = 1_000
    batch_calls: int = 200
    fresh_writes: int = 200


async def walk(options: DemoOptions, report_step: ReportStep) -> tuple[Figures, TrainingReport]:
    """Run all steps on real components. Any failure raises. The data is removed unless `keep` is set."""
    began = time.perf_counter()
    async with AsyncExitStack() as resources:
        place = await resources.enter_async_context(_place(options))
        # A bad URL is refused before the world is built.
        storage = storage_options(place.url)
        world = world_of(deliveries=options.deliveries, days=options.days, seed=options.seed)
        size = world.size()
        report_step(
            "World", f"{size.entities:,} entities, {size.rows:,} rows, {size.values:,} values, {options.days} days"
        )
        stores = await resources.enter_async_context(_storage(place, options))
        report_step("Storage", f"{place.text}, namespace {place.namespace}")
        broken: list[BaseException] = []
        at = await resources.enter_async_context(all_servers(storage, Ports(0, 0, 0), broken.append, log_level="error"))
        report_step("Servers", f"online {at.online}, ingest {at.ingest}, gateway {at.gateway}")
        store = await resources.enter_async_context(
            connect(f"grpc://{at.online}?ingest={at.ingest}", namespace=place.namespace, timeout=30.0)
        )
        figures = await _figures(options, world, place, at, store, stores, report_step, began)
        if broken:
            raise StoreUnavailable(f"a server ended meanwhile: {type(broken[0]).__name__}")
    return figures


async def _figures(
    options: DemoOptions,
    world: World,
    place: Place,
    at: Addresses,
    store: FeatureStore,
    stores: Stores,
    report_step: ReportStep,
    began: float,
) -> tuple[Figures, TrainingReport]:
    definitions = await define_world(store)
    entities = await register_world(store, world)
    report_step("Defined", f"{definitions} definitions, {entities:,} entities, through gRPC")
    rows, values, seconds = await write_values(store, world, options.mode)
    report_step("Ingested", f"{values:,} values in {seconds:.2f} s, mode {options.mode.name}, every row acknowledged")
    ids = [row for table in world.labels() for row in table.column("entity_id").to_pylist()]
    with bar("Reading online", options.online_calls + options.batch_calls, unit="calls") as advance:
        one = await measuring.online_latency(store, ids, 1, options.online_calls, advance)
        hundred = await measuring.online_latency(store, ids, min(100, len(ids)), options.batch_calls, advance)
    report_step("Read", f"{one.calls + hundred.calls:,} calls over gRPC, every value there")
    with bar("Write, then read", options.fresh_writes, unit="writes") as advance:
        fresh = await measuring.freshness(store, options.fresh_writes, advance)
    report_step(
        "Fresh",
        f"{fresh.at_first_read} of {fresh.writes} writes were there at the first read after their acknowledgement",
    )
    point_in_time = await measuring.training_set(store, world)
    report_step("Training set", f"{point_in_time.rows:,} rows as they were at dispatch, none lost, none late")
    namespace = await stores.namespace(place.namespace)
    config = TrainingConfig.from_file(training_path())
    report = await train_with_progress(namespace, config, threads=1, alias="champion")
    report_step("Trained", f"{report.manifest.name} version {report.manifest.version}, promoted to champion")
    prediction = await _prediction(store, at, place.namespace, ids[-1])
    report_step("Predicted", "the same number over gRPC and REST")
    figures = Figures(
        storage=place.text,
        namespace=place.namespace,
        mode=options.mode.name,
        seed=options.seed,
        entities=entities,
        rows=rows,
        values=values,
        ingest_seconds=round(seconds, 3),
        values_per_second=round(values / seconds),
        online_1x10=one,
        online_100x10=hundred,
        freshness=fresh,
        point_in_time=point_in_time,
        model=report.to_dict() | {"scores": score_rows(report)},
        prediction=prediction,
        total_seconds=round(time.perf_counter() - began, 1),
    )
    return figures, report


async def _prediction(store: FeatureStore, at: Addresses, namespace: str, entity_id: str) -> OnePrediction:
    by_grpc = await store.predict([entity_id], model=MODEL)
    if by_grpc.errors:
        raise CorruptData(f"{entity_id} was not predicted: {by_grpc.errors[0].message}")
    by_rest = await rest.predict(at.gateway, namespace, entity_id)
    actual = await store.get_online_features([entity_id], ["actual_duration"])
    hours = float(by_grpc.values[0])
    made = OnePrediction(
        entity_id=entity_id,
        model=by_grpc.model,
        version=by_grpc.version,
        grpc_hours=hours,
        rest_hours=float(by_rest["predicted_duration"]),
        actual_hours=float(actual.columns[0].values[0]),
        features_used=dict(by_rest["features_used"]),
        agree=hours == float(by_rest["predicted_duration"]),
    )
    if not made.agree:
        raise CorruptData(f"gRPC predicts {made.grpc_hours}, REST {made.rest_hours}, for {entity_id}")
    return made


@asynccontextmanager
async def _place(options: DemoOptions) -> AsyncIterator[Place]:
    """The place of the demonstration: a temporary directory, or a new namespace in an existing storage."""
    if options.storage:
        yield Place(f"demo_{secrets.token_hex(4)}", options.storage)
        return
    if options.keep:
        yield _kept_place()
        return
    with TemporaryDirectory(prefix="featurama-demo-", ignore_cleanup_errors=True) as temporary:
        yield Place("default", f"sqlite:///{temporary}")


def _kept_place() -> Place:
    """The default storage of the command, with its default namespace unless that exists."""
    taken = Path(StorageUrl.parse(DEFAULT_STORAGE).path, "default.db").exists()
    return Place(f"demo_{secrets.token_hex(4)}" if taken else "default", DEFAULT_STORAGE)


@asynccontextmanager
async def _storage(place: Place, options: DemoOptions) -> AsyncIterator[Stores]:
    """The storage with a new namespace, which is dropped unless `keep` is set."""
    async with open_stores(place, makes=True, slow=True) as stores:
        there = await stores.storage.list_namespaces()
        await stores.storage.create_namespace(place.namespace, NamespaceOptions())
        try:
            yield stores
        finally:
            # An ingest server creates the default namespace of an embedded storage without one.
            made = [] if options.keep else {place.namespace, DEFAULT_NAMESPACE} - set(there)
            for name in made:
                with suppress(FeaturamaError):
                    await stores.storage.drop_namespace(name)
