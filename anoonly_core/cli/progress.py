"""Progress bars on stderr, and the download of a data set with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from anoonly_core.data.catalogue import resolve

__all__ = ["download", "progress_bar"]


@contextmanager
def progress_bar(unit: str, **options: Any) -> Iterator[Callable[[int, int | None], None]]:
    """Context that draws a progress bar if stderr is a terminal, and yields a function that moves it.

    The function takes the amount done and the total, None while unknown. A smaller amount than before starts the bar
    again, for the next stage of the work.

    Parameters
    ----------
    unit
        Unit of the amount, such as "epoch".
    **options
        Further options of tqdm.
    """
    with tqdm(unit=unit, disable=None, **options) as bar:

        def show(done: int, total: int | None) -> None:
            if done < bar.n:
                bar.reset()
            bar.total = total
            bar.update(done - bar.n)

        yield show


def download(dataset: str) -> None:
    """Download the file of a data set, given by name, with a progress bar; do nothing if it is on this machine.

    Raise UnknownDataset, InvalidConfig, DatasetUnavailable, DownloadFailed or BadDataFile as the catalogue does.
    """
    entry = resolve(dataset)
    if not entry.is_local():
        with progress_bar("B", unit_scale=True, desc=entry.name) as show:
            entry.load(show)
