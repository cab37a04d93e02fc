"""Shared test setup: bounded threads, a temporary cache, and the real data if available."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Set before torch, NumPy, Numba or a worker process starts. Numba shares its threads with torch: UMAP
# would leave two behind, which slow every later training.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

_cache = tempfile.TemporaryDirectory(prefix="anoonly-tests-", ignore_cleanup_errors=True)  # removed at exit
os.environ["ANOONLY_CACHE"] = _cache.name


# No deadline, so that a busy machine fails no test. The first text strategy takes seconds to tabulate Unicode.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples in each run, so that a draw fails no commit; `--hypothesis-profile explore` draws new ones.
settings.register_profile("repeat", settings.get_profile("explore"), derandomize=True)
settings.load_profile("repeat")


gc.disable()  # while tests are imported, which makes millions of objects that stay


@pytest.hookimpl(tryfirst=True)  # before the loop that runs the tests, in each worker and in what waits for them
def pytest_runtestloop() -> None:
    """Exempt what the imports have made from garbage collections, which otherwise go through all of it each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # pages make many objects: by default a thirteenth of their time goes into this
    gc.enable()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real ADBench files; skip the test if it is absent."""
    folder = os.environ.get("ANOONLY_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set ANOONLY_DATA to test with the real ADBench files")
    return Path(folder)
