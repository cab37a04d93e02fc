"""The errors that a user can cause or mend: each carries one sentence to print as it is."""

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
    "FetchIncomplete",
    "InfiniteScore",
    "InvalidConfig",
    "InvalidInput",
    "SplitImpossible",
    "StoreUnavailable",
    "TrainingDiverged",
    "UnknownDataset",
]


class AnoOnlyError(Exception):
    """What went wrong and what to do about it, in one sentence; base of every error raised on purpose.

    reason: of a download, what happened without the file's name and without advice, for a sentence about several.
    """

    reason = ""


class InvalidConfig(AnoOnlyError):
    """A setting has a value that no run can have."""


class UnknownDataset(AnoOnlyError):
    """No data set has this name and no file lies at this path."""


class DatasetUnavailable(AnoOnlyError):
    """The data set is known but neither at hand nor downloadable now."""


class DownloadFailed(AnoOnlyError):
    """A download ended without the verified file."""


class FetchIncomplete(DownloadFailed):
    """Of several data sets that were to be fetched some could not be: `names`, as the catalogue has them."""

    def __init__(self, sentence: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.names = names


class CacheUnavailable(AnoOnlyError):
    """What lies in the cache folder cannot be changed or removed."""


class BadDataFile(AnoOnlyError):
    """A file does not hold a usable table."""


class SplitImpossible(AnoOnlyError):
    """The table has too few rows of a class for the split that was asked for."""


class ComparatorMissing(AnoOnlyError):
    """A comparator needs a package that is not installed."""


class StoreUnavailable(AnoOnlyError):
    """The store of finished runs cannot be written."""


class EngineUnavailable(AnoOnlyError):
    """Nobody can train: the worker processes die, or the cluster cannot be reached or used."""


class DeviceUnavailable(AnoOnlyError):
    """The device that was asked for is not in this machine."""


class TrainingDiverged(AnoOnlyError):
    """The network's scores stopped being finite numbers."""

    def __init__(
        self,
        sentence: str = "Training diverged, so that the scores are no longer finite numbers: "
        "try a smaller learning rate.",
    ) -> None:
        super().__init__(sentence)


class InvalidInput(AnoOnlyError, ValueError):
    """A setting, a table or labels that a detector cannot use; a ValueError too, as scikit-learn expects."""


class InfiniteScore(InvalidInput):
    """A row is so unlike those of the training that its score is no finite number; row: its place among them."""

    def __init__(self, sentence: str, row: int = 0) -> None:
        super().__init__(sentence)
        self.row = row


class BadModelFile(AnoOnlyError):
    """A file does not hold a detector that can be used."""
