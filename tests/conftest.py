"""What all tests share: bounded threads, a cache of their own, the real data where it is at hand."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch, NumPy, Numba or a worker process is loaded. Numba's threads are torch's too: UMAP
# would leave two behind, and they slow every training that comes after it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

_cache = tempfile.TemporaryDirectory(prefix="anoonly-tests-", ignore_cleanup_errors=True)  # gone when Python ends
os.environ["ANOONLY_CACHE"] = _cache.name


# A busy machine must fail no test. The first text that is drawn on a machine takes seconds: Unicode is tabulated once.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ADBench files; the test is skipped, saying so, where it is absent."""
    folder = os.environ.get("ANOONLY_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ANOONLY_DATA is not set: not checked on the real ADBench files")
    return Path(folder)
