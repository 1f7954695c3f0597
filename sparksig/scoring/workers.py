"""What `score` runs in a Python worker: batches in, predictions out, poison rows found by halves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from sparksig.enforcement.values import bits
from sparksig.enforcement.values.casts import Mask
from sparksig.errors import Code
from sparksig.models.loading import Model
from sparksig.scoring.calls import Asked, ModelCall

ERROR = "error"
"""The field, beside those of the outputs, that says what the model raised at a row."""


@dataclass(frozen=True, slots=True)
class CleanRows:
    """The model on the clean rows of a batch: what happens inside a batch, however its columns have come.

    Attributes:
        call: the model and its contract.
        bisects: whether rows at which the model raises are looked for.
        rows: how many rows go to the model at once, at most.
    """

    call: ModelCall
    bisects: bool
    rows: int

    def ready(self) -> tuple[CleanRows, Model]:
        """The same with the params of this process's environment, and the model, loaded in it."""
        here = CleanRows(self.call.here(), self.bisects, self.rows)
        return here, here.call.load()

    def cut(self, rows: int) -> Iterator[tuple[int, int]]:
        """Where a batch of so many rows is cut for the model: offsets and lengths; one cut of an empty batch."""
        for start in range(0, max(rows, 1), self.rows):
            yield start, min(self.rows, rows - start)

    def predictions(
        self, model: Model, columns: Sequence[pa.Array], clean: Mask
    ) -> tuple[list[pa.Array], dict[int, str]]:
        """The outputs of all rows, null for the dirty ones, and at which rows the model raised what.

        Args:
            model: the model.
            columns: what it reads.
            clean: which rows it may see.
        """
        count = int(clean.sum())
        if count == 0:
            return self.call.outputs.nulls(len(clean)), {}
        if count == len(clean):
            found, raised = self._ask(model, columns, count)
        else:
            found, raised = self._ask(model, [column.filter(pa.array(clean)) for column in columns], count)
            back = pa.array(np.cumsum(clean) - 1, mask=~clean)  # where each row's prediction is; null for a dirty row
            found = [array.take(back) for array in found]
        if not any(raised):
            return found, {}
        at = np.flatnonzero(clean).tolist()
        return found, {row: name for row, name in zip(at, raised, strict=True) if name is not None}

    def _ask(self, model: Model, columns: Sequence[pa.Array], rows: int) -> Asked:
        if not self.bisects:
            return self.call.predict(model, columns, rows), ()
        return self.call.by_shape(columns, rows, partial(self._halves, model))

    def _halves(self, model: Model, columns: Sequence[pa.Array], rows: int) -> Asked:
        """The outputs of rows that the model can take together, and what it raises at which of them."""
        found = self.call.attempt(model, columns, rows)
        if not isinstance(found, str):
            return found, [None] * rows
        if rows == 1:
            return self.call.outputs.nulls(1), [found]
        half = rows // 2
        first, before = self._halves(model, [column.slice(0, half) for column in columns], half)
        second, after = self._halves(model, [column.slice(half) for column in columns], rows - half)
        return [pa.concat_arrays(parts) for parts in zip(first, second, strict=True)], [*before, *after]


@dataclass(frozen=True, slots=True)
class BatchScorer:
    """Batches in, batches with predictions out, for `mapInArrow`.

    Attributes:
        work: the model on clean rows.
        inputs: where in the batch the model's columns are.
        kept: how many columns, from the first, pass through.
        tagged: whether the last column holds violations, none for a clean row, so that only clean rows are scored.
        one: whether the outputs become one struct.
    """

    work: CleanRows
    inputs: tuple[int, ...]
    kept: int
    tagged: bool
    one: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score each batch; row order and row count stay."""
        work, model = self.work, None  # loaded with the first batch: an empty partition needs none
        for whole in batches:
            if model is None:
                work, model = self.work.ready()
            for start, length in work.cut(whole.num_rows):
                yield self._scored(work, model, whole.slice(start, length))

    def _scored(self, work: CleanRows, model: Model, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = batch.columns  # made anew each time that it is asked for
        clean = np.ones(batch.num_rows, bool)
        if self.tagged:
            clean = np.asarray(columns[-1].value_lengths()) == 0
        predictions, raised = work.predictions(model, [columns[i] for i in self.inputs], clean)
        tail = []
        if self.tagged:
            tail = [_with_errors(_null_where(clean, columns[-1]), raised)]
        if self.one:
            names = [f"f{i}" for i in range(len(predictions))]
            mask = pa.array(bits(tail[0].is_valid())) if tail else None
            predictions = [pa.StructArray.from_arrays(predictions, names, mask=mask)]
        columns = [*columns[: self.kept], *predictions, *tail]
        return pa.RecordBatch.from_arrays(columns, [f"c{i}" for i in range(len(columns))])


@dataclass(frozen=True, slots=True)
class ColumnScorer:
    """Columns in, predictions out, for a UDF beside columns that never leave the JVM.

    Attributes:
        work: the model on clean rows.
        flagged: whether behind the model's columns comes a boolean, that a row is clean; else every row is.
    """

    work: CleanRows
    flagged: bool

    @property
    def bare(self) -> bool:
        """Whether the only output is the result itself: no other output, no `error` beside it."""
        return len(self.work.call.outputs.columns) == 1 and not self.work.bisects

    def __call__(self, batches: Iterator[pa.Array | tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        """Score each batch: the only output, or fields `f0`, `f1`, .., and `error`, what the model raised at a row."""
        work, model = self.work, None  # loaded with the first batch: an empty partition needs none
        for given in batches:
            if model is None:
                work, model = self.work.ready()
            columns = given if isinstance(given, tuple) else (given,)  # one column comes bare
            cuts = [[column.slice(start, length) for column in columns] for start, length in work.cut(len(columns[0]))]
            found = [self._scored(work, model, cut) for cut in cuts]
            yield found[0] if len(found) == 1 else pa.concat_arrays(found)

    def _scored(self, work: CleanRows, model: Model, columns: Sequence[pa.Array]) -> pa.Array:
        rows = len(columns[0])
        clean = bits(columns[-1]) if self.flagged else np.ones(rows, bool)
        inputs = columns[:-1] if self.flagged else columns
        predictions, raised = work.predictions(model, inputs, clean)
        if self.bare:
            return predictions[0]
        names = [f"f{i}" for i in range(len(predictions))]
        if work.bisects:
            names.append(ERROR)
            predictions.append(
                pa.array([raised.get(i) for i in range(rows)], pa.string()) if raised else _unraised(rows)
            )
        return pa.StructArray.from_arrays(predictions, names)


def _unraised(rows: int) -> pa.Array:
    return pa.nulls(rows, pa.string())


def _null_where(clean: Mask, violations: pa.Array) -> pa.Array:
    """The violations of a batch with null for a clean row."""
    if clean.all():
        return pa.nulls(len(violations), violations.type)
    return violations.take(pa.array(np.arange(len(clean)), mask=clean))


def _with_errors(violations: pa.Array, raised: Mapping[int, str]) -> pa.Array:
    """The violations of a batch, with the rows at which the model raised."""
    if not raised:
        return violations
    more = pa.array(
        [[{"path": "", "code": str(Code.MODEL_ERROR), "expected": "", "observed": n}] for n in raised.values()],
        violations.type,
    )
    order = np.arange(len(violations))
    order[list(raised)] = len(violations) + np.arange(len(raised))
    return pa.concat_arrays([violations, more]).take(pa.array(order))
