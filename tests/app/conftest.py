"""Fixtures of the page tests: isolated caches and workers, opened pages, and the shipped results."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from anoonly_core.config import make_config
from anoonly_core.data.tables import uploads
from anoonly_core.execution import tasks
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import NO_HISTORY, RunResult, from_bytes
from anoonly_core.results.store import default_store
from app.controls.choice import baseline_of, default_choice
from app.navigation import PAGES
from app.server import jobs as jobs_module
from app.server import sweep_queue, table_owners
from app.server.jobs import Jobs
from app.server.result_cache import SHIPPED

PATIENCE_S = 90.0
MAIN = Path(__file__).parents[2] / "app" / "script.py"

MakeJobs = Callable[..., Jobs]

for page in PAGES:  # as the server does: a page knows the parameters of all loaded pages
    import_module(f"app.views.{page}.page")


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; fail after PATIENCE_S seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {PATIENCE_S:.0f} s"
        time.sleep(0.02)


def assert_one_line(sentence: str) -> None:
    """Assert that a notice is one line of fewer than 400 characters."""
    assert len(sentence.splitlines()) == 1
    assert len(sentence) < 400


@pytest.fixture(scope="session", autouse=True)
def no_umap_warming() -> Iterator[None]:
    """Keep worker pools from compiling UMAP, which takes twenty seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "warm_umap", os.getpid)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_component_scan() -> Iterator[None]:
    """Look once for Streamlit components in the installed packages, as a server does; AppTest looks for each page."""
    scan = manifest_scanner.scan_component_manifests
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(scan))
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a cache folder for this module, which its worker processes use too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_CACHE", str(folder))
        patch.delenv("ANOONLY_DATA", raising=False)
        yield folder


@pytest.fixture(scope="module")
def make_jobs(cache: Path) -> Iterator[MakeJobs]:
    """Return a function that makes Jobs with real worker processes; they are stopped at the end."""
    made: list[Jobs] = []

    def make(cores: int = 1, is_small: bool = False) -> Jobs:
        made.append(Jobs(store=default_store(), cores=cores, is_small=is_small))
        return made[-1]

    yield make
    for jobs in made:
        jobs.close()


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[None]:
    """Isolate the workers of this process: no network, and the cache of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_MIRROR", "http://127.0.0.1:9")
        jobs_module._jobs.cache_clear()
        sweep_queue.server_sweeps.cache_clear()
        yield
        table_owners.server_table_owners().close()
        table_owners._table_owners.cache_clear()
        jobs_module.server_jobs().close()
        jobs_module._jobs.cache_clear()
        sweep_queue.server_sweeps.cache_clear()


@pytest.fixture
def one_browser(monkeypatch: pytest.MonkeyPatch, server: None) -> Iterator[None]:
    """Draw pages for the browser "me" during a test, and remove all uploaded tables after it."""
    monkeypatch.setattr(table_owners, "owner", lambda: "me")
    table_owners.server_table_owners().note_presence("me", "a session")  # so that its tables are not removed earlier
    yield
    for table in uploads.list_uploads():
        uploads.remove(table)


def opened(path: str = "compare", **parameters: str) -> AppTest:
    """Return the page at a URL path, run once without a browser, as a link with these parameters opens it."""
    page = AppTest.from_file(str(MAIN), default_timeout=120)
    if path:
        page._page_hash = calc_hash(path)
    for name, value in parameters.items():
        page.query_params[name] = value
    page.run()
    assert [caught.value for caught in page.exception] == []
    return page


@pytest.fixture(scope="session")
def shipped() -> tuple[list[RunResult], list[RunResult]]:
    """Return the shipped results of A and of B, by seed."""
    results = [from_bytes(path.read_bytes()) for path in sorted(SHIPPED.glob("*.npz"))]
    choice = default_choice()
    baseline = baseline_of(choice.b)
    by_config = {result.config: result for result in results}
    return (
        [by_config[config] for config in choice.seeded(baseline)],
        [by_config[config] for config in choice.seeded(choice.b)],
    )


@pytest.fixture
def xgbod(server: None, shipped: tuple[list[RunResult], list[RunResult]]) -> RunResult:
    """Put a result of XGBOD into memory with the scores of another run: PyOD may be missing."""
    config = make_config(baseline="XGBOD")
    other = shipped[0][0]
    hidden = np.random.default_rng(0).normal(size=(len(other.sample.rows), 41)).astype(np.float32)
    result = replace(
        other,
        key=run_key(config),
        config=config,
        sample=replace(other.sample, hidden=hidden),
        history=NO_HISTORY,
    )
    jobs = jobs_module.server_jobs()
    jobs.results.forget_failures([result.key])
    jobs.results.put_runs([result])
    return result
