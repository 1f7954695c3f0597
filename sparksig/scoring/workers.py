"""What `score` runs in a Python worker: batches in, batches with predictions out, poison rows found by halves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sparksig.enforcement.values import bits
from sparksig.enforcement.values.casts import Mask
from sparksig.errors import Code
from sparksig.models.loading import Model
from sparksig.scoring.calls import ModelCall


@dataclass(frozen=True, slots=True)
class BatchScorer:
    """What runs in a Python worker: batches in, batches with predictions out.

    Attributes:
        call: the model and its contract.
        inputs: where in the batch the model's columns are.
        kept: how many columns, from the first, pass through.
        tagged: whether the last column holds violations, none for a clean row, so that only clean rows are scored.
        one: whether the outputs become one struct.
        bisects: whether rows at which the model raises are looked for and tagged.
        rows: how many rows go to the model at once, at most.
    """

    call: ModelCall
    inputs: tuple[int, ...]
    kept: int
    tagged: bool
    one: bool
    bisects: bool
    rows: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score each batch; row order and row count stay."""
        call, model = self.call, None  # loaded with the first batch: an empty partition needs none
        for whole in batches:
            if model is None:
                call, model = self.call.here(), self.call.load()
            for start in range(0, max(whole.num_rows, 1), self.rows):
                yield self._scored(call, model, whole.slice(start, self.rows))

    def _scored(self, call: ModelCall, model: Model, batch: pa.RecordBatch) -> pa.RecordBatch:
        clean = np.ones(batch.num_rows, bool)
        if self.tagged:
            clean = np.asarray(batch.columns[-1].value_lengths()) == 0
        predictions, raised = self._predictions(call, model, batch, clean)
        tail = []
        if self.tagged:
            at = dict(zip(np.flatnonzero(clean).tolist(), raised, strict=True)) if any(raised) else {}
            tail = [_with_errors(_null_where(clean, batch.columns[-1]), at)]
        if self.one:
            names = [f"f{i}" for i in range(len(predictions))]
            mask = pa.array(bits(tail[0].is_valid())) if tail else None
            predictions = [pa.StructArray.from_arrays(predictions, names, mask=mask)]
        columns = [*batch.columns[: self.kept], *predictions, *tail]
        return pa.RecordBatch.from_arrays(columns, [f"c{i}" for i in range(len(columns))])

    def _predictions(
        self, call: ModelCall, model: Model, batch: pa.RecordBatch, clean: Mask
    ) -> tuple[list[pa.Array], list[str | None]]:
        """The predictions for all rows, null for dirty ones, and for each clean row what the model raised at it."""
        columns = [batch.columns[i] for i in self.inputs]
        count = int(clean.sum())
        if count == 0:
            return call.outputs.nulls(batch.num_rows), []
        if count == batch.num_rows:
            return self._ask(call, model, columns, count)
        found, raised = self._ask(call, model, [column.filter(pa.array(clean)) for column in columns], count)
        back = pa.array(np.cumsum(clean) - 1, mask=~clean)  # where each row's prediction is; null for a dirty row
        return [array.take(back) for array in found], raised

    def _ask(
        self, call: ModelCall, model: Model, columns: Sequence[pa.Array], rows: int
    ) -> tuple[list[pa.Array], list[str | None]]:
        if not self.bisects:
            return call.predict(model, columns, rows), [None] * rows
        found = call.attempt(model, columns, rows)
        if not isinstance(found, str):
            return found, [None] * rows
        if rows == 1:
            return call.outputs.nulls(1), [found]
        half = rows // 2
        first, before = self._ask(call, model, [column.slice(0, half) for column in columns], half)
        second, after = self._ask(call, model, [column.slice(half) for column in columns], rows - half)
        return [pa.concat_arrays(parts) for parts in zip(first, second, strict=True)], before + after


def _null_where(clean: Mask, violations: pa.Array) -> pa.Array:
    """The violations of a batch with null for a clean row."""
    if clean.all():
        return pa.nulls(len(violations), violations.type)
    return violations.take(pa.array(np.arange(len(clean)), mask=clean))


def _with_errors(violations: pa.Array, raised: Mapping[int, str | None]) -> pa.Array:
    """The violations of a batch, with the rows at which the model raised."""
    poison = {row: name for row, name in raised.items() if name is not None}
    if not poison:
        return violations
    more = pa.array(
        [[{"path": "", "code": str(Code.MODEL_ERROR), "expected": "", "observed": n}] for n in poison.values()],
        violations.type,
    )
    order = np.arange(len(violations))
    order[list(poison)] = len(violations) + np.arange(len(poison))
    return pa.concat_arrays([violations, more]).take(pa.array(order))
