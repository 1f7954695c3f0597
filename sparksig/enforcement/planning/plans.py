"""The plan of a table: its columns matched to the declared ones, and a step for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sparksig.enforcement.nodes import AbsentNode, Path, words
from sparksig.enforcement.planning.matching import Match, match_columns, unknown_paths
from sparksig.enforcement.planning.nodes import NodeBuilder
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan, Step
from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import Schema, TensorSpec
from sparksig.sources.observed import Field, StructType


def _check_given(signature: object) -> None:
    if not isinstance(signature, ModelSignature | Schema):
        hint = "load_signature(..) reads that of a model or a file"
        fact = f"a {type(signature).__name__} is no ModelSignature and no Schema"
        raise SignatureError("no signature was given", [Problem("signature", fact, hint=hint)])


def plan_table(observed: StructType, signature: ModelSignature | Schema, policy: Policy) -> Plan:
    """Decide what happens to each column of a table.

    Args:
        observed: the table's schema.
        signature: what the model was promised: a signature (its inputs count) or a schema.
        policy: the options.

    Returns:
        The plan, whose `problems` list every fault of the schema.

    Raises:
        SignatureError: what is given is no signature, such as a model's path.
        PolicyError: the policy names columns that the signature has not.
    """
    _check_given(signature)
    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    names = tuple(field.name for field in observed.fields)
    if schema is None:
        no_inputs = Problem("", "the signature declares no inputs", Code.NO_INPUTS, "declare inputs=Schema([..])")
        return Plan((), names, (no_inputs,), policy, observed)
    unknown_paths(schema, policy)
    matches, extra, problems = match_columns(observed, schema, policy)
    builder = NodeBuilder(policy, problems)
    steps = [step for match in matches if (step := _step(match, observed, builder, extra)) is not None]
    named = schema.has_input_names()
    if problems and not named:
        problems = _with_other_column(problems, observed, schema, policy)
    return Plan(tuple(steps), extra, tuple(problems), policy, observed, named, tuple(builder.warnings))


def _with_other_column(problems: list[Problem], observed: StructType, schema: Schema, policy: Policy) -> list[Problem]:
    """The problems of the one unnamed column, with the option that names another column that fits."""
    spec = next(iter(schema))
    if len(schema.inputs) > 1 or policy.columns is not None:
        return problems
    fitting = []
    for field in observed.fields:
        ignored: list[Problem] = []
        if NodeBuilder(policy, ignored).column(spec, [field], Path("0")) is not None and not ignored:
            fitting.append(field.name)
    if not fitting:
        return problems
    hint = f"the column without a name is taken by position: columns=[{fitting[0]!r}] names the one that fits"
    if len(fitting) > 1:
        hint = f"columns=[..] names the column that is meant: {', '.join(map(repr, fitting[:5]))}"
    return [replace(problem, hint=hint) for problem in problems]


def _step(match: Match, observed: StructType, builder: NodeBuilder, extra: Sequence[str]) -> Step | None:
    spec, positions = match.spec, match.positions
    if not positions:
        builder.report_absent(Path(match.name), match.name, extra)
    fields = [observed.fields[position] for position in positions]
    if match.built:
        fields = [Field(match.name, StructType(tuple(fields)), nullable=False)]
    if fields:
        node = builder.column(spec, fields, Path(match.name))
        shown = str(fields[0].type) if len(fields) == 1 else f"{len(fields)} columns"
    elif builder.policy.absent_optional == "omit" or isinstance(spec, TensorSpec):
        return None
    else:
        node, shown = AbsentNode(spec.type), "absent"
    if node is None:
        return None
    return Step(match.name, positions, words(spec), shown, bool(spec.required), node, spec.name, match.built)
