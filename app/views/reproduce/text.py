"""The sentences of Reproduce, made from its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.reproduction.cells import Cell, signed
from anoonly_core.reproduction.differences import VERDICTS, PublishedDifference
from anoonly_core.reproduction.experiments import ANOONLY, SOURCES
from anoonly_core.reproduction.families import PAPER_FAMILIES
from anoonly_core.reproduction.significance import Gain
from anoonly_core.reproduction.tables import Table

__all__ = ["NO_RESULT", "differences_sentence", "figure_sentence", "gains_sentence", "norms_sentence"]


NO_RESULT = "Nothing of this has been measured on these data sets."


def gains_sentence(gains: Sequence[Gain], metric_words: str, source: str) -> str:
    """Return how often AnoOnly helps and hurts, and where most, over heads and the paper's data sets.

    Parameters
    ----------
    gains : sequence of Gain
        The paired differences of all heads and data sets.
    metric_words : str
        The name of the metric.
    reading : str
        A key of SOURCES: "text" or "code".
    """
    cells = [gain for gain in gains if gain.scope in PAPER_FAMILIES]
    if not cells:
        return NO_RESULT
    helps = [gain for gain in cells if gain.is_clear and gain.mean > 0]
    hurts = [gain for gain in cells if gain.is_clear and gain.mean < 0]
    sentence = (
        f"{SOURCES[source].capitalize()}, AnoOnly clearly raises the {metric_words} in {len(helps)} of {len(cells)} "
        f"pairs of head and data set and clearly lowers it in {len(hurts)}"
    )
    for verb, some in (("gains", helps), ("loses", hurts)):
        if some:
            furthest = max(some, key=lambda gain: abs(gain.mean))
            sentence += f"; **{furthest.head}** {verb} most, {furthest.text()} points on {furthest.where}"
    return f"{sentence}."


def norms_sentence(table: Table) -> str:
    """Return AnoOnly with batch norm against the full loss with its best norm, in the table as it is shown."""
    anoonly = table.cells.get((NORM_LABELS["batch"], "DeepSAD + AnoOnly"))
    rivals = [(row, table.cells[row, "DeepSAD"]) for row in table.rows if (row, "DeepSAD") in table.cells]
    if anoonly is None or not rivals:
        return NO_RESULT
    best, rival = max(rivals, key=lambda rival: rival[1].mean)
    without = [
        f"{words} {table.cells[words, 'DeepSAD + AnoOnly'].text()}"
        for words in (NORM_LABELS[norm] for norm in ("layer", "none"))
        if (words, "DeepSAD + AnoOnly") in table.cells
    ]
    return (
        f"**DeepSAD + AnoOnly** reaches {anoonly.text()} with batch norm ({', '.join(without)}); with its full loss "
        f"DeepSAD is best with {best}, {rival.text()}: {_difference(rival, anoonly)[0]} points for AnoOnly."
    )


def figure_sentence(name: str, table: Table) -> str:
    """Return the effect of AnoOnly along a figure; the cost of a dirty pool for Fig. 8, the best λₙ for Fig. 7."""
    cells = {row: {c: table.cells[row, c] for c in table.columns if (row, c) in table.cells} for row in table.rows}
    if name == "fig7":
        clauses = [_best(row, line) for row, line in cells.items() if len(line) > 1]
    else:
        pairs = {row: f"{row}{ANOONLY}" for row in cells if f"{row}{ANOONLY}" in cells}
        words = _cost if name == "fig8" else _ahead
        clauses = [clause for row, pair in pairs.items() if (clause := words(row, cells[row], cells[pair]))]
    if not clauses:
        return NO_RESULT
    before = "What the unlabeled anomalies in the pool cost, in points of AUCROC: " if name == "fig8" else ""
    return f"{before}{'; '.join(clauses)}."


def _difference(before: Cell, after: Cell) -> tuple[str, bool, float]:
    """Return the mean difference of two cells: as text with its 95 % interval over seeds, if it is clear, in points."""
    points = after.mean - before.mean
    if len(before.values) != len(after.values):
        return signed(points), False, points
    half = margin_of_error([later - earlier for later, earlier in zip(after.values, before.values, strict=True)])
    if half is None:
        return signed(points), False, points
    return f"{signed(points)} ± {half:.1f}", abs(points) > half, points


def _best(row: str, cells: Mapping[str, Cell]) -> str:
    first = next(iter(cells))
    best = max(cells, key=lambda column: cells[column].mean)
    if best == first:
        return f"**{row}** is best at λₙ = {first}, {cells[first].text()}"
    change, clear, _ = _difference(cells[first], cells[best])
    doubt = "" if clear else ", no clear difference"
    return f"**{row}** is best at λₙ = {best}, {cells[best].text()}, {change} against λₙ = {first}{doubt}"


def _cost(row: str, plain: Mapping[str, Cell], anoonly: Mapping[str, Cell]) -> str:
    if min(len(plain), len(anoonly)) < 2:
        return ""
    alone, with_it = (_difference(*list(line.values())[1::-1])[0].removeprefix("+") for line in (plain, anoonly))
    return f"**{row}** {alone} alone, {with_it} with AnoOnly"


def _ahead(row: str, plain: Mapping[str, Cell], anoonly: Mapping[str, Cell]) -> str:
    differences = {column: _difference(plain[column], anoonly[column]) for column in plain if column in anoonly}
    if not differences:
        return ""
    ahead = sum(clear and points > 0 for _, clear, points in differences.values())
    behind = sum(clear and points < 0 for _, clear, points in differences.values())
    furthest = max(differences, key=lambda column: abs(differences[column][2]))
    return (
        f"**{row} + AnoOnly** is clearly ahead of {row} at {ahead} of {len(differences)} values and clearly behind at "
        f"{behind}; the largest difference, {differences[furthest][0]}, is at {furthest}"
    )


def differences_sentence(code: Sequence[PublishedDifference], paper: Sequence[PublishedDifference]) -> str:
    """Return how many of our values agree with the published ones, and how many of the others are explained."""

    def counted(differences: Sequence[PublishedDifference]) -> str:
        counts = Counter(difference.verdict for difference in differences)
        return ", ".join(f"{counts[name]} {words}" for name, words in VERDICTS.items() if counts[name])

    if not code and not paper:
        return NO_RESULT
    return (
        f"Of {len(code)} figures of the authors' code that we measured again: {counted(code)}. "
        f"Of {len(paper)} printed in Table 1: {counted(paper)}."
    )
