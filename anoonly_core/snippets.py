"""A run or a sweep as something to take away: a command line, a Python script, and the names of its files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import FileEntry, UploadEntry, find
from anoonly_core.data.split import SPLIT_FIELDS
from anoonly_core.data.tables.readers import file_suffix
from anoonly_core.data.tables.uri import format_uri
from anoonly_core.sweeps.sweep import PUBLISHED, Sweep

__all__ = [
    "detector_script",
    "file_name",
    "labeled_script",
    "python_script",
    "run_command",
    "score_command",
    "source_file",
    "sweep_command",
]

# Said even where they are the defaults, so that a recipe names what it is about.
ALWAYS_SAID = ("dataset", "baseline")
LONGEST_NAME = 60


def run_command(config: RunConfig) -> str:
    """The command that trains this run, quoted for a POSIX shell; what is filled in anyway is left out."""
    return _joined("run", _said(config))


def sweep_command(sweep: Sweep) -> str:
    """The command that trains this sweep, quoted for a POSIX shell."""
    said = {"dataset": "digits_3", **{name: value for name, value in sweep.settings.items() if value is not None}}
    said["dataset"] = _elsewhere(str(said["dataset"]))
    for axis in sweep.axes:
        said[axis.name] = ",".join(PUBLISHED if value is None else str(value) for value in axis.values)
    if "lambda_n" not in said and any(BASELINES[own.baseline].has("lambda_n") for own in sweep.configs.values()):
        said["lambda_n"] = 1.0  # the command would else train with and without
    return _joined("sweep", {**said, "seeds": sweep.seeds})


def score_command(config: RunConfig) -> str:
    """The command that scores a file with this run's detector: the user's own, if the run is about one."""
    source = source_file(config.dataset)
    rows = "rows.csv" if source is None else source
    words = [file_name(config, "detector.safetensors"), f"./{rows}" if rows.startswith("-") else rows]
    return shlex.join(["python", "-m", "anoonly_core", "score", *words, "--out", "scores.csv"])


def file_name(config: RunConfig, what: str) -> str:
    """What a file about a run is called, such as digits_3_DeepSAD_detector.safetensors, of harmless characters only."""
    source = source_file(config.dataset)
    name = config.dataset if source is None else Path(source).name.removesuffix(file_suffix(source))
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:LONGEST_NAME] or "table"
    return f"{stem}_{config.baseline}_{what}"


def source_file(name: str) -> str | None:
    """Return the file name of an upload or the path of a table file; None for other data sets."""
    match find(name):
        case UploadEntry(upload=upload):
            return upload.file_name
        case FileEntry(path=path):
            return str(path)
    return None


def _elsewhere(name: str) -> str:
    """Return a name that works on another machine: an upload as the URI of its file, others unchanged."""
    match find(name):
        case UploadEntry(upload=upload):
            return format_uri(upload.file_name, upload.get_schema())
    return name


def _joined(command: str, settings: dict[str, Any]) -> str:
    words = ["python", "-m", "anoonly_core", command]
    for name, value in settings.items():
        option, text = f"--{name.replace('_', '-')}", str(value)
        # A file called -x.csv would be taken for an option of its own.
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return shlex.join(words)


def python_script(config: RunConfig) -> str:
    """Five lines of Python that train this run and print its metrics."""
    settings = ", ".join(f"{name}={value!r}" for name, value in _said(config).items())
    return (
        "from anoonly_core import make_config, run\n"
        "\n"
        f"config = make_config({settings})\n"
        "result = run(config)\n"
        "print(result.metrics.as_dict())\n"
    )


def detector_script(config: RunConfig) -> str:
    """A Python script that fits this run's detector, writes the run's scores of the test rows, and saves it."""
    said = _said(config)
    split_by = {name: said[name] for name in SPLIT_FIELDS if name in said}
    at_hand = source_file(config.dataset) is None
    return _SCRIPT.format(
        where="" if at_hand else "# The path of your file goes here, before the question mark if there is one.\n",
        dataset=repr(said["dataset"]),
        split=", ".join(["dataset=name", *(f"{key}={value!r}" for key, value in split_by.items() if key != "dataset")]),
        detector=_detector(config),
        file=repr(file_name(config, "detector.safetensors")),
    )


def labeled_script(config: RunConfig, anomalies: Sequence[int]) -> str:
    """A Python script that trains on these rows of a table that was brought, marked by hand, and scores all of it."""
    return _MARKED.format(
        where="# The path of your file goes here, before the question mark if there is one.\n",
        dataset=repr(_elsewhere(config.dataset)),
        rows=", ".join(map(str, anomalies)),
        detector=_detector(config),
        file=repr(file_name(config, "detector.safetensors")),
    )


def _detector(config: RunConfig) -> str:
    """The arguments of AnoOnlyDetector."""
    said = _said(config)
    given = {"lambda_n": config.lambda_n, **{name: said[name] for name in _FITTED if name in said}}
    settings = (f"{key}={value!r}" for key, value in given.items())
    return ", ".join([repr(config.baseline), *settings, f"random_state={config.seed}"])


_FITTED = ("norm", "batch_size", "epochs", "learning_rate", "preset")
_SCRIPT = """\
import pandas as pd
import torch

from anoonly_core import AnoOnlyDetector, make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.split import make_split

# One thread, as on the page.
torch.set_num_threads(1)

{where}name = {dataset}
dataset = resolve(name).load()
split = make_split(dataset, make_config({split}))

# Trains on dataset.X[split.train], of which split.labeled are the labeled anomalies.
detector = AnoOnlyDetector({detector})
detector.fit_split(dataset, split)

scores = detector.decision_function(dataset.X[split.test])
table = pd.DataFrame({{"row": dataset.row_ids[split.test], "score": scores}})
table.to_csv("scores.csv", index=False)
detector.save({file})
"""

_MARKED = """\
import numpy as np
import pandas as pd
import torch

from anoonly_core import AnoOnlyDetector
from anoonly_core.data.tables.uri import read_uri

# One thread, as on the page.
torch.set_num_threads(1)

{where}table = read_uri({dataset})

# 1 where a row is marked as an anomaly, 0 where nobody has looked.
marked = [{rows}]
y = np.isin(table.file_rows, marked).astype(int)
detector = AnoOnlyDetector({detector}).fit(table.X, y)

scores = pd.DataFrame({{"row": table.file_rows, "score": detector.decision_scores_}})
scores.sort_values("score", ascending=False).to_csv("scores.csv", index=False)
detector.preparation_ = table.preprocessing
detector.save({file})
"""


def _said(config: RunConfig) -> dict[str, Any]:
    """The settings that make_config would not fill in by itself, and ALWAYS_SAID, as they are said elsewhere."""
    return {
        name: _elsewhere(value) if name == "dataset" else value
        for name, value in config.model_dump().items()
        if name in ALWAYS_SAID or (value is not None and config.with_(**{name: None}) != config)
    }
