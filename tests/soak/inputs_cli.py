"""Invalid input on the command line, for every declared option of every command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from anoonly_core.baselines import BASELINES, GRADIENT_SHARES, NORM_LABELS
from anoonly_core.cli import main as cli
from anoonly_core.cli.weak_supervision import QUESTION
from anoonly_core.drift.config import SCHEDULES
from anoonly_core.drift.detectors import DETECTORS, SIGNALS
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.ways import GUARDS
from anoonly_core.purify.config import POOL_SCORERS
from anoonly_core.reproduction.experiments import SYSTEMS
from anoonly_core.sweeps.presets import SWEEP_PRESETS
from tests.soak.command import Commands
from tests.soak.odd import FOREIGN, for_each, fuzz_texts
from tests.soak.tally import Tally

__all__ = ["PLAUSIBLE", "commands", "fuzz_commands", "invocations", "quick_invocations"]

TABLES = ("table.csv", "table.csv?label=y", "words.csv?label=kind&anomaly=a", "words.csv", "broken.csv", "absent.csv")
# Plausible values by the destination of the option; other options get invalid values only.
PLAUSIBLE: Mapping[str, tuple[str, ...]] = {
    "dataset": ("digits_3", "digits_only_3", "breast_cancer", "CIFAR10_0", *TABLES),
    "baseline": tuple(BASELINES),
    "lambda_n": ("1", "0", "0.5", "1e-4", "1,0"),
    "norm": tuple(NORM_LABELS),
    "batch_size": ("1", "2", "128", "65536", "4,8"),
    "epochs": ("1", "2", "10000"),
    "learning_rate": ("1e-3", "1", "1e-300"),
    "labeled_ratio": ("0.01", "0.5", "1", "1e-300"),
    "normal_ratio": ("0.01", "1", "1e-300"),
    "contamination": ("natural", "0", "0.2", "0.8"),
    "preset": ("paper", "published_code"),
    "protocol": ("leak_free", "published"),
    "seed": ("0", "1", "2147483647"),
    **dict.fromkeys(GRADIENT_SHARES, ("1", "0", "0.5", "1,0")),
    "grad_place": ("all", "first", "last", "all,first"),
    "norm_strength": ("0", "1", "16", "0.5", "4,32", "1e6"),
    "labeled_anomalies": ("1", "5", "1000000", "1,2"),
    "labeled_normals": ("0", "3", "1000000"),
    "labeled_normal_ratio": ("0", "1", "1000"),
    "unlabeled_ratio": ("0", "0.5", "1"),
    "flipped_anomalies": ("0", "0.5", "1"),
    "flipped_normals": ("0", "0.01", "1"),
    "unseen_types": ("0", "1", "1000"),
    "seeds": ("1", "2", "1000"),
    "device": ("auto", "cpu", "cuda"),
    "question": (*SWEEP_PRESETS, QUESTION),
    "plugin": ("table.csv", "absent.py", "folder"),
    "workers": ("1", "2", "256"),
    "cluster": ("tcp://127.0.0.1:9", "127.0.0.1:9", "tcp://localhost:99999", "ftp://127.0.0.1:9"),
    "out": (
        "out.csv",
        "out.parquet",
        "out.safetensors",
        "out.npz",
        "out.txt",
        "absent/out.csv",
        "folder",
        "../../out.csv",
        "table.csv",
        "m/out.csv",
    ),
    "wsadbench": ("out.jsonl", "absent/out.jsonl", "table.csv", "folder"),
    "results": ("results.csv", "absent/results.csv", "table.csv", "folder"),
    "names": ("table1", "fig9", "leak", "differences", "all", "CIFAR10_0", "6_cardio", "digits_3", "CV_by_ResNet18"),
    "datasets": ("CIFAR10_0", "MVTec-AD_bottle,SVHN_0", "6_cardio"),
    "baselines": (*SYSTEMS, ",".join(SYSTEMS)),
    "scorer": tuple(POOL_SCORERS),
    "parts": ("1", "3", "20"),
    "remove": ("0", "0.2", "0.95"),
    "table": ("digits", "MVTec-AD", *TABLES),
    "column": ("kind", "y", "a"),
    "held_out": ("9", "5,6,7,8,9", "7,7"),
    "meta": ("0,1", "0,1,2", "9,0,1", "0"),
    "objective": ("svdd", "bce"),
    "tasks": ("1", "64"),
    "rows": ("8", "512"),
    "normal_share": ("0.5", "0.98"),
    "steps": ("1", "5000"),
    "test_rows": ("2", "1000"),
    "model": ("model.safetensors", "table.csv", "absent.safetensors", "empty.safetensors"),
    "name": ("run", "zero-shot", "absent"),
    "shell": ("bash", "fish", "absent"),
    "file": ("table.csv", "rows.npz", "words.csv", "broken.csv", "absent.csv", "empty.csv"),
    "files": ("absent.jsonl", "table.csv", "empty.csv", "folder"),
    "source": ("words.csv", "table.csv", "broken.csv", "folder", "absent.zip"),
    "encoder": ("pixels", "words", "onnx-images", "onnx-texts", "absent"),
    "weights": ("random", "table.csv", "folder", "absent.onnx"),
    "text": ("kind", "a", "absent"),
    "label": ("none", "y", "kind", "table.csv", "absent"),
    "anomaly": ("a", "1", "absent"),
    "resize": ("0", "32", "256"),
    "crop": ("1", "32", "224"),
    "mean": ("0,0,0", "0.485,0.456,0.406"),
    "std": ("1,1,1", "0,1,1"),
    "interpolation": ("bilinear", "bicubic"),
    "max_tokens": ("1", "256"),
    "minutes": ("0", "1", "0.001"),
    "threshold": ("0", "1.5", "-1e300"),
    "top": ("1", "20", "1000000"),
    "share": ("0.01", "0.5", "1"),
    "explain": ("1", "20", "1000000"),
    "flagged_share": ("0.01", "0.1", "0.5"),
    "hold_back": ("folds", "split", "cross"),
    "prevalence": ("0.001", "0.5", "0.6"),
    "rule_false_alarms": ("0.001", "0.1", "0.5"),
    "rule_fdr": ("0.001", "0.1", "0.5"),
    "rule_fdr_storey": ("0.001", "0.1", "0.5"),
    "rule_pool_share": ("0.001", "0.1", "0.5"),
    "rule_iqr": ("0.5", "2", "1e300"),
    "rule_cost": ("0.1", "10", "1e6"),
    "ids": ("a", "y", "row", "absent"),
    "systems": ("DeepSAD", "LogisticRegression; DeepSAD + AnoOnly", "all"),
    "labels": ("1", "10", "1000000"),
    "counts": ("1", "1,2,5", "50,10"),
    "rules": ("highest", "mix,random", "disagreement"),
    "rounds": ("1", "2", "100"),
    "known": ("0", "1", "1000"),
    "max_rows": ("20", "100", "3000"),
    "shift": tuple(SHIFTS),
    "schedule": SCHEDULES,
    "amount": ("0", "0.5", "10"),
    "start": ("1", "3", "999"),
    "period": ("1", "1000"),
    "batches": ("2", "10", "1000"),
    "anomaly_share": ("0", "0.2", "0.9"),
    "alpha": ("0", "0.5", "1"),
    "rate": ("0", "0.1", "1"),
    "guard": tuple(GUARDS),
    "retrain_every": ("0", "1", "1000"),
    "level": ("0.01", "0.05", "0.5"),
    "detector": tuple(DETECTORS),
    "signal": tuple(SIGNALS),
}
PATHS = ("out", "results", "wsadbench")  # output files stay in the folder of the test
# Settings that keep training short.
SHORT: Mapping[str, tuple[str, ...]] = {
    "run": ("--epochs", "1", "--seeds", "1"),
    "sweep": ("--epochs", "1", "--seeds", "1", "--workers", "1", "--lambda-n", "1,0"),
    "purify": ("--epochs", "1", "--seeds", "1", "--parts", "1"),
    "drift": ("--epochs", "1", "--seeds", "1", "--batches", "3", "--rows", "8", "--retrain-every", "0"),
    "zero-shot": ("--steps", "2", "--tasks", "2", "--rows", "20", "--seeds", "1", "--held-out", "8,9"),
    "reproduce": ("--shipped",),
}


@dataclass(frozen=True)
class Command:
    """A command with its positional and optional arguments."""

    name: str
    by_place: tuple[argparse.Action, ...]
    by_name: tuple[argparse.Action, ...]


def commands() -> dict[str, Command]:
    """Return all commands by name; "" is the program without one. `app` is left out: Streamlit reads its arguments."""
    parser = cli._parser()
    choices: dict[str, Any] = next(
        action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    return {name: _command(name, own) for name, own in {"": parser, **choices}.items() if name != "app"}


def _command(name: str, parser: argparse.ArgumentParser) -> Command:
    actions = [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]
    return Command(
        name,
        tuple(action for action in actions if not action.option_strings),
        tuple(action for action in actions if action.option_strings),
    )


@st.composite
def invocations(draw: st.DrawFn, command: Command) -> tuple[str, ...]:
    """Draw arguments of a command: positional ones and some options, some twice, in any order.

    Half of the invocations have only invalid values, the others one.
    """
    taken = [action for action in command.by_name if action.dest not in ("help", "version") or draw(_seldom)]
    asked = [*command.by_place, *(draw(st.lists(st.sampled_from(taken), max_size=4)) if taken else ())]
    odd = range(len(asked)) if draw(st.booleans()) else [draw(st.integers(0, max(len(asked) - 1, 0)))]
    parts = [draw(_written(action, place in odd)) for place, action in enumerate(asked)]
    if draw(_seldom) or not command.name:
        parts.append((draw(fuzz_texts(["--lr=1", "-x", "--", "@file", "--out"])),))
    ordered = draw(st.permutations(parts))
    return (*([command.name] if command.name else []), *(text for part in ordered for text in part))


def quick_invocations(command: Command) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw arguments of a command that trains briefly, with one more option that may be invalid."""
    short = SHORT[command.name]
    others = [own for own in command.by_name if own.nargs != 0 and not {*own.option_strings} & {*short}]
    one = st.sampled_from(others).flatmap(lambda action: _written(action, odd=True))
    places = [st.sampled_from(PLAUSIBLE[action.dest][:3]) for action in command.by_place]
    return st.tuples(st.tuples(*places), one).map(lambda drawn: (command.name, *drawn[0], *drawn[1], *short))


_seldom = st.integers(0, 9).map(lambda number: number == 0)


def _written(action: argparse.Action, odd: bool) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw an option with its value, if it takes one."""
    plausible = PLAUSIBLE.get(action.dest, ())
    value = _values(action.dest, plausible) if odd or not plausible else st.sampled_from(plausible)
    if not action.option_strings:
        return st.lists(value, min_size=1, max_size=2 if action.nargs == "+" else 1).map(tuple)
    flag = st.sampled_from(action.option_strings)
    if action.nargs == 0:
        return flag.map(lambda own: (own,))
    pair = st.tuples(flag, value)
    return st.one_of(pair, pair.map(lambda own: (f"{own[0]}={own[1]}",)))


def _values(name: str, plausible: tuple[str, ...]) -> st.SearchStrategy[str]:
    known = fuzz_texts(plausible)
    found = st.one_of(known, known, known, known, known, st.sampled_from(FOREIGN))
    return found.map(_relative) if name in PATHS else found


def _relative(path: str) -> str:
    """Return the path relative to the folder of the commands, which is so deep that a few `..` stay inside."""
    return path.lstrip("/")


@contextmanager
def _serving(folder: Path) -> Iterator[Commands]:
    running = Commands(folder)
    try:
        yield running
    finally:
        running.close()


def fuzz_commands(folder: Path, cases: int, really: int, only: str | None = None) -> list[Tally]:
    """Run a number of cases of each command without training, and some that train; return one tally per command."""
    found = []
    with _serving(folder) as running:
        for name, command in commands().items():
            if only is not None and name != only:
                continue
            tally = Tally(f"`{name or '(none)'}`")
            for_each(invocations(command), cases, lambda own, tally=tally: tally.take(running.run(own, trains=False)))
            if name in SHORT and really:
                for_each(
                    quick_invocations(command),
                    really,
                    lambda own, tally=tally: tally.take(running.run(own, trains=True)),
                )
            found.append(tally)
    return found
