"""Declare what example data shows: spark-submit jobs/infer.py DATA -o signature.json (see --help)."""

from __future__ import annotations

import sys

from sparksig.cli import main

if __name__ == "__main__":
    main(["infer", *sys.argv[1:]])
