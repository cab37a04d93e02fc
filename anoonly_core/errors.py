"""Errors that a user can cause or fix; each carries one sentence to print unchanged."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AnoOnlyError",
    "BadDataFile",
    "BadModelFile",
    "CacheUnavailable",
    "ComparatorMissing",
    "DatasetUnavailable",
    "DeviceUnavailable",
    "DownloadFailed",
    "EngineUnavailable",
    "ExtraMissing",
    "FetchIncomplete",
    "GpuFailed",
    "InfiniteScore",
    "InvalidConfig",
    "InvalidInput",
    "OpenChoices",
    "PinsFull",
    "SplitImpossible",
    "StoreBusy",
    "StoreUnavailable",
    "TrainingDiverged",
    "UnknownDataset",
    "did_you_mean",
]


class AnoOnlyError(Exception):
    """Base of all deliberate errors; the message is one sentence: what happened, and what to do.

    Attributes
    ----------
    reason : str
        For a download: what happened, without file name and advice, for a sentence about several files.
    """

    reason = ""


class InvalidConfig(AnoOnlyError):
    """A setting has an invalid value."""


class UnknownDataset(AnoOnlyError):
    """No data set and no file has this name."""


class DatasetUnavailable(AnoOnlyError):
    """The data set is known, but it is not on this machine and cannot be downloaded now."""


class DownloadFailed(AnoOnlyError):
    """A download did not produce the verified file."""


class FetchIncomplete(DownloadFailed):
    """Some of several data sets could not be downloaded.

    Attributes
    ----------
    names : tuple of str
        Catalogue names of the data sets that failed.
    """

    def __init__(self, sentence: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.names = names


class CacheUnavailable(AnoOnlyError):
    """The cache folder, or a file in it, cannot be changed."""


class BadDataFile(AnoOnlyError):
    """A file does not contain a usable table."""


class OpenChoices(BadDataFile):
    """A table needs choices that only the user can make; the message names them all.

    Attributes
    ----------
    choices : tuple of str
        What is open and what to say, one a choice.
    """

    def __init__(self, title: str, choices: tuple[str, ...], example: str = "") -> None:
        self.title, self.choices, self.example = title, choices, example
        numbered = "; ".join(f"({number}) {choice}" for number, choice in enumerate(choices, 1))
        text = choices[0] if len(choices) == 1 else f"{len(choices)} choices are open: {numbered}"
        super().__init__(f"{title}: {text}{f'; for example {example}' if example else ''}.")

    def __reduce__(self) -> tuple[type[OpenChoices], tuple[str, tuple[str, ...], str]]:
        """Pickle by the arguments, since a worker process sends the error to the server."""
        return OpenChoices, (self.title, self.choices, self.example)


class SplitImpossible(AnoOnlyError):
    """The table has too few rows of a class for the requested split."""


class ComparatorMissing(AnoOnlyError):
    """A comparator needs a package that is not installed."""


class ExtraMissing(AnoOnlyError):
    """A feature needs an optional package that is not installed."""


class StoreUnavailable(AnoOnlyError):
    """The store of finished runs cannot be written."""


class StoreBusy(StoreUnavailable):
    """Another process holds the store of finished runs locked; nothing is known about its content meanwhile."""


class PinsFull(AnoOnlyError):
    """The pinned runs would take more of the store than pins may."""


class EngineUnavailable(AnoOnlyError):
    """No worker can train: the worker processes crash, or the cluster is unreachable or unsuitable."""


class DeviceUnavailable(AnoOnlyError):
    """The requested device is not available on this machine."""


class GpuFailed(Exception):
    """The GPU of a process failed, so that another GPU trains its runs; never stored as the outcome of a run."""


class TrainingDiverged(AnoOnlyError):
    """Training produced scores that are not finite."""

    def __init__(
        self,
        sentence: str = "Training diverged and the scores are not finite: try a smaller learning rate.",
    ) -> None:
        super().__init__(sentence)


class InvalidInput(AnoOnlyError, ValueError):
    """A detector cannot use a setting, a table or labels; also a ValueError, as scikit-learn expects."""


class InfiniteScore(InvalidInput):
    """A row is so far from the training rows that its score is not finite.

    Attributes
    ----------
    row : int
        Index of the row in the scored table.
    """

    def __init__(self, sentence: str, row: int = 0) -> None:
        super().__init__(sentence)
        self.row = row


class BadModelFile(AnoOnlyError):
    """A file does not contain a usable detector or encoder."""


def did_you_mean(word: str, known: Iterable[str], most: int = 2, cutoff: float = 0.6) -> str:
    """Return the end of an error sentence that suggests known words, ": did you mean X or Y?"; "" if none is close.

    Parameters
    ----------
    word
        Word that is not known; upper and lower case count as the same.
    known
        Known words.
    most
        Number of words that are suggested at most.
    cutoff
        Least similarity of a suggestion, 0 to 1, as in `difflib.get_close_matches`.
    """
    folded = {each.casefold(): each for each in known}
    near = [folded[match] for match in difflib.get_close_matches(word.casefold(), folded, most, cutoff)]
    return f": did you mean {' or '.join(near)}?" if near else ""
