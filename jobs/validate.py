"""Count what is wrong with a table before it is scored: spark-submit jobs/validate.py --config .. (see --help)."""

from __future__ import annotations

import sys

from sparksig.cli import main

if __name__ == "__main__":
    main(["validate", *sys.argv[1:]])
