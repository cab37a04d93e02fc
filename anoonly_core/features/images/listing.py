"""Content of a folder or an archive of images: files to read, files that are refused, and counts of all others.

Nothing here opens an image. A file is an image by its suffix; its content decides later how it is decoded.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadDataFile

__all__ = [
    "IMAGE_SUFFIXES",
    "LABEL_FILE",
    "MAX_DEPTH",
    "MAX_ENTRIES",
    "MAX_FILE",
    "MAX_IMAGES",
    "MAX_LEFT_OUT",
    "MAX_PATH",
    "MAX_TOTAL",
    "ListedFile",
    "Listing",
    "counted",
    "is_image",
    "is_label_file",
    "is_read",
    "list_folder",
]

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".webp", ".bmp", ".dib", ".gif"),
)
ARCHIVE_SUFFIXES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))
LABEL_FILE = "labels.csv"  # labels of the images beside it
MAX_IMAGES = 100_000
MAX_ENTRIES = 500_000  # files and folders that are looked at
MAX_FILE = 128 * 2**20  # bytes of one image
MAX_TOTAL = 2**40  # bytes of all images
MAX_PATH = 1024  # bytes of a path below the folder
MAX_DEPTH = 32  # folders in a path
MAX_LEFT_OUT = 10_000  # refused files, each of which is listed
FOLDER_MASK = "__MACOSX"  # copies of metadata that macOS puts into archives


class ListedFile(NamedTuple):
    """An image before it is read.

    Attributes
    ----------
    name
        Path below the folder or in the archive, parts separated by "/".
    size
        Bytes of the file.
    stamp
        Changes with the content: time of the last change in nanoseconds, or the CRC-32 in an archive.
    offset, packed, method
        For a member of an archive: where its local header begins, its compressed bytes, and its method.
    """

    name: str
    size: int
    stamp: int
    offset: int = 0
    packed: int = 0
    method: int = 0


@dataclass
class Listing:
    """Files of a folder or an archive, collected one by one within the limits.

    Attributes
    ----------
    title
        Name of the folder or archive in messages.
    images
        Images to read.
    left_out
        Files and folders that are refused, with the reasons.
    ignored
        Numbers of files that are no images, by kind: "hidden", "archive" or "other".
    label_files
        Files called `LABEL_FILE`.
    """

    title: str
    images: list[ListedFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    label_files: list[ListedFile] = field(default_factory=list)
    _entries: int = 0
    _total: int = 0

    def count_entry(self) -> None:
        """Count a file or folder that is looked at; raise BadDataFile if there are more than `MAX_ENTRIES`."""
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise BadDataFile(f"{self.title} holds more than {MAX_ENTRIES:,} files and folders: take a part of it.")

    def leave_out(self, name: str, reason: str) -> None:
        """Refuse a file or folder for a reason, a clause; raise BadDataFile after `MAX_LEFT_OUT` of them."""
        shown = printable(name.encode("utf-8", "backslashreplace").decode())
        self.left_out.append(LeftOut(name=shown, reason=reason))
        if len(self.left_out) > MAX_LEFT_OUT:
            first = self.left_out[0]
            raise BadDataFile(
                f"{self.title} holds more than {MAX_LEFT_OUT:,} files that cannot be read, such as {first.name} "
                f"({first.reason}): clean it first."
            )

    def add(self, file: ListedFile) -> None:
        """Sort a regular file in by its name and size: image to read, refused image, or no image.

        Raises
        ------
        BadDataFile
            If there are more than `MAX_IMAGES` images or their bytes exceed `MAX_TOTAL`.
        """
        path = Path(file.name)
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            self.ignored["hidden"] += 1
        elif is_label_file(file.name):
            self.label_files.append(file)
        elif not is_image(file.name):
            self.ignored["archive" if suffix in ARCHIVE_SUFFIXES else "other"] += 1
        elif reason := _refusal(file):
            self.leave_out(file.name, reason)
        else:
            self.images.append(file)
            self._total += file.size
            if len(self.images) > MAX_IMAGES:
                raise BadDataFile(f"{self.title} holds more than {MAX_IMAGES:,} images: take a part of it.")
            if self._total > MAX_TOTAL:
                raise BadDataFile(f"The images of {self.title} take more than {MAX_TOTAL >> 40} TB: take a part of it.")

    @property
    def label_file(self) -> ListedFile | None:
        """File called `LABEL_FILE` that is nearest to the top; None if there is none."""
        return min(self.label_files, key=lambda file: (file.name.count("/"), file.name), default=None)

    def notes(self) -> list[str]:
        """Return a sentence for each kind of files that are ignored."""
        sentences = {
            "other": "in {title} that {are} no image by the suffix {are} not read",
            "hidden": "in {title} that {are} hidden {are} not read",
            "archive": "inside {title} {are} not opened",
        }
        ignored = self.ignored + Counter(other=max(len(self.label_files) - 1, 0))
        return [
            f"{counted(count, 'archive' if kind == 'archive' else 'file')} "
            f"{sentences[kind].format(title=self.title, are='is' if count == 1 else 'are')}."
            for kind, count in sorted(ignored.items())
        ]


def counted(count: int, word: str) -> str:
    """Return a number with its noun, such as "1 file" or "2,000 files"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def is_read(name: str) -> bool:
    """Return True if a file of this name is read: as an image by its suffix, or as labels."""
    return is_image(name) or is_label_file(name)


def is_image(name: str) -> bool:
    """Return True if a file of this name is an image by its suffix."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def is_label_file(name: str) -> bool:
    """Return True if a file of this name holds the labels of the images beside it."""
    return Path(name).name.lower() == LABEL_FILE


def _refusal(file: ListedFile) -> str:
    """Return the clause that says why an image is refused by its name or size; "" if it is not."""
    try:
        length = len(file.name.encode())
    except UnicodeEncodeError:
        return "it has a name that is not UTF-8"
    if length > MAX_PATH:
        return f"it has a path of {length:,} bytes, and at most {MAX_PATH:,} are read"
    if file.name.count("/") > MAX_DEPTH:
        return f"it lies more than {MAX_DEPTH} folders deep"
    if file.size == 0:
        return "it is empty"
    if file.size > MAX_FILE:
        return f"it takes {-(-file.size // 2**20):,} MB, and at most {MAX_FILE >> 20} MB are read"
    return ""


def list_folder(path: Path, title: str) -> Listing:
    """List the images in a folder and the folders below it; symbolic links are not followed.

    Parameters
    ----------
    path
        Folder to list.
    title
        Name of the folder in messages.

    Raises
    ------
    BadDataFile
        If the folder cannot be read, or holds more than the limits of this module.
    """
    listing = Listing(title)
    pending = [""]  # folders to list, as the beginning of the names in them
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(path / prefix) as entries:
                pending += [f"{prefix}{entry.name}/" for entry in entries if _is_folder(listing, entry, prefix)]
        except OSError as error:
            if not prefix:
                raise BadDataFile(f"{title} cannot be read: {error.strerror}.") from error
            listing.leave_out(prefix.rstrip("/"), f"it is a folder that cannot be read: {error.strerror}")
    return listing


def _is_folder(listing: Listing, entry: os.DirEntry[str], prefix: str) -> bool:
    """Return True for a folder to list; add a file to the listing, or leave out whatever is neither."""
    listing.count_entry()
    name = f"{prefix}{entry.name}"
    try:
        if _is_link(entry):
            _add_link(listing, entry, name)
        elif entry.is_dir(follow_symlinks=False):
            return _is_listed(listing, name)
        elif entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            listing.add(ListedFile(name, status.st_size, status.st_mtime_ns))
        elif is_read(name):
            listing.leave_out(name, "it is no regular file")
        else:
            listing.ignored["other"] += 1
    except OSError as error:  # such as one that is gone by now
        listing.leave_out(name, f"it cannot be read: {error.strerror}")
    return False


def _is_link(entry: os.DirEntry[str]) -> bool:
    is_junction = getattr(entry, "is_junction", None)  # of Windows, since Python 3.12
    return entry.is_symlink() or (is_junction is not None and bool(is_junction()))


def _add_link(listing: Listing, entry: os.DirEntry[str], name: str) -> None:
    """Leave out a link to a folder or to what is named as an image, and count any other."""
    if is_read(name) or entry.is_dir():
        listing.leave_out(name, "it is a symbolic link, which is not followed")
    else:
        listing.ignored["other"] += 1


def _is_listed(listing: Listing, name: str) -> bool:
    """Return True if a folder is to be listed; else count a hidden one, or leave out a deep one."""
    if name.rpartition("/")[2].startswith("."):
        listing.ignored["hidden"] += 1
        return False
    if name.count("/") >= MAX_DEPTH:
        listing.leave_out(name, f"it is a folder more than {MAX_DEPTH} folders deep")
        return False
    return True
