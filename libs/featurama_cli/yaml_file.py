"""YAML files that people write: data only, each key once, fields of known names and kinds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import InvalidInput

ENDINGS = (".yaml", ".yml", ".json")
MAX_BYTES = 8 * 1024 * 1024
_WORDS: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list of texts",
    dict: "texts by column, such as {storm: bool}",
}


def read_yaml(path: Path, fields: Collection[str]) -> dict[str, Any]:
    """The fields of a file, none of which is unknown. Raises InvalidInput with the place and the remedy."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that appears twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            found: dict[object, Any] = super().construct_mapping(node, deep=deep)
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key, (at, _) in zip(keys, node.value, strict=True):
                if keys.count(key) > 1:
                    line = at.start_mark.line + 1
                    raise InvalidInput(f"{path.name}, line {line}: {key!r} appears twice; keep one", field=str(key))
            return found

    try:
        text = path.read_bytes()
        given = yaml.load(text[:MAX_BYTES], Loader) if len(text) <= MAX_BYTES else None  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="file") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidInput(f"{path.name} is not YAML{where}", field="file") from error
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{path.name} must hold {', '.join(fields)}", field="file")
    check_fields(given, fields, path.name)
    return dict(given)


def check_fields(given: Mapping[Any, Any], known: Collection[str], where: str) -> None:
    """Raise InvalidInput for an unknown field, with the known one that may have been meant."""
    for name in given:
        if name not in known:
            fix = did_you_mean(str(name), known, f"the fields are {', '.join(known)}")
            raise InvalidInput(f"{where}: {name!r} is not a field; {fix}", field=str(name))


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Errors about values begin with their place in the file."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", reason=error.reason, **error.metadata) from error


def read_field(value: Any, kind: type, name: str) -> object:
    """A value of a kind, a list as a tuple of texts. Raises InvalidInput."""
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    texts = [*value, *value.values()] if fits and kind is dict else value if kind is list else ()
    if not fits or not all(isinstance(each, str) for each in texts):
        fix = '; quote the words that YAML takes for others: "yes", "no", "1"' if fits else ""
        raise InvalidInput(f"{name} must be {_WORDS[kind]}, not {value!r:.40}{fix}", field=name)
    return tuple(value) if kind is list else value
