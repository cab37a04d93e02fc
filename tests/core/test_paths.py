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


UMAP = """
if {early}:
    import numba
from anoonly_core.projection import _umap_class
_umap_class()
from numba.core import config
print(config.CACHE_DIR)
"""


@pytest.mark.parametrize(("early", "cache_at"), [(False, "cache"), (True, ABSENT)])
def test_umap_is_imported_where_numba_finds_no_other_folder(tmp_path: Path, early: bool, cache_at: str) -> None:
    """The environment and the home folder cannot be written, and Numba may have been imported before."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"HOME": ABSENT, "XDG_CACHE_HOME": ABSENT, "ANOONLY_CACHE": str(tmp_path / cache_at)}
    environment |= {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", UMAP.format(early=early)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    if cache_at == "cache":
        assert folder == tmp_path / "cache" / "numba" and folder.is_dir()
    else:
        assert folder.parent == tmp_path and folder.name.startswith("anoonly-numba-")
        assert not folder.exists(), "a temporary folder is deleted at exit"
