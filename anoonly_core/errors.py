"""Errors that a user can cause or fix; each carries one sentence to print unchanged."""

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
    "InfiniteScore",
    "InvalidConfig",
    "InvalidInput",
    "PinsFull",
    "SplitImpossible",
    "StoreBusy",
    "StoreUnavailable",
    "TrainingDiverged",
    "UnknownDataset",
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
    """A file does not contain a usable detector."""
