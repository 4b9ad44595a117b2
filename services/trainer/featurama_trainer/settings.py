"""Settings of the trainer, from the environment: `FEATURAMA_TRAINER_...`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_model.registry import CHAMPION
from featurama_service.settings import LogSettings, ServiceSettings
from featurama_service.storage_options import StorageOptions


class Settings(ServiceSettings, StorageOptions, LogSettings):
    """A training job.

    config: path of a YAML file (`TrainingConfig`); required. alias, if_better, tolerance: see `train`; an empty alias
    for none. dataset: path of an existing training set; dataset_out: path at which the set of the run is kept; empty
    for none. report: folder for report.html and report.json, empty for none. artefacts: fsspec URL of a directory for
    artefacts, empty for the storage. threads: of XGBoost; a different number may change the last bits of a model.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_TRAINER_")

    namespace: str = DEFAULT_NAMESPACE
    config: str = ""
    alias: str = CHAMPION
    if_better: bool = False
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    dataset: str = ""
    dataset_out: str = ""
    report: str = ""
    artefacts: str = ""
    created_by: str = ""
    threads: Annotated[int, Field(ge=1, le=1_024)] = 1
