"""The command `score`: score the rows of a file with a saved detector."""

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
    """Add the command `score` and its options to the subparsers."""
    parser = commands.add_parser("score", help="score the rows of a file with a saved detector")
    parser.add_argument("model", metavar="MODEL", help="the .safetensors file of the detector")
    parser.add_argument("file", metavar="FILE", help="the rows to score: .csv, .csv.gz, .parquet or .npz")
    parser.add_argument(
        "--out", metavar="FILE", help="write the scores to a .csv or .parquet file instead of printing them"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_score)


def _score(options: argparse.Namespace) -> None:
    path, out = Path(options.file), check_table_path(options.out)
    if not os.path.isfile(options.model):
        raise BadModelFile(f"There is no file {printable(options.model)}.")
    check_file(path)
    if out is not None and any(os.path.realpath(out) == os.path.realpath(used) for used in (path, options.model)):
        raise InvalidConfig("--out must name another file than the model and the scored rows.")
    table = read_table(path)

    # Imported after the paths are checked, since torch takes seconds to load.
    import torch

    from anoonly_core.detector.estimator import AnoOnlyDetector
    from anoonly_core.detector.scoring import score_table
    from anoonly_core.detector.serialization import read_model

    torch.set_num_threads(1)  # as in the workers of the page, so that the scores are bitwise equal
    detector = AnoOnlyDetector.load(options.model)
    scored = score_table(detector, table, printable(path))
    _warn(scored, len(table))
    if out is not None:
        write_table(scored.table(), out)
    if options.json:
        about = {**detector.config_, "saved_by": read_model(options.model)[0]["saved_by"]}
        print(json.dumps(_report(about, detector.threshold_, scored), indent=1))
    elif out is None:
        sys.stdout.write(scored.table().to_csv(index=False))


def _warn(scored: ScoredTable, rows: int) -> None:
    """Print notes on stderr about columns chosen by number, rows without a score and unknown words.

    `rows` is the number of rows of the file.
    """
    for note in scored.notes:
        print(note, file=sys.stderr)
    if scored.left_out:
        print(f"{scored.left_out} of {rows} rows lack a value and are not scored.", file=sys.stderr)
    if scored.unknown:
        count = sum(scored.unknown.values())
        holds = "1 cell holds a word" if count == 1 else f"{count} cells hold words"
        columns = list_names([*scored.unknown])
        print(f"{holds} that the detector does not know, in {columns}: treated as no word.", file=sys.stderr)


def _report(about: dict[str, Any], threshold: float, scored: ScoredTable) -> dict[str, Any]:
    return {
        "model": about,
        "threshold": threshold,
        "rows": len(scored.rows),
        "flagged": int(scored.flagged.sum()),
        "left_out": scored.left_out,
        "scores": scored.table().to_dict(orient="records"),
    }
