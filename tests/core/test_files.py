"""An atomic write leaves the whole new file or the unchanged old one, and no temporary file."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from anoonly_core.files import PART_SUFFIX, temporary_file, write_atomic

NAME_LIMIT = 255  # bytes, on the usual file systems


def test_a_file_is_created_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_atomic(path, b"old, and longer than the new content")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    write_atomic(path, b"")
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    write_atomic(path, b"old")

    def fill_the_disk(part: Path, content: bytes) -> int:
        with part.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full, pytest.raises(OSError, match="No space left"):
        full.setattr(Path, "write_bytes", fill_the_disk)
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_an_error_while_renaming_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    write_atomic(path, b"old")

    def refuse(part: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as locked, pytest.raises(PermissionError):
        locked.setattr(Path, "replace", refuse)
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomic(tmp_path / "folder", b"new")
    assert (tmp_path / "folder").is_dir() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("parent", ["missing", "a file"])
def test_a_folder_that_does_not_exist_is_an_error(parent: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        write_atomic(tmp_path / parent / "table.csv", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660), (0o077, 0o600)])
def test_the_umask_decides_the_permissions(umask: int, mode: int, tmp_path: Path) -> None:
    """A shared cache folder needs more than the mode 600 of `tempfile`."""
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "table.csv", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "table.csv").stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs POSIX permissions that bind this user")
def test_a_folder_without_write_permission_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_atomic(path, b"old")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            write_atomic(path, b"new")
        assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["a" * NAME_LIMIT, "é" * (NAME_LIMIT // 2), "-", ".hidden", "two words.csv"])
def test_any_name_that_the_file_system_takes_can_be_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_concurrent_readers_and_writers_see_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
    write_atomic(path, contents[0])

    def write(content: bytes) -> None:
        for _ in range(50):
            write_atomic(path, content)

    writers = [threading.Thread(target=write, args=[content]) for content in contents]
    for writer in writers:
        writer.start()
    seen = [path.read_bytes()]
    while any(writer.is_alive() for writer in writers):
        seen.append(path.read_bytes())
    for writer in writers:
        writer.join()
    assert set(seen) <= set(contents)
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_file_is_deleted_whatever_ends_the_block(tmp_path: Path) -> None:
    with temporary_file(tmp_path) as unused:
        assert unused.parent == tmp_path and unused.suffix == PART_SUFFIX and unused.read_bytes() == b""
    with pytest.raises(KeyboardInterrupt), temporary_file(tmp_path) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert part != unused and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["file", "folder", "link to a file", "dangling link", "link to a folder"])
def test_a_name_that_is_taken_is_never_written_through(
    taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that others may write, a link laid in advance leads to a file of somebody else."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    part, victim, folder = tmp_path / f".{'0' * 32}{PART_SUFFIX}", tmp_path / "victim", tmp_path / "folder"
    victim.write_bytes(b"theirs")
    folder.mkdir()
    if taken == "file":
        part.write_bytes(b"theirs")
    elif taken == "folder":
        part.mkdir()
    else:
        part.symlink_to({"link to a file": victim, "link to a folder": folder}.get(taken, tmp_path / "absent"))
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "table.csv", b"mine")
    assert victim.read_bytes() == b"theirs" and os.path.lexists(part)
    assert not (tmp_path / "absent").exists() and not (tmp_path / "table.csv").exists()


def test_temporary_names_cannot_be_foreseen(tmp_path: Path) -> None:
    names = set()
    for _ in range(100):
        with temporary_file(tmp_path) as part:
            names.add(part.name)
    assert len(names) == 100 and all(len(name) == 1 + 32 + len(PART_SUFFIX) for name in names)


def test_a_renamed_temporary_file_stays(tmp_path: Path) -> None:
    with temporary_file(tmp_path) as part:
        part.write_bytes(b"new")
        part.replace(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b"new"
