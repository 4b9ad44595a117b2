"""Definitions, registered before values are written. They are immutable values; a changed type is a new version, and
a changed description, owner, tag, ttl, retention or form of history a new revision (revisions.py).

Durations and times are int64 microseconds. The registry sets `deprecated`, `deleted`, `created_at` (microseconds UTC)
and the revision; they are not compared. revision: number of the newest revision, from 1. start: since when it is in
force, MIN_TIME for the first. earlier: the revisions before it, the first one first, without their own `earlier`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from featurama_core.types.entity_keys import EntityKeys, KeyColumn
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import (
    DEFAULT_ENTITY_TYPE,
    DEFAULT_GROUP,
    check_list_of_texts,
    check_name,
    check_unicode,
)
from featurama_core.types.roles import Role, checked_roles
from featurama_core.types.times import MIN_TIME, Duration, DurationLike, duration_text, parse_duration
from featurama_core.types.values import MAX_VECTOR_LENGTH, ValueType, type_text

MAX_DESCRIPTION_BYTES = 4_096
MAX_TAGS = 32
MAX_BUCKETS = 1_024
HISTORY_FORMS = ("rows", "packed")
"""How a CQL server stores the history of a group: a row per value, or a packed cell per write of an entity."""


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of thing that features describe. keys: the columns that make its ids; () for ids of any form."""

    name: str
    description: str = ""
    keys: tuple[KeyColumn, ...] = ()
    deprecated: bool = field(default=False, compare=False)
    created_at: int = field(default=0, compare=False)
    deleted: bool = field(default=False, compare=False)
    revision: int = field(default=1, compare=False)
    start: int = field(default=MIN_TIME, compare=False, repr=False)
    earlier: tuple[Any, ...] = field(default=(), compare=False, repr=False)

    def check(self) -> None:
        """Raise InvalidInput unless every field is within its bounds."""
        check_name(self.name, "entity_type")
        _check_text(self.description, "description")
        if self.id_keys is not None:
            if self.name == DEFAULT_ENTITY_TYPE:
                raise _invalid("keys", f"are not possible for {DEFAULT_ENTITY_TYPE!r}, whose features take any id")
            self.id_keys.check()

    @property
    def id_keys(self) -> EntityKeys | None:
        """The codec of the ids; None for a type without keys."""
        return EntityKeys(self.name, self.keys) if self.keys else None

    @property
    def key_bytes(self) -> int:
        """Bytes of an id that are left for the escaped keys; 0 without keys."""
        return self.id_keys.room if self.id_keys is not None else 0


@dataclass(frozen=True, slots=True, init=False)
class FeatureGroup:
    """Features of one entity type that are computed and written together.

    ttl: age up to which reads return a value. retention: age up to which a value is stored. Each is given as a text
    with a unit ("36h", "30d") or a timedelta, and kept in microseconds. None for no limit.
    buckets: number of partitions per period, a power of two; a change applies to periods that begin later. history: one
    of HISTORY_FORMS; the embedded store packs all history.
    """

    name: str
    entity_type: str
    description: str
    ttl: Duration | None
    retention: Duration | None
    buckets: int
    history: str
    deprecated: bool = field(compare=False)
    created_at: int = field(compare=False)
    deleted: bool = field(compare=False)
    revision: int = field(compare=False)
    start: int = field(compare=False, repr=False)
    earlier: tuple[Any, ...] = field(compare=False, repr=False)

    def __init__(
        self,
        name: str = DEFAULT_GROUP,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        description: str = "",
        ttl: DurationLike = None,
        retention: DurationLike = None,
        buckets: int = 1,
        history: str = "rows",
        deprecated: bool = False,
        created_at: int = 0,
        deleted: bool = False,
        revision: int = 1,
        start: int = MIN_TIME,
        earlier: tuple[Any, ...] = (),
    ) -> None:
        ages = parse_duration(ttl, "ttl"), parse_duration(retention, "retention")
        revised = revision, start, earlier
        values = name, entity_type, description, *ages, buckets, history, deprecated, created_at, deleted, *revised
        for each, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, each.name, value)

    def __repr__(self) -> str:
        ages = {"ttl": duration_text(self.ttl), "retention": duration_text(self.retention)}
        shown = {each.name: getattr(self, each.name) for each in fields(self) if each.repr} | ages
        return f"FeatureGroup({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def check(self) -> None:
        """Raise InvalidInput unless every field is within its bounds."""
        check_name(self.name, "feature_group")
        check_name(self.entity_type, "entity_type")
        _check_text(self.description, "description")
        if self.retention is not None and self.ttl is not None and self.retention < self.ttl:
            raise _invalid("retention", "must not be shorter than ttl")
        if not 1 <= self.buckets <= MAX_BUCKETS or self.buckets & (self.buckets - 1):
            raise _invalid("buckets", f"must be a power of two from 1 to {MAX_BUCKETS}")
        if self.history not in HISTORY_FORMS:
            raise _invalid("history", f"must be {' or '.join(HISTORY_FORMS)}, not {self.history!r:.40}")


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One version of a feature.

    references: entity type whose ids this text feature holds, so that paths can follow it.
    """

    name: str
    value_type: ValueType
    version: int = 1
    entity_type: str = DEFAULT_ENTITY_TYPE
    group: str = DEFAULT_GROUP
    vector_length: int = 0
    references: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    deprecated: bool = field(default=False, compare=False)
    created_at: int = field(default=0, compare=False)
    deleted: bool = field(default=False, compare=False)
    revision: int = field(default=1, compare=False)
    start: int = field(default=MIN_TIME, compare=False, repr=False)
    earlier: tuple[Any, ...] = field(default=(), compare=False, repr=False)

    def check(self) -> None:
        """Raise InvalidInput unless every field is within its bounds."""
        check_name(self.name, "feature_name")
        check_name(self.entity_type, "entity_type")
        check_name(self.group, "feature_group")
        if not 1 <= self.version < 2**31:
            raise _invalid("version", "must be a whole number from 1")
        if self.value_type is ValueType.VECTOR and not 1 <= self.vector_length <= MAX_VECTOR_LENGTH:
            raise _invalid("vector_length", f"must be from 1 to {MAX_VECTOR_LENGTH}")
        if self.value_type is not ValueType.VECTOR and self.vector_length:
            raise _invalid("vector_length", "belongs to vector features only")
        if self.references is not None:
            check_name(self.references, "references")
            if self.value_type is not ValueType.TEXT:
                raise _invalid("references", "belongs to text features only: the value is an entity id")
        _check_text(self.description, "description")
        _check_text(self.owner, "owner")
        if len(self.tags) > MAX_TAGS or any(not tag or len(tag.encode()) > 128 for tag in self.tags):
            raise _invalid("tags", f"must be at most {MAX_TAGS} texts of 1 to 128 bytes")

    @property
    def key(self) -> tuple[str, int]:
        """(name, version), unique in a namespace."""
        return self.name, self.version

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def type_text(self) -> str:
        """`double`, `int`, `text`, `bool` or `vector[N]`."""
        return type_text(self.value_type, self.vector_length)


@dataclass(frozen=True, slots=True)
class FeatureService:
    """The pinned features of one model in a fixed order (`distance@1`, `destination@1.traffic_level@2`).

    roles: the entities of a row, if a row has several; the references then name them (`home.rating@1`).
    """

    name: str
    features: tuple[str, ...]
    description: str = ""
    roles: tuple[Role, ...] = ()
    deprecated: bool = field(default=False, compare=False)
    created_at: int = field(default=0, compare=False)
    deleted: bool = field(default=False, compare=False)
    revision: int = field(default=1, compare=False)
    start: int = field(default=MIN_TIME, compare=False, repr=False)
    earlier: tuple[Any, ...] = field(default=(), compare=False, repr=False)

    def check(self) -> None:
        """Raise InvalidInput unless every field is within its bounds. The registry checks the references."""
        check_name(self.name, "feature_service")
        _check_text(self.description, "description")
        if not self.features:
            raise _invalid("features", "must name at least one feature")
        if len(set(self.features)) != len(self.features):
            raise _invalid("features", "names a feature twice")
        checked_roles(self.roles)

    def roles_with(self, given: tuple[Role, ...]) -> tuple[Role, ...]:
        """The roles of a request that names the service. given: those that the request declares."""
        foreign = [each for each in given if each not in self.roles] if self.roles else []
        if foreign:
            raise InvalidInput(
                f"the request declares the role {foreign[0].name} ({foreign[0].entity_type}), but feature service"
                f" {self.name!r} declares {', '.join(f'{each.name} ({each.entity_type})' for each in self.roles)}",
                field="roles",
            )
        return self.roles or given


def check_fields(given: object) -> None:
    """Raise InvalidInput unless every text of a definition or entity is valid Unicode, every list one of texts, of keys
    or of roles, and every number whole.

    These are checked where a caller gives them, since neither a message nor a storage can hold anything else.
    """
    for each in fields(given):  # type: ignore[arg-type]
        value = getattr(given, each.name)
        if each.type.startswith("tuple[str"):
            check_list_of_texts(value, each.name)
        for kind in (KeyColumn, Role):
            if each.type.startswith(f"tuple[{kind.__name__}"):
                _check_tuple_of(kind, value, each.name)
        if each.type == "ValueType" and not isinstance(value, ValueType):
            raise InvalidInput(f"{each.name} must be a ValueType, not {value!r:.40}", field=each.name)
        if each.type == "int" and type(value) is not int:
            raise InvalidInput(f"{each.name} must be a whole number, not {value!r:.40}", field=each.name)
        for text in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(text, str):
                check_unicode(**{each.name: text})
            elif each.type == "str" or (each.type == "str | None" and text is not None):
                raise InvalidInput(f"{each.name} must be a text, not {text!r:.40}", field=each.name)


def _check_tuple_of(kind: type[Any], given: object, field: str) -> None:
    if not isinstance(given, tuple) or not all(isinstance(each, kind) for each in given):
        raise InvalidInput(f"{field} must be a tuple of {kind.__name__}, not {given!r:.40}", field=field)
    for each in given:
        check_fields(each)


Definition = EntityType | FeatureGroup | FeatureDefinition | FeatureService
_ORDER = (EntityType, FeatureGroup, FeatureDefinition, FeatureService)


@dataclass(frozen=True, slots=True)
class Use:
    """What uses a definition. kind: `feature`, `feature service`, `model`, `entities` and so on. name: its name; of a
    feature or a model, with the version. reference: how a service or a model names a feature, such as the path
    `destination@1.traffic_level@2`.
    """

    kind: str
    name: str
    reference: str = ""


def kind_name(kind: type[Definition]) -> str:
    """`entity type`, `feature group`, `feature` or `feature service`."""
    return ("entity type", "feature group", "feature", "feature service")[_ORDER.index(kind)]


def in_order(definition: Definition) -> tuple[int, int]:
    """Sort key of the order of registration: what a definition names comes first, earlier versions too."""
    return _ORDER.index(type(definition)), definition.version if isinstance(definition, FeatureDefinition) else 0


def shown(definition: Definition) -> str:
    """The name of a definition; of a feature, with its version."""
    return definition.reference if isinstance(definition, FeatureDefinition) else definition.name


@dataclass(frozen=True, slots=True)
class Entity:
    """A registered entity. metadata: a JSON object as text. Times are microseconds since 1970 UTC."""

    entity_id: str
    entity_type: str
    name: str = ""
    metadata: str = "{}"
    created_at: int = field(default=0, compare=False)
    updated_at: int = field(default=0, compare=False)


def check_version(version: int, least: int = 1) -> int:
    """Return `version` if it may be the version of a feature or a model; `least` 0 admits "none"."""
    # On the wire 0 stands for an omitted version: a 0 given by the caller must be refused before.
    if type(version) is not int or not least <= version < 2**31:
        raise InvalidInput(f"version must be a whole number from {least}", field="version")
    return version


def _check_text(text: str, name: str) -> None:
    if len(text.encode("utf-8", "replace")) > MAX_DESCRIPTION_BYTES:
        raise _invalid(name, f"must be at most {MAX_DESCRIPTION_BYTES} bytes")


def _invalid(name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{name} {problem}", reason=Reason.INVALID_DEFINITION, field=name)
