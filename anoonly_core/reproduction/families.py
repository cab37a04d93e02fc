"""Data sets of the paper's tables, each a family of ADBench files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from anoonly_core.data.adbench.files import manifest

__all__ = ["FAMILIES", "PAPER_FAMILIES", "Family", "family_of", "files_of"]


@dataclass(frozen=True)
class Family:
    """A data set as a table column: one of the paper's ten, or the classical files of ADBench, which the paper omits.

    Attributes
    ----------
    name : str
        Heading of the column; file names begin with it.
    folder : str
        Folder of the files in ADBench.
    in_paper : bool
        True if it is one of the paper's ten; False takes all files of the folder.
    """

    name: str
    folder: str
    in_paper: bool = True


_IMAGES, _TEXTS = "CV_by_ResNet18", "NLP_by_BERT"
FAMILIES = {
    family.name: family
    for family in (
        *(Family(name, _IMAGES) for name in ("CIFAR10", "FashionMNIST", "MNIST-C", "MVTec-AD", "SVHN")),
        *(Family(name, _TEXTS) for name in ("20news", "agnews", "amazon", "imdb", "yelp")),
        Family("Classical", "Classical", in_paper=False),
    )
}
PAPER_FAMILIES = tuple(name for name, family in FAMILIES.items() if family.in_paper)


@cache
def files_of(family: str) -> tuple[str, ...]:
    """Return the names of all data sets of a family, given by name, whether they are on this machine or not."""
    folder, in_paper = FAMILIES[family].folder, FAMILIES[family].in_paper
    return tuple(
        name
        for name, entry in manifest().items()
        if entry.folder == folder and (not in_paper or name == family or name.startswith(f"{family}_"))
    )


@cache
def family_of(name: str) -> str | None:
    """Return the name of the family of a data set; None if it is in no table."""
    return next((family for family in FAMILIES if name in files_of(family)), None)
