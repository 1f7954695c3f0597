"""The inputs of a job in a folder: a table with clean and bad rows, a model with a signature, a configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from sklearn.linear_model import LinearRegression

from sparksig.models.saving import save_model
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema

SECRET = 471108.15
SIGNATURE = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "y")]))
CLEAN = pa.table({"id": [1, 2], "x": [1.0, SECRET]})
DIRTY = pa.table({"id": [1, 2, 3], "x": [1.0, SECRET, None]})
OTHER = pa.table({"id": [1, 2], "z": ["a", "b"]})


@dataclass(frozen=True)
class Scene:
    """The places of a job."""

    root: Path

    @classmethod
    def made(cls, root: Path, table: pa.Table = DIRTY) -> Scene:
        root.mkdir(parents=True)
        scene = cls(root)
        scene.table(table)
        model = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 2.0]))
        (root / "trust").write_text(save_model(root / "model", model, SIGNATURE).digest)
        return scene

    def table(self, table: pa.Table, place: str = "source") -> None:
        """Put a table in the place of the one that is there."""
        (self.root / place).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, self.root / place / "part-0.parquet")

    @property
    def trust(self) -> str:
        return (self.root / "trust").read_text()

    def job(self, **more: Any) -> dict[str, Any]:
        """The configuration, as it stands in a file."""
        places = {"input": "source", "output": "scored", "quarantine": "quarantine", "summary": "summary.json"}
        given = {name: str(self.root / place) for name, place in {**places, "model": "model"}.items()}
        return {**given, "trust": self.trust, **more}

    def configured(self, dags: Path, **more: Any) -> None:
        """Write the configuration beside the DAGs, as YAML."""
        (dags / "job.yaml").write_text(json.dumps(self.job(**more), indent=1))

    def model(self, name: str, signature: ModelSignature = SIGNATURE) -> tuple[str, str]:
        """Another model: its directory and its digest."""
        estimator = LinearRegression().fit(np.array([[0.0] * len(signature.inputs)] * 2), np.array([1.0, 1.0]))
        return str(self.root / name), save_model(self.root / name, estimator, signature).digest

    def runs(self, kind: str) -> list[str]:
        """The runs whose rows lie there."""
        return sorted(path.name.removeprefix("run_id=") for path in (self.root / kind).glob("run_id=*"))

    def rows(self, kind: str, run_id: str) -> list[dict[str, Any]]:
        """The rows of a run."""
        table = ds.dataset(self.root / kind / f"run_id={run_id}", format="parquet").to_table()
        return sorted(table.to_pylist(), key=lambda row: str(row.get("id")))
