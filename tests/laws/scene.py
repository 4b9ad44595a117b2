"""The stage of the law tests: an injected clock, definitions with every limit and type, and two servers on one storage.

On the embedded storage each scene is a namespace of its own; on a cluster, where a namespace takes seconds, scenes
share one and have entity ids and a growing feature of their own. Both servers see the same storage and choose
layouts apart.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from tests.opened import OpenedStore

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions, NamespaceStorage, Storage
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.entity_keys import key_columns
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup
from featurama_core.types.times import Duration
from featurama_core.types.values import parse_value_type

from .oracle import SECOND, Feature, Oracle
from .oracle_keys import GivenKey, KeyedType

T = TypeVar("T")

START = 1_793_000_000 * SECOND
TTL, LONG_TTL, RETENTION = 60 * SECOND, 100 * SECOND, 300 * SECOND
# Far below the default: a few minutes of event times lie in many partitions.
HISTORY_PERIOD = 90 * SECOND
GROUPS: dict[str, tuple[str, int | None, int | None]] = {
    "plain": ("entity", None, None),
    "brief": ("thing", TTL, None),
    "kept": ("thing", LONG_TTL, RETENTION),
    "stays": ("stay", LONG_TTL, RETENTION),
}
"""(entity type, ttl, retention)."""
STAY = KeyedType("stay", (("guest", "int"), ("city", "text"), ("wing", "text")))
# (name, version, type, group).
FEATURES = [
    ("level", 1, "double", "plain"),
    ("level", 2, "int", "plain"),
    ("tally", 1, "int", "plain"),
    ("note", 1, "text", "plain"),
    ("flag", 1, "bool", "plain"),
    ("shape", 1, "vector[3]", "plain"),
    ("home", 1, "text", "plain"),
    ("pace", 1, "double", "brief"),
    ("link", 1, "text", "brief"),
    ("heat", 1, "double", "kept"),
    ("heat", 2, "double", "kept"),
    ("word", 1, "text", "kept"),
]
OF_STAYS = [("nights", 1, "int", "stays"), ("onward", 1, "text", "stays")]
REFERENCES = {"home": "thing", "link": "thing", "onward": "stay"}
PATHS = [("home", "pace"), ("home", "heat"), ("link", "level"), ("link", "word")]
SETTINGS = StoreSettings(registry_staleness=0.0)
STANDING = StoreSettings()
"""Where nothing is registered while the scene plays: servers may know the definitions of a moment ago."""


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self, micros: int) -> None:
        self.nanos = micros * 1_000

    def __call__(self) -> int:
        return self.nanos

    @property
    def now(self) -> int:
        """Microseconds."""
        return self.nanos // 1_000

    def advance(self, micros: int) -> None:
        self.nanos += micros * 1_000


class Scene:
    """One example's stage: `servers` are two FeatureStores that share nothing but the storage."""

    def __init__(
        self,
        clock: FakeClock,
        storages: list[NamespaceStorage],
        name: str,
        number: int,
        run: Any,
        settings: StoreSettings = SETTINGS,
    ) -> None:
        self.clock = clock
        self.storages = storages
        self.namespace = name
        self._number = number
        self._run = run
        self._settings = settings
        self.servers = [self.server(storage) for storage in storages]
        self.oracle = Oracle(definitions(), [STAY])
        self.entities = [f"{who}_{number}" for who in ("fry", "leela", "zoidberg é☃")]
        self.stays = stays(number)
        self.id_of = {keys: STAY.id_of(keys) for keys in self.stays}
        self.stay_ids = [each for each in dict.fromkeys(self.id_of.values()) if each is not None]
        # Ids of another form, and of something else.
        self.odd_ids = [f"stay:0{number}|a|b", f"stay:{number}|a%7cb|c", f"stay:{number}|a", f"fry_{number}"]
        self.growing = f"grow_{number}"
        self._made = count()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the arena's loop."""
        result: T = self._run(work)
        return result

    def server(self, storage: NamespaceStorage) -> OpenedStore:
        """A server that has just started: it knows nothing but the storage."""
        return OpenedStore(Namespace(self.namespace, storage, self._settings, self.clock))

    def restart(self, which: int) -> None:
        """A server is replaced by a new one."""
        self.servers[which] = self.server(self.storages[which])

    def grow(self) -> None:
        """Register the next version of the scene's own feature; its type changes each time."""
        version = (self.oracle.newest_version(self.growing) or 0) + 1
        kind = ("double", "text", "int")[version % 3]
        work = self.servers[version % 2].register_feature(self.growing, kind, version=version, group="plain")
        self.run(work)
        grown = Feature(self.growing, version, kind, registered_at=self.clock.now)
        self.oracle.features[grown.key] = grown

    def next_id(self, at: int, nanos: int = 0) -> str:
        """A request id made by a client whose clock shows `at` (microseconds) and `nanos`."""
        return str(RequestIds(lambda: at * 1_000 + nanos).next())

    def new_id(self, delay: int) -> str:
        """A request id made `delay` before now. No two have one ingest time: whose value would win, no law says."""
        # One nanosecond apart, two may be floored to one.
        return self.next_id(self.clock.now - delay, nanos=2 * next(self._made) % 1_000)

    @property
    def references(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """What is read: pinned reference -> one key, or the two of a path."""
        plain = {
            f"{each.name}@{each.version}": (each.key,)
            for each in self.oracle.features.values()
            if each.entity_type != STAY.name
        }
        paths = {f"{via}@1.{name}@1": ((via, 1), (name, 1)) for via, name in PATHS}
        return {**plain, **paths}

    @property
    def of_stays(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """What is read of stays: their own features, some that any entity has, and a path."""
        nights, onward = ("nights", 1), ("onward", 1)
        return {
            "nights@1": (nights,),
            "onward@1": (onward,),
            "onward@1.nights@1": (onward, nights),
            "tally@1": (("tally", 1),),
            "home@1": (("home", 1),),
        }


Keys = tuple[GivenKey, GivenKey, GivenKey]


def stays(number: int) -> list[Keys]:
    """Keys of a scene's own: four stays that one id would stand for if keys were joined as they are, one of them in
    another form, and keys that name nobody.
    """
    low, high = -(2**63) + number, 2**63 - 1 - number
    return [
        (low, "a|b", "c%"),
        (low, "a", "b|c%"),
        (high, "|", "é:☃"),
        (high, "%7C", "é:☃"),
        (number, "stay:é%25", "-0 "),
        (float(number), "stay:é%25", "-0 "),
        (None, "a|b", "c%"),
        (low, "", "c%"),
        (low, "a|b", None),
        (number + 0.5, "stay:é%25", "-0 "),
        (low, "a\x00b", "c%"),
        (low, "%" * 75, "c%"),
    ]


STAYS, NAMED_STAYS = 12, 6
"""Keys of a scene, and those of them that name a stay."""


class Arena:
    """The storages of one adapter, open for a whole session on one loop."""

    def __init__(
        self, adapter: str, runner: asyncio.Runner, storages: list[Storage], start: int, history: str = "rows"
    ) -> None:
        self.adapter = adapter
        self.history = history
        self.start = start
        self._runner = runner
        self._storages = storages
        self._numbers = count()
        self._shared = ""

    @property
    def storage(self) -> Storage:
        """The first of the storages."""
        return self._storages[0]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the arena's loop, with a deadline: nothing here takes long."""

        async def bounded() -> T:
            async with asyncio.timeout(60):
                return await work

        # As `run` does, without a handler of signals for each of the thousands of short calls.
        return self._runner.get_loop().run_until_complete(bounded())

    @contextmanager
    def scene(self, *, grows: bool = True) -> Iterator[Scene]:
        """A stage nobody has used. grows: features may be registered on it, and one of its own is."""
        number = next(self._numbers)
        if self.adapter == "sqlite":
            name = f"scene_{number}_{uuid.uuid4().hex[:8]}"
            self.run(self._make(name))
        else:
            if not self._shared:
                self._shared = f"laws_{uuid.uuid4().hex[:12]}"
                self.run(self._make(self._shared))
            name = self._shared
        clock = FakeClock(self.start)
        namespaces = [self.run(storage.namespace(name)) for storage in self._storages]
        scene = Scene(clock, namespaces, name, number, self.run, SETTINGS if grows else STANDING)
        if grows:
            scene.grow()
        try:
            yield scene
        finally:
            if self.adapter == "sqlite":
                self.run(self._storages[0].drop_namespace(name))

    def close(self) -> None:
        """Remove what was shared."""
        if self._shared:
            self.run(self._storages[0].drop_namespace(self._shared))

    async def _make(self, name: str) -> None:
        await self._storages[0].create_namespace(name, NamespaceOptions(history_period=HISTORY_PERIOD))
        storage = await self._storages[0].namespace(name)
        await register(OpenedStore(Namespace(name, storage, SETTINGS, FakeClock(self.start))), self.history)


def definitions() -> list[Feature]:
    """What `register` registers, for the oracle."""
    found = []
    for name, version, kind, group in (*FEATURES, *OF_STAYS):
        bare, _, length = kind.partition("[")
        entity_type, ttl, retention = GROUPS[group]
        found.append(
            Feature(
                name,
                version,
                bare,
                ttl,
                retention,
                length=int(length.rstrip("]") or 0),
                entity_type=entity_type,
                references=REFERENCES.get(name, ""),
            )
        )
    return found


async def register(store: OpenedStore, history: str = "rows") -> None:
    """The types, groups and features of every scene."""
    ages = {group: [None if age is None else Duration(age) for age in each[1:]] for group, each in GROUPS.items()}
    groups = [
        FeatureGroup(group, each[0], ttl=ages[group][0], retention=ages[group][1], history=history)
        for group, each in GROUPS.items()
    ]
    features = []
    for name, version, kind, group in (*FEATURES, *OF_STAYS):
        value_type, length = parse_value_type(kind)
        entity_type, references = GROUPS[group][0], REFERENCES.get(name)
        features.append(FeatureDefinition(name, value_type, version, entity_type, group, length, references))
    types = [EntityType("thing"), EntityType(STAY.name, keys=key_columns(dict(STAY.columns)))]
    await store.register([*types, *groups, *features])


@contextmanager
def open_arena(adapter: str, url: str = "", history: str = "rows") -> Iterator[Arena]:
    """Two storages on one directory or cluster. `url` is a cluster's. history: of the groups."""
    folder = None
    if adapter == "sqlite":
        # Memory, where there is some: the laws are about meaning; test_law_5 and the contract suite are about disks.
        memory = Path("/dev/shm")
        folder = Path(tempfile.mkdtemp(prefix="featurama-laws-", dir=memory if memory.is_dir() else None))
        url = f"sqlite:///{folder}"
    # A cluster expires by its own clock, so the scenes begin now.
    start = START if adapter == "sqlite" else time.time_ns() // 1_000
    try:
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            try:
                storages = [runner.run(stack.enter_async_context(_opened(url))) for _ in range(2)]
                arena = Arena(adapter, runner, storages, start, history)
                yield arena
                arena.close()
            finally:
                runner.run(stack.aclose())
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _opened(url: str) -> Any:
    async with open_storage(StorageSettings(url, request_timeout_ms=20_000)) as storage:
        yield storage
