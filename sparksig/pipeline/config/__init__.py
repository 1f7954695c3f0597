"""What a run is asked to do: the frozen `JobConfig`, and where it comes from. Nothing here imports Spark."""

from sparksig.pipeline.config.job import FILES, REJECTED, RUN_COLUMN, JobConfig, model_name
from sparksig.pipeline.config.params import typed_params
from sparksig.pipeline.config.paths import is_inside, plain_path

__all__ = ["FILES", "REJECTED", "RUN_COLUMN", "JobConfig", "is_inside", "model_name", "plain_path", "typed_params"]
