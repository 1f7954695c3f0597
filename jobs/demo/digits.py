"""Handwritten digits as a tensor column: the refusal, the rounding that was asked for, the scores.

    python jobs/demo/digits.py

The table holds 64 doubles an image, the model was promised 8x8 float32: no double becomes a float unasked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sparksig import ColSpec, ModelSignature, Schema, SchemaError, TensorSpec, enforce, plan, runtime, score, tables

TRAINED = 1_000
SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 8, 8))]),
    outputs=Schema([ColSpec("long", "digit"), ColSpec("double", "probability")]),
)


class Digits:
    """Reads the digit from 8x8 images."""

    def __init__(self, images: np.ndarray[Any, Any], digits: np.ndarray[Any, Any]) -> None:
        self.classifier = LogisticRegression(max_iter=1000).fit(images.reshape(-1, 64), digits)

    def predict(self, images: np.ndarray[Any, Any]) -> pd.DataFrame:
        """The likeliest digit of each image, and how likely it is."""
        probabilities = self.classifier.predict_proba(images.reshape(-1, 64)).astype("float64")
        return pd.DataFrame({"digit": probabilities.argmax(axis=1), "probability": probabilities.max(axis=1)})


def main() -> None:
    """Show the refusal and the scores."""
    data = load_digits()
    pixels, written = data.data / 16.0, data.target
    model = Digits(pixels[:TRAINED].astype("float32"), written[:TRAINED])

    spark = runtime.session("sparksig digits")
    rows = pd.DataFrame({"id": range(len(pixels)), "written": written, "pixels": list(pixels)})
    table = spark.createDataFrame(rows, "id long, written long, pixels array<double>")
    print(f"{len(pixels):,} images; the table has\n\n  {table.schema.simpleString()}\n")
    print(f"and the model was promised\n\n  {SIGNATURE.inputs!r}\n")

    print(">>> enforce(table, SIGNATURE, columns=['pixels'])\n")
    try:
        enforce(table, SIGNATURE, columns=["pixels"])
    except SchemaError as error:
        print(f"{type(error).__name__}: {error}\n")

    print(">>> plan(table, SIGNATURE, columns=['pixels'], allow_rounding=True)\n")
    print(plan(table, SIGNATURE, columns=["pixels"], allow_rounding=True), "\n")

    print(">>> score(table, model, SIGNATURE, columns=['pixels'], allow_rounding=True)\n")
    scored = score(table, model, SIGNATURE, output=["digit", "probability"], columns=["pixels"], allow_rounding=True)
    scores = scored.drop("pixels").orderBy("id").toPandas()
    unseen = scores[TRAINED:]
    shown = unseen.head(8).round({"probability": 3})
    columns = ["id", "written", "digit", "probability"]
    print(tables.text(columns, shown[columns].astype(object).to_numpy().tolist(), right=range(4)))
    right = int((unseen["digit"] == unseen["written"]).sum())
    clean = int(scores["_violations"].isna().sum())
    print(
        f"\n{clean:,} of {len(scores):,} rows are clean; {right} of {len(unseen)} images not trained on are read right"
    )
    runtime.forget_log()


if __name__ == "__main__":
    main()
