"""Tests, benchmarks and load tests; all share the code that Numba compiles, though each has its own cache folder."""

import os
import sys
from pathlib import Path

os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "numba-cache"))
