"""Comparison of model versions by the command."""

from __future__ import annotations

from pathlib import Path

from featurama_core.namespace import Namespace
from featurama_core.types.errors import FailedPrecondition
from featurama_model.manifest import ModelManifest
from featurama_trainer.classes import Classes
from featurama_trainer.config import SpineSource
from featurama_trainer.labels import Labels
from featurama_trainer.labels_file import label_file


async def label_rows(namespace: Namespace, candidate: ModelManifest, file: Path | None) -> Labels | None:
    """The rows of a label file, with the columns of the candidate's training; None without a file."""
    if file is None:
        return None
    if candidate.training is None:
        raise FailedPrecondition(f"the manifest of version {candidate.version} has no training data", field="version")
    source = SpineSource.model_validate({**candidate.training.labels, "target": candidate.target, "file": str(file)})
    return await label_file(namespace, source, Classes.of_manifest(candidate))


def differences(first: ModelManifest, second: ModelManifest) -> list[dict[str, object]]:
    """One row per property that differs, one column per version; scores first."""
    facts = [_facts(first), _facts(second)]
    names = dict.fromkeys(name for each in facts for name in each)
    return [
        {
            "": name,
            f"version {first.version}": facts[0].get(name),
            f"version {second.version}": facts[1].get(name),
        }
        for name in names
        if facts[0].get(name) != facts[1].get(name)
    ]


def _facts(manifest: ModelManifest) -> dict[str, object]:
    training = manifest.training
    facts: dict[str, object] = {
        f"{scored} {measure}": value for scored, scores in manifest.metrics.items() for measure, value in scores.items()
    }
    facts |= {
        "objective": manifest.objective,
        "classes": ", ".join(manifest.class_names) or None,
        "features": ", ".join(
            each.reference + ("" if each.missing == "use_missing" else f" ({each.missing})")
            for each in manifest.features
        ),
        "columns": ", ".join(manifest.engineered.names),
        "created_by": manifest.created_by,
        "artefact": manifest.artefact.sha256[:12] if manifest.artefact else None,
    }
    if training is not None:
        facts |= {
            "label_rows": training.label_rows,
            "split_time": training.split_time,
            "rounds": training.rounds,
            "seed": training.seed,
            "training_set": training.dataset_sha256[:12],
        }
        facts |= {f"parameter {name}": value for name, value in training.parameters.items()}
    return facts | {f"library {name}": version for name, version in manifest.libraries.items()}
