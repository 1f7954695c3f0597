"""What the conformance runner calls, by the names it uses.

Nothing here looks at a case or catches an exception to change a verdict; `difference` only explains one, from the
case's input.
"""

from __future__ import annotations

import sparksig
from sparksig.errors import SparksigError
from sparksig.models.typed import validate_hint as validate_hint
from sparksig.signature.compatibility import merge as merge
from sparksig.signature.params import resolve_params
from sparksig.sources import hints
from sparksig.sources.data import infer_params as infer_params
from sparksig.sources.inference import infer_schema as infer_schema
from sparksig.sources.inference import infer_signature as infer_signature
from sparksig.sources.spark_schema import spark_json

from differences import difference as difference

CLASSES = (
    *("AnyType", "Array", "ColSpec", "DataType", "Map", "ModelSignature", "Object", "ParamSchema", "ParamSpec"),
    *("Property", "Schema", "SparkMLVector", "TensorSpec"),
)
NS = {name: getattr(sparksig, name) for name in CLASSES}
ERRORS = (SparksigError,)
NOT_YET: set[str] = set()

infer_hint = hints.schema_from_hint
infer_output_hint = hints.schema_from_output_hint
schema_from_json = sparksig.Schema.from_json
paramschema_from_json = sparksig.ParamSchema.from_json


def spark():
    from pyspark.sql import SparkSession

    return SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()


def enforce(schema, data):
    return sparksig.enforce_values(data, schema, policy=sparksig.Policy.mlflow())


def enforce_params(params, schema):
    return resolve_params(schema, params)


def view(schema):
    return {
        "json": schema.to_dict(),
        "repr": repr(schema),
        "input_names": schema.input_names(),
        "required": schema.required_input_names(),
        "optional": schema.optional_input_names(),
        "has_names": schema.has_input_names(),
        "is_tensor": schema.is_tensor_spec(),
        "numpy_types": _or_error(lambda: [str(t) for t in schema.numpy_types()]),
        "pandas_types": _or_error(lambda: [str(t) for t in schema.pandas_types()]),
        "spark": _or_error(lambda: spark_json(schema)),
    }


def _or_error(answer):
    try:
        return answer()
    except SparksigError as error:
        return {"error": type(error).__name__}
