"""Score a table with a model, at night: spark-submit jobs/batch_score.py --input .. --model .. (see --help)."""

from __future__ import annotations

import sys

from sparksig.cli import main

if __name__ == "__main__":
    main(["score", *sys.argv[1:]])
