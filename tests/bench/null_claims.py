"""Share of the pages' sentences that claim a difference in settings where nothing differs.

    python -m tests.bench.null_claims --draws 4000

Each draw makes every setting of a sentence from the same distribution, five seeds each. "Before" judges each
comparison by its own 95 % interval, "after" is the sentence as the page shows it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from anoonly_core.metrics.confidence import margin_of_error, margin_over_splits, p_of_mean
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.reproduction.cells import Cell
from anoonly_core.reproduction.experiments import ANOONLY, HEADS
from anoonly_core.reproduction.families import PAPER_FAMILIES
from anoonly_core.reproduction.significance import TEST_SHARE, Gain
from anoonly_core.reproduction.tables import Table
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.sweep import make_sweep
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, ZeroShotResult
from app.text.verdict import paired_difference
from app.views.reproduce.text import figure_sentence, gains_sentence
from app.views.sweep.curves import make_curves, sweep_sentence
from app.views.zero_shot.charts import zero_shot_sentence

SEEDS = 5
Claims = tuple[bool, bool]  # before, after


def _counts(sentence: str) -> Claims:
    """Read the counts of clear differences in front of and inside the brackets of a sentence."""
    after = [int(n) for n in re.findall(r"(?:ahead of \w+|behind|better than its baseline|worse) at (\d+)", sentence)]
    after += [int(n) for n in re.findall(r"clearly (?:raises|lowers) [\w ]*?in (\d+)", sentence)]
    before = [int(n) for pair in re.findall(r"uncorrected: (\d+) and (\d+)", sentence) for n in pair]
    return any(before or after), any(after)


def _largest(sentence: str) -> Claims:
    """Judge the largest difference that a sentence names."""
    found = re.findall(r"largest difference, ([+−]?[\d.]+) ± ([\d.]+),?( no clear| not clear)?", sentence)
    before = [abs(float(mean.replace("−", "-"))) > float(half) for mean, half, _ in found]
    return any(before), any(not doubt for *_, doubt in found)


def _cell(values: np.ndarray) -> Cell:
    return Cell(tuple(values), ("SVHN_0",), 10, None, None, ())


def _table(columns: tuple[str, ...], rng: np.random.Generator, rows: tuple[str, ...]) -> Table:
    cells = {(row, column): _cell(50 + 10 * rng.normal(size=SEEDS)) for row in rows for column in columns}
    return cast("Table", SimpleNamespace(rows=rows, columns=columns, cells=cells, source="text"))


def gains(rng: np.random.Generator) -> Mapping[str, Claims]:
    """Reproduce, Table 1: four heads on four data sets."""
    made = []
    for head in HEADS:
        for family in PAPER_FAMILIES[:4]:
            values = (10 * rng.normal(size=SEEDS)).tolist()
            margin, p, splits = margin_of_error(values), p_of_mean(values), margin_over_splits(values, TEST_SHARE)
            made.append(Gain(head, family, float(np.mean(values)), margin, 5, 1, 10, 0, None, None, p, splits))
    return {"Reproduce, gains: raises or lowers": _counts(gains_sentence(made, "AUCROC", "text"))}


def figure(rng: np.random.Generator) -> Mapping[str, Claims]:
    """Reproduce, Fig. 5: two heads at eight values."""
    rows = ("DeepSAD", f"DeepSAD{ANOONLY}", "DevNet", f"DevNet{ANOONLY}")
    sentence = figure_sentence("fig5", _table(tuple("12345678"), rng, rows))
    return {
        "Reproduce, figures: ahead or behind": _counts(sentence),
        "Reproduce, figures: largest difference": _largest(sentence),
    }


def best(rng: np.random.Generator) -> Mapping[str, Claims]:
    """Reproduce, Fig. 7: one head at eight λ_n."""
    sentence = figure_sentence("fig7", _table(tuple("12345678"), rng, ("DeepSAD",)))
    after = "a clear difference" in sentence
    return {"Reproduce, Fig. 7: highest mean at": (after or "clear only uncorrected" in sentence, after)}


SWEEP = make_sweep({}, [("labeled_ratio", [n / 10 for n in range(1, 9)]), ("lambda_n", [1, 0])], SEEDS)


def sweep(rng: np.random.Generator) -> Mapping[str, Claims]:
    """Sweep: one system at eight values."""
    runs = {
        key: RunSummary(key, {}, "cpu", dict.fromkeys(METRICS, float(10 * rng.normal())), {}, {}, 0.0, False, 0)
        for key in SWEEP.configs
    }
    sentence = sweep_sentence(SWEEP, make_curves(SWEEP, runs, "aucroc"), "aucroc")
    return {"Sweep: better or worse": _counts(sentence), "Sweep: largest difference": _largest(sentence)}


def zero_shot(classes: int) -> Callable[[np.random.Generator], Mapping[str, Claims]]:
    """Zero-shot: effects of a class and of a seed of equal size, none of a scorer."""

    def draw(rng: np.random.Generator) -> Mapping[str, Claims]:
        shape = (SEEDS, len(SCORER_LABELS), len(RATIOS), classes, 1)
        areas = 0.5 + rng.normal(size=shape)
        areas += rng.normal(size=(1, *shape[1:]))  # the class, the same in all seeds
        results = [cast("ZeroShotResult", SimpleNamespace(by_ratio=run)) for run in areas]
        sentence = zero_shot_sentence(results)
        words = ("beat running", "lose to running", "adds to", "takes from", "do better", "do worse", "does ")
        after = any(word in sentence.replace("does not", "") for word in words)
        pairs = areas[:, :, RATIOS.index(0.05), :, 0]
        by_scorer: dict[str, Any] = {name: pairs[:, index].ravel() for index, name in enumerate(SCORER_LABELS)}
        rival = max(("neighbors", "mean"), key=lambda name: float(by_scorer[name].mean()))
        names = ("running", "untrained", rival)
        before = any(paired_difference(by_scorer[name], by_scorer["batch"]).is_clear for name in names)
        return {f"Zero-shot, {classes} classes: any of three verdicts": (before, after)}

    return draw


DRAWS = (gains, figure, best, sweep, zero_shot(3), zero_shot(5))


def shares(draws: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the share of draws in which each sentence claims something: before and after, float64 [2]."""
    rng = np.random.default_rng(seed)
    claims: dict[str, list[Claims]] = {}
    for _ in range(draws):
        for draw in DRAWS:
            for name, claim in draw(rng).items():
                claims.setdefault(name, []).append(claim)
    return {name: np.mean(found, axis=0) for name, found in claims.items()}


def main() -> None:
    """Print the shares as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000, help="draws of each sentence; default: 4000")
    print("| Sentence | before | after |\n|---|---|---|")
    for name, (before, after) in shares(parser.parse_args().draws).items():
        print(f"| {name} | {before:.1%} | {after:.1%} |")


if __name__ == "__main__":
    main()
