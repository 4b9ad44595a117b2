"""A proposal as YAML, with its questions as comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from featurama_cli.proposal.propose import Feature, Proposal

_PLAIN = re.compile(r"[a-z][a-z0-9_]*(\[\d+\])?")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def yaml_text(made: Proposal, head: Iterable[str]) -> str:
    """The file. head: lines of the comment at its beginning."""
    lines = [f"# {_one_line(line)}" for line in head]
    keys = ", ".join(f"{name}: {kind}" for name, kind in made.keys.items())
    kind = f"  - {{name: {_scalar(made.entity_type)}{f', keys: {{{keys}}}' if keys else ''}}}"
    lines += ["", f"entity_types:{_comment(made.unsure.get('entity_types', ()))}", kind, ""]
    lines += ["feature_groups:", f"  - {{name: {_scalar(made.group)}, entity_type: {_scalar(made.entity_type)}}}", ""]
    lines += [f"features:{_comment(made.unsure.get('features', ()))}"]
    lines += [_feature(each, made.group) for each in made.features]
    lines += ["", "mapping:", *_mapping(made)]
    lines += [f"  # unsure: column {_one_line(column)} is left out: {_one_line(why)}" for column, why in made.left_out]
    return "\n".join(lines) + "\n"


def _feature(each: Feature, group: str) -> str:
    kind = each.type if "[" not in each.type else f'"{each.type}"'
    return f"  - {{name: {_scalar(each.name)}, group: {_scalar(group)}, type: {kind}}}{_comment(each.unsure)}"


def _mapping(made: Proposal) -> Iterator[str]:
    for name, value in made.mapping.items():
        comment = _comment(made.unsure.get(name, ()))
        if isinstance(value, dict):
            yield f"  {name}:{comment}"
            yield from (f"    {_scalar(key)}: {_scalar(each)}" for key, each in value.items())
        elif isinstance(value, (list, tuple)):
            yield f"  {name}: [{', '.join(map(_scalar, value))}]{comment}"
        else:
            yield f"  {name}: {_scalar(value)}{comment}"


def _comment(questions: Iterable[str]) -> str:
    said = "; ".join(map(_one_line, questions))
    return f"  # unsure: {said}" if said else ""


def _scalar(value: Any) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text) and text not in _WORDS and "[" not in text:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**31).strip()
    return quoted


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
