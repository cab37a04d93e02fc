"""Zip archives of images: their members within limits, and the bytes of one member.

A member is read by where it lies, not by its name, so that worker processes need no list of all members. Nothing is
ever unpacked to the disk.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from anoonly_core.data.tables.zip_members import list_members
from anoonly_core.errors import BadDataFile
from anoonly_core.features.images.listing import FOLDER_MASK, MAX_FILE, ListedFile, Listing, is_read

__all__ = ["MAX_PACKED", "MAX_RATIO", "MIN_BOMB", "list_archive", "read_member"]

MAX_RATIO = 100  # unpacked bytes of all images to the bytes of the archive
MAX_PACKED = 2 * MAX_FILE  # compressed bytes of one image, which takes a little more than uncompressed at worst
MIN_BOMB = 2**30  # unpacked bytes from which the ratio counts
_LOCAL = struct.Struct("<4s22xHH")  # signature, lengths of the name and of the extra field
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED = 0x1


def list_archive(path: Path, title: str) -> Listing:
    """List the images in a zip archive without unpacking any.

    Parameters
    ----------
    path
        Archive to list.
    title
        Name of the archive in messages.

    Raises
    ------
    BadDataFile
        If the archive is damaged, unfolds to more than `MAX_RATIO` times its size, or holds more than the limits.
    """
    infos, size = list_members(path, title), path.stat().st_size
    listing = Listing(title)
    overlapping = _overlapping(infos)
    names: set[str] = set()
    for info in infos:
        _add_member(listing, info, names, overlapping)
    unpacked = sum(file.size for file in listing.images)
    if unpacked > max(MIN_BOMB, MAX_RATIO * size):
        raise BadDataFile(
            f"{title} unfolds to {unpacked / 2**30:,.1f} GB, more than {MAX_RATIO} times its size: images do not "
            "compress so well, so it is not read."
        )
    return listing


def _overlapping(infos: list[zipfile.ZipInfo]) -> frozenset[int]:
    """Return the offsets of the members that share bytes with another one."""
    found: set[int] = set()
    end, last = -1, -1
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            found |= {last, info.header_offset}
        reach = info.header_offset + _LOCAL.size + info.compress_size
        if reach > end:
            end, last = reach, info.header_offset
    return frozenset(found)


def _add_member(listing: Listing, info: zipfile.ZipInfo, names: set[str], overlapping: frozenset[int]) -> None:
    """Add a member to the listing, or leave it out by its name and flags; `names` are those of earlier members."""
    listing.count_entry()
    path = info.filename.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or info.is_dir():
        return
    name = "/".join(parts)
    if FOLDER_MASK in parts or any(part.startswith(".") and part != ".." for part in parts):
        listing.ignored["hidden"] += 1
    elif is_read(name) and (reason := _refusal(info, path, names, overlapping)):
        listing.leave_out(path, reason)
    else:
        names.add(name)
        facts = (info.file_size, info.CRC, info.header_offset, info.compress_size, info.compress_type)
        listing.add(ListedFile(name, *facts))


def _refusal(info: zipfile.ZipInfo, path: str, names: set[str], overlapping: frozenset[int]) -> str:
    """Return the clause that says why a member is not read; "" if it is."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or path[1:2] == ":":
        return "it has a path that leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link, which is not followed"
    if "/".join(part for part in parts if part not in ("", ".")) in names:
        return "it has the name of another member"
    if info.flag_bits & _IS_ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in _METHODS:
        return "it is compressed by another method than Deflate"
    return "it shares its bytes with another member" if info.header_offset in overlapping else ""


def read_member(file: BinaryIO, member: ListedFile) -> bytes:
    """Return the unpacked bytes of a member of an archive.

    Parameters
    ----------
    file
        Open archive.
    member
        Member as `list_archive` found it.

    Raises
    ------
    ValueError
        If the member is damaged, or unfolds to another size than the archive says.
    """
    file.seek(member.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise ValueError("no header")
    signature, name_length, extra_length = _LOCAL.unpack(header)
    if signature != b"PK\3\4":
        raise ValueError("no header")
    file.seek(name_length + extra_length, 1)
    content = b"".join(_unpacked(file.read(min(member.packed, MAX_PACKED)), member))
    if len(content) != member.size or zlib.crc32(content) != member.stamp:
        raise ValueError("other size or checksum")
    return content


def _unpacked(packed: bytes, member: ListedFile) -> Iterator[bytes]:
    """Yield the unpacked bytes of a member, at most one more than the archive says."""
    if member.method == zipfile.ZIP_STORED:
        yield packed
        return
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        yield unpacker.decompress(packed, member.size + 1)
    except zlib.error as error:
        raise ValueError("damaged") from error
