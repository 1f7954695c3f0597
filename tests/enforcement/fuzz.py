"""Casts on random values against the oracle until stopped: `make fuzz`."""

from __future__ import annotations

import itertools
import random
import sys

from sparksig import runtime
from tests.enforcement.test_casts_spark import cells, compare, make_table

if __name__ == "__main__":
    spark = runtime.session("fuzz", master="local[*]", conf={"spark.ui.enabled": "false"})
    every = cells()
    for seed in itertools.count(random.SystemRandom().randrange(2**32)):
        table = make_table(spark, seed, 2000)
        for part in range(8):
            faults, cases = compare(table, every[part::8])
            if faults:
                print(f"seed {seed}:", *faults[:20], sep="\n  ")
                sys.exit(1)
            print(f"seed {seed}, part {part}: {sum(cases.values())} values, no difference", flush=True)
        table.unpersist()
