"""sparksig: a model's signature, enforced on Spark before the model runs.

    signature -> StructType -> enforce(df) -> model as a pandas UDF with params -> scored + quarantined rows + report

Names are loaded when they are first used: importing sparksig imports neither pyspark, pandas, mlflow nor pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sparksig._version import __version__

if TYPE_CHECKING:  # a type checker reads imports, and `as` is how they are exported; a test holds the two lists equal
    from sparksig.enforcement.counts import validate as validate
    from sparksig.enforcement.frames import Split as Split
    from sparksig.enforcement.frames import enforce as enforce
    from sparksig.enforcement.frames import plan as plan
    from sparksig.enforcement.frames import split as split
    from sparksig.enforcement.frames import tag as tag
    from sparksig.enforcement.policy import Policy as Policy
    from sparksig.enforcement.steps import Plan as Plan
    from sparksig.enforcement.values import enforce_values as enforce_values
    from sparksig.errors import AbsentColumnWarning as AbsentColumnWarning
    from sparksig.errors import AccountingError as AccountingError
    from sparksig.errors import Code as Code
    from sparksig.errors import ConfigError as ConfigError
    from sparksig.errors import EnvironmentFault as EnvironmentFault
    from sparksig.errors import ModelError as ModelError
    from sparksig.errors import ModelLoadError as ModelLoadError
    from sparksig.errors import NotSupportedError as NotSupportedError
    from sparksig.errors import OutputError as OutputError
    from sparksig.errors import ParamError as ParamError
    from sparksig.errors import PolicyError as PolicyError
    from sparksig.errors import Problem as Problem
    from sparksig.errors import SchemaError as SchemaError
    from sparksig.errors import SignatureError as SignatureError
    from sparksig.errors import SinkError as SinkError
    from sparksig.errors import SparksigError as SparksigError
    from sparksig.errors import TrustError as TrustError
    from sparksig.errors import ViolationError as ViolationError
    from sparksig.models.examples import InputExample as InputExample
    from sparksig.models.examples import load_serving_example as load_serving_example
    from sparksig.models.examples import serving_payload as serving_payload
    from sparksig.models.loading import load_model as load_model
    from sparksig.models.payloads import parse_payload as parse_payload
    from sparksig.models.payloads import validate_serving_input as validate_serving_input
    from sparksig.models.saving import save_model as save_model
    from sparksig.models.typed import TypeFromExample as TypeFromExample
    from sparksig.models.typed import validate_hint as validate_hint
    from sparksig.models.typed import validated as validated
    from sparksig.report.summary import Report as Report
    from sparksig.scoring.calls import infer_output as infer_output
    from sparksig.scoring.frames import score as score
    from sparksig.scoring.payloads import payload_frame as payload_frame
    from sparksig.scoring.udf import predict_udf as predict_udf
    from sparksig.signature.casts import Level as Level
    from sparksig.signature.compatibility import Compatibility as Compatibility
    from sparksig.signature.compatibility import check_compatible as check_compatible
    from sparksig.signature.model_signature import ModelSignature as ModelSignature
    from sparksig.signature.model_signature import check_registrable as check_registrable
    from sparksig.signature.params import ParamSchema as ParamSchema
    from sparksig.signature.params import ParamSpec as ParamSpec
    from sparksig.signature.schema import ColSpec as ColSpec
    from sparksig.signature.schema import Schema as Schema
    from sparksig.signature.schema import TensorSpec as TensorSpec
    from sparksig.signature.types import AnyType as AnyType
    from sparksig.signature.types import Array as Array
    from sparksig.signature.types import DataType as DataType
    from sparksig.signature.types import Map as Map
    from sparksig.signature.types import Object as Object
    from sparksig.signature.types import Property as Property
    from sparksig.signature.types import SparkMLVector as SparkMLVector
    from sparksig.sources.hints import signature_from_hints as signature_from_hints
    from sparksig.sources.inference import infer_signature as infer_signature
    from sparksig.sources.mlmodel import save_signature as save_signature
    from sparksig.sources.registry import load_signature as load_signature
    from sparksig.sources.registry import set_signature as set_signature
    from sparksig.sources.spark_schema import signature_from_struct as signature_from_struct
    from sparksig.sources.spark_schema import struct_type as struct_type

_HOMES = {
    "sparksig.errors": (
        "AbsentColumnWarning AccountingError Code ConfigError EnvironmentFault ModelError ModelLoadError"
        " NotSupportedError OutputError ParamError PolicyError Problem SchemaError SignatureError SinkError"
        " SparksigError TrustError ViolationError"
    ),
    "sparksig.signature.casts": "Level",
    "sparksig.signature.compatibility": "Compatibility check_compatible",
    "sparksig.signature.types": "AnyType Array DataType Map Object Property SparkMLVector",
    "sparksig.signature.schema": "ColSpec Schema TensorSpec",
    "sparksig.signature.params": "ParamSchema ParamSpec",
    "sparksig.signature.model_signature": "ModelSignature check_registrable",
    "sparksig.report.summary": "Report",
    "sparksig.sources.inference": "infer_signature",
    "sparksig.sources.mlmodel": "save_signature",
    "sparksig.sources.registry": "load_signature set_signature",
    "sparksig.sources.spark_schema": "signature_from_struct struct_type",
    "sparksig.enforcement.policy": "Policy",
    "sparksig.enforcement.steps": "Plan",
    "sparksig.enforcement.counts": "validate",
    "sparksig.enforcement.frames": "Split enforce plan split tag",
    "sparksig.enforcement.values": "enforce_values",
    "sparksig.models.examples": "InputExample load_serving_example serving_payload",
    "sparksig.models.loading": "load_model",
    "sparksig.models.payloads": "parse_payload validate_serving_input",
    "sparksig.models.saving": "save_model",
    "sparksig.models.typed": "TypeFromExample validate_hint validated",
    "sparksig.sources.hints": "signature_from_hints",
    "sparksig.scoring.calls": "infer_output",
    "sparksig.scoring.udf": "predict_udf",
    "sparksig.scoring.frames": "score",
    "sparksig.scoring.payloads": "payload_frame",
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
