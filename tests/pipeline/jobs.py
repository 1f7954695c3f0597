"""A small batch job in a folder: a table, a model, and the files that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sparksig.models.saving import save_model
from sparksig.pipeline.config import JobConfig
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema
from tests.pipeline.estimators import Scaling

SECRET = 471108.15
PARAMS = ParamSchema([ParamSpec("factor", "double", 2.0), ParamSpec("times", "integer", 1)])
SIGNATURE = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "y")]), PARAMS)
TABLE = pa.table({"id": [1, 2, 3, 4], "x": [1.0, SECRET, None, 4.0]})


@dataclass(frozen=True)
class Job:
    """The places of one job."""

    root: Path

    def path(self, name: str) -> str:
        return str(self.root / name)

    def table(self, *tables: pa.Table) -> Job:
        (self.root / "source").mkdir()
        for number, table in enumerate(tables):
            pq.write_table(table, self.root / "source" / f"part-{number}.parquet")
        return self

    def model(self, model: object | None = None, signature: ModelSignature = SIGNATURE) -> Job:
        artifact = save_model(self.root / "model", model or Scaling(), signature)
        (self.root / "trust").write_text(artifact.digest)
        return self

    @property
    def trust(self) -> str:
        return (self.root / "trust").read_text()

    def config(self, **changed: Any) -> JobConfig:
        places = {"input": "source", "output": "scored", "quarantine": "quarantine", "summary": "summary.json"}
        given = {name: self.path(place) for name, place in {**places, "model": "model"}.items()}
        return JobConfig(**{**given, "trust": self.trust, "run_id": "r", **changed})

    def argv(self, *more: str) -> list[str]:
        given = self.config()
        names = ("input", "model", "trust", "output", "quarantine", "summary", "run_id")
        pairs = [(f"--{name.replace('_', '-')}", str(getattr(given, name))) for name in names]
        return ["score", *(word for pair in pairs for word in pair), *more]

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "summary.json").read_text())
        return found

    def rows(self, kind: str, run_id: str = "r") -> list[dict[str, Any]]:
        table = ds.dataset(self.root / kind / f"run_id={run_id}", format="parquet").to_table()
        return sorted(table.to_pylist(), key=lambda row: str(row.get("id")))

    def left_but_rejected(self) -> list[str]:
        """The same without rows that are kept for inspection, and without a quarantine that has nothing else."""
        kept = [path for path in self.left() if path.startswith("quarantine/_rejected")]
        other = [path for path in self.left() if path not in kept]
        alone = bool(kept) and not any(path.startswith("quarantine/") for path in other)
        return [path for path in other if path != "quarantine" or not alone]

    def left(self, also: Sequence[str] = ()) -> list[str]:
        """What lies there that the job was not given, without Spark's checksums."""
        given = {"source", "model", "trust", *also}
        found = [path.relative_to(self.root) for path in self.root.rglob("*")]
        return sorted(str(path) for path in found if path.parts[0] not in given and path.suffix != ".crc")
