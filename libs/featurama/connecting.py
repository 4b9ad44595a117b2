"""`connect` opens every kind of store. Only the packages that the URL needs are imported.

`sqlite:///dir` and `scylla://host1,host2/?dc=dc1` open a storage in this process; `grpc://host:port` connects to
servers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from featurama.client.settings import Retries, Tls
    from featurama_core.api import FeatureStore
    from featurama_core.types.times import Clock

_TIMEOUT = 10.0
_TAKES = {
    "sqlite": ("clock", "read_only"),
    "scylla": ("clock", "consistency", "password", "timeout", "tls"),
    "cassandra": ("clock", "consistency", "password", "timeout", "tls"),
    "grpc": ("authorization", "metadata", "retries", "timeout", "tls"),
}
"""Parameters of `connect` besides the namespace, by the scheme of the URL."""


@asynccontextmanager
async def connect(
    url: str,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    timeout: float | None = None,  # noqa: ASYNC109 - of each call, not of this one
    tls: Tls | None = None,
    retries: Retries | None = None,
    metadata: Mapping[str, str] | None = None,
    authorization: str | None = None,
    password: str | None = None,
    consistency: Literal["LOCAL_QUORUM", "LOCAL_ONE"] | None = None,
    read_only: bool | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[FeatureStore]:
    """Open a feature store as an asynchronous context manager. Leaving the context closes the store.

    Args:
        url: One of these forms:
            `sqlite:///relative/dir` or `sqlite:////absolute/dir`, a directory, created if it is missing;
            `scylla://user@host1,host2:9042/?dc=dc1` (or `cassandra://`), a CQL cluster;
            `grpc://host:port[,host:port...]?ingest=host:port[,...]`, servers: replicas for reads, and replicas for
            writes and registrations (without `ingest=` the same ones). Calls are distributed over the replicas.
            Further options are `timeout=5`, `tls=1`, and `channels=4`: connections to each address.
        namespace: Name of the namespace.
        timeout: Seconds. For servers, the limit of a call including retries (default 10), and of an acknowledgement in
            a stream of writes. For a cluster, the limit of one request (default 5).
        tls: For servers and clusters: trusted authorities and own certificate.
        retries: For servers: retries of calls.
        metadata: For servers: headers of every call.
        authorization: For servers: the `authorization` header of every call.
        password: For a cluster: password of the user in the URL.
        consistency: For a cluster: number of replicas that must answer, default LOCAL_QUORUM.
        read_only: For an embedded storage: its files are opened for reading, and none is created.
        clock: For a storage: a wall clock that returns nanoseconds since 1970 UTC, for tests.

    Yields:
        The store.

    Raises:
        FailedPrecondition: A package is missing. The message names the extra to install.
        InvalidInput: The URL is invalid, or a parameter does not apply to its scheme.
        StoreUnavailable: The storage does not answer. Servers are first contacted by a call.
        Unknown: The namespace does not exist (UNKNOWN_NAMESPACE). With servers, the first call raises it.
    """
    scheme = urlsplit(url).scheme
    if scheme not in _TAKES:
        raise InvalidInput(
            f"scheme {scheme!r} is not one of {', '.join(_TAKES)}; write sqlite:///dir, scylla://host or grpc://host:port",
            field="url",
        )
    options: dict[str, Any] = {
        "timeout": timeout,
        "tls": tls,
        "retries": retries,
        "metadata": metadata,
        "authorization": authorization,
        "password": password,
        "consistency": consistency,
        "read_only": read_only,
        "clock": clock,
    }
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in _TAKES[scheme]:
            raise InvalidInput(f"a {scheme}:// URL takes no {name}; leave it out", field=name)
    if timeout is not None and not timeout > 0:
        raise InvalidInput("timeout must be longer than zero", field="timeout")
    opening = _servers if scheme == "grpc" else _storage
    async with opening(url, namespace, given) as store:
        yield store


@asynccontextmanager
async def _servers(url: str, namespace: str, given: Mapping[str, Any]) -> AsyncIterator[FeatureStore]:
    from featurama.client.remote_store import open_remote
    from featurama.client.settings import CallSettings, Retries, ServerUrl, Tls

    servers = ServerUrl.parse(url)
    headers = {name.lower(): value for name, value in given.get("metadata", {}).items()}
    if "authorization" in given:
        headers["authorization"] = given["authorization"]
    timeout = given.get("timeout", _TIMEOUT if servers.timeout is None else servers.timeout)
    settings = CallSettings(timeout, given.get("retries", Retries()), tuple(headers.items()))
    tls = given.get("tls", Tls() if servers.tls else None)
    async with open_remote(servers, namespace, settings, tls) as store:
        yield store


@asynccontextmanager
async def _storage(url: str, namespace: str, given: Mapping[str, Any]) -> AsyncIterator[FeatureStore]:
    async with AsyncExitStack() as resources:
        try:
            from featurama.embedded import open_embedded

            store = await resources.enter_async_context(open_embedded(url, namespace, given))
        except ModuleNotFoundError as error:
            raise FailedPrecondition(
                f"{urlsplit(url).scheme}:// needs the package {error.name}; install featurama[ingest], or "
                "featurama[cli] for all of it",
                reason=Reason.INVALID_ARGUMENT,
                package=error.name,
            ) from error
        yield store
