"""The folder for the code that Numba compiles: the first that can be written, temporary ones included."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anoonly_core import paths
from anoonly_core.errors import CacheUnavailable
from anoonly_core.projection import project

ROOT = Path(__file__).parents[2]
ABSENT = "/proc/anoonly/absent"  # not even root can make it


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder that does not exist yet, without NUMBA_CACHE_DIR and with an empty TMPDIR."""
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    paths._numba_cache.cache_clear()
    yield tmp_path / "cache"
    paths._numba_cache.cache_clear()


def chosen() -> Path:
    assert paths.set_numba_cache()
    folder = os.environ["NUMBA_CACHE_DIR"]
    assert paths.set_numba_cache() and os.environ["NUMBA_CACHE_DIR"] == folder, "chosen once"
    assert list(Path(folder).iterdir()) == [], "the check leaves nothing"
    return Path(folder)


def test_compiled_code_goes_into_the_cache_folder(cache: Path) -> None:
    assert chosen() == cache / "numba"


def test_a_configured_folder_is_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert chosen() == tmp_path / "mine"
    assert not cache.exists()


@pytest.mark.parametrize("configured", ["", ABSENT, "/dev/null", "/sys", "blocked"])
def test_a_configured_folder_that_cannot_be_written_is_replaced(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    (tmp_path / "blocked").write_bytes(b"")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "blocked" / "x") if configured == "blocked" else configured)
    assert chosen() == cache / "numba"


@pytest.mark.parametrize("folder", [ABSENT, "/dev/null", "/sys", "/proc/self", "blocked"])
def test_without_a_cache_folder_it_is_temporary(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "blocked").write_bytes(b"")
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "blocked") if folder == "blocked" else folder)
    assert chosen().parent == tmp_path / "temporary"


def test_a_full_disk_counts_as_no_folder(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_has_room", lambda folder: folder.parent == tmp_path / "temporary")
    assert chosen().parent == tmp_path / "temporary"


def test_umap_says_so_if_nothing_can_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", ABSENT)
    monkeypatch.setattr(tempfile, "tempdir", ABSENT)
    assert not paths.set_numba_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ
    features = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(CacheUnavailable, match=rf"^UMAP needs 8 MiB on disk .* in {ABSENT}, or set TMPDIR .*\.$"):
        project(features, "umap")


IMPORTED = """
if {early}:
    import numba
from anoonly_core.projection import _umap_class
_umap_class()
from numba.core import config
print(config.CACHE_DIR)
"""
# Compiled and cached when it is imported, as functions of UMAP are, but in a second in place of fifteen.
SMALL_UMAP = """
import numba

class UMAP:
    double = staticmethod(numba.njit("float64(float64)", cache=True)(lambda x: 2 * x))
"""


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """Environment variables with which Numba finds no folder itself: it asks for NUMBA_CACHE_DIR, which is not set."""
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    variables |= {"HOME": ABSENT, "XDG_CACHE_HOME": ABSENT, "ANOONLY_CACHE": str(tmp_path / "cache")}
    return variables | {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "TMPDIR": str(tmp_path)}


def imported(variables: dict[str, str], early: bool) -> Path:
    """Return the folder that Numba uses once UMAP is imported in a new process, after Numba itself if `early`."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(early=early)], cwd=ROOT, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_umap_is_imported_where_numba_finds_no_other_folder(tmp_path: Path, surroundings: dict[str, str]) -> None:
    folder, shared = tmp_path / "cache" / "numba", Path(os.environ["NUMBA_CACHE_DIR"])
    folder.parent.mkdir()
    shared.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(shared)  # what other tests have compiled already
    assert imported(surroundings, early=False) == folder and list(folder.glob("umap*"))


@pytest.mark.parametrize("early", [False, True])
def test_what_is_cached_temporarily_is_deleted_at_exit(
    tmp_path: Path, surroundings: dict[str, str], early: bool
) -> None:
    (tmp_path / "umap.py").write_text(SMALL_UMAP)
    surroundings |= {"ANOONLY_CACHE": ABSENT, "PYTHONPATH": str(tmp_path)}
    folder = imported(surroundings, early)
    assert folder.parent == tmp_path and folder.name.startswith("anoonly-numba-")
    assert not folder.exists()


def test_umap_cannot_be_imported_where_numba_finds_no_folder(tmp_path: Path, surroundings: dict[str, str]) -> None:
    """The tests above prove something: without the folder, Numba refuses to compile what is cached."""
    (tmp_path / "umap.py").write_text(SMALL_UMAP)
    surroundings["PYTHONPATH"] = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", "import umap"], env=surroundings, capture_output=True, text=True)
    assert "no locator available" in done.stderr
