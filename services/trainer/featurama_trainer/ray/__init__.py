"""Featurama on Ray Data: history, training sets and sample data as datasets that many processes read or generate.


    from featurama_trainer import ray as on_ray
    with on_ray.connected(num_cpus=2):
        rows = on_ray.training_set("sqlite:///featurama-data", "labels.parquet", service="eta")
        rows.write_parquet("out")


Every task opens and closes its own store, for reading. Only label rows are partitioned or shuffled.
Ray listens on all interfaces of the machine: see docs/ray.md. Needs the extra `ray`.
"""

from featurama_trainer.ray.history import history
from featurama_trainer.ray.scoring import score, write_scores
from featurama_trainer.ray.session import connected
from featurama_trainer.ray.store_location import StoreLocation
from featurama_trainer.ray.training_set import Cutting, training_set
from featurama_trainer.ray.world import generate, generate_labels

__all__ = [
    "Cutting",
    "StoreLocation",
    "connected",
    "generate",
    "generate_labels",
    "history",
    "score",
    "training_set",
    "write_scores",
]
