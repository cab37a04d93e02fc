"""The command `score`: score the rows of a file with a saved detector."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anoonly_core.cli.features import add_source_options, parse_workers
from anoonly_core.cli.options import check_table_path, parse_share, write_table
from anoonly_core.cli.reasons import add_reasons, is_reason_column, reason_entries
from anoonly_core.cli.rules import add_prevalence_option, add_rule_options, parse_prevalence, parse_rule
from anoonly_core.data.tables.columns import list_names
from anoonly_core.data.tables.files import MAX_BYTES, check_file, printable
from anoonly_core.detector.result import highest
from anoonly_core.errors import BadDataFile, BadModelFile, InvalidConfig

if TYPE_CHECKING:
    from anoonly_core.cli.score_rows import FileRows
    from anoonly_core.detector.estimator import AnoOnlyDetector
    from anoonly_core.detector.scoring import ScoredTable

__all__ = ["add_parser"]

STDIN = "-"
COLUMNS = ("row", "score", "p_value", "flagged")


def add_parser(commands: Any) -> None:
    """Add the command `score` and its options to the subparsers."""
    parser = commands.add_parser("score", help="score the rows of a file with a saved detector")
    parser.add_argument("model", metavar="MODEL", help="the .safetensors file of the detector")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="the rows to score, in any format of table files; - reads CSV from stdin; for a detector of images or "
        "texts also a folder or .zip archive of images, or a table with a column of texts",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="write the scores to a .csv or .parquet file instead of printing them"
    )
    flagging = parser.add_mutually_exclusive_group()
    flagging.add_argument("--threshold", metavar="SCORE", help="flag scores above SCORE instead of the detector's own")
    flagging.add_argument("--top", metavar="N", help="flag the N highest scores")
    flagging.add_argument("--share", metavar="SHARE", help="flag this share of the rows, those with the highest scores")
    add_rule_options(flagging)
    add_prevalence_option(parser, "for --cost, and for what hidden anomalies do to --false-alarms")
    parser.add_argument(
        "--id",
        dest="ids",
        action="append",
        default=[],
        metavar="COLUMN",
        help="copy a column of FILE to the output, such as an order number; may be repeated",
    )
    parser.add_argument(
        "--explain",
        metavar="N",
        help="add the N columns that contribute most to the score of each flagged row, and if a test confirms them",
    )
    add_source_options(parser)
    parser.add_argument("--sort", action="store_true", help="highest score first, instead of the order of FILE")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_score)


def _score(options: argparse.Namespace) -> None:
    out = check_table_path(options.out)
    rule, reasons = _flag_rule(options), _whole_number("--explain", options.explain)
    prevalence = parse_prevalence(options, rule[0] if rule else None, ("false_alarms", "cost"))
    options.workers = parse_workers(options.workers)
    if not os.path.isfile(options.model):
        raise BadModelFile(f"There is no file {printable(options.model)}.")
    used = (options.file, options.model)
    if out is not None and any(os.path.realpath(out) == os.path.realpath(path) for path in used):
        raise InvalidConfig("--out must name another file than the model and the scored rows.")
    if options.file != STDIN and not os.path.isdir(options.file):
        check_file(Path(options.file))
    _check_ids(options.ids, reasons > 0)

    # Imported after the paths are checked, since torch takes seconds to load.
    import torch

    from anoonly_core.cli.score_rows import score_file
    from anoonly_core.detector.estimator import AnoOnlyDetector
    from anoonly_core.detector.scoring import explain_scored
    from anoonly_core.detector.serialization import read_model

    torch.set_num_threads(1)  # as in the workers of the page, so that the scores are bitwise equal
    detector = AnoOnlyDetector.load(options.model)
    shown = "stdin" if options.file == STDIN else printable(Path(options.file))
    with _input(options.file) as path:
        rows = score_file(detector, path, shown, options)
    threshold, reason, scored = _flag(detector, rows.scored, rule, prevalence)
    if reason is not None:
        print(f"Flagged: scores above {threshold:.6g}. {reason}", file=sys.stderr)
    _warn(rows)
    listed = lines = _listed(scored, rows.copied)
    entries: list[dict[str, Any]] = [{} for _ in scored.rows]
    if reasons:
        about_flagged = scored.flagged, explain_scored(detector, scored), min(reasons, len(scored.columns))
        lines, entries = add_reasons(listed, *about_flagged), reason_entries(*about_flagged)
    order = np.argsort(-scored.scores, kind="stable") if options.sort else np.arange(len(lines))
    if out is not None:
        write_table(lines.iloc[order], out)
    if options.json:
        about = {**detector.config_, "saved_by": read_model(options.model)[0]["saved_by"]}
        records = [{**record, **entry} for record, entry in zip(_records(listed), entries, strict=True)]
        counts = {"rows": len(scored.rows), "flagged": int(scored.flagged.sum()), "left_out": rows.left_out}
        chosen = {"model": about, "threshold": threshold, "threshold_reason": reason}
        print(json.dumps({**chosen, **counts, "scores": [records[line] for line in order]}, indent=1))
    elif out is None:
        sys.stdout.write(lines.iloc[order].to_csv(index=False))


@contextmanager
def _input(file: str) -> Iterator[Path]:
    """Yield the path of the rows; those of stdin are copied to a temporary .csv file, which is removed afterwards.

    Raises
    ------
    BadDataFile
        If stdin holds more bytes than a file may have.
    """
    if file != STDIN:
        yield Path(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BadDataFile(f"stdin holds more than {MAX_BYTES >> 20} MB: write the rows to a file and split it.")
        path = Path(folder) / "stdin.csv"
        path.write_bytes(content)
        yield path


def _flag_rule(options: argparse.Namespace) -> tuple[str, float] | None:
    """Return the name and the number of the option that chooses the flagged rows; None for the detector's threshold.

    The name is "threshold", "top", "share" or a key of RULES.
    """
    if options.threshold is not None:
        try:
            threshold = float(options.threshold)
        except ValueError:
            threshold = np.nan
        if not np.isfinite(threshold):
            raise InvalidConfig(f"--threshold must be a number, not {options.threshold[:60]!r}.")
        return "threshold", threshold
    if options.top is not None:
        return "top", _whole_number("--top", options.top)
    return parse_rule(options) if options.share is None else ("share", parse_share("--share", options.share))


def _whole_number(option: str, text: str | None) -> int:
    """Return the number of an option, which must be a whole number from 1; 0 if it is not given."""
    if text is None:
        return 0
    if not text.isdecimal() or int(text[:20]) < 1:
        raise InvalidConfig(f"{option} must be a whole number from 1, not {text[:60]!r}.")
    return int(text[:20])


def _flag(
    detector: AnoOnlyDetector, scored: ScoredTable, rule: tuple[str, float] | None, prevalence: float | None
) -> tuple[float | None, str | None, ScoredTable]:
    """Flag rows by a rule of `_flag_rule`.

    Returns
    -------
    threshold : float or None
        Score that flagged rows exceed; None for a number or a share of rows.
    reason : str or None
        Reason for the threshold, if the detector or a rule of RULES chose it.
    scored : ScoredTable
        The rows.
    """
    name, number = rule or (None, 0.0)
    if name == "threshold":
        return number, None, replace(scored, flagged=scored.scores > number)
    if name in ("top", "share"):
        count = int(number) if name == "top" else round(number * len(scored.scores))
        return None, None, replace(scored, flagged=highest(scored.scores, count))
    cut = detector.cut(scored.scores, name, number, prevalence) if name else detector.cut(scored.scores)
    return cut.score, cut.sentence, replace(scored, flagged=scored.scores > cut.score)


def _check_ids(ids: list[str], explains: bool) -> None:
    """Raise BadDataFile if a column of --id has the name of a column of the output.

    `explains` is True if the output has the columns of --explain.
    """
    for name in ids:
        if name in COLUMNS or (explains and is_reason_column(name)):
            raise BadDataFile(f"--id cannot copy the column {name}: the output has one of this name. Rename it.")


def _listed(scored: ScoredTable, copied: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of the output in the order of the file: row, copied columns, score, p_value and flagged."""
    lines = scored.table()
    for place, name in enumerate(copied.columns, 1):
        lines.insert(place, name, copied[name].to_numpy())
    return lines


def _warn(rows: FileRows) -> None:
    """Print notes on stderr: on how rows were read, rows without a score and unknown words."""
    for note in rows.notes:
        print(note, file=sys.stderr)
    if rows.scored.unknown:
        count = sum(rows.scored.unknown.values())
        holds = "1 cell holds a word" if count == 1 else f"{count} cells hold words"
        columns = list_names([*rows.scored.unknown])
        print(f"{holds} that the detector does not know, in {columns}: treated as no word.", file=sys.stderr)


def _records(listed: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of the output for JSON, with the columns of --id as text."""
    listed = listed.copy()
    if listed["p_value"].isna().any():
        listed["p_value"] = pd.Series([None] * len(listed), listed.index, dtype=object)
    for name in listed.columns.difference([*COLUMNS]):
        words = [None if pd.isna(cell) else str(cell) or None for cell in listed[name]]
        listed[name] = pd.Series(words, listed.index, dtype=object)  # as text, None would become NaN
    return [{str(name): cell for name, cell in record.items()} for record in listed.to_dict(orient="records")]
