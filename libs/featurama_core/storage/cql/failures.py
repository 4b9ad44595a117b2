"""Translation of the errors of the driver: not carried out, or outcome unknown. Its texts never reach a caller."""

from __future__ import annotations

from acsylla import errors as driver_errors

from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable

DriverError: type[Exception] = driver_errors.CassException
RefusedStatement: type[Exception] = driver_errors.CassErrorServerInvalidQuery
TABLE_GOES: tuple[type[Exception], ...] = (RefusedStatement, driver_errors.CassErrorServerServerError)
"""Errors of statements on a table that another process is dropping."""
AlreadyThere: type[Exception] = driver_errors.CassErrorServerAlreadyExists

_NOT_NOW = {
    "CassErrorServerUnavailable": "too few replicas are alive for the consistency level; try again",
    "CassErrorServerIsBootstrapping": "the CQL node is still starting; try again",
    "CassErrorLibNoHostsAvailable": "no CQL node can be reached; check the hosts of the storage URL and the network",
    "CassErrorLibUnableToConnect": "no CQL node can be reached; check the hosts of the storage URL and the network",
    "CassErrorLibHostResolution": "a host of the storage URL is unknown; check its name",
    "CassErrorLibRequestQueueFull": "too many statements wait for the CQL servers; send the request again later",
    "CassErrorLibNoStreams": "too many statements wait for the CQL servers; send the request again later",
}
_REFUSED = {
    "CassErrorServerInvalidQuery": "the CQL server refused a statement; check its version and its schema",
    "CassErrorServerSyntaxError": "the CQL server refused a statement; check its version and its schema",
    "CassErrorServerConfigError": "the CQL server refused a setting; check replication and datacentre names",
    "CassErrorServerUnauthorized": "the CQL user lacks a permission; grant it on the namespace's keyspace",
    "CassErrorServerBadCredentials": "the CQL server refused the user name or password; check both",
    "CassErrorServerAlreadyExists": "it exists already",
    "CassErrorLibUnableToSetKeyspace": "the keyspace is not there",
}
_WITHOUT_CONNECTION = "no secure connection to the CQL server; check tls, tls_ca, tls_cert, tls_key and host names"


def is_passing(error: Exception) -> bool:
    """Whether the same statement may succeed shortly afterwards."""
    name = type(error).__name__
    return isinstance(error, DriverError) and name not in _REFUSED and not name.startswith("CassErrorSsl")


def surely_not_done(error: Exception) -> bool:
    """Whether the statement certainly had no effect."""
    name = type(error).__name__
    return name in _NOT_NOW or name in _REFUSED or name.startswith("CassErrorSsl") or isinstance(error, RuntimeError)


def translated(error: Exception, *, maybe_done: bool) -> StoreUnavailable | OutcomeUnknown:
    """The error for the caller. maybe_done: whether an attempt may have had an effect."""
    name = type(error).__name__
    found: StoreUnavailable | OutcomeUnknown
    if maybe_done:
        found = OutcomeUnknown("the CQL servers did not confirm in time; it may be done: send the same request again")
    elif isinstance(error, RuntimeError):
        found = StoreUnavailable("the storage is closed; open it again")
    elif name.startswith("CassErrorSsl"):
        found = StoreUnavailable(_WITHOUT_CONNECTION)
    else:
        unanswered = "the CQL servers did not answer in time; try again"
        found = StoreUnavailable(_NOT_NOW.get(name) or _REFUSED.get(name) or unanswered)
    found.__cause__ = error
    return found
