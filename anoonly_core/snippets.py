"""Commands, Python scripts and file names that reproduce a run or a sweep outside the page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anoonly_core.baselines import BASELINES, NORM_SETTINGS
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import FileEntry, UploadEntry, find
from anoonly_core.data.split import SPLIT_FIELDS
from anoonly_core.data.tables.files import file_suffix
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.data.tables.uri import format_uri
from anoonly_core.drift.config import DEFAULT_BATCHES, DriftConfig, make_drift_config
from anoonly_core.sweeps.sweep import PUBLISHED, Sweep
from anoonly_core.which.plan import WhichPlan
from anoonly_core.which.systems import DEFAULT_SYSTEMS

__all__ = [
    "detector_script",
    "drift_command",
    "file_name",
    "fit_command",
    "labeled_script",
    "portable_schema",
    "python_script",
    "run_command",
    "score_command",
    "source_file",
    "sweep_command",
    "weak_supervision_command",
    "which_command",
]

# Written even where they are the defaults, so that a snippet names its data set and system.
ALWAYS_WRITTEN = ("dataset", "baseline")
LONGEST_NAME = 60


def run_command(config: RunConfig) -> str:
    """Return the shell command that trains a run; settings at their defaults are left out.

    Data set and system are always written.
    """
    return _format_command("run", _written_settings(config))


def sweep_command(sweep: Sweep) -> str:
    """Return the shell command that trains all runs of a sweep."""
    settings = {"dataset": "digits_3", **{name: value for name, value in sweep.settings.items() if value is not None}}
    settings["dataset"] = _portable_name(str(settings["dataset"]))
    for axis in sweep.axes:
        settings[axis.name] = ",".join(PUBLISHED if value is None else str(value) for value in axis.values)
    if "lambda_n" not in settings and any(BASELINES[run.baseline].has("lambda_n") for run in sweep.configs.values()):
        settings["lambda_n"] = 1.0  # without it the command varies λ_n
    return _format_command("sweep", {**settings, "seeds": sweep.seeds})


def weak_supervision_command(config: RunConfig) -> str:
    """Return the shell command that ranks all mechanisms with the data, system and settings of a run."""
    chosen = ("lambda_n", "norm", *NORM_SETTINGS)
    settings = {name: value for name, value in _written_settings(config).items() if name not in chosen}
    return _format_command("sweep", {"question": "weak-supervision", **settings})


def drift_command(config: DriftConfig, seeds: int) -> str:
    """Return the shell command that scores the streams of a config over a number of seeds; defaults are left out."""
    plain = make_drift_config(config.run, shift=config.shift, batches=config.batches)
    names = [name for name in DriftConfig.model_fields if name not in ("run", "shift", "standardize")]
    changed = {name: value for name in names if (value := getattr(config, name)) != getattr(plain, name)}
    if config.batches != DEFAULT_BATCHES:
        changed["batches"] = config.batches
    settings = {**_written_settings(config.run), "shift": config.shift, **changed, "seeds": seeds}
    command = _format_command("drift", settings)
    return f"{command} --standardize" if config.standardize else command


def which_command(plan: WhichPlan) -> str:
    """Return the shell command that trains all runs of a ranking over the default numbers of labels and ranks them."""
    dataset, names = _portable_name(plan.dataset), [system.name for system in plan.systems]
    settings: dict[str, Any] = {} if set(names) == set(DEFAULT_SYSTEMS) else {"systems": ";".join(names)}
    settings |= {"labels": plan.labels, "seed": plan.seeds[0], "seeds": len(plan.seeds)}
    if not plan.seeds[0]:
        del settings["seed"]
    shared = {name: value for name, value in plan.settings.items() if value != RunConfig.model_fields[name].default}
    return _format_command("which", settings | shared, f"./{dataset}" if dataset.startswith("-") else dataset)


def fit_command(
    config: RunConfig, share: float, rule: tuple[str, float] | None = None, prevalence: float | None = None
) -> str:
    """Return the shell command that trains the detector of a run on all rows and labels.

    Parameters
    ----------
    config : RunConfig
        The run.
    share : float
        Share of new rows like the pool that the detector flags, above 0 and up to 0.5.
    rule : (str, float), optional
        Name and number of a rule that chooses the threshold instead, see RULES.
    prevalence : float, optional
        Share of anomalies among new rows, for the rule "cost".
    """
    dataset = _portable_name(config.dataset)
    split = {*SPLIT_FIELDS} - {"seed"}
    settings = {name: value for name, value in _written_settings(config).items() if name not in split}
    flagging = {"flagged_share": f"{share:g}"} if rule is None else {rule[0]: f"{rule[1]:g}"}
    if prevalence is not None:
        flagging["prevalence"] = f"{prevalence:.4g}"
    settings |= {**flagging, "out": file_name(config, "detector.safetensors")}
    return _format_command("fit", settings, f"./{dataset}" if dataset.startswith("-") else dataset)


def score_command(config: RunConfig) -> str:
    """Return the shell command that scores a file with the saved detector of a run.

    The file is that of the data set if it is an upload or a table file, else the placeholder rows.csv.
    """
    source = source_file(config.dataset)
    rows = "rows.csv" if source is None else source
    words = [file_name(config, "detector.safetensors"), f"./{rows}" if rows.startswith("-") else rows]
    return shlex.join(["python", "-m", "anoonly_core", "score", *words, "--out", "scores.csv"])


def file_name(config: RunConfig, suffix: str) -> str:
    """Return a file name for an artifact of a run, such as digits_3_DeepSAD_detector.safetensors.

    Other characters than letters, digits, "_" and "-" in the name of the data set become "_". `suffix` ends the file
    name, such as "detector.safetensors".
    """
    source = source_file(config.dataset)
    name = config.dataset if source is None else Path(source).name.removesuffix(file_suffix(source))
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:LONGEST_NAME] or "table"
    return f"{stem}_{config.baseline}_{suffix}"


def source_file(name: str) -> str | None:
    """Return the original file name of an upload, or the path of a table file; None for other data sets.

    `name` is the name of the data set.
    """
    match find(name):
        case UploadEntry(upload=upload):
            return upload.file_name
        case FileEntry(path=path):
            return str(path)
    return None


def _portable_name(name: str) -> str:
    """Return a data set name that works on another machine: for an upload the URI of its file, else the same name."""
    match find(name):
        case UploadEntry(upload=upload):
            return format_uri(upload.file_name, portable_schema(upload))
    return name


def portable_schema(upload: Upload) -> TableSchema:
    """Return the schema of an upload with the name of the test file, if it has one, in place of that of its upload."""
    schema = upload.get_schema()
    test = None if schema.test is None else source_file(schema.test)
    return schema if test is None else schema.model_copy(update={"test": test})


def _format_command(command: str, settings: dict[str, Any], *arguments: str) -> str:
    words = ["python", "-m", "anoonly_core", command, *arguments]
    for name, value in settings.items():
        option, text = f"--{name.replace('_', '-')}", str(value)
        # argparse takes a value such as -x.csv for an option.
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return shlex.join(words)


def python_script(config: RunConfig) -> str:
    """Return a short Python script that trains a run and prints its metrics.

    Settings at their defaults are left out.
    """
    settings = ", ".join(f"{name}={value!r}" for name, value in _written_settings(config).items())
    return (
        "from anoonly_core import make_config, run\n"
        "\n"
        f"config = make_config({settings})\n"
        "result = run(config)\n"
        "print(result.metrics.as_dict())\n"
    )


def detector_script(config: RunConfig) -> str:
    """Return a Python script that trains the detector of a run, scores the test rows and saves the detector."""
    settings = _written_settings(config)
    split_by = {name: settings[name] for name in SPLIT_FIELDS if name in settings}
    return _SCRIPT.format(
        hint="" if source_file(config.dataset) is None else _PATH_HINT,
        dataset=repr(settings["dataset"]),
        split=", ".join(["dataset=name", *(f"{key}={value!r}" for key, value in split_by.items() if key != "dataset")]),
        detector=_detector(config),
        file=repr(file_name(config, "detector.safetensors")),
    )


def labeled_script(config: RunConfig, anomalies: Sequence[int], normals: Sequence[int] = ()) -> str:
    """Return a Python script that trains on rows of a table that are labeled by hand, and scores all rows.

    Parameters
    ----------
    config : RunConfig
        The data set and the settings of the detector.
    anomalies, normals : sequence of int
        Row numbers in the file, from 0, that are labeled as anomalies and as normal.
    """
    is_file = source_file(config.dataset) is not None
    return _LABELED_SCRIPT.format(
        imports="from anoonly_core.data.tables.uri import read_uri"
        if is_file
        else "from anoonly_core.data.catalogue import resolve",
        hint=_PATH_HINT if is_file else "",
        table=("read_uri({})" if is_file else "resolve({}).load()").format(repr(_portable_name(config.dataset))),
        row_ids="file_rows" if is_file else "row_ids",
        X="filled()" if is_file else "X",
        preparation="detector.preparation_ = table.preprocessing\n" if is_file else "",
        rows=", ".join(map(str, anomalies)),
        normals=", ".join(map(str, normals)),
        detector=_detector(config),
        file=repr(file_name(config, "detector.safetensors")),
    )


def _detector(config: RunConfig) -> str:
    """Return the arguments that construct the AnoOnlyDetector of a run, as Python source."""
    settings = _written_settings(config)
    given = {"lambda_n": config.lambda_n, **{name: settings[name] for name in _DETECTOR_SETTINGS if name in settings}}
    arguments = (f"{key}={value!r}" for key, value in given.items())
    return ", ".join([repr(config.baseline), *arguments, f"random_state={config.seed}"])


_DETECTOR_SETTINGS = ("norm", "batch_size", "epochs", "learning_rate", "preset", *NORM_SETTINGS)
_PATH_HINT = "# Replace the file name by the path of your file; keep what follows a question mark.\n"
_SCRIPT = """\
import pandas as pd
import torch

from anoonly_core import AnoOnlyDetector, make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.split import make_split

# Use one thread, as the page does.
torch.set_num_threads(1)

{hint}name = {dataset}
dataset = resolve(name).load()
split = make_split(dataset, make_config({split}))

# Train on the rows split.train; split.labeled marks the labeled anomalies.
detector = AnoOnlyDetector({detector})
detector.fit_split(dataset, split)

scores = detector.decision_function(split.filled(dataset, split.test))
table = pd.DataFrame({{"row": dataset.row_ids[split.test], "score": scores}})
table.to_csv("scores.csv", index=False)
detector.save({file})
"""

_LABELED_SCRIPT = """\
import numpy as np
import pandas as pd
import torch

from anoonly_core import AnoOnlyDetector
{imports}

# Use one thread, as the page does.
torch.set_num_threads(1)

{hint}table = {table}

# 1 for a row that is labeled as an anomaly, -1 for one that is labeled as normal, 0 for an unlabeled row.
anomalies = [{rows}]
normals = [{normals}]
y = np.isin(table.{row_ids}, anomalies).astype(int) - np.isin(table.{row_ids}, normals)
detector = AnoOnlyDetector({detector}).fit(table.{X}, y)

scores = pd.DataFrame({{"row": table.{row_ids}, "score": detector.decision_scores_}})
scores.sort_values("score", ascending=False).to_csv("scores.csv", index=False)
{preparation}detector.save({file})
"""


def _written_settings(config: RunConfig) -> dict[str, Any]:
    """Return the settings to write in a snippet: those of ALWAYS_WRITTEN, and others that differ from their defaults.

    The name of an upload is replaced by the URI of its file.
    """
    return {
        name: _portable_name(value) if name == "dataset" else value
        for name, value in config.model_dump().items()
        if name in ALWAYS_WRITTEN or (value is not None and getattr(config.as_published(name), name) != value)
    }
