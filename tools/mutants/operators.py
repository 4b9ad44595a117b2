"""The mutants of one module: mutmut's operators on every expression that can carry a rule.

Not mutated, because no test should hold it: annotations and aliases of types, decorators, imports, the words of texts,
and what only states an invariant: asserts, and the `strict` of a zip.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

_OPERATORS = [(kind, operator) for kind, operator in mutation_operators if operator is not operator_string]
_SKIPPED = (
    cst.Annotation,
    cst.Assert,
    cst.Decorator,
    cst.Import,
    cst.ImportFrom,
    cst.FormattedString,
    cst.ConcatenatedString,
    cst.SimpleString,
)
_TEXTS = (cst.FormattedString, cst.ConcatenatedString, cst.SimpleString)
_NEVER_CALLS = {"len", "isinstance", "cast", "TypeVar"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module. function: the outermost function it lies in, qualified by its classes, "" outside.

    in_body: the change lies in the body of that function, so that its code can be exchanged in a loaded module. before,
    after: the changed lines, without their indentation; nth: of several with the same ones. source: the whole changed
    module.
    """

    function: str
    in_body: bool
    line: int
    before: str
    after: str
    nth: int
    source: str

    @property
    def key(self) -> str:
        """Names the mutant between runs, wherever its lines move."""
        return hashlib.sha256(repr((self.function, self.before, self.after, self.nth)).encode()).hexdigest()[:16]


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder()
    wrapper.visit(finder)
    starts = list(itertools.accumulate((len(line) for line in source.splitlines(keepends=True)), initial=0))
    texts: set[str] = {source}
    times: Counter[tuple[str, str, str]] = Counter()
    mutants = []
    for place in finder.places:
        start = starts[place.span.start.line - 1] + place.span.start.column
        end = starts[place.span.end.line - 1] + place.span.end.column
        for changed in _changes(place):
            text = source[:start] + wrapper.module.code_for_node(changed) + source[end:]
            if text in texts:
                continue
            texts.add(text)
            line, before, after = _difference(source, text)
            nth = times[place.function, before, after]
            times[place.function, before, after] += 1
            mutants.append(Mutant(place.function, place.in_body, line, before, after, nth, text))
    return sorted(mutants, key=lambda each: each.line)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node that may change, and where its text lies."""

    node: cst.CSTNode
    span: CodeRange
    function: str
    in_body: bool
    in_raise: bool


class _Finder(cst.CSTVisitor):
    """Collects the nodes that may change."""

    METADATA_DEPENDENCIES = (WhitespaceInclusivePositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.places: list[_Place] = []
        self._classes: list[str] = []
        self._functions: list[str] = []
        self._bodies = 0
        self._raises = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Note a node, unless nothing in it is mutated."""
        if isinstance(node, _SKIPPED) or self._is_alias(node) or _is_left_alone(node):
            return False
        if isinstance(node, cst.ClassDef):
            self._classes.append(node.name.value)
        elif isinstance(node, cst.FunctionDef):
            self._functions.append(node.name.value)
        elif isinstance(node, cst.Raise):
            self._raises += 1
        function = ".".join((*self._classes, self._functions[0])) if self._functions else ""
        span = self.get_metadata(WhitespaceInclusivePositionProvider, node, None)
        if span is not None:
            self.places.append(_Place(node, span, function, self._bodies > 0, self._raises > 0))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Keep account of what encloses the next node."""
        if isinstance(original_node, cst.ClassDef):
            self._classes.pop()
        elif isinstance(original_node, cst.FunctionDef):
            self._functions.pop()
        elif isinstance(original_node, cst.Raise):
            self._raises -= 1

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None:
        """Enter the body of a function."""
        self._bodies += isinstance(node, cst.FunctionDef) and attribute == "body"

    def on_leave_attribute(self, original_node: cst.CSTNode, attribute: str) -> None:
        """Leave it."""
        self._bodies -= isinstance(original_node, cst.FunctionDef) and attribute == "body"

    def _is_alias(self, node: cst.CSTNode) -> bool:
        """A name for a type, at the top of the module."""
        if isinstance(node, cst.AnnAssign):
            annotation = node.annotation.annotation
            return isinstance(annotation, cst.Name) and annotation.value == "TypeAlias"
        if self._functions or self._classes or not isinstance(node, cst.Assign):
            return False
        value = node.value
        return (
            isinstance(value, cst.Subscript)
            or (isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.BitOr))
            or (isinstance(value, cst.Call) and isinstance(value.func, cst.Name) and value.func.value == "TypeVar")
        )


def _is_left_alone(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Arg):
        return _is_strict(node)
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in _NEVER_CALLS


def _is_strict(argument: cst.Arg) -> bool:
    return argument.keyword is not None and argument.keyword.value == "strict"


def _changes(place: _Place) -> Iterator[cst.CSTNode]:
    for kind, operator in _OPERATORS:
        if not isinstance(place.node, kind):
            continue
        for changed in operator(place.node):
            if isinstance(place.node, cst.Call) and isinstance(changed, cst.Call):
                kept = {id(arg) for arg in changed.args}
                lost = [arg for arg in place.node.args if id(arg) not in kept]
                if any(_is_strict(arg) or (place.in_raise and isinstance(arg.value, _TEXTS)) for arg in lost):
                    continue
            yield changed


def _difference(before: str, after: str) -> tuple[int, str, str]:
    """The first line that differs, and the lines that do."""
    old, new = before.splitlines(), after.splitlines()
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    end = next((at for at in range(shorter - start) if old[-1 - at] != new[-1 - at]), shorter - start)
    changed = ["\n".join(line.strip() for line in each[start : len(each) - end]) for each in (old, new)]
    return start + 1, changed[0], changed[1]
