"""The Futurama sample world: entities, time series and deliveries as Arrow tables.


Every value is a pure function of (seed, stream, row), so any chunk can be generated separately, in bounded memory, and
any chunk size gives the same rows. The package needs numpy and pyarrow and imports nothing else of Featurama.
"""

from featurama_world.columns import (
    CHARACTER_STATS,
    COLUMNS,
    DELIVERY_METRICS,
    DELIVERY_OUTCOME,
    GROUPS,
    LABEL,
    PLANET_CONDITIONS,
)
from featurama_world.config import END, MAX_DURATION_HOURS, WorldConfig, definitions_path, training_path
from featurama_world.world import World, WorldBatch, WorldSize, generate

__all__ = [
    "CHARACTER_STATS",
    "COLUMNS",
    "DELIVERY_METRICS",
    "DELIVERY_OUTCOME",
    "END",
    "GROUPS",
    "LABEL",
    "MAX_DURATION_HOURS",
    "PLANET_CONDITIONS",
    "World",
    "WorldBatch",
    "WorldConfig",
    "WorldSize",
    "definitions_path",
    "generate",
    "training_path",
]
