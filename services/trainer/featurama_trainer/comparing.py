"""Comparison of two versions of a model on the same rows, later than the training rows of both.

A version gets its own features, by its pinned references, as of the label's moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from featurama_core.datasets.progress import Watcher
from featurama_core.datasets.written import WrittenSet
from featurama_core.namespace import Namespace
from featurama_core.types.errors import Conflict, FailedPrecondition, Reason
from featurama_core.types.values import BoolArray
from featurama_model.expressions import Float64Array
from featurama_model.loading import load_model
from featurama_model.manifest import ModelManifest, TrainingFacts
from featurama_model.promotion import promote
from featurama_model.registry import ModelRegistry, Trial
from featurama_trainer.classes import Classes
from featurama_trainer.config import SpineSource
from featurama_trainer.labels import Labels, read_labels
from featurama_trainer.point_in_time_set import built_set
from featurama_trainer.scores import primary, scores_of

MIN_HOLDOUT_ROWS = 20

_COMPARISONS = 3


@dataclass(frozen=True, slots=True)
class HoldoutComparison:
    """The scores of two versions on the same rows. measure: decides, less is better."""

    candidate_version: int
    incumbent_version: int
    measure: str
    rows: int
    since_us: int
    candidate: Mapping[str, float]
    incumbent: Mapping[str, float]
    tolerance: float = 0.0

    @property
    def not_worse(self) -> bool:
        """Whether the candidate's error is at most the incumbent's error times 1 + tolerance."""
        return self.candidate[self.measure] <= self.incumbent[self.measure] * (1.0 + self.tolerance)

    def to_dict(self) -> dict[str, object]:
        """A JSON object."""
        return asdict(self) | {"not_worse": self.not_worse}


async def compare_on_holdout(
    namespace: Namespace,
    registry: ModelRegistry,
    candidate: ModelManifest,
    incumbent: ModelManifest,
    *,
    labels: Labels | None = None,
    tolerance: float = 0.0,
    progress: Watcher | None = None,
) -> HoldoutComparison:
    """Score both on the label rows from the later of their split times on. labels: None reads the candidate's source.

    Raises FailedPrecondition if they cannot be compared: different targets or objectives, too few rows, labels in a
    file.
    """
    facts = [_facts(candidate), _facts(incumbent)]
    learned = [_learned(each) for each in (candidate, incumbent)]
    if learned[0] != learned[1]:
        raise _refused(f"version {candidate.version} learns {learned[0]}, version {incumbent.version} {learned[1]}")
    if labels is None:
        labels = await _labels_again(namespace, candidate, progress)
    since = max(each.split_time for each in facts)
    held = labels.take(np.flatnonzero(labels.event_time >= since))
    if len(held) < MIN_HOLDOUT_ROWS:
        raise _refused(f"{len(held)} label rows are later than what both trained on, {MIN_HOLDOUT_ROWS} are needed")
    versions = [(each, await registry.artefact(each)) for each in (candidate, incumbent)]
    answers = []
    for version, artefact in versions:
        # One set for each: their ttls may be pinned to different revisions.
        async with built_set(namespace, held, version.selection, progress=progress) as built:
            answers.append(await asyncio.to_thread(_answers, version, artefact, built, held))
    both = answers[0][1] & answers[1][1]
    scores = [scores_of(candidate.objective, held.target[both], predicted[both]) for predicted, _ in answers]
    if not all(scores):
        raise _refused("no label row has the required features of both")
    return HoldoutComparison(
        candidate.version,
        incumbent.version,
        primary(candidate.objective),
        int(both.sum()),
        since,
        scores[0],
        scores[1],
        tolerance,
    )


async def promote_unless_worse(
    namespace: Namespace,
    registry: ModelRegistry,
    trial: Trial,
    candidate: ModelManifest,
    *,
    alias: str,
    by: str,
    note: str = "",
    labels: Labels | None = None,
    tolerance: float = 0.0,
) -> HoldoutComparison | None:
    """Point `alias` at the candidate, unless it is worse on the same rows than the version that the alias names.

    -> the comparison; None if the alias names no existing version. If the alias moves concurrently, the candidate is
    compared again, with the new version. Raises like `promote` and `compare_on_holdout`; Conflict (ALIAS_MOVED) after
    repeated moves.
    """
    await trial(candidate)
    for left in reversed(range(_COMPARISONS)):
        named = (await registry.aliases(candidate.name)).get(alias, 0)
        there = {listed.stored.version for listed in await registry.list(candidate.name)}
        verdict = None
        if named in there:
            incumbent = await registry.get(candidate.name, version=named)
            verdict = await compare_on_holdout(
                namespace, registry, candidate, incumbent, labels=labels, tolerance=tolerance
            )
        if verdict is not None and not verdict.not_worse:
            return verdict
        try:
            await promote(
                registry, trial, candidate.name, candidate.version, alias=alias, expected=named, by=by, note=note
            )
        except Conflict:
            if not left:
                raise
        else:
            return verdict
    raise AssertionError("the last attempt returns or raises")


def _answers(
    manifest: ModelManifest, artefact: bytes, built: WrittenSet, held: Labels
) -> tuple[Float64Array, BoolArray]:
    """-> (outputs, bool[n]: the rows that it can predict). Blocks."""
    model = load_model(manifest, artefact)
    outputs, answered, first = [], [], 0
    for _, columns in built.feature_batches({feature.reference: feature.name for feature in manifest.features}):
        times = held.event_time[first : first + len(columns[0])]
        outputs.append(model.outputs(manifest.matrix(columns, times)))
        answered.append(~manifest.refused(columns, len(times)))
        first += len(times)
    return np.concatenate(outputs), np.concatenate(answered)


def _learned(manifest: ModelManifest) -> str:
    classes = f" ({', '.join(manifest.class_names)})" if manifest.class_names else ""
    return f"{manifest.target} by {manifest.objective}{classes}"


async def _labels_again(namespace: Namespace, candidate: ModelManifest, progress: Watcher | None) -> Labels:
    facts = _facts(candidate)
    if not facts.labels or "file" in facts.labels:
        raise _refused("its label rows are not in the store; give the label file")
    source = SpineSource.model_validate(dict(facts.labels))
    return await read_labels(namespace, source, progress=progress, classes=Classes.of_manifest(candidate))


def _facts(manifest: ModelManifest) -> TrainingFacts:
    if manifest.training is None:
        raise _refused(f"the manifest of version {manifest.version} has no training data")
    return manifest.training


def _refused(problem: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"the versions cannot be compared on the same rows: {problem}", reason=Reason.INVALID_ARGUMENT, field="version"
    )
