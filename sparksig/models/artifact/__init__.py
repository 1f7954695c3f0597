"""Model directories and ONNX files: what they say, what they are, and how they are carried to where they are loaded."""

from sparksig.models.artifact.copies import PrivateCopy
from sparksig.models.artifact.directory import MLMODEL, Artifact
from sparksig.models.artifact.packed import Packed

__all__ = ["MLMODEL", "Artifact", "Packed", "PrivateCopy"]
