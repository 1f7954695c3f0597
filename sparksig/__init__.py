"""sparksig: a model's signature, enforced on Spark before the model runs.

    signature -> StructType -> enforce(df) -> model as a pandas UDF with params -> scored + quarantined rows + report

Names are loaded when they are first used: importing sparksig imports neither pyspark, pandas, mlflow nor pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sparksig._version import __version__

if TYPE_CHECKING:
    from sparksig.enforcement.frames import Split, enforce, plan, split, tag, validate
    from sparksig.enforcement.policy import Policy
    from sparksig.enforcement.steps import Plan
    from sparksig.errors import (
        AccountingError,
        Code,
        ConfigError,
        EnvironmentFault,
        ModelError,
        ModelLoadError,
        NotSupportedError,
        OutputError,
        ParamError,
        PolicyError,
        Problem,
        SchemaError,
        SignatureError,
        SinkError,
        SparksigError,
        TrustError,
        ViolationError,
    )
    from sparksig.models.loading import load_model
    from sparksig.models.saving import save_model
    from sparksig.report.summary import Report
    from sparksig.scoring.frames import score
    from sparksig.scoring.udf import predict_udf
    from sparksig.signature.casts import Level
    from sparksig.signature.model_signature import ModelSignature
    from sparksig.signature.params import ParamSchema, ParamSpec
    from sparksig.signature.schema import ColSpec, Schema, TensorSpec
    from sparksig.signature.types import AnyType, Array, DataType, Map, Object, Property, SparkMLVector
    from sparksig.sources.inference import infer_signature
    from sparksig.sources.mlmodel import load_signature, save_signature, set_signature
    from sparksig.sources.spark_schema import signature_from_struct, struct_type

_HOMES = {
    "sparksig.errors": (
        "AccountingError Code ConfigError EnvironmentFault ModelError ModelLoadError NotSupportedError OutputError"
        " ParamError PolicyError Problem SchemaError SignatureError SinkError SparksigError TrustError ViolationError"
    ),
    "sparksig.signature.casts": "Level",
    "sparksig.signature.types": "AnyType Array DataType Map Object Property SparkMLVector",
    "sparksig.signature.schema": "ColSpec Schema TensorSpec",
    "sparksig.signature.params": "ParamSchema ParamSpec",
    "sparksig.signature.model_signature": "ModelSignature",
    "sparksig.report.summary": "Report",
    "sparksig.sources.inference": "infer_signature",
    "sparksig.sources.mlmodel": "load_signature save_signature set_signature",
    "sparksig.sources.spark_schema": "signature_from_struct struct_type",
    "sparksig.enforcement.policy": "Policy",
    "sparksig.enforcement.steps": "Plan",
    "sparksig.enforcement.frames": "Split enforce plan split tag validate",
    "sparksig.models.loading": "load_model",
    "sparksig.models.saving": "save_model",
    "sparksig.scoring.udf": "predict_udf",
    "sparksig.scoring.frames": "score",
}
_LAZY = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'sparksig' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
