"""What a run holds itself to: that no row is lost, by digests, and how many may be bad."""

from sparksig.pipeline.accounting.digests import Digest, digest, row_hash, together
from sparksig.pipeline.accounting.thresholds import Thresholds

__all__ = ["Digest", "Thresholds", "digest", "row_hash", "together"]
