"""Raw rows by path: images of a folder or archive, or texts of a table."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from anoonly_core.data.tables.files import file_suffix, printable
from anoonly_core.data.tables.zip_members import list_members
from anoonly_core.errors import InvalidConfig, UnknownDataset
from anoonly_core.features.images.listing import is_image, is_label_file
from anoonly_core.features.images.source import find_images
from anoonly_core.features.source import RawSource
from anoonly_core.features.texts.table_texts import read_texts

__all__ = ["NO_LABELS", "holds_images", "open_source"]

NO_LABELS = "none"  # the word for rows without labels


def open_source(path: Path, text: str | None = None, label: str | None = None, names: str | None = None) -> RawSource:
    """List the raw rows of a folder or archive of images, or of a table with a column of texts.

    A .zip archive that holds one table is a table.

    Parameters
    ----------
    path
        Folder, archive or table.
    text
        Column of the texts; None for the one that is plainly meant. Only for tables.
    label
        Column of the labels of a table, or a table of the labels of images; "none" for no labels; None for what is
        found: a column with a usual name; labels.csv or the names of the folders.
    names
        Column of a table that names the rows; None for their numbers.

    Raises
    ------
    UnknownDataset
        If there is no such folder or file.
    InvalidConfig
        If a column is named for images.
    BadDataFile
        If nothing can be read, or a column has to be named.
    """
    if holds_images(path):
        if text is not None or names is not None:
            raise InvalidConfig(f"{printable(path)} holds images, which have no columns: name neither texts nor names.")
        choice: Path | Literal["auto", "none"] = "none" if label == NO_LABELS else Path(label) if label else "auto"
        return find_images(path, choice)
    if not path.is_file():
        raise UnknownDataset(f"There is no folder and no file {printable(path)}.")
    return read_texts(path, text, "" if label == NO_LABELS else label, names)


def holds_images(path: Path) -> bool:
    """Return True for a folder, and for an archive unless it holds one table that is not the labels of images in it."""
    if path.is_dir():
        return True
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return False
    members = list_members(path, printable(path))
    files = [info.filename for info in members if info.filename and not info.is_dir()]
    tables = [name for name in files if file_suffix(name) and not name.startswith("__MACOSX/")]
    if any(is_label_file(name) for name in tables) and any(is_image(name) for name in files):
        return True
    return not (len(tables) == 1 and len(files) <= 2 * len(tables))
