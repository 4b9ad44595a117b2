"""What a run says of itself, ready for a table or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from featurama_core.model.times import to_rfc3339
from featurama_model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """One training run.

    Scores are `mae`, `rmse`, `r2`: `test` and `baseline` on the same rows, those after
    `manifest.training.split_time`. missing: feature -> label rows in which it was not PRESENT. importance:
    column -> share of the gain. seconds: stage -> how long it took.
    """

    manifest: Manifest
    promoted_to: str
    entities_without_target: int
    entities_without_time: int
    test: Mapping[str, float]
    train: Mapping[str, float]
    baseline: Mapping[str, float]
    missing: Mapping[str, int]
    importance: Mapping[str, float]
    seconds: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        """A JSON object: facts of the manifest, times as RFC 3339, then the figures."""
        manifest, training = self.manifest, self.manifest.training
        assert training is not None  # set by every run, as is the artefact
        assert manifest.artefact is not None
        figures = asdict(self)
        del figures["manifest"]
        return {
            "model": manifest.name,
            "version": manifest.version,
            "target": manifest.target,
            "features": [feature.reference for feature in manifest.features],
            "columns": list(manifest.engineered.names),
            "baseline_feature": manifest.baseline,
            "label_rows": training.label_rows,
            "train_rows": training.train_rows,
            "test_rows": training.test_rows,
            "first_label_time": to_rfc3339(training.first_label_time),
            "split_time": to_rfc3339(training.split_time),
            "last_label_time": to_rfc3339(training.last_label_time),
            "artefact_bytes": manifest.artefact.size,
            "artefact_sha256": manifest.artefact.sha256,
            "libraries": dict(manifest.libraries),
            **figures,
        }
