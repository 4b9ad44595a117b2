"""The structural check: every index the library would follow blindly is inside its tree, or the file is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.featurama_model.models import ARTEFACT

from featurama_model.structure import Malformed, check_structure

DOCUMENT = json.loads(ARTEFACT)
NO_PARENT = 2**31 - 1
ARRAYS = ("left_children", "right_children", "parents", "split_indices", "split_type", "default_left")


def trees(document: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["learner"]["gradient_booster"]["model"]["trees"]
    return found


def refused(document: Any) -> None:
    with pytest.raises(Malformed):
        check_structure(json.dumps(document).encode())


def test_what_xgboost_wrote_is_accepted_and_described() -> None:
    structure = check_structure(ARTEFACT)
    nodes = sum(len(tree["left_children"]) for tree in trees(DOCUMENT))
    assert (structure.features, structure.trees, structure.nodes) == (3, 3, nodes)
    assert structure.objective == "reg:squarederror"
    assert structure.depth == 3


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("value", [-2, -(2**31), 2**31 - 2, 2**31, 2**63, 2**70, 1_000_000, 0.5, "1", None, [1]])
def test_an_index_that_no_tree_can_hold_is_refused_at_every_node(array: str, value: Any) -> None:
    for position in range(len(trees(DOCUMENT)[1][array])):
        document = json.loads(ARTEFACT)
        trees(document)[1][array][position] = value
        refused(document)


def test_a_tree_may_not_loop_share_a_child_or_leave_one_out() -> None:
    size = len(trees(DOCUMENT)[0]["left_children"])
    for position in range(size):
        left = trees(DOCUMENT)[0]["left_children"][position]
        for other in range(-1, size + 1):
            if other != left:
                document = json.loads(ARTEFACT)
                tree = trees(document)[0]
                tree["left_children"][position] = other
                tree["right_children"][position] = other + 1 if other != -1 else tree["right_children"][position]
                refused(document)


def test_a_right_child_stands_after_the_left_because_the_library_steps_there() -> None:
    document = json.loads(ARTEFACT)
    tree = trees(document)[0]
    tree["left_children"][0], tree["right_children"][0] = tree["right_children"][0], tree["left_children"][0]
    refused(document)


def test_a_node_that_can_be_reached_is_not_marked_as_pruned() -> None:
    for position in range(len(trees(DOCUMENT)[0]["split_indices"])):
        document = json.loads(ARTEFACT)
        trees(document)[0]["split_indices"][position] = 2**31 - 1
        refused(document)


@pytest.mark.parametrize("array", [*ARRAYS, "base_weights", "loss_changes", "split_conditions", "sum_hessian"])
def test_arrays_of_another_length_are_refused(array: str) -> None:
    for change in (lambda values: values[:-1], lambda values: [*values, 0], lambda _: [], lambda _: None):
        document = json.loads(ARTEFACT)
        trees(document)[2][array] = change(trees(document)[2][array])
        refused(document)


def parameters(document: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every counted parameter of the file: (the object that holds it, its key)."""
    learner = document["learner"]
    booster = learner["gradient_booster"]["model"]
    for key in ("num_feature", "num_class", "num_target"):
        yield learner["learner_model_param"], key
    for key in ("num_trees", "num_parallel_tree"):
        yield booster["gbtree_model_param"], key
    for key in ("num_nodes", "num_feature", "size_leaf_vector"):
        yield trees(document)[0]["tree_param"], key


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("value", ["-1", "2147483648", "99999", "1_0", "", "x", 3, None])
def test_a_count_that_is_not_that_of_the_arrays_is_refused(number: int, value: Any) -> None:
    document = json.loads(ARTEFACT)
    place, key = list(parameters(document))[number]
    place[key] = value
    refused(document)


def _changes() -> Iterator[Any]:
    for change in (
        lambda d: d.update(version=[2, 1, 0]),
        lambda d: d.update(version=[3]),
        lambda d: d.pop("learner"),
        lambda d: d.update(extra=1),
        lambda d: d["learner"].update(feature_names=["a"]),
        lambda d: d["learner"].update(feature_types=["float", "c", "float"]),
        lambda d: d["learner"].update(attributes={"a": 1}),
        lambda d: d["learner"]["learner_model_param"].update(base_score="[1,2]"),
        lambda d: d["learner"]["learner_model_param"].update(base_score="nan"),
        lambda d: d["learner"]["objective"].pop("name"),
        lambda d: d["learner"]["objective"].update(extra=[1]),
        lambda d: d["learner"]["gradient_booster"].update(name="dart"),
        lambda d: d["learner"]["gradient_booster"]["model"].update(tree_info=[0, 1, 0]),
        lambda d: d["learner"]["gradient_booster"]["model"].update(tree_info=[0, 0]),
        lambda d: d["learner"]["gradient_booster"]["model"].update(iteration_indptr=[0, 2, 1, 3]),
        lambda d: d["learner"]["gradient_booster"]["model"].update(iteration_indptr=[0, 1, 2, 4]),
        lambda d: d["learner"]["gradient_booster"]["model"].update(iteration_indptr=[]),
        lambda d: d["learner"]["gradient_booster"]["model"].update(trees={}),
        lambda d: d["learner"]["gradient_booster"]["model"].update(extra=[]),
        lambda d: d["learner"]["gradient_booster"]["model"]["cats"].update(enc=[1]),
        lambda d: trees(d)[1].update(id=0),
        lambda d: trees(d)[1].update(id=3),
        lambda d: trees(d)[1].update(categories=[1]),
        lambda d: trees(d)[1].update(categories_nodes=[0]),
        lambda d: trees(d)[1].update(extra=[]),
        lambda d: trees(d)[1].pop("parents"),
        lambda d: trees(d).pop(),
        lambda d: trees(d).reverse(),
        lambda d: trees(d)[0].update(split_conditions=[1e39] * len(trees(d)[0]["parents"])),
    ):
        document = json.loads(ARTEFACT)
        change(document)
        yield document


@pytest.mark.parametrize("document", list(_changes()))
def test_a_file_of_another_make_is_refused(document: Any) -> None:
    refused(document)


@pytest.mark.parametrize(
    "artefact",
    [
        b"",
        b"\x80\x04\x95",
        b"null",
        b"[]",
        b'"text"',
        b"[" * 100_000,
        b"\xff\xfe{}",
        ARTEFACT[:-1],
        ARTEFACT + b"{}",
        ARTEFACT.replace(b'"id":0', b'"id":0,"id":9', 1),
        ARTEFACT.replace(b'"left_children":[', b'"left_children":[99],"left_children":[', 1),
        ARTEFACT.replace(b'"base_weights":[', b'"base_weights":[NaN,', 1),
    ],
)
def test_bytes_that_are_not_such_json_are_refused(artefact: bytes) -> None:
    """Also keys that stand twice: the library might read the one that was not checked."""
    with pytest.raises(Malformed):
        check_structure(artefact)


def walk_stays_inside(tree: dict[str, Any], features: int) -> bool:
    """What the library does, checked step by step: an oracle that shares no code with the check."""
    size, met, todo = len(tree["left_children"]), set[int](), [0]
    while todo:
        node = todo.pop()
        if node in met or not 0 <= node < size:
            return False
        met.add(node)
        if tree["left_children"][node] != -1:
            if not 0 <= tree["split_indices"][node] < features:
                return False
            todo += [tree["left_children"][node], tree["left_children"][node] + 1, tree["right_children"][node]]
            if todo.pop() != todo[-1]:
                return False
    return True


@given(st.data())
def test_whatever_is_accepted_can_be_walked_without_leaving_the_tree(data: st.DataObject) -> None:
    """Several indices changed at once, to values that look right."""
    document = json.loads(ARTEFACT)
    for _ in range(data.draw(st.integers(1, 4))):
        tree = data.draw(st.sampled_from(trees(document)))
        array = data.draw(st.sampled_from(ARRAYS))
        at = data.draw(st.integers(0, len(tree[array]) - 1))
        tree[array][at] = data.draw(st.integers(-2, len(tree[array]) + 1) | st.just(NO_PARENT))
    try:
        check_structure(json.dumps(document).encode())
    except Malformed:
        return
    assert all(walk_stays_inside(tree, 3) for tree in trees(document))
