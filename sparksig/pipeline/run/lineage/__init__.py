"""What OpenLineage is told of a run: `record` collects it, `events` says it in their words, `sending` brings it there.

Nothing here imports openlineage-python before a run has been told to emit.
"""

from sparksig.pipeline.run.lineage.record import Lineage

__all__ = ["Lineage"]
