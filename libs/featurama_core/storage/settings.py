"""URL and settings of a storage. Passwords never appear in `repr`, logs or errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from featurama_core.storage.port import Consistency
from featurama_core.types.errors import InvalidInput

_KNOWN_OPTIONS = frozenset({"dc", "tls", "keyspace_prefix", "replication"})
_SCHEMES = ("sqlite", "scylla", "cassandra")


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """URL and settings of a storage. The embedded store uses `url` and `read_only` only.

    url: `sqlite:///relative/dir`, `sqlite:////absolute/dir`, `scylla://user@host1,host2:9042/?dc=dc1&replication=3`.
    tls_*: paths of PEM files; host names are verified unless `tls_verify` is off. read_only: the embedded store opens
    its files for reading and creates none; on a cluster, permissions are granted to users.
    """

    url: str
    password: str = field(default="", repr=False)
    consistency: Consistency = Consistency.LOCAL_QUORUM
    request_timeout_ms: int = 5_000
    connect_timeout_ms: int = 5_000
    max_in_flight: int = 200
    coalesce_delay_us: int = 0
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = field(default="", repr=False)
    tls_verify: bool = True
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class StorageUrl:
    """A parsed storage URL. `path` (sqlite) or `hosts` (CQL) is set. port: 0 for the default."""

    scheme: str
    path: str = ""
    hosts: tuple[str, ...] = ()
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str) -> StorageUrl:
        """Parse a URL. InvalidInput names the invalid part and never contains a password."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise invalid_url(f"scheme {parts.scheme!r} is not one of sqlite, scylla, cassandra")
        if parts.scheme == "sqlite":
            if parts.netloc or len(parts.path) < 2 or parts.query:
                raise invalid_url("write sqlite:///relative/dir or sqlite:////absolute/dir")
            return cls("sqlite", path=unquote(parts.path[1:]))
        options = tuple(parse_qsl(parts.query, keep_blank_values=True))
        for name, _ in options:
            if name not in _KNOWN_OPTIONS:
                raise invalid_url(f"option {name!r} is not one of {', '.join(sorted(_KNOWN_OPTIONS))}")
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        names, port = _hosts(hosts)
        return cls("cql", hosts=names, port=port, user=unquote(user), password=unquote(password), options=options)

    def option(self, name: str, default: str = "") -> str:
        """An option in the query of the URL."""
        return dict(self.options).get(name, default)


def redacted(url: str) -> str:
    """The URL without its password, for output and logs."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return parts._replace(netloc=f"{user}{':***' if colon else ''}{at}{hosts}").geturl() if at else url


def _hosts(text: str) -> tuple[tuple[str, ...], int]:
    names, port = [], 0
    for host in text.split(","):
        name, _, digits = host.partition(":")
        if not name or (digits and not digits.isdecimal()):
            raise invalid_url("name the hosts: scylla://host1,host2:9042/?dc=dc1")
        names.append(name)
        port = int(digits) if digits else port
    return tuple(names), port


def invalid_url(problem: str) -> InvalidInput:
    """The error for a part of the URL."""
    return InvalidInput(f"storage URL: {problem}", field="storage")
