"""A folder or a .zip archive of images as raw rows that are read and decoded one by one."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import zipfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadDataFile, UnknownDataset
from anoonly_core.features.encoders.preprocessing import ImagePreprocessing
from anoonly_core.features.images.archive import list_archive, read_member
from anoonly_core.features.images.decoding import Unreadable, decode, thumbnail
from anoonly_core.features.images.label_file import MAX_LABEL, MAX_LABEL_FILE, read_labels
from anoonly_core.features.images.layout import FolderLayout, find_layout
from anoonly_core.features.images.listing import LABEL_FILE, ListedFile, Listing, counted, list_folder
from anoonly_core.features.images.preprocessing import image_choices, preprocess
from anoonly_core.features.source import RawRow, RawSource

__all__ = ["ArchiveImages", "FolderImages", "ImageSource", "find_images"]

# Neither a link nor a pipe that took the place of a file since it was listed is opened.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSource(RawSource):
    """Images of a folder or an archive; `find_images` lists them.

    Attributes
    ----------
    path
        Folder or archive.
    files
        Image of each row, in the order of `names`.
    """

    path: Path
    files: tuple[ListedFile, ...]

    @property
    def identity(self) -> str:
        """Hexadecimal SHA-256 of names, sizes, labels, and the CRC-32 of each image or the time of its last change.

        The contents of 50 000 files of a folder are not read for it: whoever changes a file and sets its time back is
        not noticed.
        """
        digest = hashlib.sha256(type(self).__name__.encode())
        for row, file in enumerate(self.files):
            label = None if self.labels is None else self.labels[row]
            digest.update(repr((file.name, file.size, file.stamp, label)).encode())
        return digest.hexdigest()

    def read(self, rows: Sequence[int], preprocessing: Mapping[str, object]) -> list[RawRow | LeftOut]:
        """Read and decode some images; parameters and result as in `RawSource.read`.

        Raises
        ------
        InvalidConfig
            If the preprocessing is not that of an image encoder.
        ExtraMissing
            If Pillow is not installed.
        """
        choices = image_choices(preprocessing)
        return [self._row(self.files[row], choices) for row in rows]

    def _row(self, file: ListedFile, choices: ImagePreprocessing) -> RawRow | LeftOut:
        """Read and decode one image, or return the reason why it cannot be."""
        try:
            picture = decode(self._content(file))
            return RawRow(preprocess(picture.image, choices), thumbnail(picture.image), picture.note)
        except Unreadable as error:
            reason = str(error)
        except MemoryError:
            reason = "it needs more memory than there is"
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or 'the disk failed'}"
        return LeftOut(name=file.name, reason=reason)

    @abstractmethod
    def _content(self, file: ListedFile) -> bytes:
        """Return the bytes of an image; raise Unreadable or OSError if it is damaged, missing or changed."""


class FolderImages(ImageSource):
    """Images of a folder and the folders below it."""

    def _content(self, file: ListedFile) -> bytes:
        with os.fdopen(os.open(self.path / file.name, _OPEN_FLAGS), "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (file.size, file.stamp):
                raise Unreadable("it has changed since it was listed")
            return opened.read(file.size)


class ArchiveImages(ImageSource):
    """Images of a .zip archive, which is never unpacked to the disk."""

    def _content(self, file: ListedFile) -> bytes:
        with self.path.open("rb") as archive:
            try:
                return read_member(archive, file)
            except ValueError:
                raise Unreadable("it is damaged in the archive") from None


def find_images(path: Path, labels: Path | Literal["auto", "none"] = "auto", title: str = "") -> ImageSource:
    """List the images of a folder or a .zip archive, with their labels.

    Images are listed in the order of their names. None is opened.

    Parameters
    ----------
    path
        Folder, with all folders below it, or .zip archive.
    labels
        Text table with a column of file names and one of labels, see `read_labels`; "auto" for that called
        `LABEL_FILE` in the folder or archive, else for the names of the folders, see `find_layout`; "none" for none.
    title
        Name of the folder or archive in messages; by default the last part of its path.

    Raises
    ------
    UnknownDataset
        If there is no such folder, archive or table of labels.
    BadDataFile
        If it holds no image to read, more than the limits, or labels that cannot be read.
    """
    kind: type[ImageSource]
    title = title or printable(Path(os.path.abspath(path)).name or path)
    if os.path.isdir(path):  # those of pathlib raise for an absurdly long name
        kind, listing = FolderImages, list_folder(path, title)
    elif not os.path.isfile(path):
        raise UnknownDataset(f"There is no folder and no .zip archive {printable(path)}.")
    elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        kind, listing = ArchiveImages, list_archive(path, title)
    else:
        raise BadDataFile(f"{title} is neither a folder nor a .zip archive: put the images into one.")
    found = sorted(listing.images)
    layout = find_layout([file.name for file in found], title)
    files = tuple(found[row] for row in layout.rows)
    if not files:
        raise BadDataFile(_no_images(listing))
    names = tuple(file.name for file in files)
    left_out = tuple(sorted(listing.left_out, key=lambda row: row.name))
    source = kind(kind="image", title=title, names=names, left_out=left_out, path=path, files=files)
    words, notes = _labels(source, layout, listing.label_file, labels)
    if words is not None and (longest := max(map(len, words))) > MAX_LABEL:
        raise BadDataFile(f"{title} has a label of {longest} characters, and at most {MAX_LABEL} are read: shorten it.")
    return replace(source, labels=words, notes=(*listing.notes(), *layout.notes, *notes))


def _labels(
    source: ImageSource, layout: FolderLayout, label_file: ListedFile | None, labels: Path | Literal["auto", "none"]
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the label of each image, None without any, and sentences on them."""
    if labels == "none":
        return None, ()
    if isinstance(labels, Path):
        return read_labels(labels, printable(labels.name), source.names)
    if label_file is None:
        return layout.labels, layout.label_notes
    table = printable(label_file.name)
    if label_file.size > MAX_LABEL_FILE:
        raise BadDataFile(
            f"{table} in {source.title} has more than the {MAX_LABEL_FILE >> 20} MB of labels that are read."
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / LABEL_FILE
        try:
            copy.write_bytes(source._content(label_file))
        except (Unreadable, OSError) as error:
            raise BadDataFile(f"{table} in {source.title} cannot be read: mend or remove it.") from error
        words, notes = read_labels(copy, table, source.names)
    return words, (f"The labels are those of {table} in {source.title}.", *notes)


def _no_images(listing: Listing) -> str:
    """Return the error sentence for a folder or archive without an image to read."""
    if listing.left_out:
        first = listing.left_out[0]
        return (
            f"{listing.title} holds no image that can be read: {counted(len(listing.left_out), 'file')} left out, such "
            f"as {first.name} ({first.reason})."
        )
    others = sum(listing.ignored.values())
    held = f" among its {counted(others, 'file')}" if others else ""
    return f"{listing.title} holds no image{held}: PNG, JPEG, TIFF, WebP, BMP and GIF are read."
