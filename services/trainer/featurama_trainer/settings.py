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

    config: path of a YAML file (`TrainingConfig`), empty for the sample world's model. alias: what names
    the new version, empty for none; if_better: only if it is not worse, by at most the share `tolerance`, than what
    the alias names. dataset: path of a set to train from, dataset_out: where the set that the run builds is kept, empty
    for neither. report: folder for report.html and report.json, empty for none. artefacts: fsspec URL of a
    directory for artefacts, empty: they go into the storage. threads: of XGBoost; another number may change the last
    bits of a model.
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
