"""Options that several commands share, and tables written to files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RULES, RunConfig, make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.files import write_atomic
from anoonly_core.results.parquet import to_parquet

__all__ = [
    "RUN_SETTINGS",
    "add_run_options",
    "add_settings",
    "check_path",
    "check_table_path",
    "implied_protocol",
    "parse_configs",
    "parse_int",
    "parse_seeds",
    "parse_share",
    "setting_help",
    "write_table",
]

MAX_SEEDS = 1000
MAX_NAME = 200  # bytes of a file name; the temporary file beside it has a longer one
RUN_SETTINGS = tuple(RunConfig.model_fields)
# Defaults that are no single value.
DEFAULTS = {
    **dict.fromkeys(("norm", "batch_size", "epochs", "learning_rate"), "as published"),
    "preset": "the first of the system",
    "protocol": "leak_free, or what the table is given for",
    "norm_strength": "the standard strength of the norm",
    "labeled_anomalies": "as labeled_ratio says",
}


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add to a parser an option for each setting of a run, and the options --anomaly-only and --seeds."""
    add_settings(parser, RUN_SETTINGS)
    parser.add_argument("--seeds", metavar="N", help="run N seeds, counting up from --seed")


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[str]) -> None:
    """Add to a parser an option for each of these settings of a run, and the option --anomaly-only."""
    for setting in settings:
        option = f"--{setting.replace('_', '-')}"
        parser.add_argument(option, dest=setting, metavar="VALUE", help=setting_help(setting))
    parser.add_argument("--anomaly-only", action="store_true", help="λ_n = 0, which is AnoOnly")


def setting_help(setting: str, addition: str = "", default: str | None = None) -> str:
    """Return the help of the option for a setting of a run: its rule, an addition, and its default.

    `default` replaces that of `RunConfig`.
    """
    value = getattr(make_config(), setting)
    default = default or DEFAULTS.get(setting) or (f"{value:g}" if isinstance(value, float) else str(value))
    return f"{RULES[setting]}{addition}; default: {default}"


def parse_configs(options: argparse.Namespace) -> list[RunConfig]:
    """Return one config per seed from the parsed options of `add_run_options`.

    Notes on how a table file is read are printed to stderr.

    Return a single config if there is no --seeds. A command need not have all the options. Without --protocol, a table
    with a test file, a time or a group column is split by that, in this order.

    Raises
    ------
    InvalidConfig, UnknownDataset, BadDataFile
        If an option is invalid, or the data set is unknown or a file that cannot be read.
    """
    given = {name: getattr(options, name, None) for name in RUN_SETTINGS}
    if options.anomaly_only:
        if given["lambda_n"] is not None:
            raise InvalidConfig("--anomaly-only means λ_n = 0: give it or --lambda-n, not both.")
        if given["baseline"] in BASELINES and not BASELINES[given["baseline"]].has("lambda_n"):
            raise InvalidConfig(f"{given['baseline']} has no λ_n: leave --anomaly-only out.")
        given["lambda_n"] = 0.0
    first = make_config(**given)
    if given["protocol"] is None and hasattr(options, "protocol"):
        first = first.with_(protocol=implied_protocol(first.dataset))
    for note in resolve(first.dataset).notes:
        print(note, file=sys.stderr)
    if (seeds := getattr(options, "seeds", None)) is None:
        return [first]
    return [first.with_(seed=first.seed + number) for number in range(parse_seeds(seeds))]


def implied_protocol(dataset: str) -> str | None:
    """Return the protocol for a table whose schema names a test file, a time or a group column; None for any other.

    Of several the first in this order counts. `dataset` is a name or a file URI. Raise UnknownDataset or InvalidConfig
    if it names nothing.
    """
    return next(iter(resolve(dataset).protocols), None)


def parse_int(name: str, text: str) -> int:
    """Return the text of an option as an int; raise InvalidConfig, which names the option, if it is none."""
    try:
        return int(text)
    except ValueError:
        raise InvalidConfig(f"{name} must be a whole number, not {text[:60]!r}.") from None


def parse_share(option: str, text: str, most: float = 1.0) -> float:
    """Return the share that an option gives, above 0 and up to `most`; raises InvalidConfig."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= most:
        raise InvalidConfig(f"{option} must be a number above 0 and up to {most:g}, not {text[:60]!r}.")
    return share


def parse_seeds(text: str) -> int:
    """Return the number of seeds that a text states; raise InvalidConfig if it is not from 1 to MAX_SEEDS."""
    try:
        seeds = int(text)
    except ValueError:
        seeds = 0
    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidConfig(f"seeds must be a whole number from 1 to {MAX_SEEDS}, not {text[:60]!r}.")
    return seeds


def check_table_path(name: str | None) -> Path | None:
    """Return the path that the option --out names; None if it is not given.

    Raise InvalidConfig if it does not end in .csv or .parquet, or cannot be the path of a file.
    """
    if name is None:
        return None
    if Path(name).suffix not in (".csv", ".parquet"):
        raise InvalidConfig(f"--out must end in .csv or .parquet, not {Path(name).name[-60:]!r}.")
    return check_path("--out", name)


def check_path(option: str, text: str) -> Path:
    """Return the path that an option names, after checking that a file may be created there.

    Raise InvalidConfig if the name is too long, its folder is missing, or the path is a folder.
    """
    path = Path(text)
    try:
        name, is_name = os.fsencode(path.name), "\0" not in text
    except UnicodeEncodeError:  # a lone surrogate is the name of no file
        name, is_name = b"", False
    if not is_name or len(name) > MAX_NAME:
        raise InvalidConfig(f"{option} must name a file of at most {MAX_NAME} characters, not {text[:60]!r}.")
    folder = path.absolute().parent
    if not os.path.isdir(folder):  # which is False, too, where the path is longer than any can be
        raise InvalidConfig(f"There is no folder {printable(folder)} for {option}: create it first.")
    if os.path.isdir(path):
        raise InvalidConfig(f"{option} must name a file, but {printable(path)} is a folder.")
    return path


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file atomically: as CSV for the suffix .csv, else as Parquet.

    Raise InvalidConfig if the file cannot be written.
    """
    content = table.to_csv(index=False).encode() if path.suffix == ".csv" else to_parquet(table)
    try:
        write_atomic(path, content)
    except OSError as error:
        raise InvalidConfig(f"The table could not be written to {printable(path)} ({error.strerror}).") from error
