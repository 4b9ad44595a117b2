"""Structural check of an XGBoost JSON model, before the library reads it.

The library trusts the indices in its files: a changed child, parent, tree or feature index reads or writes outside its
arrays. Every index is therefore checked here, in numpy over all trees together. Other content is refused: other
boosters, categorical splits, vector leaves, unknown or repeated keys, numbers that are not finite.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_TREES = 100_000
MAX_NODES = 20_000_000
MAX_DEPTH = 512
"""Deeper than any useful tree. SHAP values take a stack frame per level."""
MAX_OUTPUTS = 1_000

_NO_PARENT = 2**31 - 1
_PRUNED = 2**31 - 1
_COUNT = re.compile(r"[0-9]{1,9}")
_BASE_SCORE = re.compile(r"\[?[-+0-9.eE]{1,40}(?:,[-+0-9.eE]{1,40})*\]?")
_FLOATS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_INTS = ("default_left", "left_children", "parents", "right_children", "split_indices", "split_type")
_UNUSED = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_TREE_KEYS = frozenset({*_FLOATS, *_INTS, *_UNUSED, "id", "tree_param"})
_LEARNER_KEYS = frozenset(
    {"attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective"}
)

Ints = NDArray[np.int64]


class Malformed(ValueError):
    """The bytes are not a valid model; the text has the place and the problem."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The dimensions and the objective of a checked model."""

    features: int
    trees: int
    nodes: int
    depth: int
    objective: str
    outputs: int = 1


def check_structure(artefact: bytes) -> Structure:
    """Check every index that the library follows. Raises Malformed. Takes seconds for tens of MiB."""
    document = _mapping(_parse(artefact), "model", exactly=frozenset({"learner", "version"}))
    version = _integers(document["version"], "version")
    if len(version) != 3 or version[0] != 3:
        raise Malformed("version: the file is not of the format of XGBoost 3")
    learner = _mapping(document["learner"], "learner", exactly=_LEARNER_KEYS)
    features, outputs = _learner_parameters(learner)
    booster = _mapping(learner["gradient_booster"], "gradient_booster", exactly=frozenset({"model", "name"}))
    if booster["name"] != "gbtree":
        raise Malformed("gradient_booster.name: only gbtree is read")
    trees, nodes, depth = _forest(booster["model"], features, outputs)
    return Structure(features, trees, nodes, depth, _objective(learner["objective"], outputs), outputs)


def _parse(artefact: bytes) -> object:
    try:
        return json.loads(artefact, object_pairs_hook=_distinct, parse_constant=_not_finite)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Malformed("the file is not JSON") from error


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # For two equal keys the library may use the first and this check the last.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("an object has a key twice")
    return found


def _not_finite(name: str) -> object:
    raise Malformed(f"{name} is not a number a model may hold")


def _learner_parameters(learner: dict[str, object]) -> tuple[int, int]:
    """-> (features, outputs)."""
    names = frozenset({"base_score", "boost_from_average", "num_class", "num_feature", "num_target"})
    given = _mapping(learner["learner_model_param"], "learner_model_param", exactly=names)
    outputs = max(_count(given, "num_class"), 1)
    if outputs > MAX_OUTPUTS or _count(given, "num_target") != 1:
        raise Malformed(f"learner_model_param: one target of at most {MAX_OUTPUTS} classes is supported")
    score = given["base_score"]
    if not isinstance(score, str) or not _BASE_SCORE.fullmatch(score) or score.count(",") not in (0, outputs - 1):
        raise Malformed("learner_model_param.base_score: one number, or one per class, is expected")
    if given["boost_from_average"] not in ("0", "1"):
        raise Malformed("learner_model_param.boost_from_average: 0 or 1 is expected")
    features = _count(given, "num_feature")
    for key in ("feature_names", "feature_types"):
        texts = learner[key]
        if not isinstance(texts, list) or len(texts) not in (0, features):
            raise Malformed(f"{key}: none, or one per feature, is expected")
        if not all(isinstance(text, str) for text in texts) or (key == "feature_types" and "c" in texts):
            raise Malformed(f"{key}: texts without categorical features are expected")
    _texts(learner["attributes"], "attributes")
    return features, outputs


def _objective(value: object, outputs: int) -> str:
    objective = _mapping(value, "objective")
    name = objective.get("name")
    if not isinstance(name, str):
        raise Malformed("objective.name: a text is expected")
    for key, parameters in objective.items():
        if key != "name":
            _texts(parameters, f"objective.{key}")
    classes = objective.get("softmax_multiclass_param", {"num_class": "1"})
    # The library takes the width of its output from this field, so it must be that of the trees.
    if _count(_mapping(classes, "softmax_multiclass_param", exactly=frozenset({"num_class"})), "num_class") != outputs:
        raise Malformed("softmax_multiclass_param: its classes are not those of the model")
    return name


def _forest(value: object, features: int, outputs: int) -> tuple[int, int, int]:
    """-> (trees, nodes, greatest depth)."""
    model = _mapping(value, "gradient_booster.model")
    known = {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}
    if not {"gbtree_model_param", "iteration_indptr", "tree_info", "trees"} <= model.keys() <= known:
        raise Malformed("gradient_booster.model: its keys are not those of a tree model")
    cats = _mapping(model.get("cats", {}), "cats")
    if any(part != [] for part in cats.values()):
        raise Malformed("cats: categorical features are not read")
    trees = model["trees"]
    if not isinstance(trees, list) or len(trees) > MAX_TREES:
        raise Malformed(f"trees: a list of at most {MAX_TREES} is expected")
    given = _mapping(
        model["gbtree_model_param"],
        "gbtree_model_param",
        exactly=frozenset({"num_parallel_tree", "num_trees"}),
    )
    if _count(given, "num_trees") != len(trees) or not 1 <= _count(given, "num_parallel_tree") <= 1_000:
        raise Malformed("gbtree_model_param: its counts are not those of the trees")
    info = _integers(model["tree_info"], "tree_info")
    if len(info) != len(trees) or ((info < 0) | (info >= outputs)).any():
        raise Malformed("tree_info: the class of each tree is expected")
    rounds = _integers(model["iteration_indptr"], "iteration_indptr")
    if not len(rounds) or rounds[0] != 0 or rounds[-1] != len(trees) or (np.diff(rounds) < 0).any():
        raise Malformed("iteration_indptr: bounds from 0 to the number of trees are expected")
    return (len(trees), *_nodes(trees, features))


def _nodes(trees: Sequence[object], features: int) -> tuple[int, int]:
    sizes = np.zeros(len(trees), dtype=np.int64)
    parts: dict[str, list[Ints]] = {key: [] for key in _INTS}
    for number, value in enumerate(trees):
        tree = _mapping(value, f"trees[{number}]", exactly=_TREE_KEYS)
        sizes[number] = _tree_shape(tree, number, features)
        for key in _INTS:
            parts[key].append(_integers(tree[key], f"trees[{number}].{key}", int(sizes[number])))
        for key in _FLOATS:
            _floats(tree[key], f"trees[{number}].{key}", int(sizes[number]))
    if sizes.sum() > MAX_NODES:
        raise Malformed(f"trees: at most {MAX_NODES} nodes are read")
    if not len(trees):
        return 0, 0
    joined = {key: np.concatenate(arrays) for key, arrays in parts.items()}
    return int(sizes.sum()), _links(joined, sizes, features)


def _tree_shape(tree: dict[str, object], number: int, features: int) -> int:
    names = frozenset({"num_deleted", "num_feature", "num_nodes", "size_leaf_vector"})
    given = _mapping(tree["tree_param"], f"trees[{number}].tree_param", exactly=names)
    nodes = _count(given, "num_nodes")
    if nodes < 1 or _count(given, "num_deleted") >= nodes:
        raise Malformed(f"trees[{number}].tree_param: a tree has a root")
    if _count(given, "num_feature") != features or _count(given, "size_leaf_vector") > 1:
        raise Malformed(f"trees[{number}].tree_param: its features or outputs are not those of the model")
    if tree["id"] != number or isinstance(tree["id"], bool):
        raise Malformed(f"trees[{number}].id: trees are numbered in their order")
    if any(tree[key] != [] for key in _UNUSED):
        raise Malformed(f"trees[{number}].categories: categorical splits are not read")
    return nodes


def _links(nodes: dict[str, Ints], sizes: Ints, features: int) -> int:
    """Check the links of all trees at once, as one array with an offset per tree. -> greatest depth."""
    first = np.cumsum(sizes) - sizes
    offset, size = np.repeat(first, sizes), np.repeat(sizes, sizes)
    left, right, parents = nodes["left_children"], nodes["right_children"], nodes["parents"]
    inner = left != -1
    if ((right == -1) == inner).any():
        raise Malformed("trees: a node has one child only")
    # The library steps to the left child's index or the next one, and ignores the right child's index.
    if (inner & ((left < 1) | (left >= size - 1) | (right != left + 1))).any():
        raise Malformed("trees: a child index is outside its tree")
    if (((parents < 0) | (parents >= size)) & (parents != _NO_PARENT)).any() or (parents[first] != _NO_PARENT).any():
        raise Malformed("trees: a parent index is outside its tree")
    splits = nodes["split_indices"]
    pruned = splits == _PRUNED
    if (((splits < 0) | (splits >= max(features, 1))) & ~pruned).any() or (inner.any() and features < 1):
        raise Malformed("trees: a split uses a feature that the model does not have")
    if nodes["split_type"].any() or ((nodes["default_left"] & ~1) != 0).any():
        raise Malformed("trees: a split is of an unsupported kind")
    # From the roots downwards every node is met once: there are no loops, and parents match their children.
    met = np.zeros(len(left), dtype=np.bool_)
    level, depth = first, 0
    met[level] = True
    while len(level := level[inner[level]]):
        depth += 1
        below = left[level] + offset[level]
        children = np.concatenate([below, below + 1])
        if met[children].any() or len(np.unique(children)) != len(children) or depth > MAX_DEPTH:
            raise Malformed("trees: the nodes form a loop, share a child or lie too deep")
        if (parents[below] + offset[below] != level).any() or (parents[below + 1] + offset[below] != level).any():
            raise Malformed("trees: a child names another parent")
        met[children] = True
        level = children
    if (met & pruned).any():
        raise Malformed("trees: a pruned node is still in its tree")
    return depth


def _mapping(value: object, where: str, *, exactly: frozenset[str] | None = None) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"{where}: an object is expected")
    if exactly is not None and value.keys() != exactly:
        names = ", ".join(sorted(exactly ^ value.keys()))[:200]
        raise Malformed(f"{where}: missing or unknown keys: {names}")
    return value


def _texts(value: object, where: str) -> None:
    if not all(isinstance(text, str) for text in _mapping(value, where).values()):
        raise Malformed(f"{where}: texts are expected")


def _count(parameters: dict[str, object], key: str) -> int:
    text = parameters[key]
    if not isinstance(text, str) or not _COUNT.fullmatch(text):
        raise Malformed(f"{key}: a whole number from 0, as text, is expected")
    return int(text)


def _integers(value: object, where: str, length: int | None = None) -> Ints:
    array = _array(value, where, length)
    if len(array) and array.dtype != np.int64:
        raise Malformed(f"{where}: whole numbers are expected")
    if (np.abs(array) > _NO_PARENT).any():
        raise Malformed(f"{where}: a number is beyond 32 bits")
    return array.astype(np.int64)


def _floats(value: object, where: str, length: int) -> None:
    array = _array(value, where, length)
    if array.dtype not in (np.float64, np.int64) or not (np.abs(array) <= np.finfo(np.float32).max).all():
        raise Malformed(f"{where}: finite 32-bit numbers are expected")


def _array(value: object, where: str, length: int | None) -> NDArray[np.generic]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise Malformed(f"{where}: a list{'' if length is None else f' of {length}'} is expected")
    try:
        array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{where}: a flat list of numbers is expected") from error
    if array.ndim != 1:
        raise Malformed(f"{where}: a flat list of numbers is expected")
    return array
