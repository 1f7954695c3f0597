"""What a run is asked to do: the frozen `JobConfig`, and where it comes from. Nothing here imports Spark."""

from sparksig.pipeline.config.job import FILES, REJECTED, RUN_COLUMN, JobConfig, model_name
from sparksig.pipeline.config.params import typed_params
from sparksig.pipeline.config.paths import comparable, is_inside, joined, marked, plain_path, split_query, with_scheme

__all__ = [
    "FILES",
    "REJECTED",
    "RUN_COLUMN",
    "JobConfig",
    "comparable",
    "is_inside",
    "joined",
    "marked",
    "model_name",
    "plain_path",
    "split_query",
    "typed_params",
    "with_scheme",
]
