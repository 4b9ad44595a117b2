"""The report of a training run, for a table, JSON or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array
from featurama_model.expressions import Float64Array
from featurama_model.manifest import ModelManifest
from featurama_trainer.comparing import HoldoutComparison
from featurama_trainer.fitting import Curve
from featurama_trainer.judging import FoldScores, Segment


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The data of the plots. all_times: int64[n] of all label rows; the other arrays are of the test rows, from
    `test_from` on. predicted: values, probabilities of 1, or float64[rows, classes].
    """

    all_times: Int64Array
    train_until: int
    test_from: int
    actual: Float64Array
    predicted: Float64Array
    baseline: Float64Array | None = None

    @property
    def times(self) -> Int64Array:
        """Times of the test rows."""
        return self.all_times[self.test_from :]


_PLAIN = ("promoted_to", "entities_without_target", "entities_without_time", "rows_without_required")
_MEASURED = ("test", "train", "baseline", "baseline_constant", "missing", "importance", "contributions", "seconds")


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """One training run.


    missing: feature -> label rows in which it was not PRESENT. importance: column -> share of the gain.
    contributions: column -> mean absolute SHAP contribution on the test rows. verdict: of a promotion with `if_better`.
    seconds: per stage.
    """

    manifest: ModelManifest
    entities_without_target: int
    entities_without_time: int
    rows_without_required: int
    missing: Mapping[str, int]
    importance: Mapping[str, float]
    contributions: Mapping[str, float]
    segments: Sequence[Segment]
    folds: Sequence[FoldScores]
    curve: Curve
    evidence: Evidence
    promoted_to: str = ""
    verdict: HoldoutComparison | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def test(self) -> Mapping[str, float]:
        """Scores (`mae`, `rmse`, `r2` for regression) on the rows from `manifest.training.split_time` on."""
        return self.manifest.metrics["test"]

    @property
    def train(self) -> Mapping[str, float]:
        """Scores on the training rows."""
        return self.manifest.metrics["train"]

    @property
    def baseline(self) -> Mapping[str, float]:
        """Scores of the baseline feature on the test rows; {} without one."""
        return self.manifest.metrics.get("baseline", {})

    @property
    def baseline_constant(self) -> Mapping[str, float]:
        """Scores of a constant prediction from the training targets, on the test rows."""
        return self.manifest.metrics.get("baseline_constant", {})

    def to_dict(self) -> dict[str, object]:
        """A JSON object: fields of the manifest, times as RFC 3339, and the figures."""
        manifest, training = self.manifest, self.manifest.training
        assert training is not None  # set by every run, as is the artefact
        assert manifest.artefact is not None
        return {
            "model": manifest.name,
            "version": manifest.version,
            "target": manifest.target,
            "objective": manifest.objective,
            "features": [feature.reference for feature in manifest.features],
            "columns": list(manifest.engineered.names),
            "baseline_feature": manifest.baseline,
            "label_rows": training.label_rows,
            "train_rows": training.train_rows,
            "test_rows": training.test_rows,
            "first_label_time": to_rfc3339(training.first_label_time),
            "split_time": to_rfc3339(training.split_time),
            "last_label_time": to_rfc3339(training.last_label_time),
            "rounds": training.rounds,
            "dataset_sha256": training.dataset_sha256,
            "artefact_bytes": manifest.artefact.size,
            "artefact_sha256": manifest.artefact.sha256,
            "libraries": dict(manifest.libraries),
            "created_by": manifest.created_by,
            "created_at": to_rfc3339(manifest.created_at),
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: dict(getattr(self, name)) for name in _MEASURED},
            "segments": [asdict(segment) for segment in self.segments],
            "cross_validation": [asdict(fold) for fold in self.folds],
            "curve": asdict(self.curve),
            "verdict": self.verdict.to_dict() if self.verdict else None,
        }
