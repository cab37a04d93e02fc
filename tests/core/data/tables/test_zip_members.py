"""Members of archives are listed within limits, also where an archive holds a table."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from anoonly_core.data.tables import zip_members
from anoonly_core.data.tables.files import content_suffix, open_content
from anoonly_core.data.tables.zip_members import list_members
from anoonly_core.errors import BadDataFile


def members(count: int) -> bytes:
    """An archive of that many members, without their contents."""
    entries = b"".join(
        struct.pack("<4s4x2xH4xIIIHHHHHII", b"PK\1\2", 0, 0, 1, 1, 11, 0, 0, 0, 0, 0, number * 40)
        + b"%07d.png" % number
        for number in range(count)
    )
    end = struct.pack("<4s4xHHIIH", b"PK\5\6", count % 2**16, count % 2**16, len(entries), count * 40, 0)
    return bytes(count * 40) + entries + end


@pytest.mark.parametrize("comment", [b"", b"x" * 300, b"PK\1\2" * 90])
def test_members_are_listed_in_order(tmp_path: Path, comment: bytes) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.comment = comment
        for name in ("b.csv", "a/", "a/c.png"):
            writer.writestr(name, b"1,2\n")
    assert [info.filename for info in list_members(path, "p.zip")] == ["b.csv", "a/", "a/c.png"]


def test_a_list_beyond_the_limit_is_refused_before_it_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(members(2000))
    assert len(list_members(path, "p.zip")) == 2000
    monkeypatch.setattr(zipfile, "ZipInfo", None)  # whoever walks the list fails
    monkeypatch.setattr(zip_members, "MAX_MEMBERS", 1999)
    for read in (list_members, content_suffix, open_content):
        with pytest.raises(BadDataFile, match=r"p\.zip holds more than 1,999 members: split it\."):
            read(path, "p.zip")
    monkeypatch.setattr(zip_members, "MAX_DIRECTORY", 2**16)
    with pytest.raises(BadDataFile, match=r"p\.zip has a list of members of more than 0 MB: split it\."):
        list_members(path, "p.zip")


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"no archive" * 9, members(3)[:-9], members(3).replace(b"PK\1\2", b"XX\1\2")]
)
def test_what_is_no_archive_is_refused_by_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(BadDataFile, match=r"p\.zip is a damaged \.zip archive: make it again\."):
        list_members(tmp_path / "p.zip", "p.zip")
