"""The command `score`: the rows of a file by a detector that was saved."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anoonly_core.cli.options import check_table_path, write_table
from anoonly_core.data.tables.columns import list_names
from anoonly_core.data.tables.readers import check_file, printable, read_table
from anoonly_core.errors import BadModelFile, InvalidConfig

if TYPE_CHECKING:
    from anoonly_core.detector.scoring import ScoredTable

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser("score", help="score the rows of a file with a detector that was saved")
    parser.add_argument("model", metavar="MODEL", help="the .safetensors file of the detector")
    parser.add_argument("file", metavar="FILE", help="the rows: .csv, .csv.gz, .parquet or .npz")
    parser.add_argument("--out", metavar="FILE", help="where the scores go, .csv or .parquet; printed if not given")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(command=_score)


def _score(options: argparse.Namespace) -> None:
    path, out = Path(options.file), check_table_path(options.out)
    if not os.path.isfile(options.model):
        raise BadModelFile(f"There is no file {printable(options.model)}.")
    check_file(path)
    if out is not None and any(os.path.realpath(out) == os.path.realpath(own) for own in (path, options.model)):
        raise InvalidConfig("--out must be another file than the model and the rows that it scores.")
    table = read_table(path)

    # Torch takes seconds to load, and bad paths need none of it.
    import torch

    from anoonly_core.detector.estimator import AnoOnlyDetector
    from anoonly_core.detector.scoring import score_table
    from anoonly_core.detector.serialization import read_model

    torch.set_num_threads(1)  # as the page's workers, so that its scores are the same to the bit
    detector = AnoOnlyDetector.load(options.model)
    found = score_table(detector, table, printable(path))
    _tell(found, len(table))
    if out is not None:
        write_table(found.table(), out)
    if options.json:
        about = {**detector.config_, "saved_by": read_model(options.model)[0]["saved_by"]}
        print(json.dumps(_report(about, detector.threshold_, found), indent=1))
    elif out is None:
        sys.stdout.write(found.table().to_csv(index=False))


def _tell(found: ScoredTable, rows: int) -> None:
    """Say what is not as it was when the detector was fitted."""
    if found.left_out:
        print(f"{found.left_out} of {rows} rows lack a value and are left out.", file=sys.stderr)
    if found.unknown:
        count = sum(found.unknown.values())
        holds = "1 cell holds a word" if count == 1 else f"{count} cells hold words"
        columns = list_names([*found.unknown])
        print(f"{holds} that the detector was not fitted with, in {columns}: none of its words.", file=sys.stderr)


def _report(about: dict[str, Any], threshold: float, found: ScoredTable) -> dict[str, Any]:
    return {
        "model": about,
        "threshold": threshold,
        "rows": len(found.rows),
        "flagged": int(found.flagged.sum()),
        "left_out": found.left_out,
        "scores": found.table().to_dict(orient="records"),
    }
