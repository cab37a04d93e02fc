"""Layout of folders: which of them stand for labels, for train and test parts, and for masks, as in MVTec AD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anoonly_core.data.tables.files import printable
from anoonly_core.features.images.listing import counted

__all__ = ["PARTS", "FolderLayout", "find_layout"]

PARTS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))
MASKS = "ground_truth"  # MVTec AD: masks of the defects, one for each image of a defect
GOOD = "good"  # MVTec AD: normal


@dataclass(frozen=True)
class FolderLayout:
    """Meaning of the folders above images.

    Attributes
    ----------
    rows
        Indices of the images that are rows; the others are masks.
    labels
        Folder that labels each row, "" without one; None if no folder does.
    notes
        Sentences on parts, categories and masks.
    label_notes
        Sentences on the labels.
    """

    rows: tuple[int, ...]
    labels: tuple[str, ...] | None
    notes: tuple[str, ...] = ()
    label_notes: tuple[str, ...] = ()


def find_layout(names: Sequence[str], title: str) -> FolderLayout:
    """Determine what the folders above images mean.

    Folders that all images share say nothing. Below them the first folder is the label. If it is a part, such as train
    or test, or holds nothing but parts, as the categories of MVTec AD do, the folder below the part is the label.

    Parameters
    ----------
    names
        Paths of the images, parts separated by "/".
    title
        Name of the folder or archive in the notes.
    """
    folders = [name.split("/")[:-1] for name in names]
    shared = _shared(folders)
    folders = [parts[shared:] for parts in folders]
    depth = next((depth for depth in (0, 1) if _are_parts(folders, depth)), None)
    if depth is None:
        labels = [parts[0] if parts else "" for parts in folders]
        return _with_labels(tuple(range(len(names))), labels, title)
    rows = tuple(row for row, parts in enumerate(folders) if parts[depth].lower() != MASKS)
    folders = [folders[row] for row in rows]
    notes = _part_notes(folders, depth, title)
    if masks := len(names) - len(rows):
        notes.append(f"{counted(masks, 'mask')} in folders called {MASKS} of {title} are no rows.")
    labels = [parts[depth + 1] if len(parts) > depth + 1 else "" for parts in folders]
    layout = _with_labels(rows, labels, title)
    if GOOD in labels:
        good = f'As in MVTec AD, the images called "{GOOD}" are normal and all others are defects.'
        layout = replace(layout, label_notes=(good, *layout.label_notes))
    return replace(layout, notes=tuple(notes))


def _with_labels(rows: tuple[int, ...], labels: Sequence[str], title: str) -> FolderLayout:
    """Return a layout with the labels of its rows, "" without one, and sentences on them."""
    if not any(labels):
        return FolderLayout(rows, None)
    missing = sum(not label for label in labels)
    note = f"Images of {title} without a label, since no folder names one: {missing:,}."
    return FolderLayout(rows, tuple(labels), label_notes=(note,) if missing else ())


def _shared(folders: Sequence[list[str]]) -> int:
    """Return the number of folders at the top that all images share."""
    if not folders:
        return 0
    lowest, highest = min(folders), max(folders)
    pairs = zip(lowest, highest, strict=False)
    return next((depth for depth, (a, b) in enumerate(pairs) if a != b), min(len(lowest), len(highest)))


def _are_parts(folders: Sequence[Sequence[str]], depth: int) -> bool:
    """Return True if every folder at a depth is a part or holds masks, and at least one part has folders in it."""
    if not all(len(parts) > depth and parts[depth].lower() in {*PARTS, MASKS} for parts in folders):
        return False
    return any(len(parts) > depth + 1 and parts[depth].lower() in PARTS for parts in folders)


def _part_notes(folders: Sequence[Sequence[str]], depth: int, title: str) -> list[str]:
    """Return sentences on parts and categories that are taken together."""
    notes = []
    if len(parts := sorted({names[depth] for names in folders})) > 1:
        train = {names[depth + 1] for names in folders if names[depth].lower() == "train" and len(names) > depth + 1}
        reason = ", since train holds no anomaly that could be labeled" if train == {GOOD} else ""
        notes.append(f"The parts {', '.join(parts)} of {title} are taken together and split anew{reason}.")
    if depth and len(categories := sorted({names[0] for names in folders})) > 1:
        example = printable(categories[0])
        notes.append(
            f"{len(categories)} categories of {title}, such as {example}, are taken together: choose the folder of one "
            "to see it alone."
        )
    return notes
