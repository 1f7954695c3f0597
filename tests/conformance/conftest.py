"""The runner and its adapter are plain modules beside each other, so that they run from any directory on PYTHONPATH."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
