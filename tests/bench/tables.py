"""Real tables from file to scores: the label that is guessed, a detector of half of the rows, and scores of the rest.

    python -m tests.bench.tables

Fit and score run in new processes, as on a command line. Prints a table in Markdown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

import pandas as pd
import sklearn.datasets
from sklearn.metrics import roc_auc_score

from anoonly_core.data.adbench.files import find_entry, load_arrays
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from tests.tables import cancer, penguins

__all__ = ["TABLES", "RealTable", "fit_and_score", "write_halves"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RealTable:
    """A table of a package, with the label that a person would choose.

    Parameters
    ----------
    name : str
        Name of the table, and of its package.
    load : callable
        Returns the path of the file, its text, or a table to write to one.
    label : str
        Name of the label column, as the file is read.
    anomaly : str
        Label value that means anomaly.
    """

    name: str
    load: Callable[[], Path | str | pd.DataFrame]
    label: str
    anomaly: str


def _packaged(package: str, name: str) -> Path:
    return next(Path(str(file.locate())) for file in files(package) or () if file.name == name)


def _adbench(name: str) -> pd.DataFrame:
    entry = find_entry(name)
    assert entry is not None
    X, y = load_arrays(entry)
    return pd.DataFrame(X, columns=[f"x{number}" for number in range(X.shape[1])]).assign(y=y.ravel())


def _frame(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame


def _raw(name: str) -> Callable[[], str]:
    """Return a loader of a file of scikit-learn without its first line, which holds counts and class names."""
    return lambda: _packaged("scikit-learn", name).read_text().partition("\n")[2]


TABLES = (
    RealTable("breast cancer (scikit-learn)", cancer, "target", "malignant"),
    RealTable("wine (scikit-learn)", _frame("wine"), "target", "2"),
    RealTable("breast_cancer.csv (scikit-learn's file)", _raw("breast_cancer.csv"), "31", "0"),
    RealTable("wine_data.csv (scikit-learn's file)", _raw("wine_data.csv"), "14", "2"),
    RealTable("iris.csv (scikit-learn's file)", _raw("iris.csv"), "5", "2"),
    RealTable("digits.csv.gz (scikit-learn's file)", lambda: _packaged("scikit-learn", "digits.csv.gz"), "65", "3"),
    RealTable("penguins.csv (palmerpenguins)", penguins, "species", "Chinstrap"),
    RealTable(
        "penguins-raw.csv (palmerpenguins)",
        lambda: penguins(raw=True),
        "Species",
        "Chinstrap penguin (Pygoscelis antarctica)",
    ),
    RealTable("tips.csv.gz (plotly)", lambda: _packaged("plotly", "tips.csv.gz"), "smoker", "Yes"),
    RealTable("gapminder.csv.gz (plotly)", lambda: _packaged("plotly", "gapminder.csv.gz"), "continent", "Oceania"),
    RealTable("election.csv.gz (plotly)", lambda: _packaged("plotly", "election.csv.gz"), "winner", "Joly"),
    RealTable("cardio (ADBench, as CSV)", lambda: _adbench("6_cardio"), "y", "1"),
)


def write_halves(table: RealTable, folder: Path) -> tuple[str, pd.DataFrame]:
    """Write every second row of a table to train.csv, the others to new.csv; return the URI to fit, and the table."""
    source = table.load()
    path = folder / "all.csv"
    match source:
        case Path():
            path = source
        case str():
            path.write_text(source)
        case _:
            source.to_csv(path, index=False)
    read = read_table(path)
    for name, rows in (("train", slice(0, None, 2)), ("new", slice(1, None, 2))):
        read.iloc[rows].to_csv(folder / f"{name}.csv", index=False)
    profile = profile_table(read)
    columns = [column for column in profile.columns if column.name != table.label]
    without = ",".join(own.name for own in columns if not own.usable or own.name in profile.identifiers)
    choices = f"label={table.label}&anomaly={table.anomaly}&without={without}&categories=one_hot&missing=impute"
    return f"train.csv?{choices}", read


def fit_and_score(table: RealTable, folder: Path) -> dict[str, object]:
    """Guess the label of a table, fit every second row and score the others; return a line of the report."""
    uri, read = write_halves(table, folder)
    guess = suggest_schema(profile_table(read))
    _run(folder, "fit", uri, "--anomaly-only", "--out", "d.safetensors")
    _run(folder, "score", "d.safetensors", "new.csv", "--id", table.label, "--out", "scores.csv")
    scores = pd.read_csv(folder / "scores.csv", dtype={table.label: str})
    truth = scores[table.label] == table.anomaly
    return {
        "table": table.name,
        "rows": len(read),
        "anomalies": f"{table.label} = {table.anomaly}",
        "label guessed": "yes" if guess.label == table.label else f"no: {guess.label or 'none'}",
        "anomalies guessed": "yes"
        if guess.anomaly == (table.anomaly,)
        else f"no: {', '.join(guess.anomaly) or 'none'}",
        "AUCROC": f"{roc_auc_score(truth, scores['score']):.2f}",
        "flagged": f"{int(scores['flagged'][truth].sum())} of {int(truth.sum())}",
        "others flagged": f"{scores['flagged'][~truth].mean():.1%}",
    }


def _right(guess: str, chosen: str) -> str:
    return "yes" if guess == chosen else f"no: {guess or 'none'}"


def _run(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "anoonly_core", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr}")


def _lines() -> Iterator[dict[str, object]]:
    for table in TABLES:
        with tempfile.TemporaryDirectory() as folder:
            yield fit_and_score(table, Path(folder))


if __name__ == "__main__":
    guesses = []
    for line in _lines():
        if not guesses:
            print("|", " | ".join(line), "|")
            print(f"|{'---|' * len(line)}")
        guesses.append(line["label guessed"] == "yes")
        print("|", " | ".join(map(str, line.values())), "|", flush=True)
    print(f"\nLabel guessed rightly: {sum(guesses)} of {len(guesses)}")
