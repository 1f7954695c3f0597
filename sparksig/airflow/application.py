"""What the operators run, on the Spark environment's side: the command line, whatever its first argument says.

It is started by its path, so the first folder on the path of modules is this one: its modules are no top-level ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.path and Path(sys.path[0]) == Path(__file__).parent:
        del sys.path[0]
    from sparksig.cli import main

    main()
