"""Zip archives of images: members are read rightly, and hostile ones are left out or refused."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from anoonly_core.errors import BadDataFile
from anoonly_core.features.images import archive
from anoonly_core.features.images.archive import list_archive, read_member
from anoonly_core.features.images.listing import ListedFile
from tests.core.features.images.made import archive_of
from tests.core.features.images.test_listing import names, reasons

CONTENT = {"good/a.png": b"first " * 9, "bad/ä.PNG": b"second", "bad/c.jpg": b""}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_listed_and_read_by_their_place(tmp_path: Path, method: int) -> None:
    path = archive_of(tmp_path / "parts.zip", {"folder/": b"", "notes.txt": b"1", **CONTENT}, method)
    found = list_archive(path, "parts.zip")
    assert names(found) == ["bad/ä.PNG", "good/a.png"] and reasons(found) == {"bad/c.jpg": "it is empty"}
    assert found.notes() == ["1 file in parts.zip that is no image by the suffix is not read."]
    with path.open("rb") as file:
        assert {member.name: read_member(file, member) for member in found.images} == {
            name: CONTENT[name] for name in names(found)
        }


def test_an_archive_behind_other_bytes_and_in_zip64_is_read(tmp_path: Path) -> None:
    body = io.BytesIO(b"#!/bin/sh\n")
    body.seek(0, 2)
    with zipfile.ZipFile(body, "w") as writer, writer.open("a.png", "w", force_zip64=True) as member:
        member.write(b"content")
    path = tmp_path / "parts.zip"
    path.write_bytes(body.getvalue())
    (member_found,) = list_archive(path, "parts.zip").images
    with path.open("rb") as file:
        assert read_member(file, member_found) == b"content"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../a.png", "it has a path that leads out of the archive"),
        ("x/../../a.png", "it has a path that leads out of the archive"),
        ("..\\a.png", "it has a path that leads out of the archive"),
        ("/etc/a.png", "it has a path that leads out of the archive"),
        ("\\\\server\\a.png", "it has a path that leads out of the archive"),
        ("C:/a.png", "it has a path that leads out of the archive"),
        ("c:a.png", "it has a path that leads out of the archive"),
        (f"{'x/' * 40}a.png", "it lies more than 32 folders deep"),
        (f"{'x' * 1100}.png", "it has a path of 1,104 bytes, and at most 1,024 are read"),
    ],
)
def test_paths_that_lead_out_or_are_absurd_are_left_out(tmp_path: Path, name: str, reason: str) -> None:
    found = list_archive(archive_of(tmp_path / "p.zip", {name: b"1", "x.png": b"1"}), "p.zip")
    assert names(found) == ["x.png"] and list(reasons(found).values()) == [reason]


def test_hidden_members_and_those_of_macos_are_counted(tmp_path: Path) -> None:
    files = {"__MACOSX/x/._a.png": b"1", "x/._a.png": b"1", ".git/a.png": b"1", "x/a.png": b"1", "x/in.zip": b"PK"}
    found = list_archive(archive_of(tmp_path / "p.zip", files), "p.zip")
    assert names(found) == ["x/a.png"] and not found.left_out
    assert found.notes() == [
        "1 archive inside p.zip is not opened.",
        "3 files in p.zip that are hidden are not read.",
    ]


def changed(path: Path, **fields: int) -> None:
    """Overwrite fields of the first entry of the list of members."""
    places = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "size": (24, "<I"), "offset": (42, "<I")}
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2")
    for field, value in fields.items():
        place, form = places[field]
        struct.pack_into(form, content, entry + place, value)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flags": 1}, "it is encrypted"),
        ({"method": zipfile.ZIP_LZMA}, "it is compressed by another method than Deflate"),
        ({"method": 99}, "it is compressed by another method than Deflate"),
        ({"size": 2**31}, "it takes 2,048 MB, and at most 128 MB are read"),
        ({"size": 2**27 + 1}, "it takes 129 MB, and at most 128 MB are read"),
    ],
)
def test_members_that_cannot_be_read_are_left_out(tmp_path: Path, fields: dict[str, int], reason: str) -> None:
    path = archive_of(tmp_path / "p.zip", {"a.png": b"1", "x.png": b"2"})
    changed(path, **fields)
    found = list_archive(path, "p.zip")
    assert names(found) == ["x.png"] and reasons(found) == {"a.png": reason}


@pytest.mark.parametrize("name", ["", "/", ".", "./", "//", "\\"])
def test_members_without_a_name_are_no_images(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr(zipfile.ZipInfo(name), b"1")
        writer.writestr("x.png", b"1")
    assert names(list_archive(path, "p.zip")) == ["x.png"]


def test_links_and_repeated_names_are_left_out(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "p.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as writer:
        warnings.simplefilter("ignore")
        writer.writestr(link, "/etc/passwd")
        for name in ("x.png", "x.png", "./x.png", "y//x.png", "y/x.png"):
            writer.writestr(name, b"1")
    found = list_archive(path, "p.zip")
    assert names(found) == ["x.png", "y/x.png"]
    assert reasons(found)["link.png"] == "it is a symbolic link, which is not followed"
    assert [row.reason for row in found.left_out].count("it has the name of another member") == 3


def test_members_that_share_bytes_are_left_out(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "p.zip", {"a.png": b"1" * 500, "b.png": b"2" * 500, "c.png": b"3"}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as reader:
        second = reader.getinfo("b.png").header_offset
    changed(path, offset=second)  # as in a bomb, where all members share one kernel
    found = list_archive(path, "p.zip")
    assert names(found) == ["c.png"]
    assert set(reasons(found).values()) == {"it shares its bytes with another member"}


def test_an_archive_that_unfolds_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive_of(tmp_path / "p.zip", {f"{number}.bmp": bytes(10**6) for number in range(3)})
    assert len(list_archive(path, "p.zip").images) == 3
    monkeypatch.setattr(archive, "MIN_BOMB", 10**6)
    with pytest.raises(BadDataFile, match=r"p\.zip unfolds to 0\.0 GB, more than 100 times its size"):
        list_archive(path, "p.zip")


@pytest.mark.parametrize("fields", [{"size": 1}, {"size": 400}, {"size": 2**20}, {"crc": 1}, {"offset": 2**30}])
def test_a_member_that_differs_from_what_the_archive_says_is_refused(tmp_path: Path, fields: dict[str, int]) -> None:
    path = archive_of(tmp_path / "p.zip", {"a.png": bytes(300)})
    changed(path, **fields)
    (member,) = list_archive(path, "p.zip").images
    with path.open("rb") as file, pytest.raises(ValueError, match=r"no header|other size|damaged"):
        read_member(file, member)


def test_a_member_never_unfolds_to_more_than_the_archive_says(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(10**7), 9, -15)
    member = ListedFile("a.png", 10, 0, 0, len(packed), zipfile.ZIP_DEFLATED)
    assert [len(content) for content in archive._unpacked(packed, member)] == [11]


@pytest.mark.parametrize("damage", ["cut", "empty", "list", "noise"])
def test_damaged_archives_are_refused_by_a_sentence(tmp_path: Path, damage: str) -> None:
    path = archive_of(tmp_path / "p.zip", CONTENT)
    content = path.read_bytes()
    entry = content.index(b"PK\1\2")
    damaged = {
        "cut": content[:-30],
        "empty": b"",
        "list": content[:entry] + b"XX" + content[entry + 2 :],
        "noise": bytes(range(256)) * 4,
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(BadDataFile, match=r"p\.zip is a damaged \.zip archive: make it again\."):
        list_archive(path, "p.zip")
