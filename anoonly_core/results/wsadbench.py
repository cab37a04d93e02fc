"""Result files of WSADBench (arXiv 2605.26068): one JSON object a line, written for our runs and read from its runs.

Source: docs/methods.md § 11; `anoonly schema wsadbench` holds the schema of a line under $defs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anoonly_core.config import LABEL_SETTINGS, RunConfig, make_config
from anoonly_core.data.catalogue import FileEntry, UploadEntry, resolve
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadDataFile, InvalidConfig
from anoonly_core.files import write_atomic
from anoonly_core.results.summary import RunSummary

__all__ = ["CONDITIONS", "WsadbenchLine", "mean_table", "read_lines", "to_line", "write_lines"]

MAX_BYTES = 200 * 2**20
# Fields that tell two results apart; WSADBench takes a line with equal ones for the same result.
IDENTITY = (
    *("model", "dataset", "rla", "eln", "ru", "flip_normal_ratio", "flip_abnormal_ratio", "target_for_unlabeled"),
    *("seed", "is_cleanlab", "exp_note"),
)
# Fields that models are compared under.
CONDITIONS = tuple(name for name in IDENTITY if name not in ("model", "dataset", "seed", "exp_note"))
NO_NOTE = "None"
# Settings of a run that fields of a line hold.
_IN_FIELDS = frozenset({"dataset", "baseline", "lambda_n", "seed", "labeled_ratio", "preset", *LABEL_SETTINGS})

Number = int | float


class WsadbenchLine(BaseModel):
    """A result of WSADBench, with the names and meanings of its files; further fields are kept.

    Attributes
    ----------
    rla, eln, ru
        Labeled anomalies, labeled normal rows and unlabeled rows: an int is a number; a float is a share, of `eln`
        relative to the labeled anomalies.
    flip_normal_ratio, flip_abnormal_ratio
        Normal rows labeled anomalous and anomalies labeled normal, as share or number.
    aucroc, aucpr
        From 0 to 1; None where the run failed, with the reason in `error`.
    fit_time, inference_time
        Seconds.
    n_train_anomalies
        Training rows with the label 1.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    model: str
    dataset: str
    rla: Number
    eln: Number = 0.0
    ru: Number = 1.0
    flip_normal_ratio: Number = 0.0
    flip_abnormal_ratio: Number = 0.0
    target_for_unlabeled: Literal["fill_unlabel_0", "keep_label", "delete_sample"] | None = "fill_unlabel_0"
    seed: int
    aucroc: float | None = Field(default=None, ge=0, le=1)
    aucpr: float | None = Field(default=None, ge=0, le=1)
    noise_type: str | None = None
    is_cleanlab: bool | str | None = "false"
    fit_time: float | None = None
    inference_time: float | None = None
    n_train: int | None = None
    n_test: int | None = None
    n_train_anomalies: int | None = None
    n_test_anomalies: int | None = None
    error: str | None = ""
    data_type: str = "tabular_classical"
    exp_note: str | None = NO_NOTE

    @property
    def identity(self) -> str:
        """JSON of the values of IDENTITY, in which 1 and 1.0 differ: a number and a share."""
        return json.dumps([getattr(self, name) for name in IDENTITY])


def to_line(run: RunSummary) -> WsadbenchLine:
    """Return the line of a finished run.

    The model is the system with its λ_n or preset, such as "DeepSAD+AnoOnly". Settings that WSADBench does not have,
    the split without a leak among them, are in `exp_note`.
    """
    config = make_config(**run.config)
    counts = run.counts
    flips = config.flipped_anomalies or config.flipped_normals
    return WsadbenchLine(
        model=_model(config),
        dataset=_dataset(config),
        rla=config.labeled_ratio if config.labeled_anomalies is None else config.labeled_anomalies,
        eln=counts["known_normal"] if config.labeled_normals else config.labeled_normal_ratio,
        ru=config.unlabeled_ratio,
        flip_normal_ratio=config.flipped_normals,
        flip_abnormal_ratio=config.flipped_anomalies,
        target_for_unlabeled="fill_unlabel_0" if config.unlabeled_ratio else "delete_sample",
        seed=config.seed,
        aucroc=run.metrics["aucroc"],
        aucpr=run.metrics["aucpr_anomaly"],
        noise_type="label_contamination" if flips else None,
        fit_time=run.seconds["train"],
        inference_time=run.seconds["score"],
        n_train=counts["train"],
        n_test=counts["test"],
        n_train_anomalies=counts["labelled_anomalies"],
        n_test_anomalies=counts["test_anomalies"],
        data_type=_data_type(config),
        exp_note=_note(config),
    )


def read_lines(path: Path) -> list[WsadbenchLine]:
    """Read a result file; empty lines are skipped.

    Raises
    ------
    BadDataFile
        If the file cannot be read, has more than 200 MB, or a line is no result; the sentence names the line.
    """
    shown = printable(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadDataFile(f"{shown} has more than {MAX_BYTES >> 20} MB: split it.")
        texts = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadDataFile(f"{shown} is no text in UTF-8.") from error
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        reason = (isinstance(error, OSError) and error.strerror) or "it is no name of a file"
        raise BadDataFile(f"{shown} cannot be read: {reason}.") from error
    lines = []
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            lines.append(WsadbenchLine.model_validate(json.loads(text)))
        except (ValidationError, ValueError, RecursionError) as error:
            detail = error.errors()[0] if isinstance(error, ValidationError) else None
            field = f" (field {detail['loc'][0]})" if detail and detail["loc"] else ""
            raise BadDataFile(f"{shown}: line {number} is no result of WSADBench{field}.") from error
    return lines


def write_lines(path: Path, lines: Iterable[WsadbenchLine]) -> None:
    """Add results to a file, atomically; a line with the same IDENTITY is replaced, all others stay as they are.

    Raises
    ------
    BadDataFile
        If the file exists and is no result file.
    InvalidConfig
        If it cannot be written.
    """
    known = {line.identity: line for line in (read_lines(path) if path.exists() else [])}
    known |= {line.identity: line for line in lines}
    content = "".join(f"{json.dumps(line.model_dump(mode='json'), separators=(',', ':'))}\n" for line in known.values())
    try:
        write_atomic(path, content.encode())
    except OSError as error:
        raise InvalidConfig(f"The results could not be written to {printable(path)} ({error.strerror}).") from error


def mean_table(lines: Sequence[WsadbenchLine]) -> pd.DataFrame:
    """Return the mean figures of each model under equal conditions, over the data sets and seeds that it has.

    Returns
    -------
    DataFrame
        One row per model and conditions, the best AUCPR first within equal conditions: CONDITIONS, "model", "datasets",
        "runs", "aucroc", "aucpr" (means over the data sets of means over the seeds), "fit_time" and "rank" (mean rank
        by AUCPR over the data sets that all models of these conditions have; NaN without such a set).
    """
    # As JSON, as in `identity`.
    records = [line.model_dump() | {name: json.dumps(getattr(line, name)) for name in CONDITIONS} for line in lines]
    rows = pd.DataFrame(records, columns=[*WsadbenchLine.model_fields])
    rows = rows[rows["aucpr"].notna()]
    columns = [*CONDITIONS, "model", "datasets", "runs", "aucroc", "aucpr", "fit_time", "rank"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    tables = []
    for conditions, group in rows.groupby([*CONDITIONS], sort=True):
        of_sets = group.groupby(["model", "dataset"])[["aucroc", "aucpr", "fit_time"]].mean()
        shared = of_sets["aucpr"].unstack().dropna(axis=1)
        table = of_sets.groupby("model").mean()
        table["datasets"] = of_sets.groupby("model").size()
        table["runs"] = group.groupby("model").size()
        table["rank"] = shared.rank(ascending=False).mean(axis=1) if shared.shape[1] else float("nan")
        table = table.sort_values("aucpr", ascending=False).reset_index()
        values = [json.loads(str(value)) for value in conditions]
        tables.append(table.assign(**dict(zip(CONDITIONS, values, strict=True))))
    typed = [table.astype(dict.fromkeys(CONDITIONS, object)) for table in tables]
    return pd.concat(typed, ignore_index=True)[columns]


def _model(config: RunConfig) -> str:
    if config.lambda_n is not None and config.lambda_n < 1:
        return (
            f"{config.baseline}+AnoOnly" if config.lambda_n == 0 else f"{config.baseline}+lambda_n={config.lambda_n:g}"
        )
    first = config.as_published("preset").preset
    return config.baseline if config.preset == first else f"{config.baseline}+{config.preset}"


def _dataset(config: RunConfig) -> str:
    match resolve(config.dataset):
        case UploadEntry(upload=upload):
            return Path(upload.file_name).stem
        case FileEntry(path=path):
            return path.stem
        case entry:
            return entry.name.rpartition("/")[2]


def _data_type(config: RunConfig) -> str:
    """Return the group of an ADBench file as WSADBench names it; other tables count as classical."""
    family = resolve(config.dataset).family
    return f"tabular_{family}" if family.startswith(("CV_by_", "NLP_by_")) else "tabular_classical"


def _note(config: RunConfig) -> str:
    """Return the settings of a run that no field of a line holds and that are not as published for its system.

    They are written as "epochs=7, protocol=leak_free"; the published protocol counts as usual. Return NO_NOTE if there
    are none.
    """
    usual = make_config(baseline=config.baseline, lambda_n=config.lambda_n, preset=config.preset, protocol="published")
    names = [name for name in RunConfig.model_fields if name not in _IN_FIELDS]
    if config.lambda_n is not None and config.preset != config.as_published("preset").preset:
        names.append("preset")
        usual = usual.with_(preset=None)
    pairs = [f"{name}={getattr(config, name)}" for name in names if getattr(config, name) != getattr(usual, name)]
    return ", ".join(pairs) or NO_NOTE
