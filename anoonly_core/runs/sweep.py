"""Train a sweep in this process and return its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from anoonly_core.data.catalogue import load_cached
from anoonly_core.errors import AnoOnlyError
from anoonly_core.results.keys import run_keys
from anoonly_core.results.store import RunSummary, Store, default_store
from anoonly_core.runs.run import RunProgress, resolve_device, run_stored
from anoonly_core.sweeps.sweep import make_sweep, sweep_table

__all__ = ["sweep"]


def sweep(
    *,
    seeds: int = 5,
    device: str = "auto",
    store: Store | Literal["default"] | None = "default",
    on_progress: Callable[[RunProgress], None] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train every combination of the settings with several seeds and return one row per run.

    Blocks until all runs are trained. Runs that share shapes train as one stack. A run that fails fills the
    column "failure"; the other runs are trained all the same.

    Parameters
    ----------
    seeds : int
        Number of seeds per combination, counting up from the setting `seed` (0 if not given).
    device : str
        "auto", "cpu" or "cuda".
    store : Store, "default" or None
        Where finished runs are read and written: the store in the cache folder, another one, or none.
    on_progress : callable, optional
        Called with a `RunProgress` after every epoch; an exception raised there stops the training.
    **settings
        Settings of `make_config` by name. A list, tuple, range or array is varied; a single value is fixed.
        None means "as published". `dataset` and `seed` cannot be varied.

    Returns
    -------
    pandas.DataFrame
        One row per combination and seed: the column "point" (int, the number of the combination), every setting,
        every metric (float, 0 to 1), "train_seconds", "failure" ("" if there is none) and "key".

    Raises
    ------
    InvalidConfig
        If a setting or every combination is invalid, or if there are more than 20 000 runs.
    UnknownDataset, DatasetUnavailable, BadDataFile
        If the data set cannot be loaded.
    DeviceUnavailable
        If there is no such device.

    Examples
    --------
    >>> table = sweep(dataset="digits_3", lambda_n=[1, 0], seeds=5)
    >>> table.groupby("lambda_n")["aucroc"].mean()
    """
    varied = {name: list(value) for name, value in settings.items() if _is_varied(value)}
    fixed = {name: value for name, value in settings.items() if name not in varied}
    grid = make_sweep(fixed, varied.items(), seeds)
    device = resolve_device(device)
    load_cached(next(iter(grid.configs.values())).dataset)  # data that cannot be loaded fails once, not run by run
    keys = dict(zip(run_keys([*grid.configs.values()], device), grid.configs, strict=True))
    configs = {own: grid.configs[key] for own, key in keys.items()}
    runs: dict[str, RunSummary] = {}
    failures: dict[str, str] = {}
    for key, outcome in run_stored(configs, device, default_store() if store == "default" else store, on_progress):
        if isinstance(outcome, AnoOnlyError):
            failures[keys[key]] = str(outcome)
        else:
            runs[keys[key]] = RunSummary.of(outcome)
    return sweep_table(grid, runs, failures)


def _is_varied(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)
