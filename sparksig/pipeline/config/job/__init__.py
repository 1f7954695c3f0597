"""The job's configuration: its keys, what can be wrong with them, and what a run makes of them."""

from sparksig.pipeline.config.job.config import REJECTED, RUN_COLUMN, JobConfig
from sparksig.pipeline.config.job.faults import FILES, no_source
from sparksig.pipeline.config.job.names import model_name

__all__ = ["FILES", "REJECTED", "RUN_COLUMN", "JobConfig", "model_name", "no_source"]
