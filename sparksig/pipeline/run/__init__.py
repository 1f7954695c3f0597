"""What the commands do: one run of the job, a stream's runs, a validation."""

from sparksig.pipeline.run.batch import run
from sparksig.pipeline.run.stream import run_stream

__all__ = ["run", "run_stream"]
